"""The speed benchmark of methods: timing, records and page."""

import itertools
import time

import pytest
import torch

import backbones
from core.errors import BadValueError, DataError, LocusError
from tools.speed import timing
from tools.speed.goals import verdicts
from tools.speed.methods import agreement, memory
from tools.speed.methods.contenders import CONTENDERS, network
from tools.speed.methods.run import networks, run
from tools.speed.methods.subject import SUBJECT, MethodsSpeedConfig
from tools.speed.names import BARE, EARLIER, GRADCAM, PACKAGE_SIX, SCORECAM, SEVEN
from tools.speed.record import Machine, Row, SpeedRecord, read, write
from tools.speed.timing import Task, Times, expected, interleaved

SETTING = {"backbone": "resnet18", "size": 224, "batch": 8}
TINY = SUBJECT.quick(MethodsSpeedConfig(rounds=1, memory=False, threads=1), {"rounds"})


@pytest.fixture(scope="module")
def measured():
    pytest.importorskip("pytorch_grad_cam")
    pytest.importorskip("captum")
    pytest.importorskip("torchcam")
    return run(TINY)


def by_hand(six=100.0, fourteen=1.2):
    times = {(BARE, 0): 1.0, (SEVEN, 1): 1.0, (SEVEN, 8): 1.1, (SEVEN, 14): fourteen, (GRADCAM, 8): 1.0, (PACKAGE_SIX, 8): six}
    rows = [row(contender, findings, {"wall_ms": wall, "cpu_ms": wall, "rounds": 7}) for (contender, findings), wall in times.items()]
    left = row(PACKAGE_SIX, 14, {}, reason="one call would take more than 50 s")
    peak = row(SCORECAM, 8, {"mib": 250.0}, group="memory")
    machine = Machine(cpu="CPU", cores=2, memory_gib=8, system="Linux", python="3.11", threads=2, load=0, packages={"torch": "2"})
    known = {"created": "2026-01-02T03:04:05+00:00", "seconds": 600, "settings": {"rounds": 7}}
    return SpeedRecord(schema_version=2, machine=machine, rows=(*rows, left, peak), **known)


def row(contender, findings, figures, group="methods", reason=""):
    return Row(group=group, on=SETTING | {"findings": findings}, contender=contender, figures=figures, reason=reason)


@pytest.mark.contract
def test_every_contender_is_timed_with_every_number_of_findings(measured):
    assert {r.contender for r in measured.rows} == set(CONTENDERS)
    assert all(r.figures["wall_ms"] > 0 and r.figures["cpu_ms"] > 0 and r.figures["rounds"] == 1 and not r.reason for r in measured.rows)
    assert {r.on["findings"] for r in measured.rows if r.contender == PACKAGE_SIX} == set(TINY.findings)


def test_a_record_is_read_as_it_was_written(measured, tmp_path):
    write(measured, tmp_path / "record.json")
    assert read(tmp_path / "record.json", SUBJECT.command) == measured
    shown = {cell.strip() for line in SUBJECT.page([measured]).splitlines() for cell in line.split("|")}
    assert set(CONTENDERS) - {EARLIER} <= shown  # it has a separate table
    assert "Maps of another layer" in SUBJECT.page([measured])


def test_a_missing_record_raises_an_error_with_the_command(tmp_path):
    with pytest.raises(DataError, match=r"absent\.json.*python -m tools\.speed methods"):
        read(tmp_path / "absent.json", SUBJECT.command)


def test_a_package_with_another_map_is_not_timed():
    pytest.importorskip("pytorch_grad_cam")
    torch.manual_seed(0)
    _, images = network({"backbone": "custom", "size": 64, "batch": 2}, 2)
    model = backbones.build("custom", 2, attention_map="FPA").eval()  # the packages use the map before the attention
    with pytest.raises(LocusError, match="grad-cam"):
        agreement.check(model, images)


@pytest.mark.byhand
def test_contenders_are_timed_in_turn_and_slow_ones_have_fewer_rounds():
    order = []
    calls = {Task(name, 1): lambda name=name: order.append(name) for name in "ab"}
    found = interleaved(calls, rounds=3)
    assert [name for name, _ in itertools.groupby(order)] == list("ababab")
    assert all(len(times.wall) == len(times.cpu) == 3 for times in found.values())
    assert {len(times.wall) for times in interleaved(calls, rounds=3, budget=0).values()} == {1}


def test_a_short_call_is_repeated_and_a_long_one_is_not(monkeypatch):
    monkeypatch.setattr(timing, "SHORT", 0.2)  # longer than a busy machine pauses a process
    order = []
    interleaved({Task("short", 1): lambda: order.append("short"), Task("long", 1): lambda: (order.append("long"), time.sleep(0.3))}, 1)
    assert order.count("short") > order.count("long") == 1


@pytest.mark.byhand
def test_a_call_predicted_to_be_too_slow_is_skipped():
    calls = {Task("loop", 1): lambda: sum(range(100_000)), Task("loop", 10**9): lambda: None, Task("other", 10**9): lambda: None}
    found = interleaved(calls, rounds=2, patience=60)
    assert [len(times.wall) for times in found.values()] == [2, 0, 2]
    assert expected(Task("other", 8), {}) == 0
    assert expected(Task("loop", 14), {Task("loop", 1): Times([2.0]), Task("loop", 8): Times([8.0])}) == 14


def test_each_size_requires_a_batch_size():
    with pytest.raises(BadValueError, match=r"--sizes has 2 values, --batches 1"):
        networks(MethodsSpeedConfig(sizes=(224, 512), batches=(8,)))


@pytest.mark.byhand
def test_goals_are_judged_by_the_worst_figure():
    found = {v.text: (round(v.worst, 3), v.met) for v in verdicts("methods", by_hand()) if v.worst is not None}
    assert found == {
        "seven methods for 8 findings, compared with the bare forward pass": (1.1, True),
        "grad-cam's six methods, 8 findings": (90.909, True),
        "seven methods for 14 findings, compared with one finding": (1.2, True),
        "peak memory of Score-CAM, 8 findings": (250.0, True),
    }
    missed = {v.text for v in verdicts("methods", by_hand(six=80.0, fourteen=1.31)) if v.met is False}
    assert missed == {"grad-cam's six methods, 8 findings", "seven methods for 14 findings, compared with one finding"}


@pytest.mark.byhand
def test_the_page_shows_ratios_goals_and_skipped_calls():
    lines = SUBJECT.page([by_hand()]).splitlines()
    assert "| grad-cam, six methods | 8 | 100 | 100 | 100 | 90.9 | 7 |" in lines
    assert "| Locus, seven methods | 8 | 1.10 | 1.10 | 1.10 | – | 7 |" in lines
    assert "| grad-cam, six methods | 14 | – | – | – | – | one call would take more than 50 s |" in lines
    assert any(line.startswith("| grad-cam's six methods, 8 findings | at least 80× | 90.9× |") for line in lines)
    assert any("| captum's Grad-CAM, compared with ours, 8 findings | at least 8× | – | – | not measured |" in line for line in lines)
    assert "| resnet18 at 224 | 8 | Locus, Score-CAM | 8 | 250 |" in lines


@pytest.mark.slow
def test_peak_memory_is_that_of_the_call_and_not_of_the_packages():
    small = memory.peak({"backbone": "custom", "size": 64, "batch": 1}, Task(BARE, 0), threads=1)
    large = memory.peak({"backbone": "custom", "size": 256, "batch": 16}, Task(BARE, 0), threads=1)
    assert small.figures["mib"] < 32 < large.figures["mib"]
