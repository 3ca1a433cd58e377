"""Compare the records of two results folders: ``python tools/compare_records.py BEFORE AFTER`` (folders of suites).

Compares all fields and scores of the records and the rows per case of the main protocol, and prints the differences and
the records that only one side has. The exit status is 1 if there are any. The layout of the files does not matter.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmark import records
from benchmark.records import Record, cases


def suite(before: Path, after: Path) -> Iterator[str]:
    """Yield a line per difference between two folders of one suite, then a summary."""
    one, other = ({record.key: record for record in records.load(folder)} for folder in (before, after))
    for key in sorted(one.keys() ^ other.keys()):
        side, record = ("before", one[key]) if key in one else ("after", other[key])
        yield f"  only {side}: {key} {record.source} {record.cell.model_id} {record.cell.method} {record.cell.protocol}"
    both = sorted(one.keys() & other.keys())
    rows = 0
    for key in both:
        if one[key] != other[key]:
            yield f"  differs: {key} in {', '.join(_fields(one[key], other[key]))}"
        if cases.exist(one[key].cell, before):
            rows += yield from _rows(one[key], before, after)
    scores = sum(len(one[key].scores) + sum(len(s.scores) for s in one[key].strata) for key in both)
    yield (
        f"{before.name}: {len(one)} records before, {len(other)} after; compared: "
        f"{len(both)}, {scores} scores, {rows} rows per case"
    )


def _fields(one: Record, other: Record) -> list[str]:
    return [name for name in Record.model_fields if getattr(one, name) != getattr(other, name)]


def _rows(record: Record, before: Path, after: Path) -> Iterator[str]:
    one, other = (
        cases.read(record.cell, folder).sort_values(["image", "finding"], ignore_index=True)
        for folder in (before, after)
    )
    try:
        pd.testing.assert_frame_equal(one, other[one.columns], check_dtype=False, check_exact=True)
    except (AssertionError, KeyError) as error:
        yield f"  rows differ: {record.key}: {str(error).splitlines()[0]}"
    return len(one)


def main(before: Path, after: Path) -> int:
    """Compare all suites of both folders and print the differences; return the exit status."""
    names = sorted({folder.name for root in (before, after) for folder in records.suites(root)})
    lines = [line for name in names for line in suite(before / name, after / name)]
    print("\n".join(lines))
    return int(any(line.startswith("  ") for line in lines))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
