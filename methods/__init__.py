"""Heat-map methods: from what a model computed about an image to one map per finding. One file per method.

``names()`` are the words, ``get(word)`` the class, ``build(word)`` an instance (``noise:seed=3``,
``path/to/file.py:Class`` for a class outside the tree). Raw maps only: nothing is resized or scaled here.
"""

from typing import TYPE_CHECKING, Any

from core.errors import BadValueError
from core.registry import Registry, construct, from_file

if TYPE_CHECKING:
    from methods.base import Evidence, GradientMethod, Method

__all__ = ["Evidence", "GradientMethod", "Method", "build", "get", "names", "registry"]

registry = Registry("methods", "method")


def names() -> list[str]:
    """Every method in the folder, sorted."""
    return registry.names()


def get(word: str) -> "type[Method]":
    """The class behind a word or behind ``path/to/file.py:Class``. Raises ``UnknownNameError`` with the nearest word."""
    return _checked(word, from_file(word, "method")) if is_path(word) else registry.get(word)


def build(word: str) -> "Method":
    """An instance of the word's class, with the word's options."""
    return get(word)() if is_path(word) else construct(registry.get(word), "method", word, {})


def _checked(word: str, found: type[Any]) -> "type[Method]":
    from methods.base import Method

    if not issubclass(found, Method) or not isinstance(getattr(found, "name", None), str):
        raise BadValueError(f"{word} is no method: derive it from methods.Method or methods.GradientMethod and give it a name")
    return found


def is_path(word: str) -> bool:
    """Whether a word means a class outside the tree: ``path/to/file.py:Class``."""
    return ".py:" in word


def __getattr__(name: str) -> Any:
    """The base classes, imported when asked for: listing the names needs no torch."""
    if name in {"Method", "GradientMethod", "Evidence"}:
        from methods import base

        return getattr(base, name)
    raise AttributeError(f"module 'methods' has no attribute {name!r}")
