"""The rows of a leaderboard: means, intervals, comparisons with each other and with prior, baselines, networks and effects."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from locus.benchmark.records import Record, Score, cases, load, pack, trainings, write
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report import main_table
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.comparisons import SPREAD
from locus.benchmark.report.formats import number
from locus.benchmark.report.grouping import COLUMNS, UNSOLVED
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.page import DatasetTables, answer, notes
from locus.core.names import MAIN
from locus.core.scores import Difference, Estimate
from locus.scoring.statistics import mrmc
from tests.benchmark.report.given import leaderboard, texts
from tests.benchmark.report.made_up import PATIENTS, cell, hits, training

LEVELS = {"cam": (16, 15, 17), "layercam": (15, 16, 16), "gradcam": (6, 7, 6), "xgradcam": (0, 1, 0)}
LEVELS |= {"prior": (5, 5, 5), "center": (1, 1, 1), "truth": (20, 20, 20)}
"""Method -> hits of each of three runs: the first so many patients, shifted by the seed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Methods and baselines of a network on three seeds, and one method and prior of another network on one."""
    folder = tmp_path_factory.mktemp("rows")
    for method, counts in LEVELS.items():
        for seed, count in enumerate(counts):
            training(folder, method, seed, count)
    training(folder, "cam", 0, 14, "AVG")
    training(folder, "prior", 0, 5, "AVG")
    pack(folder)
    return folder


@pytest.fixture(scope="module")
def board(folder):
    return leaderboard(load(folder), folder=folder)


def row(board, name, pooling="PCAM"):
    rows = [row for row in (*board.methods, *board.baselines) if row.name == name]
    return next((row for row in rows if row.cell.global_pool == pooling), rows[0])


def by_hand(method):
    """Scores of the three runs, and the same with every patient left out."""
    rows = np.array([hits(count, seed if method != "prior" else 0) for seed, count in enumerate(LEVELS[method])], dtype=float)
    return rows.mean(1), np.array([[np.delete(row, p).mean() for p in range(PATIENTS)] for row in rows])


@pytest.mark.byhand
@pytest.mark.parametrize("method", ["cam", "prior", "center"])
def test_row_of_three_runs_is_their_mean_with_the_interval_over_runs_and_patients(board, method):
    wanted, main = mrmc.interval(*by_hand(method)), row(board, method).main
    assert (main.value, main.low, main.high) == pytest.approx((wanted.value, wanted.low, wanted.high), abs=1e-6)
    assert main.n == PATIENTS


@pytest.mark.byhand
def test_methods_are_compared_within_their_network_and_with_prior_by_the_formulas(board):
    best = {name: row(board, name).in_top_group for name in ("cam", "layercam", "gradcam")}
    assert best == {"cam": True, "layercam": True, "gradcam": False}
    assert row(board, "cam", "AVG").in_top_group is None  # the only method of its network
    behind, wanted = row(board, "gradcam").best_other, mrmc.difference(by_hand("cam"), by_hand("gradcam"))
    assert behind.other == "cam"
    assert behind.estimate[:3] == pytest.approx((wanted.value, wanted.low, wanted.high))
    gap, wanted = row(board, "cam").over_baselines[0].estimate, mrmc.difference(by_hand("cam"), by_hand("prior"))
    assert gap[:3] == pytest.approx((wanted.value, wanted.low, wanted.high))


@pytest.fixture
def low(tmp_path):
    """Two networks with three runs each, a bit better than prior, which is not significant."""
    for pooling, counts in {"AVG": {"cam": 12, "layercam": 11}, "LSE": {"cam": 11, "layercam": 10}}.items():
        for method, count in (counts | {"prior": 9, "truth": 20}).items():
            for seed in range(3):
                training(tmp_path, method, seed, count, pooling)
    pack(tmp_path)
    return leaderboard(load(tmp_path), folder=tmp_path)


def test_row_that_is_not_shown_to_be_above_baselines_is_nowhere_said_to_be_possibly_the_best(low):
    weak = [*low.methods, *low.networks, *low.effects]
    assert {one.above_baselines for one in weak} == {False}
    assert {one.kind for one in weak if one.significantly_worse is False} == {"method", "network", "effect"}
    assert {one.in_top_group for one in weak} == {False}
    assert {main_table.verdict(one) for one in weak if not one.significantly_worse} == {"not shown to be above the floor"}
    lines = csv.DictReader(io.StringIO(main_table.leaderboard_csv([low])))
    assert {line["in_top_group"] for line in lines if line["above_baselines"]} == {"False"}
    frame = main_table.data_frame([low])
    assert [*frame["in_top_group"].dropna()] == [False] * 4
    text = " ".join(answer(low))
    assert "Not significantly worse" not in text
    assert "may be the best" not in text
    assert "not shown to be above the baselines" in text


def test_terminal_table_has_at_most_eight_rows_with_the_users_own_first_and_ends_with_the_baselines(tmp_path):
    for method, count in {**{f"m{n}": 4 + n for n in range(9)}, "prior": 3, "fixed_box": 2, "mine": 1}.items():
        training(tmp_path, method, 0, count)
    pack(tmp_path)
    held = load(tmp_path)
    published = [record if record.cell.method == "mine" else record.model_copy(update={"source": PUBLISHED}) for record in held]
    table = main_table.terminal(leaderboard(published, folder=tmp_path))
    shown = [(row[1], row[2][:4]) for row in table.rows]
    best = [(f"m{n}", f".{(4 + n) * 5}0") for n in (8, 7, 6, 5, 4)]
    assert shown == [("mine", ".050"), *best, ("prior", ".150"), ("fixed_box", ".100")]
    assert table.footnote.startswith("4 more rows")


def test_networks_with_one_name_are_named_with_the_settings_in_which_they_differ(tmp_path):
    for method in ("cam", "prior"):
        for epochs in (2, 5):
            training(tmp_path, method, 0, 9, pinned={"epochs": epochs})
        training(tmp_path, method, 0, 9, pinned={"augment": "has:hide=.5"})
    pack(tmp_path)
    board = leaderboard(load(tmp_path), folder=tmp_path)
    wanted = ["small CNN with PCAM and HaS", "small CNN with PCAM, epochs=2", "small CNN with PCAM, epochs=5"]
    assert sorted(one.network for one in board.methods) == wanted
    lines = csv.DictReader(io.StringIO(main_table.leaderboard_csv([board])))
    assert sorted(line["network"] for line in lines if line["method"] == "cam") == wanted
    tables = DatasetTables(board).all_tables
    networks = [table.rows[n][0] for table in tables if "network" in table.header for n in range(3)]
    assert {*networks} == {*wanted}


def test_untrained_beside_a_users_rows_is_named_as_the_published_network(tmp_path):
    for method in ("cam", "prior", "untrained"):
        training(tmp_path, method, 0, 9)
    training(tmp_path, "mine", 0, 9, backbone="net.py", pinned={"weights": "ab"})
    pack(tmp_path)
    held = load(tmp_path)
    published = [record if record.cell.method == "mine" else record.model_copy(update={"source": PUBLISHED}) for record in held]
    cells = {}
    for name, records in {"published": held, "of a user": published}.items():
        table = main_table.thresholds(leaderboard(records, folder=tmp_path))
        cells[name] = {row[1]: row[0] for row in table.rows}["untrained"]
    assert cells == {"published": "small CNN with PCAM", "of a user": "small CNN with PCAM (published)"}


def test_row_below_prior_is_never_the_best_and_one_that_is_not_above_baselines_is_grey_and_never_bold(board):
    above = {name: row(board, name).above_baselines for name in ("cam", "gradcam", "xgradcam", "prior", "center")}
    assert above == {"cam": True, "gradcam": False, "xgradcam": False, "prior": None, "center": False}
    assert row(board, "xgradcam").in_top_group is False
    table = main_table.thresholds(board)
    looks = {(cells[1], mark): cells[-2:] for cells, mark in zip(table.rows, table.marks, strict=True)}
    assert looks["cam", "bold"][0].startswith("+.550 [")
    for name in ("cam", "gradcam", "xgradcam"):
        gap = row(board, name).over_floor
        difference, verdict = looks[name, "bold" if name == "cam" else "grey"]
        assert difference.removeprefix("+").startswith(number(gap.estimate.value))
        assert (verdict == "n.s.") == (gap.p > 0.05)


def test_first_table_has_at_most_nine_columns_and_prints_each_difference_beside_its_verdict(board):
    table = main_table.thresholds(board)
    wanted = ("network (AUROC)", "method", "IoU > .1", ".3 [95%]", ".5", "IoBB > .5", "difference [95%]", "verdict")
    assert table.headings == wanted
    beside = {cells[1]: cells[-2:] for cells in table.rows}
    verdicts = {name: verdict for name, (_, verdict) in beside.items()}
    assert verdicts == {
        "cam": "above",
        "layercam": "above",
        "gradcam": "n.s.",
        "xgradcam": "below",
        "prior": "–",
        "center": "below",
        "truth": "–",
    }
    assert all((difference == "–") == (verdict == "–") for name, (difference, verdict) in beside.items() if name != "cam")


def test_all_thresholds_are_in_a_table_of_their_own_with_the_rows_of_the_first(board):
    first, complete = main_table.thresholds(board), main_table.all_thresholds(board)
    assert [cells[:2] for cells in complete.rows] == [cells[:2] for cells in first.rows]
    assert complete.marks == first.marks
    assert complete.headings[2:9] == ("IoU > .1", ".2", ".3 [95%]", ".4", ".5", ".6", ".7")
    assert complete.headings[9:] == ("IoBB > .1", ".25", ".5", ".75", ".9", "pointing")


@pytest.mark.parametrize("seeds", [1, 3])
def test_with_too_few_patients_nothing_is_said_about_prior(tmp_path, seeds):
    for method, count in {"cam": 7, "layercam": 6, "prior": 1}.items():
        for seed in range(seeds):
            training(tmp_path, method, seed, count, patients=8)
    board = leaderboard(load(tmp_path), folder=tmp_path)
    assert [(one.in_top_group, one.above_baselines) for one in board.methods] == [(None, None)] * 2
    assert "which see no image: not compared, there are too few patients." in " ".join(answer(board))


def test_baselines_are_last_and_stand_once_or_once_per_grid_on_which_they_differ(board, folder, tmp_path):
    assert [one.name for one in board.baselines] == ["prior", "center", "truth"]
    table = main_table.thresholds(board)
    assert [cells[1] for cells in table.rows][-3:] == ["prior", "center", "truth"]
    assert row(board, "prior").note == ""
    for backbone, shown in (("custom", 9), ("resnet18", 9), ("densenet121", 6)):
        for seed in range(2):
            training(tmp_path, "prior", seed, shown, backbone=backbone)
            training(tmp_path, "cam", seed, 15, backbone=backbone)
    grids = leaderboard(load(tmp_path), folder=tmp_path)
    assert {one.note: one.main.value for one in grids.baselines} == {"small CNN, resnet18": 0.45, "densenet121": 0.3}
    assert grids.baseline("prior", row(grids, "cam")).main.value in (0.45, 0.3)


def test_row_of_one_run_has_the_interval_of_its_record(board):
    one = row(board, "cam", "AVG")
    assert (one.is_single, one.main.low, one.main.high, SPREAD in one.scores) == (True, 0.01, 0.99, False)
    assert "one run" in main_table.network_cell(one)


def test_columns_of_the_threshold_table_are_made_from_the_overlap_of_the_box(board):
    scores = row(board, "cam").scores
    assert {name: scores[name].value for name in COLUMNS if name.startswith("hit@iou")} == dict.fromkeys(COLUMNS[:7], 0.8)
    assert not any(name.startswith("hit@iobb") for name in scores)  # not in these rows


def test_finding_that_prior_solves_is_named_and_left_out_of_a_second_mean(tmp_path):
    for method, shares in {"cam": (0.4, 0.8), "prior": (0.1, 1.0)}.items():
        one = cell(method, 0)
        scores = [Score(finding=f, metric=MAIN, value=v, n=20, threshold_source="cross-fitted") for f, v in zip("ab", shares, strict=True)]
        mean = scores[0]._replace(finding="mean", value=sum(shares) / 2)
        write(Record(cell=one, scores=(*scores, mean), rests_on={"test images": 20}), tmp_path)
    board = leaderboard(load(tmp_path))
    assert (board.solved, row(board, "cam").scores[UNSOLVED].value) == (("b",), 0.4)
    assert "without b" in main_table.all_thresholds(board).header
    assert any("hits at least nine of ten cases of b" in line for line in notes(board))


def test_without_per_case_rows_there_is_only_a_mean(tmp_path):
    for seed in range(3):
        record = training(tmp_path, "cam", seed, 16)
        cases.path(tmp_path, record.cell).unlink()
    (one,) = leaderboard(load(tmp_path), folder=tmp_path).methods
    assert (one.main.value, one.main.low, one.in_top_group, one.over_baselines) == (0.8, None, None, ())


def test_runs_of_another_recipe_are_another_row():
    one, other, further = (Record(cell=cell("cam", seed)) for seed in range(3))
    pinned = further.model_copy(update={"cell": further.cell.model_copy(update={"recipe": {**further.cell.recipe, "threads": 1}})})
    assert [len(group) for group in trainings([other, one, pinned])] == [2, 1]


def test_individual_runs_have_a_table(folder):
    lines = texts(folder)["phantom: individual training runs"].splitlines()
    shown = [[word.strip() for word in line.strip("|").split("|")][1:4] for line in lines if line.startswith("| small")]
    assert [(seed, method, score[:5]) for seed, method, score in shown[:3]] == [
        ("0", "cam", "0.800"), ("1", "cam", "0.750"), ("2", "cam", "0.850"),
    ]  # fmt: skip
    assert len(shown) == 12


@pytest.mark.parametrize(("over_fixed_box", "above"), [(0.1, True), (-0.1, False)])
def test_row_is_above_the_baselines_only_if_it_is_above_both(board, over_fixed_box, above):
    (prior,) = row(board, "cam").over_baselines
    gap = Difference("fixed_box", Estimate(over_fixed_box, over_fixed_box - 0.05, over_fixed_box + 0.05), 0.01)
    assert replace(row(board, "cam"), over_baselines=(prior, gap)).above_baselines is above


def test_row_with_fewer_training_runs_than_the_best_is_not_compared(tmp_path):
    for method, runs, count in (("cam", 3, 16), ("layercam", 3, 15), ("occlusion", 2, 14), ("prior", 3, 2)):
        for seed in range(runs):
            training(tmp_path, method, seed, count)
    pack(tmp_path)
    rows = leaderboard(load(tmp_path), folder=tmp_path).methods
    assert {one.name: one.in_top_group for one in rows} == {"cam": True, "layercam": True, "occlusion": None}


def published(folder, *own, **counts):
    """The leaderboard of a folder in which all methods but ``own`` are published."""
    for method, count in counts.items():
        for seed in range(1 if method in own else 3):
            training(folder, method, seed, count, pooling="AVG" if method in own else "PCAM")
    training(folder, "prior", 0, counts["prior"], "AVG")
    pack(folder)
    records = [r if r.cell.global_pool == "AVG" else r.model_copy(update={"source": PUBLISHED}) for r in load(folder)]
    listed = frozenset(record.key for record in records if record.source == PUBLISHED)
    return leaderboards(records, CaseFolders(folder), listed=listed)[0]


BEATEN, BETTER = "1 (`gradcam` on small CNN with PCAM)", "1 (`cam` on small CNN with PCAM)"


@pytest.mark.parametrize(("count", "above", "better", "worse"), [(19, "`mine`", "none", BEATEN), (2, "no method", BETTER, "none")])
def test_answer_is_about_a_users_row_beside_published_ones(tmp_path, count, above, better, worse):
    board = published(tmp_path, "mine", mine=count, cam=15 if count < 9 else 18, gradcam=3, prior=4)
    first, second = answer(board)[:2]
    assert first.startswith(f"**Yours**: `mine` on small CNN with AVG: {count / 20:.3f}".replace("0.", "."))
    assert f"Of 2 published rows, {better} significantly better, {worse} significantly worse." in first
    if above == "no method":
        assert second.startswith("**Beside `prior` (.200)**, which see no image: `mine` − `prior` is −.100 [")
        assert "No method is shown to be above both at IoU > .3" in second
    else:
        assert second.startswith(f"**Significantly above `prior` (.200)**, which see no image: {above} at IoU > .3")
    table = main_table.thresholds(board, complete=False)
    assert table.rows[0][1] == "mine"
    assert main_table.by_finding(board).rows[0][0] == "mine"


def test_answer_says_why_a_row_that_scores_more_than_a_named_one_is_not_named(board):
    best, second, low = (row(board, name) for name in ("cam", "layercam", "gradcam"))
    last = replace(second, name="last", scores={**second.scores, MAIN: second.main._replace(value=0.7)})
    between = [replace(second, name="steady", significantly_worse=True), replace(second, name="weak", over_baselines=low.over_baselines)]
    first = answer(replace(board, methods=[best, *between, last]))[0]
    assert "Not significantly worse on this network: `last`." in first
    assert "worse in the paired comparison: `steady`." in first
    assert first.endswith("not shown to be above the baselines: `weak`.")


HITS = {"cam": 12, "layercam": 8, "prior": 2}
BOTH = ("cam", "layercam")


def suite(folder, *rank_methods, **given):
    """Network, by pooling -> its runs, hits added to those of ``HITS``, and perhaps methods and hits of ``truth``."""
    for pooling, (runs, more, *other) in given.items():
        methods, truth = other or (BOTH, 20)
        for method in (*methods, "prior", "truth"):
            for seed in range(runs):
                count = truth if method == "truth" else HITS[method] + more * (method != "prior")
                training(folder, method, seed, count, pooling)
    pack(folder)
    (board,) = leaderboards(load(folder), CaseFolders(folder), rank_methods)
    return board, {row.runs[0].cell.global_pool: row for row in board.networks}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Two networks that are compared, one of one run, one at another grid and one that lacks a method."""
    others = {"EXP": (3, 1, BOTH, 15), "PCAM": (3, 1, ("cam",), 20)}
    return suite(tmp_path_factory.mktemp("networks"), *BOTH, AVG=(3, 0), LSE=(3, 6), MAX=(1, 2), **others)[1]


