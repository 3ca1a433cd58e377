"""Checkpoints rebuild the same model, contain only data, and report errors; weights of other projects are accepted."""

import argparse
import logging

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision

from locus import backbones
from locus.backbones import weight_files
from locus.benchmark import opening
from locus.benchmark.training import runs
from locus.core.errors import DataError

pytestmark = pytest.mark.byhand
FINDINGS = tuple(f"F{k}" for k in range(8))


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=8).eval()


def written(path, config, global_pool="PCAM"):
    """A checkpoint as a run writes it, without the run; returns its model."""
    model = backbones.build("custom", 8, global_pool).eval()
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state, "locus": runs.stamp(config, model, FINDINGS)}, path)
    return model


def started(path, name="resnet18", findings=8, pool="AVG"):
    """A new network with the initial weights in a file."""
    model = backbones.build(name, findings, pool).eval()
    weight_files.load_initial(model, weight_files.weights(path), path)
    return model


@pytest.mark.contract
@pytest.mark.parametrize("word", ["AVG", "PCAM", "LSE:gamma=3", "AVG_MAX_LSE"])
def test_a_file_or_run_folder_reloads_as_the_same_model(tiny, tmp_path, images, word):
    model = written(tmp_path / "best.ckpt", tiny(), word)
    for path in (tmp_path / "best.ckpt", tmp_path):
        again = opening.load(path)
        assert torch.equal(again(images), model(images))
        assert (again.train_config, again.findings, again.img_size, again.training) == (tiny(), FINDINGS, 64, False)


def test_an_lse_checkpoint_reloads_as_lse(trained, images):
    """Pitfall: an LSE checkpoint rebuilt as MAX is another model."""
    model = opening.load(trained(global_pool="LSE", lse_gamma=2.5, epochs=1))
    assert (model.pooling, model.train_config.global_pool, model.head.pooling.gamma) == ("LSE", "LSE", 2.5)
    as_max = backbones.build("custom", 8, "MAX").eval()
    as_max.load_state_dict(model.state_dict())
    assert not torch.allclose(model(images), as_max(images))


class Nasty:
    def __reduce__(self):
        return (exec, ("raise SystemError('code of a checkpoint ran')",))


@pytest.mark.parametrize("code", ["exec", r"torchvision\.models\.resnet\.ResNet"])
def test_a_checkpoint_with_code_inside_is_refused_with_advice_and_runs_nothing(net, tmp_path, code):
    """Pitfall: pickle checkpoints run code."""
    torch.save({"state_dict": {}, "locus": Nasty()} if code == "exec" else net, tmp_path / "nasty.ckpt")
    with pytest.raises(DataError, match=rf"nasty\.ckpt.*{code}.*torch\.save\(network\.state_dict"):
        opening.load(tmp_path / "nasty.ckpt")


def test_missing_truncated_or_foreign_checkpoint_is_an_error(tiny, tmp_path):
    written(tmp_path / "x.ckpt", tiny())
    (tmp_path / "x.ckpt").write_bytes((tmp_path / "x.ckpt").read_bytes()[:5000])
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    for name, facts in (
        ("x.ckpt", r"/x\.ckpt cannot be read as a checkpoint \(it is truncated or not a checkpoint\)"),
        ("absent.ckpt", r"^checkpoint '.*/absent\.ckpt' not found: .* a run folder, or demo-avg or demo-pcam$"),
        ("foreign.ckpt", r"foreign\.ckpt.*main\.py"),
        ("old.h5", r"old\.h5.*Keras"),
    ):
        with pytest.raises(DataError, match=facts):
            opening.load(tmp_path / name)


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
    for path in tmp_path.iterdir():
        assert torch.equal(started(path).state_dict()["extractor.net.conv1.weight"], net.conv1.weight), path.name


def test_missing_unexpected_and_misshapen_weights_are_counted(tiny, net, tmp_path):
    state = net.state_dict()
    for name in ("layer1.0.conv1.weight", "layer2.0.bn1.bias"):
        state[f"else.{name}"] = state.pop(name)
    torch.save(state, part := tmp_path / "part.pth")
    with pytest.raises(DataError, match=r"--init_from .*part\.pth.*resnet18.*AVG.* 8 .* 2 of 122 .* 2 .*\(else\."):
        started(part)
    written(own := tmp_path / "custom.ckpt", tiny())
    misshapen = r"2 of 50 weights are missing or have a different shape \(head\.linear\.weight, head\.linear\.bias\)$"
    with pytest.raises(DataError, match=rf"custom\.ckpt.*PCAM.*\b3\b.*{misshapen}"):
        weight_files.load(backbones.build("custom", 3, "PCAM"), weight_files.weights(own), own)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "squeezenet1_1"])
def test_a_training_starts_from_torchvisions_names_without_their_head(tmp_path, caplog, name):
    net = torchvision.models.get_model(name)
    torch.save({f"module.{word}": value for word, value in net.state_dict().items()}, tmp_path / "parallel.pth")
    with caplog.at_level(logging.INFO):
        model = started(tmp_path / "parallel.pth", name)
    first = next(net.parameters())
    assert any(torch.equal(value, first) for value in model.state_dict().values())
    assert "weights loaded, new: head.linear.weight, head.linear.bias" in caplog.text


def test_a_deeper_network_and_other_weights_are_refused(tmp_path):
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "deep.pth")
    with pytest.raises(DataError, match=r"deep\.pth.* are unexpected \(layer1\.2"):
        started(tmp_path / "deep.pth")


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        ({"module": {"a": torch.ones(1)}, "epoch": 3}, None),
        ({"student": {"a": torch.ones(1)}, "teacher": {}}, None),
        ({"model": {"a": torch.ones(1)}, "ema": {"a": torch.zeros(1)}}, "model, ema"),
        ({"student": {"a": torch.ones(1)}, "teacher": {"a": torch.zeros(1)}}, "student, teacher"),
        ({"nets": {"a": torch.ones(1)}, "epoch": 3}, "nets.*epoch.*state_dict"),
    ],
)
def test_weights_are_found_under_the_keys_of_usual_tools_or_the_keys_are_named(content, fact):
    if fact is None:
        assert weight_files.extract_weights(content) == {"a": torch.ones(1)}
    else:
        with pytest.raises(DataError, match=fact):
            weight_files.extract_weights(content)
