"""Names of all backbones, read from source text, so that an unknown name is reported without importing torch."""

import difflib
import importlib.util
import re
from pathlib import Path

from core.errors import UnknownNameError
from core.registry import Registry

PUBLISHED = re.compile(r"(densenet121|resnet50)-res\d+-\w+")
"""Names of torchxrayvision's weights, which ``backbones.xray_weights`` checks."""
ARCHITECTURE = re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
"""Definition of a network in timm's files."""


def require_known(name: str) -> None:
    """Raise ``UnknownNameError`` if neither a family of Locus nor timm has the backbone ``name``."""
    word = name.partition(":")[0].lower()
    families = Registry("backbones", "backbone family")
    words = [word for family in families.names() for word in families.read_attribute(family, "words") or ()]
    aliases = [alias for family in families.names() for alias in families.read_attribute(family, "aliases") or ()]
    if word in words or word in aliases or PUBLISHED.fullmatch(word):
        return
    text = _timm()
    architecture = word.partition(".")[0]  # a weight tag may follow
    names = ARCHITECTURE.findall(text)
    if architecture in names or re.search(rf"['\"]{re.escape(architecture)}['\"]", text):
        return
    near = difflib.get_close_matches(word, names, n=5)
    raise UnknownNameError("backbone", name, sorted(words), near, also=families.read_attribute("timm", "described"))


def _timm() -> str:
    """Return the source text of timm's networks."""
    folders = [Path(folder) for folder in getattr(importlib.util.find_spec("timm"), "submodule_search_locations", ())]
    return "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("models/*.py"))
