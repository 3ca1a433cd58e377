"""The table, the column and the chart of what maps add to ``prior``."""

import csv
import io

import numpy as np
import pytest

from locus.benchmark.records import Cell, Record, Score
from locus.benchmark.report import added, comparisons, main_table
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.scoring.statistics.resample import holm
from tests.benchmark.report.made_up import training

COUNT = 1000


def record(method, value, error, seed=0, fitted_on=None, left_out=()):
    """A record of ``added`` whose resamples have a standard deviation; the findings ``left_out`` have no score."""
    source = "cross-fitted" if fitted_on is None else "fitted"
    numbers = {"alone": 0.2, "combined": 0.25 + value, "added": value, "weight": 0.5}
    ends = (value - 1.96 * error, value + 1.96 * error)
    scores = [Score("mean", name, of, *(ends if name == "added" else (None, None)), 100, source) for name, of in numbers.items()]
    spread = np.random.default_rng([*method.encode(), seed]).normal(0, 1, COUNT)
    resampled = value + error * (spread - spread.mean()) / spread.std(ddof=1)
    cell = Cell(
        dataset="phantom",
        backbone="custom",
        global_pool="PCAM",
        seed=seed,
        model_id=f"custom-PCAM-seed{seed}",
        method=method,
        protocol="added",
        data={} if fitted_on is None else {"fitted_on": fitted_on},
        recipe={"seed": seed},
    )
    weights = {"Effusion": {"weight": [0.5]}, **{finding: {"weight": []} for finding in left_out}}
    return Record(cell=cell, scores=tuple(scores), resampled=tuple(resampled.round(6).tolist()), thresholds={source: weights})


def suite_of(folder, values):
    """Records of ``single_box`` with cases, and of ``added`` for methods with a ``value``: method -> its value."""
    records = []
    for method, value in values.items():
        of_main = training(folder, method, 0, 5 if method == "prior" else 15)
        records.append(of_main)
        if value is not None:
            cell = of_main.cell.model_copy(update={"protocol": "added"})
            records.append(record(method, value, 0.02).model_copy(update={"cell": cell}))
    return records


def lines_of(board):
    """Lines of ``leaderboard.csv`` by kind and method."""
    return {(line["kind"], line["method"]): line for line in csv.DictReader(io.StringIO(main_table.leaderboard_csv([board])))}


def board_of(records, tmp_path, is_primary=None):
    return leaderboards(records, CaseFolders(tmp_path), is_primary=is_primary)[0]


def test_interval_of_one_run_is_that_of_its_resamples():
    (row,) = comparisons.added([record("cam", 0.1, 0.02)], "phantom")
    interval = row.scores["added"]
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.1, 0.1 - 1.96 * 0.02, 0.1 + 1.96 * 0.02), abs=1e-4)


def test_runs_that_differ_widen_the_interval_over_runs():
    same, apart = ([record("cam", value, 0.02, seed) for seed, value in enumerate(values)] for values in ([0.1] * 3, [0, 0.1, 0.2]))
    widths = [np.ptp(comparisons.added(of, "phantom")[0].scores["added"][1:3]) for of in (same, apart)]
    assert widths[0] < widths[1]


def test_correction_is_over_the_methods_and_not_over_the_baselines():
    found = comparisons.added([record(name, 0.042, 0.02) for name in ("cam", "gradcam", "noise", "shuffled")], "phantom")
    by_name = {row.name: row for row in found}
    (single,) = {round(row.over_baselines[0].single_p, 4) for row in found}
    assert single < 0.05
    assert [by_name[name].over_baselines[0].p for name in ("cam", "gradcam")] == pytest.approx(holm(np.array([single] * 2)), abs=1e-3)
    assert [by_name[name].over_baselines[0].p for name in ("noise", "shuffled")] == [None, None]
    assert {name: added.verdict(row) for name, row in by_name.items()} == {
        "cam": "n.s.",
        "gradcam": "n.s.",
        "noise": "adds",
        "shuffled": "adds",
    }


def test_primary_row_is_tested_before_the_others():
    records = [record(name, 0.042, 0.02) for name in ("cam", "gradcam")]
    found = {row.name: row for row in comparisons.added(records, "phantom", lambda row: row.name == "cam")}
    assert added.verdict(found["cam"]) == "adds"
    assert found["gradcam"].over_baselines[0].p >= found["cam"].over_baselines[0].p


def test_row_with_no_spread_that_adds_nothing_is_not_significant():
    still = record("eigencam", 0.0, 0.0).model_copy(update={"resampled": (0.0,) * COUNT})
    (row,) = comparisons.added([still], "phantom")
    assert (added.cell(row), added.verdict(row)) == ("+.000 [.000, .000]", "n.s.")


def test_table_has_methods_best_first_then_baselines_and_the_truth_without_a_verdict(tmp_path):
    board = board_of(
        [record(*of) for of in (("noise", 0.0, 0.01), ("cam", 0.05, 0.01), ("truth", 0.7, 0.01), ("gradcam", 0.1, 0.01))], tmp_path
    )
    table = added.table(board)
    assert table.headings == ("network", "method", "alone", "combined", "added [95%]", "weight", "verdict")
    assert [(row[1], row[-1]) for row in table.rows] == [("gradcam", "adds"), ("cam", "adds"), ("truth", "–"), ("noise", "n.s.")]
    assert table.rows[0][2:4] == (".200", ".350")


