"""Generate docs/reliability.md from the outcomes in seen.json."""

import json
from pathlib import Path

from tests.faults.faults import FAULTS

SEEN = Path(__file__).with_name("seen.json")

HEAD = """# What happens when a run is disturbed?

Run the same command again. The run resumes from its files. Its records equal those of an undisturbed run, except for times. If a result
file is damaged, first follow the advice in the error message. Files are written under a temporary name and then renamed, so none is
incomplete.

`python -m tests.faults` caused these faults in a small suite of two models, with real processes, signals and files. *Equal* counts the
trials after which the fault had left no incomplete file and no process, and the completed run gave the same records. A file that the
test itself cut does not count. A *step* is a training run, the maps of a model, or some of its scores; a *job* runs one step at a time. A
*cell* is one combination of model, method and protocol. Packing collects the records in one Parquet file.

| fault | what happens | equal |
| --- | --- | --- |
"""
TAIL = """
## Checksums

Locus checks a checksum whenever it reads packed records (Parquet), stored maps, the pixel cache or `predictions.csv`. A single
flipped bit is an error with the path (records), or the file is made again. Packed records from earlier versions have no checksum.
Checkpoints, `metrics.json` and unpacked records have none.

If `best.ckpt` of a finished run is missing, the run is trained again. A missing `predictions.csv` or `provenance.json` is written
again.

## What is not detected

- A job that hangs, unless `--step_minutes` sets a time limit per step.
- A flipped bit in a checkpoint, if the file can still be read.

A full disk was simulated by a limit on file size, a read-only disk by a read-only mount, and a lack of memory by SIGKILL.

## Setup

Only one `make setup` runs at a time; a second one waits. After an interrupted setup, the next one creates a new `.venv`. After a setup
that failed, for example without an internet connection, the next one continues with the same `.venv`.
"""


def note(fault, outcomes):
    """Store the outcomes of a fault: (outcome, equal or None if it came too late) -> count."""
    kept = json.loads(SEEN.read_text()) if SEEN.exists() else {}
    kept[fault.__name__] = [[seen, equal, count] for (seen, equal), count in outcomes.items()]
    ordered = {fault.__name__: kept[fault.__name__] for fault in FAULTS if fault.__name__ in kept}
    SEEN.write_text(json.dumps(ordered, indent=1) + "\n")


def page():
    """Return the whole page, with a row per outcome and its faults."""
    kept = json.loads(SEEN.read_text())
    rows = {}
    for fault in FAULTS:
        rows.setdefault(_outcome(kept.get(fault.__name__, [])), []).append(fault)
    return HEAD + "".join(_row(words, faults, kept) for words, faults in rows.items()) + TAIL


def _reached(outcomes):
    return [(seen, equal, count) for seen, equal, count in outcomes if equal is not None]


def _outcome(outcomes):
    reached = sorted((seen, count) for seen, _, count in _reached(outcomes))
    return "; ".join(seen + (f" ({count})" if len(reached) > 1 else "") for seen, count in reached) or "not tested"


def _row(words, faults, kept):
    outcomes = [outcome for fault in faults for outcome in _reached(kept.get(fault.__name__, []))]
    equal, total = sum(count for _, equal, count in outcomes if equal), sum(count for *_, count in outcomes)
    return f"| {'<br>'.join(fault.__doc__.splitlines()[0] for fault in faults)} | {words} | {equal} of {total} |\n"
