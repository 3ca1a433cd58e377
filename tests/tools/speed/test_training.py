"""The training benchmark's goals and page, worked by hand, and its look at memory."""

import time

import numpy as np
import pytest

from core.errors import DataError
from tests.warm import in_a_child
from tools.speed import record
from tools.speed.goals import verdicts
from tools.speed.training import goals, long
from tools.speed.training.flags import FLAGS, USUAL
from tools.speed.training.record import ALL, CACHE, CPU, GPU, LOADER, ONE, PURE, STEP, TRAINING, Long, Rate, TrainingRecord
from tools.speed.training.subject import SUBJECT

NETWORK = record.Setting(backbone="resnet18", size=224, batch=16)


def row(group, contender, wall, where=CPU, **known):
    usual = {"setting": NETWORK, "images": 64, "cpu_ms": wall, "rounds": 4}
    return Rate(group=group, place=where, contender=contender, wall_ms=wall, **{**usual, **known})


def by_hand(*more: Rate, tenths=(600.0, 601.0, 603.5), devices=(CPU,)) -> TrainingRecord:
    rows = [row("decoding", ONE, 10.0), row("decoding", ALL, 5.2), row("decoding", CACHE, 5.5)]
    rows += [row("epoch", PURE, 48.0, augment="none"), row("epoch", TRAINING, 50.0, augment="none")]
    rows += [row("epoch", PURE, 48.0, augment="light"), row("epoch", TRAINING, 49.0, augment="light")]
    rows += [row("stages", LOADER, 0.5), row("stages", STEP, 50.0), *more]
    peak = max(tenths, default=None)
    long = Long(setting=NETWORK, images=20_000, array=957.0, loaded=590.0, caching=640.0, training=tenths, peak=peak, seconds=90.0)
    machine = record.Machine(cpu="CPU", cores=2, memory_gib=8, system="Linux", python="3.11", threads=2, load=0, packages={"torch": "2"})
    settings = {"rounds": 4, "file_side": 1024}
    known = {"created": "2026-01-02T03:04:05+00:00", "seconds": 400, "machine": machine, "settings": settings}
    return TrainingRecord(**known, devices=dict.fromkeys(devices, "precision 32"), rows=tuple(rows), long=long)


@pytest.mark.byhand
def test_goals_are_read_from_the_worst_figure():
    found = [(verdict.worst and round(verdict.worst, 3), verdict.where, verdict.met) for verdict in verdicts(goals.GOALS, by_hand())]
    assert found == [
        (0.96, "resnet18, --augment none", True),  # 48 / 50
        (None, "", None),
        (0.945, "2 cores", True),  # 5.2 / 5.5
        (3.5, "20,000 images", True),  # 603.5 - 600
    ]


@pytest.mark.byhand
def test_a_gpu_is_judged_by_its_own_rows():
    faster = [row("epoch", PURE, 0.8, GPU, augment="none"), row("epoch", TRAINING, 1.0, GPU, augment="none")]
    verdict = verdicts(goals.GOALS, by_hand(*faster, devices=(CPU, GPU)))[1]
    assert (round(verdict.worst, 3), verdict.met) == (0.8, False)


@pytest.mark.byhand
def test_memory_that_grows_breaks_its_promise():
    assert verdicts(goals.GOALS, by_hand(tenths=(600.0, 640.0, 680.0)))[3].met is False
    assert verdicts(goals.GOALS, by_hand(tenths=()))[3].met is None


def test_the_page_says_that_no_gpu_was_measured_unless_one_was():
    assert "No GPU was measured" in SUBJECT.page([by_hand()])
    gpu = [row("epoch", word, 1.0, GPU, augment="none") for word in (PURE, TRAINING)]
    assert "o GPU was measured" not in SUBJECT.page([by_hand(*gpu, devices=(CPU, GPU))])


def test_the_page_shows_rates_their_share_and_what_was_left_out():
    left_out = row("flags", "--compile True", None, rounds=0, reason="no g++")
    shown = SUBJECT.page([by_hand(row("flags", USUAL, 50.0), row("flags", "--precision bf16-mixed", 25.0), left_out)])
    assert "| cpu | resnet18 | 224 | 16 | none | 64 | 20.8 | 20.0 | 0.96 | 0.96 | 4 |" in shown
    assert f"| {LOADER} | 2000 | 0.50 | 100 | 64 | 4 |" in shown
    assert "| --precision bf16-mixed | 40.0 | 2.00 | 4 |" in shown
    assert "| --compile True | – | – | no g++ |" in shown
    assert "112,120 images of NIH, not measured here, would be a file of 5.6 GB" in shown


def test_every_flag_stands_beside_single_precision():
    assert next(iter(FLAGS)) == USUAL
    assert len({tuple(flags.items()) for flags in FLAGS.values()}) == len(FLAGS)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record.write(by_hand(), tmp_path / "training.json")
    assert record.read(TrainingRecord, tmp_path / "training.json", SUBJECT.command) == by_hand()
    with pytest.raises(DataError, match=r"absent\.json.*python -m tools\.speed training"):
        record.read(TrainingRecord, tmp_path / "absent.json", SUBJECT.command)


@pytest.mark.skipif(long.private() is None, reason="the system does not tell what a process holds")
def test_memory_that_came_and_went_is_seen():
    peak, after = in_a_child(watched)
    assert 150 < peak < 300
    assert after < 100


def watched():
    """MiB more than before at the peak, and afterwards."""
    before = long.private()
    with long.PeakWatch() as peak:
        held = np.ones(20 * 2**20)  # 160 MiB
        time.sleep(4 * long.EACH)
        del held
    return peak.mib - before, long.private() - before