def test_chart_has_an_arrow_per_row_but_for_the_truth(tmp_path):
    board = board_of([record(*of) for of in (("noise", 0.0, 0.01), ("cam", 0.05, 0.01), ("truth", 0.7, 0.01))], tmp_path)
    chart = added.chart(board)
    assert "cam" in chart.svg
    assert "noise" in chart.svg
    assert "truth" not in chart.svg
    assert ".250" in chart.about


def test_suite_without_the_protocol_has_no_table_and_no_chart(tmp_path):
    board = board_of(
        [record("cam", 0.1, 0.01).model_copy(update={"cell": Cell(dataset="phantom", method="cam", protocol="pointing")})], tmp_path
    )
    assert (board.added, added.chart(board), added.table(board).rows) == ([], None, ())


def test_findings_without_a_score_are_named_below_the_tables(tmp_path):
    records = [record(name, 0.1, 0.01, left_out=("Mass", "Nodule")) for name in ("cam", "noise")]
    board = board_of([*records, training(tmp_path, "cam", 0, 15)], tmp_path)
    sentence = "added leaves out Mass and Nodule: boxes of fewer than five other patients."
    tables = added.table(board), added.table(board, complete=False), main_table.thresholds(board), main_table.terminal(board)
    assert [table.footnote for table in tables] == [sentence] * 4
    other_network = record("cam", 0.05, 0.01, left_out=("Mass",))
    other_network = other_network.model_copy(update={"cell": other_network.cell.model_copy(update={"global_pool": "LSE"})})
    both = board_of([*records, other_network], tmp_path)
    assert added.table(both, complete=False).footnote == f"{sentence} 1 row of other networks on the page."
    assert added.table(board_of([record("cam", 0.1, 0.01)], tmp_path)).footnote == ""


def test_findings_that_the_other_suite_did_not_choose_are_named_below_the_table(tmp_path):
    board = board_of([record("cam", 0.1, 0.01, fitted_on="nih-sample", left_out=("Mass",))], tmp_path)
    assert added.table(board).footnote == "added leaves out Mass: no weight and thresholds in nih-sample."


def test_table_and_chart_tell_rows_of_one_run_from_those_of_several(tmp_path):
    several = [record(name, 0.1, 0.02, seed) for name in ("cam", "noise") for seed in range(3)]
    board = board_of([*several, record("gradcam", 0.05, 0.02)], tmp_path)
    table, chart = added.table(board), added.chart(board)
    runs = table.header.index("runs")
    assert {row[1]: row[runs] for row in table.rows} == {"cam": "3", "gradcam": "1", "noise": "3"}
    assert "one training run covers patients only" in table.intro
    assert "gradcam (one run)" in chart.svg
    assert "cam (one run)" not in chart.svg.replace("gradcam (one run)", "")
    assert "With one run, the interval covers patients only." in chart.about
    equal = board_of([record("cam", 0.1, 0.02), record("gradcam", 0.05, 0.02), record("noise", 0.0, 0.02)], tmp_path)
    assert "runs" not in added.table(equal).header
    assert "one run" not in added.chart(equal).svg.lower()


def test_csv_has_what_each_map_adds_also_for_rows_of_added_alone(tmp_path):
    records = suite_of(tmp_path, {"cam": 0.1, "prior": None, "shuffled": 0.0})
    of_main = [one for one in records if one.cell.protocol == "single_box" and one.cell.method != "shuffled"]
    of_added = [one for one in records if one.cell.protocol == "added"]
    lines = lines_of(board_of([*of_main, *of_added], tmp_path))
    names = ("alone", "combined", "added", "added_low", "added_high", "weight")
    assert [float(lines["method", "cam"][name]) for name in names] == pytest.approx([0.2, 0.35, 0.1, 0.061, 0.139, 0.5], abs=1e-3)
    assert float(lines["method", "cam"]["added_p"]) < 0.001
    assert {lines[row]["added"] for row in (("baseline", "prior"), ("network", ""))} == {""}
    shuffled = lines["baseline", "shuffled"]
    assert (shuffled["added"], shuffled["hit@iou.3"], shuffled["prior_difference"], shuffled["above_baselines"]) == ("0", "", "", "")
    without_added = lines_of(board_of(of_main, tmp_path))
    assert {*names, "added_p"} == {*lines["method", "cam"]} - {*without_added["method", "cam"]}


def test_what_one_run_adds_does_not_stand_in_the_row_of_several_runs(tmp_path):
    second_run = [training(tmp_path, "cam", 1, 15), training(tmp_path, "prior", 1, 5)]
    board = board_of([*suite_of(tmp_path, {"cam": 0.1, "prior": None}), *second_run], tmp_path)
    (row,) = [row for row in board.methods if row.name == "cam"]
    assert len(row.runs) == 2
    assert board.added_of(row) is None
    assert [len(row.runs) for row in board.added if row.name == "cam"] == [1]


def test_data_frame_has_what_each_map_adds_with_its_interval(tmp_path):
    records = suite_of(tmp_path, {"cam": 0.1, "prior": None})
    frame = main_table.data_frame([board_of(records, tmp_path)]).set_index("method")
    columns = ["added", "added_low", "added_high"]
    assert frame.loc["cam", columns].tolist() == pytest.approx([0.1, 0.061, 0.139], abs=1e-3)
    assert frame.loc["prior", columns].isna().all()
    of_main = [one for one in records if one.cell.protocol == "single_box"]
    assert not {*columns} & {*main_table.data_frame([board_of(of_main, tmp_path)])}