def test_networks_are_compared_within_a_grid_and_others_have_a_reason(networks):
    assert {name: row.in_top_group for name, row in networks.items()} == {"AVG": False, "LSE": True, "MAX": None, "PCAM": None, "EXP": None}
    reasons = {name: row.note for name, row in networks.items()}
    assert (reasons["AVG"], reasons["LSE"], reasons["MAX"], reasons["PCAM"]) == ("", "", "one training run", "layercam not scored")
    assert reasons["EXP"].startswith("no other network has a similar grid")
    assert list(networks) == ["LSE", "MAX", "EXP", "AVG", "PCAM"]  # by their means; without a mean last


@pytest.mark.byhand
def test_a_network_is_the_mean_over_its_rank_methods_and_the_difference_is_nested(networks):
    def mean(more):
        rows = np.array([[hits(HITS[name] + more, seed) for name in BOTH] for seed in range(3)], dtype=float).mean(1)
        return rows.mean(1), np.array([[np.delete(row, p).mean() for p in range(PATIENTS)] for row in rows])

    assert networks["LSE"].main.value == pytest.approx((18 + 14) / 2 / PATIENTS)
    wanted, behind = mrmc.difference_nested(mean(6), mean(0)), networks["AVG"].best_other
    assert behind.other == "small CNN with LSE"
    assert behind.estimate[:3] == pytest.approx((wanted.value, wanted.low, wanted.high))


