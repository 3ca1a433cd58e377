"""Start time of the commands, compared with ``import torch``."""

import sys

import pytest

from tools.speed.goals import verdicts
from tools.speed.names import FIRST_STEP, IMPORT_TORCH
from tools.speed.record import Machine, Row, SpeedRecord
from tools.speed.start.run import run
from tools.speed.start.subject import SUBJECT, StartSpeedConfig


def row(contender, until, seconds):
    return Row(group="start", on={"until": until}, contender=contender, figures={"wall_s": seconds, "cpu_s": seconds, "rounds": 1})


@pytest.mark.byhand
def test_each_goal_is_judged_by_its_slowest_command_over_import_torch():
    rows = (
        row(IMPORT_TORCH, "exit", 2.0), row("a", "error", 0.5), row("b", "error", 0.7), row("c", "first line", 1.8),
        row(FIRST_STEP, "exit", 5.0),
    )  # fmt: skip
    machine = Machine(cpu="CPU", cores=2, memory_gib=8, system="Linux", python=sys.version, threads=1, load=0, packages={})
    record = SpeedRecord(schema_version=2, created="2026-01-02T03:04:05", seconds=1, machine=machine, settings={}, rows=rows)
    errors, lines, steps = verdicts("start", record)
    assert (errors.worst, errors.where, errors.met) == (0.35, "b", False)
    assert (lines.worst, lines.met) == (0.9, True)
    assert (steps.worst, steps.where, steps.met) == (2.5, FIRST_STEP, True)
    assert "| b | error | 0.70 | 0.70 | 0.35 | 1 |" in SUBJECT.page([record])


@pytest.mark.slow
@pytest.mark.contract
def test_every_command_is_timed():
    record = run(StartSpeedConfig(rounds=1))
    assert all(row.figures["wall_s"] > 0 for row in record.rows)
    assert {row.on["until"] for row in record.rows} == {"error", "first line", "exit"}
