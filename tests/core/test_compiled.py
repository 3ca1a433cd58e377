"""``locus.core.compiled``."""

import logging

from numba.core import caching

from locus.core import compiled


def refuse(self, function):
    raise RuntimeError(f"cannot cache function {function.__name__!r}: no locator available")


def test_without_a_folder_for_the_cache_functions_are_compiled_each_time_with_one_warning(monkeypatch, caplog):
    monkeypatch.setattr(caching.FunctionCache, "__init__", refuse)
    compiled._warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        double, triple = (compiled.compiled(function) for function in (lambda x: 2 * x, lambda x: 3 * x))
    assert (double(2), triple(2)) == (4, 6)
    assert [record.message.count("NUMBA_CACHE_DIR") for record in caplog.records] == [1]
