"""Networks by name: their configuration, and errors for unknown names and values, without importing torch."""

import json
import subprocess
import sys

import pytest
import timm
import torch

from locus import backbones
from locus.backbones import weight_files
from locus.core.errors import BadValueError, UnknownNameError


def test_no_large_library_is_imported_for_the_check_of_a_name():
    code = "from locus import backbones; backbones.require_known('resnet18'); import sys; print({'torch', 'timm'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_every_backbone_that_can_be_built_is_known():
    named = [*timm.list_models(), *backbones.names(), *weight_files.BACKBONE_OF_WEIGHTS]
    for word in (*named, "efficientnet-b0", "resnet101.a1_in1k", "custom:mean=0,std=1"):
        backbones.require_known(word)


@pytest.mark.parametrize("word", ["resnet19", "ResNet19", "densnet121", "resnet18x:mean=1"])
def test_an_unknown_backbone_raises_an_error_with_the_nearest(word):
    with pytest.raises(UnknownNameError, match=r"backbone .*did you mean"):
        backbones.require_known(word)


@pytest.mark.parametrize(
    ("name", "pooling", "attention"),
    [
        ("custom", "LSE:gamma=5", "CAM:ratio=4"),
        ("custom", "PCAM", "CAM:ratio=4"),
        ("custom", "AVG_MAX", "CAM:ratio=4"),
        ("vit_tiny_patch16_224", "PCAM", None),
    ],
)
def test_the_config_builds_the_same_architecture(name, pooling, attention):
    """Pitfall: an LSE checkpoint rebuilt as MAX is another model."""
    model = backbones.build(name, 3, pooling, attention, dropout=0.1)
    again = backbones.build(**json.loads(json.dumps(model.build_options)))
    again.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 96, 96)
    assert isinstance(again, backbones.Classifier)
    assert torch.equal(model.eval()(images), again.eval()(images))
    assert again.build_options == model.build_options


def test_the_name_none_means_no_attention():
    assert backbones.build("custom", 2, attention_map="none").build_options == backbones.build("custom", 2).build_options


@pytest.mark.parametrize(
    ("wrong", "facts"),
    [
        ({"num_classes": 0}, r"num_classes.*\b0\b.*\b1\b"),
        ({"dropout": 1.0}, r"dropout.*1\.0.*\b0\b.*\b1$"),
        ({"global_pool": "LSE:gama=5"}, "'LSE'.*'gama'.*gamma$"),
        ({"global_pool": "AVG:gamma=5"}, "'AVG'.*'gamma'.*none$"),
        ({"global_pool": "PCAMM"}, r"pooling.*'PCAMM'.*'PCAM'"),
        ({"attention_map": "SAMM"}, r"'SAMM'.*'SAM'"),
        ({"attention_map": "CAM:ratio=0"}, r"CAM.*ratio=0.* 1 to 128"),
    ],
)
def test_an_unknown_name_or_a_value_out_of_range_raises_a_clear_error(wrong, facts):
    with pytest.raises((BadValueError, UnknownNameError), match=facts) as caught:
        backbones.build(**{"name": "custom", "num_classes": 2, **wrong})
    assert (caught.type is UnknownNameError) == any(word in ("PCAMM", "SAMM") for word in wrong.values())
