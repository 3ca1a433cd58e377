"""The published rows of the same cases next to an external entry."""

from pathlib import Path

import pytest

from locus.benchmark import records
from locus.benchmark.entries import entry
from locus.benchmark.records import cases
from locus.benchmark.suite.external import run
from locus.core.names import MAIN_PROTOCOL
from tests.benchmark.entries.given import config, write


def scored(maps, **flags):
    """The lines of the command, and the page that it writes."""
    lines: list = []
    given = config(maps=str(maps), results="runs/results", **flags)
    with pytest.MonkeyPatch.context() as patch:  # one of eight protocols has rows that are published
        patch.setattr("locus.benchmark.entries.score._protocol_names", lambda *_: [MAIN_PROTOCOL])
        assert run(given, entry.read(given), lines.append) == 0
    return "\n".join(lines), Path("runs/results/mine/leaderboard.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory without published results, with maps and their scores."""
    folder = tmp_path_factory.mktemp("entry")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("results").mkdir()
        told, page = scored(write(folder / "maps"))
    assert told.startswith("Yours: mine: ")
    assert "own maps" in told
    assert "No published suite has the same cases." in page
    return folder


def publish(rows=slice(None), counts=(), **fields):
    """Publish the scores of the baseline ``center`` as those of a method of a network."""
    (one,) = (r for r in records.load("runs/results/mine") if (r.cell.method, r.cell.protocol) == ("center", "single_box"))
    names = {"method": "cam", "backbone": "custom", "global_pool": "AVG", "seed": 0, "model_id": "custom-seed0", "recipe": {}}
    fields |= {"rests_on": {**one.rests_on, "trainings": 1, **dict(counts)}}
    record = one.model_copy(update={"cell": one.cell.model_copy(update=names), **fields})
    of_case = cases.read(one.cell, "runs/results/mine").drop(columns=["key", *cases.CELL])
    cases.write(of_case.to_dict("records")[rows], record.cell, Path("results/tiny"))
    records.write(record, "results/tiny")
    records.pack("results/tiny")


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    yield folder
    for file in Path("results").rglob("*.parquet"):
        file.unlink()


KINDS = [{}, {"fingerprint": ""}, {"fingerprint": "of folds", "counts": {"trainings": 5}}]


@pytest.mark.parametrize("kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
def test_answer_says_where_an_entry_stands_to_the_published_rows_of_the_same_cases(here, kind):
    publish(**kind)
    told, page = scored(here / "maps")
    assert told.startswith("Yours: mine: ")
    assert " 1 published row" in told.splitlines()[0]
    assert told.splitlines()[1].startswith("Significantly above prior (")
    assert "cam on small CNN with AVG" in told
    assert "The published rows are from results/tiny." in page
    assert all("external" in record.cell.recipe for record in records.load("runs/results/mine"))


@pytest.mark.parametrize(
    "other",
    [
        {"rows": slice(1, None)},
        *(pytest.param(other, marks=pytest.mark.slow) for other in ({"fingerprint": "other"}, {"counts": {"truth boxes": 1}})),
    ],
)
def test_rows_of_other_images_boxes_or_cases_are_not_next_to_an_entry(here, other):
    publish(**other)
    told, page = scored(here / "maps")
    assert "published" not in told
    assert "No published suite has the same cases." in page
