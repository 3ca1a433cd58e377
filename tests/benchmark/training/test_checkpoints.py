"""Checkpoints rebuild the same model, contain only data, and report errors."""

import contextlib
import logging
import pickle

import numpy as np
import pytest
import torch

import backbones
from benchmark.training import load, load_weights, runs
from core.errors import DataError


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def written(path, config, global_pool="PCAM", num_classes=8, name="custom"):
    """A checkpoint as a run writes it, without the run; returns its model."""
    model = backbones.build(name, num_classes, global_pool).eval()
    findings = tuple(f"F{k}" for k in range(num_classes))
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state, "locus": runs.stamp(config, model, findings)}, path)
    return model


@pytest.mark.contract
@pytest.mark.parametrize("word", ["AVG", "PCAM", "LSE:gamma=3", "AVG_MAX_LSE"])
def test_a_checkpoint_reloads_as_the_same_model(tiny, tmp_path, images, word):
    model = written(tmp_path / "best.ckpt", tiny(), word)
    again = load.network(tmp_path / "best.ckpt")
    config = again.train_config
    assert torch.equal(again(images), model(images))
    assert config == tiny()
    assert not again.training


@pytest.mark.byhand
def test_an_lse_checkpoint_reloads_as_lse(trained, images):
    """Pitfall: an LSE checkpoint rebuilt as MAX is another model."""
    folder = trained(global_pool="LSE", lse_gamma=2.5, epochs=1)
    model = load.network(folder / "best.ckpt")
    config = model.train_config
    assert (model.pooling, config.global_pool) == ("LSE", "LSE")
    as_max = backbones.build("custom", 8, "MAX").eval()
    as_max.load_state_dict(model.state_dict())
    assert model.head.pooling.gamma == 2.5
    assert not torch.allclose(model(images), as_max(images))


class Nasty:
    def __reduce__(self):
        return (exec, ("raise SystemError('code of a checkpoint ran')",))


@pytest.mark.byhand
def test_a_checkpoint_with_code_inside_is_refused_and_runs_nothing(tmp_path):
    """Pitfall: pickle checkpoints run code."""
    torch.save({"state_dict": {}, "locus": Nasty()}, tmp_path / "nasty.ckpt")
    with pytest.raises(DataError, match=r"nasty\.ckpt.*exec.*torch\.save\(network\.state_dict"):
        load.network(tmp_path / "nasty.ckpt")


@pytest.mark.byhand
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps([1, 2])])
def test_damaged_checkpoint_is_an_error(tmp_path, content):
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.ckpt") as caught:
        load.network(tmp_path / "x.ckpt")
    assert "\n" not in str(caught.value)


@pytest.mark.byhand
def test_truncated_checkpoint_is_an_error(tiny, tmp_path):
    written(tmp_path / "x.ckpt", tiny())
    (tmp_path / "x.ckpt").write_bytes((tmp_path / "x.ckpt").read_bytes()[:5000])
    sentence = r"/x\.ckpt cannot be read as a checkpoint \(it is truncated or not a checkpoint\): use another file or train again$"
    with pytest.raises(DataError, match=sentence):
        load.network(tmp_path / "x.ckpt")


@pytest.mark.byhand
def test_mangled_checkpoint_is_an_error(tiny, tmp_path):
    written(tmp_path / "x.ckpt", tiny())
    whole, numbers = (tmp_path / "x.ckpt").read_bytes(), np.random.default_rng(0)
    start = whole.find(b"data.pkl")
    for _ in range(40):
        mangled = bytearray(whole)
        for folder in numbers.integers(start, start + 2000, 5):
            mangled[folder] = numbers.integers(256)
        (tmp_path / "x.ckpt").write_bytes(mangled)
        with contextlib.suppress(DataError):  # whatever else comes out is a bug
            load.checkpoint(tmp_path / "x.ckpt")


@pytest.mark.byhand
def test_a_run_folder_means_its_best_checkpoint(tiny, tmp_path, images):
    model = written(tmp_path / "best.ckpt", tiny())
    again = load.network(tmp_path)
    assert torch.equal(again(images), model(images))


@pytest.mark.byhand
def test_missing_or_foreign_checkpoint_is_an_error(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    sentence = r"^checkpoint '.*/absent\.ckpt' not found: use the path of a \.ckpt file or a run folder$"
    with pytest.raises(DataError, match=sentence):
        load.network(tmp_path / "absent.ckpt")
    with pytest.raises(DataError, match=r"foreign\.ckpt.*main\.py"):
        load.network(tmp_path / "foreign.ckpt")


@pytest.mark.byhand
def test_weights_of_another_architecture_are_refused_by_name(tiny, tmp_path):
    written(tmp_path / "custom.ckpt", tiny())
    with pytest.raises(DataError, match=r"--init_from .*custom\.ckpt.*squeezenet1_1.*PCAM.* 8 .* 50 of 52 "):
        load_weights.load(
            backbones.build("squeezenet1_1", 8, "PCAM"), load.weights(tmp_path / "custom.ckpt"), tmp_path / "custom.ckpt", initial=True
        )
    sentence = (
        r"^custom\.ckpt does not fit custom with PCAM and 3 findings: "
        r"2 of 50 weights are missing or have a different shape \(head\.linear\.weight, head\.linear\.bias\)$"
    )
    with pytest.raises(DataError, match=sentence):
        load_weights.load(backbones.build("custom", 3, "PCAM"), load.weights(tmp_path / "custom.ckpt"), "custom.ckpt")


@pytest.mark.byhand
@pytest.mark.parametrize(("findings", "same_head"), [(8, True), (14, False)])
def test_init_from_loads_matching_weights_and_logs_them(tiny, tmp_path, caplog, findings, same_head):
    source = written(tmp_path / "a.ckpt", tiny())
    model = backbones.build("custom", findings, "AVG")
    with caplog.at_level(logging.INFO):
        load_weights.load(model, load.weights(tmp_path / "a.ckpt"), tmp_path / "a.ckpt", initial=True)
    expected, theirs = model.state_dict(), source.state_dict()
    assert all(torch.equal(expected[name], theirs[name]) for name in expected if not name.startswith("head."))
    assert (expected["head.linear.weight"].shape == theirs["head.linear.weight"].shape) is same_head
    assert "weights loaded" in caplog.text
    assert ("new: head.linear" in caplog.text) is not same_head
