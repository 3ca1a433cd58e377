"""Entries over several training runs: means, intervals and comparisons."""

import csv

import numpy as np
import pytest

from locus.benchmark.records import Record, cases, load, pack
from locus.benchmark.report import tables
from locus.benchmark.report.entry import trainings
from locus.benchmark.scoring.statistics import mrmc
from tests.benchmark.report.given import leaderboard, texts
from tests.benchmark.report.made_up import PATIENTS, cell, hits, training

LEVELS = {"cam": (16, 15, 17), "layercam": (15, 16, 16), "gradcam": (6, 7, 6), "prior": (3, 3, 3)}
"""Method -> hits of each of three trainings: the first so many patients, shifted by the seed."""


def lines(folder):
    tables.write(folder)
    with (folder / "leaderboard.csv").open(newline="") as file:
        return {(line["global_pool"], line["method"]): line for line in csv.DictReader(file)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four methods of a network on three seeds, and one method of another network on one."""
    folder = tmp_path_factory.mktemp("entries")
    for method, counts in LEVELS.items():
        for seed, count in enumerate(counts):
            training(folder, method, seed, count)
    training(folder, "cam", 0, 14, "AVG")
    pack(folder)
    return folder


@pytest.fixture(scope="module")
def board(folder):
    """The leaderboard's rows as numbers; the tables are written."""
    return lines(folder)


def expected(method):
    """The interval by the formulas, with every patient left out by hand."""
    rows = np.array([hits(count, seed if method != "prior" else 0) for seed, count in enumerate(LEVELS[method])], dtype=float)
    left_out = np.array([[np.delete(row, p).mean() for p in range(PATIENTS)] for row in rows])
    return rows.mean(1), left_out


def test_row_values_have_only_reproducible_decimals(folder):
    entries = leaderboard(load(folder), folder=folder).entries
    ends = [end for record in entries for score in record.scores for end in (score.value, score.low, score.high) if end is not None]
    assert ends == [round(end, 6) for end in ends]
    assert any(round(end, 5) != end for end in ends)


@pytest.mark.byhand
def test_row_of_three_runs_is_their_mean_with_the_interval_of_the_formulas(board):
    line = board["PCAM", "cam"]
    theta, left_out = expected("cam")
    wanted = mrmc.interval(theta, left_out)
    assert (float(line["score"]), line["trainings"], line["seed"], line["model_id"]) == (0.8, "3", "", "custom-PCAM-64px")
    assert float(line["seed_sd"]) == pytest.approx(0.05, abs=1e-6)  # of .80, .75, .85
    assert [float(line["low"]), float(line["high"])] == pytest.approx([wanted.low, wanted.high], abs=1e-6)
    reach = 4.30265 * 0.05 * np.sqrt(4 / 3)  # t of 2 degrees of freedom
    assert [float(line["one_more_low"]), float(line["one_more_high"])] == pytest.approx([0.8 - reach, min(0.8 + reach, 1)], abs=1e-5)
    assert line["of_this_network_low"] == ""


@pytest.mark.byhand
def test_methods_are_compared_within_their_network_by_the_formulas(board):
    verdicts = {name: line["method_may_be_best"] for (pooling, name), line in board.items() if pooling == "PCAM"}
    assert verdicts == {"cam": "True", "layercam": "True", "gradcam": "False", "prior": ""}
    assert board["AVG", "cam"]["method_may_be_best"] == ""  # the only method of its network
    wanted = mrmc.difference(expected("cam"), expected("gradcam"))
    line = board["PCAM", "gradcam"]
    assert line["worse_than"] == "cam"
    result = [float(line[name]) for name in ("worse_by", "worse_low", "worse_high")]
    assert result == pytest.approx([wanted.value, wanted.low, wanted.high], abs=1e-6)
    assert [board["PCAM", "cam"][name] for name in ("worse_by", "worse_low", "worse_than")] == ["", "", ""]
    shares = [float(board["PCAM", name]["p_first"]) for name in ("cam", "layercam", "gradcam")]
    assert sum(shares) == pytest.approx(1)
    assert (0.2 < shares[1] < 0.5, shares[2] < 0.01) == (True, True)  # runs are resampled too


def test_row_of_one_run_has_the_interval_of_this_network(folder, board):
    line = board["AVG", "cam"]
    assert (line["trainings"], line["low"], line["high"], line["seed_sd"], line["one_more_low"]) == ("1", "", "", "", "")
    assert (line["of_this_network_low"], line["of_this_network_high"]) == ("0.01", "0.99")
    text = (folder / "leaderboard.md").read_text()
    assert "0.700 (1 run) | [0.010, 0.990]" in text
    assert "| this run only [95%] |" in text


def test_individual_runs_have_a_table(folder):
    section = texts(folder)["phantom: individual training runs"]
    visible = [[word.strip() for word in row.strip("|").split("|")] for row in section.splitlines() if row.startswith("| custom")]
    assert [(row[2], row[3], row[4][:5]) for row in visible[:3]] == [("0", "cam", "0.800"), ("1", "cam", "0.750"), ("2", "cam", "0.850")]
    assert len(visible) == 10  # prior sees no network: its three are one row


def test_without_per_case_rows_there_is_only_a_mean(tmp_path):
    for method in ("cam", "layercam"):
        for seed, count in enumerate(LEVELS[method]):
            record = training(tmp_path, method, seed, count - (method == "layercam"))
            cases.path(tmp_path, record.cell).unlink()
    board = lines(tmp_path)
    assert [board["PCAM", "cam"][name] for name in ("score", "low", "method_may_be_best")] == ["0.8", "", ""]
    assert [board["PCAM", "layercam"][name] for name in ("worse_by", "method_may_be_best")] == ["", ""]


def test_runs_of_another_recipe_are_another_entry():
    one, other, further = (Record(cell=cell("cam", seed)) for seed in range(3))
    pinned = further.model_copy(update={"cell": further.cell.model_copy(update={"recipe": {**further.cell.recipe, "threads": 1}})})
    assert [len(group) for group in trainings([other, one, pinned])] == [2, 1]


def test_two_runs_have_a_spread_but_no_prediction_interval(tmp_path):
    for seed, count in enumerate((16, 15)):
        training(tmp_path, "cam", seed, count)
    pack(tmp_path)
    line = lines(tmp_path)["PCAM", "cam"]
    assert (line["trainings"], line["one_more_low"], line["one_more_high"]) == ("2", "", "")
    assert float(line["seed_sd"]) == pytest.approx(0.05 / np.sqrt(2), abs=1e-6)
    assert "has fewer than 3 training runs, too few to predict" in " ".join((tmp_path / "index.html").read_text().split())
