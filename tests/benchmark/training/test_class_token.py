"""Training of a network whose classifier reads its class token."""

import pytest
import torch

import locus
from locus.backbones import weight_files
from locus.benchmark.training import fit
from locus.core.errors import BadValueError

FLAGS = {"backbone": "small_vit:class_token=True", "global_pool": "TOKEN"}


@pytest.mark.contract
def test_a_network_with_a_class_token_is_trained_loaded_and_probed(tiny_in, tmp_path):
    first = fit(tiny_in(tmp_path, **FLAGS, epochs=1), tmp_path / "first")
    before = weight_files.weights(first)
    loaded = locus.load(first / "best.ckpt")
    assert (loaded.build_options["name"], loaded.pooling, loaded.layer) == (FLAGS["backbone"], "TOKEN", "blocks.5.norm1")
    assert all(torch.equal(value, before[name]) for name, value in loaded.state_dict().items())
    probe = fit(tiny_in(tmp_path, **FLAGS, init_from=str(first / "best.ckpt"), freeze=True, epochs=1), tmp_path / "probe")
    after = weight_files.weights(probe)
    assert all(torch.equal(before[name], after[name]) for name in after if name.startswith("extractor."))
    assert not torch.equal(before["head.linear.weight"], after["head.linear.weight"])


def test_a_wrong_pooling_is_refused_before_anything_is_written(tiny_in, tmp_path):
    with pytest.raises(BadValueError, match=r"class token.*--global_pool TOKEN"):
        fit(tiny_in(tmp_path, **FLAGS | {"global_pool": "AVG"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
