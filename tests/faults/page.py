"""docs/reliability.md, from what was seen of each fault (seen.json beside this file)."""

import json
from pathlib import Path

from tests.faults.faults import FAULTS

SEEN = Path(__file__).with_name("seen.json")

HEAD = """# What happens when a run is disturbed?

Type the same command again. The run resumes from its files and completes, and its records equal those of an undisturbed run, except for
times. Each file gets its name only when it is complete. The next run deletes the temporary files of a killed run.

`python -m tests.faults` made the faults below on a tiny suite of two models, with real processes, signals and files. After each
fault it looks for unreadable files and leftover processes, lets the next run complete, and compares every record.

| column | meaning |
| --- | --- |
| made | how often the fault was made |
| reached the run | how often it came before the run had ended |
| equal | how often all checks passed |

| fault | made | reached the run | equal | what was seen |
| --- | ---: | ---: | ---: | --- |
"""
TAIL = """
## What is not detected

- A job that hangs, without `--step_minutes`: the run waits for it. `--jobs` shows which steps are running. Press Ctrl-C to end the run, and
  again to end it at once.
- A flipped bit in a checkpoint or in stored maps that leaves the file readable. Only truncated files are detected.

Some faults are simulated: a full disk by a limit on file size, a read-only disk by a mounted read-only file system, the kernel's
out-of-memory kill by its signal. The clock is not changed; files get tomorrow's date instead.

`make test` kills one run in every stage (training, explaining, scoring, packing) and then twice at random moments.
`pytest -m slow tests/faults` makes each fault once, and `benchmark.verify` reads 50 sets of hostile records.

## Setup

Only one `make setup` runs at a time: a second one waits for the first and then finds nothing to do. After an interrupted or killed
setup, the next one creates a new `.venv`. A setup that failed, for example without a network, leaves `.venv` unchanged.
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
