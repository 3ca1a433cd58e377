"""Names of all backbones, read from source text, so that an unknown name is reported without importing torch."""

import difflib
import functools
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

from core.errors import UnknownNameError
from core.registry import Registry

PUBLISHED = re.compile(r"(densenet121|resnet50)-res\d+-\w+")
"""Names of torchxrayvision's weights, which ``backbones.xray_weights`` checks."""
ARCHITECTURE = re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
"""Definition of a network in timm's files."""


families = Registry("backbones", "backbone family")


@functools.cache
def listed() -> dict[str, tuple[str, str]]:
    """Return each name of a backbone that a family lists, in lower case -> the family and the canonical name."""
    names: dict[str, tuple[str, str]] = {}
    for family in families.names():
        names |= {word: (family, word) for word in families.read_attribute(family, "words") or ()}
        aliases = families.read_attribute(family, "aliases") or {}
        names |= {alias: (family, word) for alias, word in aliases.items()}
    return names


def unknown(name: str, timm_names: Iterable[str]) -> UnknownNameError:
    """Return the error for an unknown backbone, with the listed names and the nearest of timm's names."""
    words, near = {word for _, word in listed().values()}, difflib.get_close_matches(name.lower(), timm_names, n=5)
    return UnknownNameError("backbone", name, sorted(words), near, also="any timm network with feature maps")


def require_known(name: str) -> None:
    """Raise ``UnknownNameError`` if neither a family of Locus nor timm has the backbone ``name``."""
    word = name.partition(":")[0].lower()
    if word in listed() or PUBLISHED.fullmatch(word):
        return
    text = _timm()
    architecture = word.partition(".")[0]  # a weight tag may follow
    names = ARCHITECTURE.findall(text)
    if architecture not in names and not re.search(rf"['\"]{re.escape(architecture)}['\"]", text):
        raise unknown(name, names)


def _timm() -> str:
    """Return the source text of timm's networks."""
    folders = [Path(folder) for folder in getattr(importlib.util.find_spec("timm"), "submodule_search_locations", ())]
    return "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("models/*.py"))
