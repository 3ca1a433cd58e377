import json
import subprocess
import sys

import pytest
import torch

import backbones
from core.errors import BadValueError, UnknownNameError


def test_importing_backbones_imports_no_torch():
    code = "import sys, backbones; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("pooling", ["LSE:gamma=5", "PCAM", "AVG_MAX"])
def test_the_config_builds_the_same_architecture(pooling):
    model = backbones.build("custom", 3, pooling, "CAM:ratio=4", dropout=0.1)
    again = backbones.build(**json.loads(json.dumps(model.build_options)))
    again.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 96, 96)
    assert torch.equal(model.eval()(images), again.eval()(images))
    assert again.build_options == model.build_options


def test_an_lse_checkpoint_reloads_as_lse():
    """Pitfall: an LSE checkpoint rebuilt as MAX is another model."""
    model = backbones.build(**backbones.build("custom", 2, "LSE:gamma=5").build_options)
    assert model.pooling == "LSE"
    assert model.head.pooling.gamma == 5


def test_the_name_none_means_no_attention():
    assert backbones.build("custom", 2, attention_map="none").build_options == backbones.build("custom", 2).build_options


@pytest.mark.parametrize(
    ("wrong", "facts"),
    [
        ({"num_classes": 0}, r"num_classes.*\b0\b.*\b1\b"),
        ({"dropout": 1.0}, r"dropout.*1\.0.*\b0\b.*\b1$"),
        ({"global_pool": "LSE:gama=5"}, "'LSE'.*'gama'.*gamma$"),
        ({"global_pool": "AVG:gamma=5"}, "'AVG'.*'gamma'.*none$"),
    ],
)
def test_a_value_out_of_range_raises_a_clear_error(wrong, facts):
    with pytest.raises(BadValueError, match=facts):
        backbones.build(**{"name": "custom", "num_classes": 2, **wrong})


def test_an_unknown_pooling_raises_an_error_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"pooling.*'PCAMM'.*'PCAM'"):
        backbones.build("custom", 2, "PCAMM")


def test_the_classifier_class_can_be_imported():
    assert isinstance(backbones.build("custom", 1), backbones.Classifier)
