"""Reading the files of a data set: tables, image decoding and cache, DICOM, run-length masks, transforms, downloads.

``pd`` is pandas, imported on first use because the import is slow. Classes of data sets are in ``locus.datasets``.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["Lazy", "pd"]


class Lazy(ModuleType):
    """Placeholder for a package that is imported on first attribute access.

    >>> json = Lazy("json")
    >>> json.loads("[1]")
    [1]
    """

    def __getattr__(self, name: str) -> Any:
        """Return the attribute ``name`` of the package."""
        return getattr(importlib.import_module(self.__name__), name)


if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Lazy("pandas")
