"""Unknown backbones are reported by name, without importing torch."""

import subprocess
import sys

import pytest
import timm

import backbones
from backbones import known, xray_weights
from core.errors import UnknownNameError


def test_every_backbone_that_can_be_built_passes():
    named = [*timm.list_models(), *backbones.names(), *xray_weights.NAMES]
    for word in (*named, "efficientnet-b0", "resnet101.a1_in1k", "custom:mean=0,std=1"):
        known.require_known(word)


@pytest.mark.parametrize("word", ["resnet19", "ResNet19", "densnet121", "resnet18x:mean=1"])
def test_an_unknown_backbone_raises_an_error_with_the_nearest(word):
    with pytest.raises(UnknownNameError, match=r"backbone .*did you mean"):
        known.require_known(word)


def test_no_large_library_is_imported_for_the_check():
    code = "from backbones import known; known.require_known('resnet18'); import sys; print({'torch', 'timm'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
