"""Entry point: run suites and write their tables, ``python -m benchmark.run --all`` or ``--suite demo``."""

import contextlib
import logging
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import locus.core  # noqa: F401  # first: it says that an interpreter lacks the packages
from locus.benchmark import executors, records
from locus.benchmark.suite import request
from locus.benchmark.suite.run import Outcome, run
from locus.config import RunConfig
from locus.core import limits
from locus.core.errors import LocusError
from locus.flags import cli

if TYPE_CHECKING:
    from locus.benchmark.report.page import DatasetTables

log = logging.getLogger(__name__)
CONTINUE = "run the same command again to continue; finished steps are kept"


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Run the suites of the flags and print their leaderboards.

    The exit code is 2 for invalid input or if a model failed, 1 if only single methods failed, and 0 for a dry run.
    """
    config, _ = cli.parse(RunConfig, argv, "python -m benchmark.run")
    limits.check_count(config.threads or 1, "--threads")
    limits.check_count(config.jobs, "--jobs")
    if config.merge is not None:
        from locus.benchmark.suite.contribute import merge  # slow imports

        suite_folder, tables = merge(Path(config.merge), config.by, config.suite, config)
        cli.say(f"results: {_index(suite_folder.parent, {suite_folder: tables})}")
        return 0
    status_counts: dict[Path, Counter[str]] = {}  # results folder -> status -> number of records
    stopped: list[str] = []
    written: dict[Path, dict[Path, Sequence[DatasetTables]]] = {}
    with (
        _advice_if_stopped(),
        executors.build(config.executor, config.jobs, config.step_minutes) as executor,
    ):
        for name in request.requested_names(config):
            suite = request.requested_suite(name, config)
            outcome = run(suite, config, cli.say, executor)
            stopped += outcome.stopped
            if config.dry_run:
                continue
            suite_folder = outcome.folder.path
            results_folder = suite_folder.parent
            written.setdefault(results_folder, {})[suite_folder] = outcome.tables
            counts = status_counts.setdefault(results_folder, Counter())
            counts.update(record.status for record in outcome.own_records)
            if not config.all:
                _say_answer(outcome)
    for results_folder, tables_by_suite in written.items():
        counts = status_counts[results_folder]
        in_words = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        cli.say(f"results: {_index(results_folder, tables_by_suite)} ({in_words})")
    if stopped:
        raise LocusError(
            f"all models are finished except {len(stopped)}, which failed: {'; '.join(stopped)}"
        )
    has_failed_record = any(counts["failed"] for counts in status_counts.values())
    return 1 if has_failed_record else 0


@contextlib.contextmanager
def _advice_if_stopped() -> Iterator[None]:
    """Say how to continue if Ctrl-C or SIGTERM ends the block."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(CONTINUE) from None
    except SystemExit as stop:
        if stop.code == 128 + signal.SIGTERM:
            log.error("stopped: %s", CONTINUE)
        raise


def _index(folder: Path, written: "Mapping[Path, Sequence[DatasetTables]]") -> Path:
    """Write the overview of all suites in a results ``folder``, those just ``written`` and those of earlier runs."""
    from locus.benchmark.report import tables  # slow imports, not for a dry run
    from locus.benchmark.suite.finalize import tables_of

    earlier = {path: tables_of(path) for path in records.suites(folder) if path not in written}
    return tables.index(folder, {**written, **earlier})


def _say_answer(outcome: Outcome) -> None:
    """Print the answer of a suite, its best rows, and how to compare with published results elsewhere."""
    from locus.benchmark.report import tables

    cli.say(tables.headline(outcome.tables))
    table = tables.terminal(outcome.tables)
    if table:
        cli.say(f"\n{table}")
    folder = outcome.folder.path
    published = records.published() / folder.name
    if folder.resolve() != published.resolve() and published in records.suites(published.parent):
        cli.say(
            f"to compare with the published records: python -m benchmark.compare {published} {folder}"
        )


if __name__ == "__main__":
    sys.exit(main())
