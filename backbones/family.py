"""Base classes of the backbone families, each of which is one file with one class."""

import abc
from typing import ClassVar, NamedTuple

from torch import nn


class Features(NamedTuple):
    """A feature extractor and the width of its maps."""

    extractor: nn.Module
    """(N,3,H,W) -> (N,C,h,w), up to the last non-linearity."""
    width: int
    """C, the number of channels."""
    layer_names: tuple[str, ...] = ()
    """Submodules with feature maps, in forward order; the last may be the output of the extractor."""


class Family(abc.ABC):
    """Networks of one design. A subclass sets ``name`` and ``words`` and implements :meth:`build`."""

    name: ClassVar[str]
    """Registered name of the family, that of its file."""
    words: ClassVar[tuple[str, ...]] = ()
    """Names of its backbones, in lower case."""
    aliases: ClassVar[dict[str, str]] = {}
    """Other spellings, in lower case -> the name in ``words``."""

    @abc.abstractmethod
    def build(self, name: str, pretrained: bool) -> Features:
        """Build the extractor of a canonical ``name``, with random or ImageNet weights."""
