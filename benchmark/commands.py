"""The questions that ``python -m benchmark.run`` answers without a run, and the flags that each one takes."""

import importlib
from collections.abc import Callable, Set
from dataclasses import fields
from typing import Literal

from config import RunConfig
from core.errors import BadValueError
from core.flags.network import NetworkFlags

Command = Literal["run", "compare", "verify", "gallery", "figures"]
FINISHED = ("checkpoint", *(field.name for field in fields(NetworkFlags)))
"""Flags that enter a finished model: what it was run with is verified with the same."""
ANYWHERE = ("suites", "runs", "cache_dir", "threads", "jobs", "shards", "step_minutes", "executor", "trust")
"""Flags of a place and of the machine: a user may keep them beside a question that has no need of them."""
TAKES: dict[str, tuple[str, ...]] = {
    "compare": ("results", "output", *ANYWHERE),
    "gallery": ("data_root_dir", "results", "output", *ANYWHERE),
    "figures": ("data_root_dir", "results", "output", *ANYWHERE),
    "verify": ("all", "suite", "method", "protocol", "data_root_dir", "results", *ANYWHERE, *FINISHED),
}
"""Question -> the flags that can stand beside it."""
MODULES = {"figures": "benchmark.gallery.figures"}
"""Question -> what answers it, where that is not the ``run`` of its own room."""


def command(config: RunConfig, typed: Set[str]) -> Command:
    """What the flags ask for. Raises ``BadValueError`` for ``typed`` flags that contradict each other.

    >>> command(RunConfig(verify=True, all=True), {"verify", "all"})
    'verify'
    """
    if config.compare:
        return _only("compare", typed)
    if config.gallery is not None:
        return _only("gallery", typed)
    if config.figures is not None:
        return _only("figures", typed)
    if "output" in typed:
        raise BadValueError("--output is where --compare writes its table: add --compare A B or leave it out")
    return _only("verify", typed) if config.verify else "run"


def answer(word: Command, config: RunConfig, report: Callable[[str], None]) -> int:
    """Answer a question in lines given to ``report``; the door's exit status. Raises ``LocusError``.

    Its module is imported when it is asked for: statistics would slow the start of every other run.
    """
    status: int = importlib.import_module(MODULES.get(word, f"benchmark.{word}.run")).run(config, report)
    return status


def _only(word: Command, typed: Set[str]) -> Command:
    if other := sorted(typed - {word, *TAKES[word]}):
        takes = ", ".join(f"--{name}" for name in TAKES[word] if name not in FINISHED)
        raise BadValueError(
            f"--{word} runs nothing and cannot be asked with --{other[0]}: beside it stand only {takes}"
        )
    return word