@pytest.mark.byhand
def test_the_effect_of_a_method_is_the_mean_of_the_differences_in_each_network(tmp_path):
    """cam is better by 4 of 20 hits in each network: 12 − 8 and 18 − 14. EXP has another grid, on which truth scores less."""
    board, _ = suite(tmp_path, AVG=(3, 0), LSE=(3, 6), MAX=(1, 2), EXP=(3, 1, ("layercam",), 15))
    cam, layercam = board.effects
    assert (cam.name, cam.in_top_group, cam.best_other) == ("cam", True, None)
    assert (layercam.name, layercam.best_other.other, layercam.best_other.estimate.value) == ("layercam", "cam", pytest.approx(0.2))


def test_means_over_networks_are_of_the_methods_that_all_networks_have(tmp_path):
    board, _ = suite(tmp_path, AVG=(3, 0), LSE=(3, 6), PCAM=(3, 1, ("cam",), 20))
    assert main_table.effects(board).rows == ()  # PCAM has a single one
    for method in ("gradcam", "layercam"):
        for seed in range(3):
            training(tmp_path, method, seed, 9, "PCAM")
    pack(tmp_path)
    assert {row.name for row in leaderboard(load(tmp_path), folder=tmp_path).effects} == {"cam", "layercam"}


def test_answer_names_the_best_row_those_above_baselines_and_networks_that_are_not_compared(board):
    first, second, third = answer(board)
    assert first.startswith("**Best**: `cam` on small CNN with PCAM: .800 [")
    assert ", three training runs (.772 if chosen on half of the patients and scored on the others). Not" in first
    assert first.endswith(" Not significantly worse on this network: `layercam`.")
    assert second.startswith("**Significantly above `prior` (.250)**, which see no image: `cam`, `layercam` at IoU > .3")
    assert third.startswith("**Not compared**: ")
    assert "small CNN with AVG (one training run)" in third
