"""Which backbones there are is known without torch, and agrees with what can be built."""

import pytest

import backbones
from backbones.catalog import families, resolve
from backbones.known import require_known
from core.errors import UnknownNameError


@pytest.mark.contract
def test_every_backbone_that_can_be_built_is_known():
    aliases = [alias for name in families.names() for alias in families.get(name).aliases]
    for name in [*backbones.names(), *aliases, "ResNet18", "resnet101.a1_in1k", "vit_tiny_patch16_224", "densenet121:mean=128,std=64"]:
        resolve(name.partition(":")[0])
        require_known(name)
    require_known("densenet121-res224-nih")


@pytest.mark.byhand
def test_an_unknown_backbone_is_told_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'resnet1888'.*'resnet18'.*densenet121"):
        require_known("resnet1888")
