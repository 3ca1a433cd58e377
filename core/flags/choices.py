"""Types of flags that name a method, a protocol or a validity check."""

from core.cli import Named
from core.names import CLASSIFICATION, PAIRED
from core.registry import METHODS, PROTOCOLS, normalize_name


class MethodName(Named):
    """Name of a method, in any spelling."""

    def normalize(self, word: str) -> str:
        """Return the registered name of a method: ``Grad-CAM++`` becomes ``gradcampp``."""
        return normalize_name(word, self.known())


METHOD = MethodName("method", ("all", "fast", "slow"), METHODS, files=True)
"""Name of a method, a group of methods, or path/to/file.py:Class."""
CHECKS = ("alignment", "faithfulness", "randomised")
"""Validity checks; the class of ``alignment`` is ``Alignment``, and that of its report ``AlignmentReport``."""


class Scored(Named):
    """Name of a protocol or a validity check."""

    def known(self) -> list[str]:
        """Return all names that the flag accepts."""
        return [*super().known(), *CHECKS]


PROTOCOL = Scored("protocol", ("all", CLASSIFICATION, PAIRED), PROTOCOLS)
