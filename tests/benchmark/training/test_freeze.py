"""A linear probe: the backbone stays as it was, and what follows it learns."""

import pytest
import torch

from locus.backbones import weight_files
from locus.benchmark import opening
from locus.benchmark.training import fit
from locus.core.errors import BadValueError

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_a_frozen_backbone_keeps_its_weights_and_statistics_and_its_head_learns(tiny_in, tmp_path, ema):
    first = fit(tiny_in(tmp_path), tmp_path / "first")
    start = str(first / "best.ckpt")
    probe = fit(tiny_in(tmp_path, init_from=start, freeze=True, global_pool="PCAM", ema=ema), tmp_path / "probe")
    before, after = weight_files.weights(first), weight_files.weights(probe)
    frozen = [name for name in after if name.startswith("extractor.")]
    assert len(frozen) > 20
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    initial = fit(tiny_in(tmp_path, init_from=start, freeze=True, global_pool="PCAM", epochs=1, lr=0.0), tmp_path / "initial")
    untrained = weight_files.weights(initial)
    assert all(torch.equal(untrained[name], after[name]) for name in frozen)
    assert any(not torch.equal(untrained[name], after[name]) for name in after if name.startswith("head."))
    assert opening.checkpoint(probe).config.freeze is True


def test_a_vision_transformer_is_probed_over_its_patch_tokens(tiny_in, tmp_path):
    first = fit(tiny_in(tmp_path, backbone="small_vit", epochs=1), tmp_path / "first")
    flags = {"backbone": "small_vit", "init_from": str(first / "best.ckpt"), "freeze": True, "global_pool": "LSE"}
    probe = fit(tiny_in(tmp_path, **flags), tmp_path / "probe")
    before, after = weight_files.weights(first), weight_files.weights(probe)
    assert all(torch.equal(before[name], after[name]) for name in after if name.startswith("extractor."))


def test_random_weights_are_not_frozen(tiny_in, tmp_path):
    with pytest.raises(BadValueError, match=r"--freeze keeps random weights.*--pretrained or --init_from"):
        tiny_in(tmp_path, freeze=True)
