"""A wrong backbone is told from its word alone; none that can be built is refused."""

import subprocess
import sys

import pytest
import timm

from backbones import catalog, known, xray_weights
from core.errors import UnknownNameError


def test_every_backbone_that_can_be_built_passes():
    for word in (*timm.list_models(), *catalog.names(), *xray_weights.NAMES, "efficientnet-b0", "resnet101.a1_in1k", "custom:mean=0,std=1"):
        known.require_possible(word)


@pytest.mark.parametrize("word", ["resnet19", "ResNet19", "densnet121", "resnet18x:mean=1"])
def test_a_wrong_word_names_the_nearest(word):
    with pytest.raises(UnknownNameError, match=r"backbone .*did you mean"):
        known.require_possible(word)


def test_no_heavy_library_is_imported_to_say_so():
    code = "from backbones import known; known.require_possible('resnet18'); import sys; print({'torch', 'timm'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
