"""Differences on common cases, and their tables."""

import re

import pandas as pd
import pytest

from locus.benchmark.suite.comparison import main_differences, run
from locus.config import CompareConfig
from locus.core.errors import BadValueError, DataError
from tests.benchmark.report.made_up import training


def mean(rows, metric):
    return next(row for row in rows if (row["metric"], row["finding"]) == (metric, "mean"))


def test_the_difference_is_that_of_the_shares_with_its_interval_and_p(write, compare, hits):
    write("s", "AVG", "cam", hits(0.5))
    write("s", "AVG", "layercam", hits(0.8))
    output, rows = compare("s/layercam", "s/cam")
    share = {name: (hits(number) > 0.3).mean() for name, number in (("cam", 0.5), ("layercam", 0.8))}
    result = mean(rows, "hit@iou.3")
    assert float(result["difference"]) == pytest.approx(share["layercam"] - share["cam"])
    assert 0 < float(result["low"]) < float(result["difference"]) < float(result["high"])
    assert float(result["p"]) < float(result["p_holm"]) < 0.01
    assert {row["metric"] for row in rows} == {"hit@iou.3", "hit@iou.1", "hit@iou.5", "mean_iou", "pointing"}  # no IoBB here
    assert {row["finding"] for row in rows} == {"mass", "nodule", "mean"}
    assert "A = s/layercam" in output
    assert "patients: 30" in output


def test_tables_have_the_findings_of_the_main_column_and_the_means_of_all(two_models, compare):
    output, rows = compare("tiny/AVG", "tiny/PCAM")
    assert len(rows) == 2 * 3 * 5
    by_finding, means = output.split("hit@iou.3 by finding")[1].split("mean over findings")
    assert (by_finding.count("mass"), means.count("mass"), means.count("mean_iou")) == (2, 0, 2)
    assert "layercam" in means


def test_other_cases_are_left_out_and_counted(write, compare, hits):
    write("s", "AVG", "cam", hits(0.5))
    write("s", "AVG", "layercam", hits(0.8)[:40], first=5)
    output, rows = compare("s/cam", "s/layercam")
    assert "40 common cases; left out: 20 cases of A only, 0 cases of B only" in output
    assert mean(rows, "pointing")["n"] == "40"


def test_no_common_case_is_an_error(write, compare, hits):
    write("s", "AVG", "cam", hits(0.5))
    write("s", "AVG", "layercam", hits(0.8), first=100)
    with pytest.raises(BadValueError, match=r"s/cam.*s/layercam"):
        compare("s/cam", "s/layercam")


def test_different_data_sets_are_reported(write, compare, hits):
    write("s", "AVG", "cam", hits(0.5))
    write("t", "AVG", "cam", hits(0.5)[:40])
    write("u", "AVG", "cam", hits(0.5), recipe="b")
    assert "the data sets of A and B differ in drawing" in compare("s", "u")[0]
    assert "the data sets of A and B differ" not in compare("s", "t")[0]


def test_cases_are_matched_by_image_and_finding_not_by_order(write, compare, hits):
    iou = hits(0.5)
    write("s", "AVG", "cam", iou)
    write("t", "AVG", "cam", iou, order=-1)
    _, rows = compare("s", "t")
    assert {float(row["difference"]) for row in rows} == {0.0}


def test_missing_rows_say_what_to_do(two_models, tmp_path, compare):
    for file in (tmp_path / "tiny/records/cases/single_box").glob("*"):
        file.unlink()
    with pytest.raises(DataError, match=rf"AVG, cam.*{tmp_path}/tiny.*--overwrite always"):
        compare("tiny/AVG", "tiny/PCAM")


@pytest.mark.byhand
def test_differences_of_two_results_are_those_of_common_cells_with_a_score_largest_first(tmp_path):
    one = [training(tmp_path, method, 0, count) for method, count in {"cam": 10, "gradcam": 12, "prior": 5}.items()]
    other = [training(tmp_path, method, 0, count) for method, count in {"cam": 10, "gradcam": 9, "layercam": 7}.items()]
    found = [(round(gap, 9), cell.method) for gap, cell in main_differences(one, other)]
    assert found == [(0.15, "gradcam"), (0.0, "cam")]  # of 20 cases, 3 differ
    assert main_differences(one, []) == []


def test_two_rows_are_compared_under_every_rule_of_their_cases(two_models, tmp_path):
    def under_rules(*pair):
        run(CompareConfig(pair=pair, results=str(tmp_path), all_rules=True), text.append)
        return {rule: values for line in text[-1].strip().splitlines()[3:] for rule, *values in [re.split(" {2,}", line.strip())]}

    text = []
    table = under_rules("tiny/PCAM/layercam", "tiny/AVG/cam")
    assert {"IoU > .1", "IoU > .3", "IoU > .7", "IoU", "pointing"} <= table.keys()
    assert "any box, IoU > .3" not in table  # these rows do not have the numbers of boxes
    assert table["IoU > .3"][-1] == "A"
    assert table["IoU > .7"][:2] == ["0.000", "0.000"]  # no box overlaps so much
    with pytest.raises(BadValueError, match=r"--all_rules.*2 pairs.*suite/model/method"):
        under_rules("tiny/PCAM", "tiny/AVG")
    with pytest.raises(BadValueError, match=r"--all_rules requires suites"):
        under_rules(f"{tmp_path}/tiny", f"{tmp_path}/tiny")
    pair, file = ("tiny/PCAM/layercam", "tiny/AVG/cam"), tmp_path / "rules.csv"
    run(CompareConfig(pair=pair, results=str(tmp_path), all_rules=True, output=str(file)), text.append)
    assert pd.read_csv(file)["rule"].tolist() == [*table]
