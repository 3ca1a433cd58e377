"""docs/reliability.md, from what was seen of each fault (seen.json beside this file)."""

import json
from pathlib import Path

from tests.faults.faults import FAULTS

SEEN = Path(__file__).with_name("seen.json")

HEAD = """# What happens when a run is disturbed?

The next run completes, and its records are those of a run that nobody disturbed, but for times. Type the same command
again: it goes on from what lies on disk. Nothing half-written counts: a file has its name only when it is whole, and what a killed
run was about to write is swept away by the next one.

The table is what `python -m tests.faults` saw: a tiny suite of two models, real processes, real signals, real files. After each
fault it looks for files that cannot be read and for processes left behind, lets the next run complete, and compares every record.
`equal` counts the times that all of this was as it has to be, of those in which the fault reached the run before its end.

| fault | made | reached the run | equal | what was seen |
| --- | ---: | ---: | ---: | --- |
"""
TAIL = """
## What is not noticed

- Without `--step_minutes` a job that hangs is not told from one that works: the run waits. `--jobs` shows what is at work; Ctrl-C
  ends it, a second one at once.
- A wrong bit in the middle of a checkpoint or of stored maps that leaves the file readable. Only what is cut is found out.
- `full disk` is made by a limit on the size of files, `read-only` by a file system of its own, the kernel's end of a process for
  want of memory by its signal; the machine's clock is not touched, the files are dated a day ahead instead.

`make test` kills one run in every stage (training, explaining, scoring, packing) and then twice at random moments.
`pytest -m slow tests/faults` makes each fault once, and has `benchmark.verify` read 50 sets of hostile records.

## Setup

`make setup` runs once at a time: a second one waits for the first and then finds nothing to do. After a setup that was
interrupted or killed, the next one starts with a new `.venv`. A setup that failed, for example without a network, leaves
`.venv` as it was.
"""


def note(fault, outcomes):
    """Keep what was seen of a fault: (what, equal or None where it came too late) -> how often."""
    kept = json.loads(SEEN.read_text()) if SEEN.exists() else {}
    kept[fault.__name__] = [[seen, equal, count] for (seen, equal), count in outcomes.items()]
    ordered = {fault.__name__: kept[fault.__name__] for fault in FAULTS if fault.__name__ in kept}
    SEEN.write_text(json.dumps(ordered, indent=1) + "\n")


def page():
    """The whole text."""
    kept = json.loads(SEEN.read_text())
    return HEAD + "".join(_row(fault, kept.get(fault.__name__, [])) for fault in FAULTS) + TAIL


def _row(fault, outcomes):
    reached = [(seen, count) for seen, equal, count in outcomes if equal is not None]
    counts = sum(count for *_, count in outcomes), sum(count for _, count in reached), sum(count for _, equal, count in outcomes if equal)
    words = "; ".join(seen + (f" ({count})" if len(reached) > 1 else "") for seen, count in sorted(reached))
    return f"| {fault.__doc__.splitlines()[0]} | {' | '.join(map(str, counts))} | {words or 'not made here'} |\n"
