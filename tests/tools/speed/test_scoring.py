"""The speed benchmark of scoring: timing, records and page."""

import numpy as np
import pytest

from benchmark.scoring import protocols
from core.errors import DataError, LocusError
from tools.speed import record
from tools.speed.goals import verdicts
from tools.speed.names import CONTOURS, LARGEST, LEVELS_LARGEST, NOISE, ORIGINAL_LARGEST, SCIPY, SKIMAGE, SURFACE
from tools.speed.scoring import maps, suite, surfaces, sweeps
from tools.speed.scoring.run import timed
from tools.speed.scoring.subject import SUBJECT, ScoringSpeedConfig
from tools.speed.scoring.truth import BOXES, FRAME, boxes, cases

TINY = SUBJECT.quick(ScoringSpeedConfig(), ())


def row(group, kind, side, thresholds, contender, wall):
    on = {"map": kind, "side": side, "thresholds": thresholds}
    return record.Row(group=group, on=on, contender=contender, figures={"wall_ms": wall, "cpu_ms": wall, "rounds": 7})


def by_hand():
    small = {SURFACE: 0.1, CONTOURS: 31.0, SKIMAGE: 600.0, SCIPY: 490.0}
    rows = [row("surface", "7×7", 7, 100, word, wall) for word, wall in small.items()]
    for kind, wall in (("spots", 40.0), (NOISE, 160.0)):
        rows += [row("original", kind, 224, 1000, LARGEST, 1.0), row("original", kind, 224, 1000, ORIGINAL_LARGEST, wall)]
    rows += [row("levels", "spots", 512, 100, LARGEST, 2.0), row("levels", "spots", 512, 100, LEVELS_LARGEST, 1.9)]
    seconds = {"seconds": 13.0, "cpu_seconds": 14.0, "mib": 400.0, "wang": 5.0, "locus": 8.0}
    on = {"side": 16, "methods": 10, "boxes": 984, "maps": 7040}
    rows.append(record.Row(group="whole", on=on, contender="surface", figures=seconds))
    machine = record.Machine(cpu="CPU", cores=2, memory_gib=8, system="Linux", python="3.11", threads=2, load=0, packages={"numpy": "2"})
    known = {"created": "2026-01-02T03:04:05+00:00", "seconds": 600, "settings": {"rounds": 7}}
    return record.SpeedRecord(schema_version=2, machine=machine, rows=tuple(rows), **known)


@pytest.fixture(scope="module")
def measured():
    pytest.importorskip("skimage")
    return list(timed(TINY))


@pytest.mark.contract
def test_every_contender_is_timed(measured):
    assert {r.contender for r in measured} == {*surfaces.CONTENDERS, *sweeps.CONTENDERS}
    assert {r.on["map"] for r in measured if r.group == "original"} == set(maps.KINDS)
    assert all(r.figures["wall_ms"] > 0 and r.figures["rounds"] == 1 for r in measured)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", maps.KINDS)
def test_the_original_algorithm_gives_identical_ious(kind):
    sweeps.check(maps.picture(kind, 40), 0.05)


def test_contenders_that_differ_are_not_timed():
    pytest.importorskip("skimage")
    with pytest.raises(LocusError, match=ORIGINAL_LARGEST):
        sweeps.check(maps.picture("spots", 40), 0.1, {**sweeps.CONTENDERS, ORIGINAL_LARGEST: lambda values, step: np.zeros(10)})
    with pytest.raises(LocusError, match=f"{CONTOURS}.* 0\\.01"):
        surfaces.check(maps.smooth(7, 0), {**surfaces.CONTENDERS, CONTOURS: lambda values, thresholds: np.ones(len(thresholds))})


@pytest.mark.byhand
def test_goals_are_judged_by_the_worst_figure():
    assert [(round(v.worst, 3), v.met) for v in verdicts("scoring", by_hand()) if v.worst is not None] == [
        (310.0, True),  # contours
        (4900.0, False),  # labels: the faster of the two
        (80.0, True),  # the geometric mean of 40 and 160
        (160.0, True),
        (0.95, False),
        (13.0, True),
        (400.0, True),
    ]


@pytest.mark.byhand
def test_the_page_shows_ratios_goals_and_seconds():
    lines = SUBJECT.page([by_hand()]).splitlines()
    assert "| 7×7 | 7 | 100 | OpenCV, contours per threshold | 31.0 | 31.0 | 310 | 7 |" in lines
    assert "| 7×7 | 7 | 100 | Locus, surface | 0.10 | 0.10 | – | 7 |" in lines
    assert "| surface | 7040 of 16×16 | 10 | 984 | 13.0 | 14.0 | 400 | wang 5.00, locus 8.00 |" in lines


def test_a_record_is_read_as_it_was_written_and_a_missing_one_names_the_command(tmp_path):
    record.write(by_hand(), tmp_path / "record.json")
    assert record.read(tmp_path / "record.json", SUBJECT.command) == by_hand()
    with pytest.raises(DataError, match=r"absent\.json.*python -m tools\.speed scoring"):
        record.read(tmp_path / "absent.json", SUBJECT.command)


@pytest.mark.planted
def test_the_truth_has_the_published_numbers_of_boxes():
    drawn = boxes()
    assert {finding: sum(finding in known for known in drawn) for finding in BOXES} == BOXES
    assert len(drawn) == 880
    assert all(known for known in drawn)
    inside = np.concatenate([box for known in drawn for box in known.values()])
    assert inside.min() >= 0
    assert inside.max() <= FRAME[0]


@pytest.mark.contract
def test_a_method_is_scored_by_all_protocols_on_the_same_cases():
    seconds, held_out = {}, cases(20, 7, 0)
    suite._scored(suite.NAMES["surface"], held_out, cases(20, 7, 0, validation=True), seconds)
    assert set(seconds) == {name for name in protocols.of_maps() if protocols.get(name).geometry == "surface"}
    assert len(held_out) == 20 * len(BOXES)


@pytest.mark.slow
def test_a_whole_data_set_is_scored_in_a_new_process():
    whole = suite.whole("surface", 7, 1, (30, 10))
    assert whole.on["maps"] == 30 * len(BOXES)
    assert whole.figures["seconds"] > 0
    assert whole.figures["mib"] is None or whole.figures["mib"] > 50
