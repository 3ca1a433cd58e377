"""Relative drop of a method to people, from per-case rows."""

import pytest

from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.report.main_table import main
from locus.benchmark.suite.finalize import paired_records
from locus.core.names import PRIOR, SECOND_READERS
from tests.benchmark.report.given import leaderboard


def record(method):
    cell = Cell(dataset="NIH", method=method, protocol="locus", alignment="aligned", model_id="m-seed0", seed=0)
    score = Score(finding="mean", metric="hit@iou.3", value=0.5, n=20, threshold_origin="cross-fitted")
    return Record(cell=cell, scores=(score,))


def case(n, **fields):
    return {"image": f"i{n}", "patient": f"p{n}", "finding": "Mass", **fields}


def rows(hits):
    more = {"agreement": None, "hit@iou.1": True, "hit@iou.5": False, "iou": 0.3, "pointing": True}
    return [case(n, **more, **{"hit@iou.3": bool(hit)}) for n, hit in enumerate(hits)]


@pytest.fixture
def written(tmp_path):
    """Twenty cases, sixteen of which people have read: there cam hits 4, prior 2 and people 8."""
    folder = tmp_path / "suite"
    hits = {"cam": [1] * 4 + [0] * 12 + [1] * 4, PRIOR: [1] * 2 + [0] * 18}
    people = [case(n, agreement=0.5) for n in range(16)]
    records = [record(method) for method in (*hits, SECOND_READERS)]
    for item, of in zip(records, [*map(rows, hits.values()), people], strict=True):
        cases.write(of, item.cell, folder)
    return folder, records


@pytest.mark.byhand
def test_the_drop_is_on_the_cases_that_people_have_and_has_an_interval(written):
    folder, records = written
    paired = {item.cell.method: item for item in paired_records(folder, records)}
    drop = paired["cam"].find("relative_drop@second readers")
    assert (drop.value, drop.n) == (0.5, 16)
    assert drop.low < 0.5 < drop.high
    assert paired[PRIOR].find("relative_drop@second readers").value == pytest.approx(0.75)
    assert SECOND_READERS not in paired


def test_the_leaderboard_has_the_column_only_beside_people(written):
    folder, records = written
    table = main(leaderboard([*records, *paired_records(folder, records)], "NIH"))
    assert "drop to second readers [95%]" in table.header
    assert "drop to readers [95%]" not in table.header
    assert table.rows[-1][table.header.index("method")] == SECOND_READERS
    without = [item for item in records if item.cell.method != SECOND_READERS]
    table = main(leaderboard([*without, *paired_records(folder, without)], "NIH"))
    assert not [name for name in table.header if name.startswith("drop")]


def test_people_without_a_hit_give_no_drop(written):
    folder, records = written
    cases.write([case(n, agreement=0.0) for n in range(16)], records[-1].cell, folder)
    drop = next(r for r in paired_records(folder, records) if r.cell.method == "cam").find("relative_drop@second readers")
    assert (drop.value, drop.low) == (None, None)
