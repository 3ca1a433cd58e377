"""Door: run suites and write their tables, ``python -m benchmark.run --all`` or ``--suite demo``.

``--compare A B`` and ``--verify --all`` run nothing.
"""

import functools
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark import commands, executors
from benchmark.records import Record
from benchmark.report import beside, predicted, tables
from benchmark.suite import run as suite
from benchmark.suite import selection
from config import RunConfig
from core import cli
from core.errors import LocusError


@cli.door
def main(argv: Sequence[str] | None = None) -> int:
    """Run each suite that the flags name and print the leaderboards; 1 when a cell failed, 2 for bad input.

    ``--compare`` and ``--verify`` run nothing: see ``benchmark.compare.run`` and ``benchmark.verify.run``.
    """
    config, typed = cli.parse(RunConfig, argv, "python -m benchmark.run")
    say = functools.partial(print, flush=True)
    if (asked := commands.command(config, typed)) != "run":
        return commands.answer(asked, config, say)
    counts: Counter[str] = Counter()
    stopped: list[str] = []
    written: dict[Path, dict[Path, list[Record]]] = {}
    with executors.build(config.executor, config.jobs, config.step_minutes) as executor:
        for name in selection.names(config):
            outcome = suite.run(name, config, say, executor)
            counts += outcome.counts
            stopped += outcome.stopped
            path = outcome.folder.path
            written.setdefault(path.parent, {})[path] = outcome.records
            if not config.dry_run and not config.all:
                say(tables.headline(path, outcome.records, outcome.folder.beside))
                say(beside.text(outcome.records, outcome.folder.published))
                say(predicted.text(outcome.records, outcome.folder.predicting, outcome.folder.predicted_by or ""))
    for folder, known in (written if not config.dry_run else {}).items():
        in_words = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        say(f"results: {tables.index(folder, known)} ({in_words})")
    if stopped:
        raise LocusError(f"{len(stopped)} models could not run, all else is done: {'; '.join(stopped)}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
