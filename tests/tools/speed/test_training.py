"""The speed benchmark of training: goals, page and memory."""

import pytest

from core.errors import DataError
from tools.speed import record
from tools.speed.goals import verdicts
from tools.speed.names import ALL_CORES, ALONE, CACHE, CPU, FIRST_TENTH, GPU, LAST_TENTH, LOADER, ONE_PROCESS, STEP, TRAINING
from tools.speed.training.subject import SUBJECT

NETWORK = {"backbone": "resnet18", "size": 224, "batch": 16}


def row(group, contender, wall, device=CPU, **on):
    figures = {"wall_ms": wall, "cpu_ms": wall, "rounds": 4, "images": 64}
    on = {"device": device, **NETWORK, **on}
    return record.Row(group=group, on=on, contender=contender, figures=figures)


def by_hand(*more, tenths=(600.0, 603.5)):
    rows = [row("decoding", word, wall, cores=2) for word, wall in ((ONE_PROCESS, 10.0), (ALL_CORES, 5.2), (CACHE, 5.5))]
    rows += [row("epoch", ALONE, 48.0, augment="none"), row("epoch", TRAINING, 50.0, augment="none")]
    rows += [row("epoch", ALONE, 48.0, augment="light"), row("epoch", TRAINING, 49.0, augment="light")]
    rows += [row("stages", LOADER, 0.5), row("stages", STEP, 50.0), *more]
    on = {**NETWORK, "images": 20_000, "array": 957.0, "seconds": 90.0}
    rows += [
        record.Row(group="long", on=on, contender=when, figures={"mib": mib})
        for when, mib in zip((FIRST_TENTH, LAST_TENTH), tenths, strict=True)
    ]
    machine = record.Machine(cpu="CPU", cores=2, memory_gib=8, system="Linux", python="3.11", threads=2, load=0, packages={"torch": "2"})
    settings = {"rounds": 4, "file_side": 1024, "long": 20_000}
    known = {"created": "2026-01-02T03:04:05+00:00", "seconds": 400, "machine": machine, "settings": settings}
    return record.SpeedRecord(schema_version=2, rows=tuple(rows), **known)


@pytest.mark.byhand
def test_goals_are_judged_by_the_worst_figure():
    found = [(verdict.worst and round(verdict.worst, 3), verdict.where, verdict.met) for verdict in verdicts("training", by_hand())]
    assert found == [
        (0.96, "resnet18, --augment none", True),  # 48 / 50
        (None, "", None),
        (0.945, "2 cores", True),  # 5.2 / 5.5
        (3.5, "20,000 images", True),  # 603.5 - 600
    ]


@pytest.mark.byhand
def test_a_gpu_is_judged_by_its_own_rows():
    faster = [row("epoch", ALONE, 0.8, GPU, augment="none"), row("epoch", TRAINING, 1.0, GPU, augment="none")]
    verdict = verdicts("training", by_hand(*faster))[1]
    assert (round(verdict.worst, 3), verdict.met) == (0.8, False)


@pytest.mark.byhand
def test_growing_memory_fails_its_goal():
    assert verdicts("training", by_hand(tenths=(600.0, 680.0)))[3].met is False
    assert verdicts("training", by_hand(tenths=(None, None)))[3].met is None


def test_the_page_shows_rates_and_shares():
    shown = SUBJECT.page([by_hand()])
    assert "| cpu | resnet18 | 224 | 16 | none | 64 | 20.8 | 20.0 | 0.96 | 0.96 | 4 |" in shown
    assert f"| {LOADER} | 2000 | 0.50 | 100 | 64 | 4 |" in shown
    assert "112,120 images of NIH has 5.6 GB at 224 px (not measured)" in shown


def test_a_record_is_read_as_it_was_written(tmp_path):
    record.write(by_hand(), tmp_path / "training.json")
    assert record.read(tmp_path / "training.json", SUBJECT.command) == by_hand()
    with pytest.raises(DataError, match=r"absent\.json.*python -m tools\.speed training"):
        record.read(tmp_path / "absent.json", SUBJECT.command)
