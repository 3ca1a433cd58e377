"""Door: run suites and write their tables, ``python -m benchmark.run --all`` or ``--suite demo``; ``--compare A B``; ``--verify --all``."""

import functools
import sys
from collections import Counter
from collections.abc import Sequence

from benchmark import modes, suite
from benchmark.report import tables
from config import RunConfig
from core import cli
from core.errors import LocusError


@cli.door
def main(argv: Sequence[str] | None = None) -> int:
    """Run each suite that the flags name, print the leaderboards, say where the results lie; 1 when a cell failed, 2 for bad input.

    ``--compare`` and ``--verify`` run nothing: see ``benchmark.compare.run`` and ``benchmark.verify.run``.
    """
    config, typed = cli.parse(RunConfig, argv, "python -m benchmark.run")
    say = functools.partial(print, flush=True)
    if (asked := modes.mode(config, typed)) != "run":
        return modes.answer(asked, config, say)
    found: Counter[str] = Counter()
    stopped: list[str] = []
    for name in suite.names(config):
        outcome = suite.run(name, config, say)
        found, stopped = found + outcome.counts, [*stopped, *outcome.stopped]
        if not config.dry_run and not config.all:
            say(tables.headline(suite.folder(name, config), outcome.records))
    if not config.dry_run:
        say(f"results: {tables.index(suite.folder('', config))} ({', '.join(f'{n} {status}' for status, n in sorted(found.items()))})")
    if stopped:
        raise LocusError(f"{len(stopped)} models could not run, all else is done: {'; '.join(stopped)}")
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
