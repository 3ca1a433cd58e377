"""Weights of other projects."""

import argparse
import logging

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision

import backbones
from benchmark.training import load, load_weights
from core.errors import DataError


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=8).eval()


@pytest.mark.byhand
def test_extra_content_of_other_checkpoints_is_accepted(net, tmp_path):
    """jfhealthcare keeps scores as numpy's numbers, X_RAY says model_state_dict, others keep the flags."""
    state, score = net.state_dict(), np.array([0.9, 0.7]).mean()
    contents = {
        "bare.pth": state,
        "jf.ckpt": {"state_dict": state, "epoch": 1, "auc_dev_best": score, "acc": np.float32(0.5)},
        "x_ray.pth": {"model_state_dict": state, "best_va_acc": score, "epoch": 3},
        "flags.pth": {"model": state, "args": argparse.Namespace(lr=0.1)},
        "loss.ckpt": {"state_dict": {**state, "criterion.pos_weight": torch.ones(8)}},
        "other.pth": {"net": state, "epoch": 2},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
    safetensors.torch.save_file(state, tmp_path / "bare.safetensors")
    images = torch.randn(2, 3, 64, 64)
    for path in tmp_path.iterdir():
        model = backbones.build("resnet18", 8).eval()
        load_weights.load(model, load.weights(path), path)
        with torch.no_grad():
            assert torch.allclose(model(images), net(images), atol=1e-5), path.name


@pytest.mark.byhand
def test_pickled_network_is_refused_with_advice(net, tmp_path):
    torch.save(net, tmp_path / "whole.pth")
    facts = r"whole\.pth.*torchvision\.models\.resnet\.ResNet.*torch\.save\(network\.state_dict"
    with pytest.raises(DataError, match=facts):
        load.checkpoint(tmp_path / "whole.pth")


@pytest.mark.byhand
def test_keras_file_is_recognised(tmp_path):
    (tmp_path / "pretrained_model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match=r"pretrained_model\.h5.*Keras"):
        load.checkpoint(tmp_path / "pretrained_model.h5")


@pytest.mark.byhand
def test_missing_and_unexpected_weights_are_counted(net, tmp_path):
    state = net.state_dict()
    for name in ("layer1.0.conv1.weight", "layer2.0.bn1.bias"):
        state[f"else.{name}"] = state.pop(name)
    del state["fc.bias"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(DataError, match=r"part\.pth.* 3 of 122 .*head\.linear\.bias\).* 2 .*\(else\."):
        load_weights.load(backbones.build("resnet18", 8), load.weights(tmp_path / "part.pth"), tmp_path / "part.pth")
    with pytest.raises(DataError, match=r"--init_from .*part\.pth.*resnet18.*AVG.* 8 .* 2 of 122 .* 2 "):
        load_weights.load(backbones.build("resnet18", 8), load.weights(tmp_path / "part.pth"), tmp_path / "part.pth", initial=True)


@pytest.mark.byhand
def test_swapped_weights_of_other_shapes_are_refused(net, tmp_path):
    state = net.state_dict()
    state["layer1.0.conv1.weight"], state["layer2.0.conv1.weight"] = state["layer2.0.conv1.weight"], state["layer1.0.conv1.weight"]
    torch.save(state, tmp_path / "swapped.pth")
    swapped = load.weights(tmp_path / "swapped.pth")
    with pytest.raises(DataError, match=r"swapped\.pth.* 2 of 122 .*layer1\.0\.conv1.*layer2\.0\.conv1"):
        load_weights.load(backbones.build("resnet18", 8), swapped, tmp_path / "swapped.pth")


@pytest.mark.byhand
@pytest.mark.parametrize(("findings", "new"), [(8, False), (14, True)])
def test_a_training_starts_from_them_with_the_same_or_another_head(net, tmp_path, caplog, findings, new):
    torch.save({f"module.{name}": value for name, value in net.state_dict().items()}, tmp_path / "parallel.pth")
    model = backbones.build("resnet18", findings, "LSE")
    with caplog.at_level(logging.INFO):
        load_weights.load(model, load.weights(tmp_path / "parallel.pth"), tmp_path / "parallel.pth", initial=True)
    assert torch.equal(model.state_dict()["extractor.net.layer4.1.conv2.weight"], net.layer4[1].conv2.weight)
    assert torch.equal(model.weight, net.fc.weight) is not new
    assert ("120 of 122 weights loaded, new: head.linear" in caplog.text) is new


@pytest.mark.byhand
def test_foreign_head_is_ignored_by_init_from_and_refused_by_convert(tmp_path):
    """priyavrat-misra's VGG-16 has three layers behind its maps."""
    model = backbones.build("squeezenet1_1", 4)
    state = {f"features.{name.removeprefix('extractor.')}": value for name, value in model.state_dict().items() if "extractor" in name}
    torch.save({**state, "classifier.0.weight": torch.zeros(9, 9, 2, 2)}, tmp_path / "wide.pth")
    load_weights.load(backbones.build("squeezenet1_1", 4), load.weights(tmp_path / "wide.pth"), tmp_path / "wide.pth", initial=True)
    with pytest.raises(DataError, match=r"wide\.pth.*classifier\.0\.weight.*head.*--init_from"):
        load_weights.load(model, load.weights(tmp_path / "wide.pth"), tmp_path / "wide.pth")
