"""Comparison of networks, and effects of methods over networks."""

import numpy as np
import pytest

from locus.benchmark.records import load, pack
from locus.benchmark.report import main_table
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.scoring.statistics import mrmc
from tests.benchmark.report.made_up import PATIENTS, hits, training

HITS = {"cam": 12, "layercam": 8, "prior": 2}
BOTH = ("cam", "layercam")


def suite(folder, **given):
    """Network, by pooling -> its runs, hits added to those of ``HITS``, and perhaps methods and hits of ``truth``."""
    for pooling, (runs, more, *other) in given.items():
        methods, truth = other or (BOTH, 20)
        for method in (*methods, "prior", "truth"):
            for seed in range(runs):
                count = truth if method == "truth" else HITS[method] + more * (method != "prior")
                training(folder, method, seed, count, pooling)
    pack(folder)
    return folder


def compared(folder, *rank_methods):
    (board,) = leaderboards(load(folder), [folder], rank_methods)
    return board, {r.data["name"].removeprefix("custom "): r for r in board.networks}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two networks that are compared, one of one run, one at another grid and one that lacks a method."""
    others = {"EXP": (3, 1, BOTH, 15), "PCAM": (3, 1, ("cam",), 20)}
    return suite(tmp_path_factory.mktemp("networks"), AVG=(3, 0), LSE=(3, 6), MAX=(1, 2), **others)


def test_networks_are_compared_within_a_grid_and_others_have_a_reason(folder):
    _, result = compared(folder, *BOTH)
    verdicts = {name: None if (s := record.find("may_be_best")) is None else bool(s.value) for name, record in result.items()}
    assert verdicts == {"AVG": False, "LSE": True, "MAX": None, "PCAM": None, "EXP": None}
    reasons = {name: record.reason for name, record in result.items()}
    assert reasons == {"AVG": "", "LSE": "", "MAX": "1 training run", "PCAM": "layercam not scored on all images", "EXP": ""}
    assert list(result) == ["LSE", "AVG", "MAX", "PCAM", "EXP"]  # the grid of two first, those that stand apart behind


@pytest.mark.byhand
def test_a_network_is_the_mean_over_its_rank_methods_and_the_difference_is_nested(folder):
    _, result = compared(folder, *BOTH)

    def mean(more):
        rows = np.array([[hits(HITS[name] + more, seed) for name in BOTH] for seed in range(3)], dtype=float).mean(1)
        return rows.mean(1), np.array([[np.delete(row, p).mean() for p in range(PATIENTS)] for row in rows])

    assert result["LSE"].find("hit@iou.3").value == pytest.approx((18 + 14) / 2 / PATIENTS)
    wanted, gap = mrmc.difference_nested(mean(6), mean(0)), result["AVG"].find("worse_by@custom LSE")
    assert [gap.value, gap.low, gap.high] == pytest.approx([wanted.value, wanted.low, wanted.high], abs=1e-6)
    assert result["EXP"].find("share_of_bound").value == pytest.approx((13 + 9) / 2 / 15, abs=1e-6)


def test_missing_rank_method_is_reported(folder):
    board, result = compared(folder, *BOTH, "integrated_gradients")
    table = main_table.networks(board)
    assert main_table.NO_NETWORK in table.intro
    assert {record.find("may_be_best") for record in result.values()} == {None}
    assert "integrated_gradients not scored on all images" in result["AVG"].reason


def test_default_rank_methods_are_those_of_all_networks(folder):
    _, result = compared(folder)
    assert {tuple(record.data["rank_methods"]) for record in result.values()} == {("cam",)}
    assert result["PCAM"].reason == ""


@pytest.mark.byhand
def test_the_effect_of_a_method_is_the_mean_of_the_differences_in_each_network(tmp_path):
    """cam is better by 4 of 20 hits in each network: 12 − 8 and 18 − 14."""
    folder = suite(tmp_path, AVG=(3, 0), LSE=(3, 6), MAX=(1, 2))
    table = main_table.effects(compared(folder)[0])
    assert table.header == ("method", "networks", "may be the best", "worse by [95%]", "compared with", "on custom AVG", "on custom LSE")
    assert table.rows[0][:5] == ("cam", "2", "yes", "–", "–")
    method, count, _, gap, than, *item = table.rows[1]
    assert (method, count, gap[:5], than, item) == ("layercam", "2", "0.200", "cam", ["+0.200", "+0.200"])


def test_single_network_has_no_comparison_tables(tmp_path):
    board, _ = compared(suite(tmp_path, AVG=(3, 0), LSE=(1, 6)))
    assert main_table.networks(board).rows == ()
    assert main_table.effects(board).rows == ()
