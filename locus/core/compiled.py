"""``compiled``: functions compiled by numba, kept between processes where a folder for them can be written."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit

log = logging.getLogger(__name__)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function without the GIL, with further ``options`` of numba.

    If neither the package nor numba's cache folder can be written, every process compiles it again and warns once.
    """
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba found no folder for its cache
        _warn()
        return njit(nogil=True, **options)(function)


@cache
def _warn() -> None:
    log.warning(
        "compiled functions cannot be kept: every process compiles them again; set NUMBA_CACHE_DIR to a folder"
    )
