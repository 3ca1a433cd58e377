"""Timing of calls and the command line."""

import itertools
import sys
import time
from pathlib import Path

import pytest

from tools.speed import timing
from tools.speed.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.byhand
def test_contenders_are_timed_in_turn_and_slow_ones_once():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    found = timing.fastest(calls, 3, 60)
    assert [name for name, _ in itertools.groupby(order)] == list("ababab")
    assert all(one.wall > 0 for one in found.values())
    order.clear()
    timing.fastest(calls, 3, 0)
    assert [name for name, _ in itertools.groupby(order)] == list("ab")


def test_a_short_call_is_repeated_and_a_long_one_is_not(monkeypatch):
    monkeypatch.setattr(timing, "SHORT", 200)  # longer than a busy machine pauses a process
    order = []
    timing.once(lambda: order.append("short"))
    timing.once(lambda: (order.append("long"), time.sleep(0.3)))
    assert order.count("short") > order.count("long") == 1


def test_a_new_process_finds_the_tools_although_the_checkout_is_not_on_the_path(monkeypatch):
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if Path(folder).resolve() != ROOT])
    assert timing.in_new_process(timing.short, 0.5) == timing.short(0.5)


@pytest.mark.commands
def test_an_unknown_subject_is_one_sentence(capsys):
    assert main(["maps"]) == 2
    assert "choose from methods, costs, scoring" in capsys.readouterr().err
