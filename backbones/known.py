"""Which words may be a backbone, from the text of files alone: a wrong one is reported before torch is imported."""

import functools
import importlib.util
import re
from pathlib import Path

from core.errors import UnknownNameError

OURS = Path(__file__).resolve().parent


def require_possible(name: str) -> None:
    """Raise ``UnknownNameError`` where no file of ours or timm's has the backbone's ``name``.

    A name that passes may still be unknown: ``backbones.catalog.resolve`` has the last word.
    """
    word = name.partition(":")[0].lower()
    spellings = {word, word.replace("-", "_"), word.split(".")[0], word.split("-")[0]}
    if not spellings & _words():
        raise UnknownNameError("backbone", word, _ours(), _of_timm(), also="any timm network with feature maps")


@functools.cache
def _texts() -> tuple[str, ...]:
    spec = importlib.util.find_spec("timm")  # of a package at the top nothing is imported
    folders = [Path(folder) / "models" for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [*OURS.glob("*.py"), *(file for folder in folders for file in sorted(folder.glob("*.py")))]
    return tuple(file.read_text(encoding="utf-8", errors="replace") for file in files)


@functools.cache
def _words() -> frozenset[str]:
    return frozenset(word for text in _texts() for word in re.findall(r"\w+", text.lower()))


def _ours() -> list[str]:
    """The backbones that our families list as literals."""
    listed = re.findall(r"^    words = \((.*)\)$", "\n".join(file.read_text() for file in OURS.glob("*.py")), re.M)
    return sorted(word for line in listed for word in re.findall(r'"([a-z0-9_]+)"', line))


def _of_timm() -> list[str]:
    return [name for text in _texts() for name in re.findall(r"^@register_model\ndef (\w+)\(", text, re.M)]
