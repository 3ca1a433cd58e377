"""What a family of backbones says about itself: one file, one class, found by the registry."""

import abc
import difflib
from typing import ClassVar, NamedTuple

from torch import nn


class Features(NamedTuple):
    """A feature extractor and the width of its maps."""

    extractor: nn.Module
    """(N,3,H,W) -> (N,C,h,w), behind its last non-linearity."""
    width: int
    """C, the number of channels."""
    levels: tuple[str, ...] = ()
    """Submodules that give feature maps, in forward order; the last may be the extractor's output."""


class Family(abc.ABC):
    """Networks of one design. A subclass sets ``name`` and ``words`` and writes :meth:`build`; no list is edited."""

    name: ClassVar[str]
    """The family's registered word: the file's name."""
    words: ClassVar[tuple[str, ...]] = ()
    """The backbones that it builds, in lower case."""
    aliases: ClassVar[dict[str, str]] = {}
    """Other spellings, in lower case -> the word that they mean."""

    def resolve(self, word: str) -> str | None:
        """The canonical name that ``word`` means in this family (case is ignored), or None."""
        word = self.aliases.get(word.lower(), word.lower())
        return word if word in self.words else None

    @abc.abstractmethod
    def build(self, name: str, pretrained: bool) -> Features:
        """The extractor of a canonical ``name``, randomly initialised or with ImageNet weights."""


class OpenFamily(Family):
    """A family with more models than it lists; asked only when no family lists the word."""

    described: ClassVar[str]
    """All its models in a few words, for the sentence about an unknown name."""

    def suggest(self, word: str) -> list[str]:
        """The models nearest to the unknown ``word`` that a user typed."""
        return difflib.get_close_matches(word.lower(), self.models(), n=5)

    @abc.abstractmethod
    def models(self) -> list[str]:
        """Every model of the family."""
