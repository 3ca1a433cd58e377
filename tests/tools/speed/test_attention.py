"""The speed benchmark of attention methods: equal maps, goals and page."""

import pytest

from core.errors import LocusError
from tools.speed.attention import run as timed
from tools.speed.attention.subject import SUBJECT, AttentionSpeedConfig
from tools.speed.goals import verdicts
from tools.speed.names import BARE, CHEFER, CHEFER_LOOP, FAITHFULNESS, ROLLOUT, UNFUSED
from tools.speed.record import Machine, Row, SpeedRecord


def row(contender, findings, cpu, group="attention"):
    on = {"backbone": "small ViT", "batch": 1, "size": 224, "findings": findings}
    return Row(group=group, on=on, contender=contender, figures={"wall_ms": 9 * cpu, "cpu_ms": cpu, "rounds": 3})


def by_hand():
    rows = [row(BARE, 0, 90.0), row(UNFUSED, 0, 100.0), row(ROLLOUT, 8, 119.0), row(CHEFER, 8, 900.0), row(CHEFER_LOOP, 8, 1700.0)]
    rows += [row(BARE, 0, 10.0, "faithfulness"), row(FAITHFULNESS, 8, 15.0, "faithfulness")]
    machine = Machine(cpu="CPU", cores=2, memory_gib=8, system="Linux", python="3.11", threads=1, load=9, packages={"torch": "2"})
    known = {"created": "2026-01-02T03:04:05+00:00", "seconds": 600, "settings": {"rounds": 3}}
    return SpeedRecord(schema_version=2, machine=machine, rows=tuple(rows), **known)


@pytest.mark.byhand
def test_goals_compare_cpu_times_with_unfused_attention():
    assert [(round(v.worst, 2), v.met) for v in verdicts("attention", by_hand())] == [(1.19, True), (9.0, True), (1.89, False)]


@pytest.mark.byhand
def test_the_page_shows_ratios_of_cpu_time():
    lines = SUBJECT.page([by_hand()]).splitlines()
    assert "| Locus, rollout | 8 | 119 | 1071 | 1.19 | – | 3 |" in lines
    assert "| Locus, insertion, deletion and ROAD | 8 | 15.0 | 135 | 1.50 | – | 3 |" in lines


@pytest.mark.contract
def test_all_contenders_are_timed_unless_their_maps_differ():
    pytest.importorskip("torchcam")
    pytest.importorskip("pytorch_grad_cam")
    rows = list(timed.rows(SUBJECT.quick(AttentionSpeedConfig(), ())))
    assert {r.contender for r in rows} == {word for group in timed.CONTENDERS.values() for word in group}
    assert all(r.figures["cpu_ms"] > 0 for r in rows)
    ours = {"chefer": timed.torch.ones(1, 2, 2, 2)}
    with pytest.raises(LocusError, match=CHEFER_LOOP):
        timed._require_alike(CHEFER_LOOP, lambda: timed.torch.zeros(1, 2, 2, 2), lambda: ours)
