"""Differences on common cases, and their tables."""

import pytest

from locus.core.errors import BadValueError, DataError


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
