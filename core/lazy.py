"""Packages that take their time: imported when they are first used, not when a module names them."""

import importlib
from types import ModuleType
from typing import Any


class Lazy(ModuleType):
    """Stands for the package of its name until something of it is asked for.

    >>> json = Lazy("json")
    >>> json.loads("[1]")
    [1]
    """

    def __getattr__(self, name: str) -> Any:
        """What the package calls ``name``."""
        return getattr(importlib.import_module(self.__name__), name)
