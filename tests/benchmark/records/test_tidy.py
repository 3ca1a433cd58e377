"""``records.frame`` has all scores of records in one table."""

import pandas as pd
import pytest

from locus.benchmark import records
from locus.benchmark.records import Cell, Record, Score


def run(seed, *scores, **fields):
    cell = Cell(dataset="phantom", backbone="custom", global_pool="PCAM", method="cam", seed=seed, recipe={"seed": seed})
    return Record(cell=cell, scores=scores, **fields)


def test_frame_has_a_row_per_score_of_a_single_run():
    scores = (
        Score("mean", "hit@iou.3", 0.5, 0.25, 0.75, n=20, threshold_source="cross-fitted"),
        Score("mean", "hit@iou.3", 0.625, n=20, threshold_source="oracle"),
        Score("Mass", "hit@iou.3", None, n=0, threshold_source="cross-fitted", reason="no case"),
    )
    table = records.frame([run(0, *scores)])
    assert list(table.threshold_source) == ["cross-fitted", "oracle", "cross-fitted"]
    assert table.loc[0, ["value", "low", "high", "n", "runs"]].tolist() == [0.5, 0.25, 0.75, 20, 1]
    assert table.loc[0, ["network", "method", "finding"]].tolist() == ["small CNN with PCAM", "cam", "mean"]
    assert pd.isna(table.value[2])
    assert table.reason[2] == "no case"


def test_frame_has_the_mean_over_training_runs_and_only_common_intervals():
    shared = Score("mean", "pointing", 0.5, 0.25, 0.75, n=20)
    runs = [run(seed, shared, Score("mean", "energy", value, 0.1, 0.9, n=20)) for seed, value in enumerate((0.25, 0.5))]
    table = records.frame(runs).set_index("metric")
    assert table.runs.tolist() == [2, 2]
    assert table.loc["pointing", ["value", "low", "high"]].tolist() == [0.5, 0.25, 0.75]
    assert table.value["energy"] == 0.375
    assert table.loc["energy", ["low", "high"]].isna().all()


def test_a_score_that_one_run_lacks_has_a_reason_and_no_value():
    first, second = run(0, Score("mean", "energy", 0.25)), run(1, Score("mean", "pointing", 0.5))
    table = records.frame([first, second]).set_index("metric")
    assert set(table.index) == {"energy", "pointing"}
    assert table.value.isna().all()
    assert set(table.reason) == {"1 of 2 training runs have no score"}


def test_a_cell_without_scores_has_one_row_with_its_reason():
    (row,) = records.frame([run(0, status="n/a", reason="no maps")]).itertuples()
    assert (row.metric, row.reason) == ("", "no maps")
    assert pd.isna(row.value)


@pytest.mark.parametrize("suite", ["demo", "grounding"])
def test_frame_names_each_score_of_a_suite_once(suite):
    table = records.frame(records.load(f"results/{suite}"))
    keys = ["dataset", "model", "method", "protocol", "alignment", "source", "finding", "metric", "threshold_source"]
    assert len(table) > 100
    assert not table.duplicated(keys).any()
