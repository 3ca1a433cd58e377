"""Words on the command line that name a method, or what a record is made by."""

from core.cli import Named
from core.registry import Registry, normalize_name


class MethodName(Named):
    """A method's word, in any spelling."""

    def normalize(self, word: str) -> str:
        """The word as it is registered: ``Grad-CAM++`` is ``gradcampp``."""
        return normalize_name(word, self.known())


METHOD = MethodName("methods", "method", ("all", "fast", "slow"), files=True, group="locus.methods")
"""A method's word, a group of methods, or path/to/file.py:Class."""


class Scored(Named):
    """What a record is made by: a protocol's word or one of ``also``, or the word of a validity check."""

    def known(self) -> list[str]:
        """All words that the flag takes."""
        return [*super().known(), *Registry("benchmark.validity", "check").names()]
