"""``benchmark.audit``: values become rows, and invalid files are one sentence."""

import numpy as np
import pytest

from locus.benchmark.audit.compare import run
from locus.benchmark.audit.literature import sentence
from locus.benchmark.audit.read import UNKNOWN_COUNT, read_values
from locus.benchmark.audit.results import COLUMNS, Box, find_share, gap
from locus.benchmark.records import Cell, Record, Score
from locus.core.errors import BadValueError, DataError
from locus.datasets.io.tables import read_csv

COUNTS = {"Mass": 4, "Infiltration": 3}
pytestmark = pytest.mark.byhand


def table(folder, *lines):
    file = folder / "mine.csv"
    file.write_text("\n".join(lines) + "\n")
    return file, read_csv(file, ("finding",))


def values(folder, *lines):
    return read_values(*table(folder, *lines), "mine", COUNTS)


def test_values_keep_their_threshold_and_take_the_number_of_boxes_of_nih(tmp_path):
    mine = values(tmp_path, "finding,iou.3,IoBB.25", "Infiltrate,.25,1", "Mass,.5,.5")
    assert [(s.finding, s.value, s.n) for s in mine.select("hit@iou.3")] == [("Infiltration", 0.25, 3), ("Mass", 0.5, 4)]
    assert find_share(mine, "hit@iobb.25", "Infiltration").value == 1
    fewer = values(tmp_path, "finding,n,iou.3", "Infiltration,2,.5", "Mass,3,.33")
    assert [score.n for score in fewer.select("hit@iou.3")] == [2, 3]


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        (("finding,iou.3", "Mass,50", "Infiltration,.2"), r"iou\.3 of Mass is '50'.*divide percentages by 100"),
        (("finding,iou.3,IOU.3", "Mass,.5,.4", "Infiltration,.2,.2"), r"several columns of iou\.3"),
        (("finding,iou.3", "Mass,", "Infiltration,.2"), r"iou\.3 of Mass is ''"),
        (("finding,iou.3", "Mass,.5"), "no row of Infiltration"),
        (("finding,iou.3", "Mass,.5", "mass,.4", "Infiltration,.2"), "several rows of Mass"),
        (("finding,iou.3", "Mass,.5", "Fracture,.4"), "Fracture"),
        (("finding,iou.8", "Mass,.5", "Infiltration,.2"), r"'iou\.8'.*iou\.1, iou\.2"),
        (("finding,auc", "Mass,.5", "Infiltration,.2"), "'auc'"),
        (("finding", "Mass", "Infiltration"), "no column of a threshold"),
        (("finding,n,iou.3", "Mass,5,.5", "Infiltration,2,.2"), "n of Mass is 5.*1 to 4"),
        (("finding,n,iou.3", "Mass,x,.5", "Infiltration,2,.2"), "n of Mass is no number"),
        (("finding,n,iou.3", "Mass,2.5,.5", "Infiltration,2,.2"), "n of Mass is 2.5"),
        (("finding,iou.5,iobb.5", "Mass,.5,.2", "Infiltration,.2,.2"), r"iou\.5 of Mass is 0\.5, more than iobb\.5"),
        (("finding,iou.3,iou.5", "Mass,.5,.6", "Infiltration,.2,.2"), r"iou\.5 of Mass is 0\.6, more than iou\.3"),
    ],
)
def test_invalid_values_are_one_sentence(tmp_path, lines, facts):
    with pytest.raises(DataError, match=facts) as caught:
        values(tmp_path, *lines)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        (("finding,pointing", "Mass,.5", "Infiltration,.2", "mean,.9"), r"mean of pointing is 0\.9, but its findings give 0\.350"),
        (("finding,iou,dice", "Mass,.5,.4", "Infiltration,.2,.3"), r"iou of Mass is 0\.5, more than dice with 0\.4"),
        (("finding,pointing,pointing@cell", "Mass,.5,.4", "Infiltration,.2,.3"), r"pointing of Mass is 0\.5, more than pointing@cell"),
    ],
)
def test_values_that_contradict_each_other_are_one_sentence(tmp_path, lines, facts):
    with pytest.raises(DataError, match=facts):
        read_values(*table(tmp_path, *lines), "mine", {**COUNTS, "mean": 7}, "chestx_det10")


def test_a_mean_beside_its_findings_is_read_where_the_list_of_boxes_is_not_read_yet(tmp_path):
    unknown_counts = dict.fromkeys([*COUNTS, "mean"], UNKNOWN_COUNT)
    mine = table(tmp_path, "finding,iou.3", "Mass,.5", "Infiltration,.2", "mean,.35")
    assert read_values(*mine, "mine", unknown_counts).find("hit@iou.3", "mean").value == 0.35


@pytest.mark.parametrize("count", ["0", "1.5", "x", "-1"])
def test_a_wrong_number_of_boxes_is_refused_at_once_where_their_list_is_not_read_yet(tmp_path, count):
    with pytest.raises(DataError, match="write a whole number from 1, the number of boxes"):
        read_values(*table(tmp_path, "finding,n,iou.3", f"Mass,{count},.5"), "mine", {"Mass": UNKNOWN_COUNT})


def test_a_mean_that_rounding_explains_is_accepted(tmp_path):
    mine = table(tmp_path, "finding,pointing", "Mass,.50", "Infiltration,.21", "mean,.36")
    assert read_values(*mine, "mine", {**COUNTS, "mean": 7}, "chestx_det10").find("pointing", "mean").value == 0.36


def test_a_mean_alone_is_accepted_as_it_is_and_counts_all_boxes(tmp_path):
    mine = read_values(*table(tmp_path, "finding,iou.3", "mean,.3"), "mine", {**COUNTS, "mean": 7})
    assert [(score.finding, score.value, score.n) for score in mine.scores] == [("mean", 0.3, 7)]


def test_the_name_of_a_baseline_is_refused_as_an_entry(tmp_path):
    file, _ = table(tmp_path, "finding,iou.3", "Mass,.5")
    with pytest.raises(BadValueError, match="entry prior"):
        run(str(file), entry="prior", truth="NIH", root=None, output=None, echo=print)


def one_share(n):
    return Record(cell=Cell(dataset="NIH", method="mine"), scores=(Score("Mass", "hit@iou.3", 0.5, n=n),))


def test_the_sentence_of_a_mean_alone_has_the_widest_interval_that_values_by_finding_allow():
    hits = {column: np.array([1.0, 0, 1, 0] * 8) for column in COLUMNS}
    box = Box.of((hits, ["Infiltration"] * 16 + ["Mass"] * 16, [str(n) for n in range(32)]))
    values = {"Infiltration": 0.5, "Mass": 0.5}
    by_finding = Record(cell=Cell(dataset="NIH", method="mine"), scores=tuple(Score(f, "hit@iou.3", v, n=16) for f, v in values.items()))
    mean_alone = Record(cell=Cell(dataset="NIH", method="mine"), scores=(Score("mean", "hit@iou.3", 0.5, n=32),))
    both = [gap(record, "hit@iou.3", box.findings, box) for record in (by_finding, mean_alone)]
    assert both[0].high <= both[1].high
    text = sentence(mean_alone, box)
    assert text.startswith("mine hits at IoU > .3: .500, not significantly different from fixed_box (.500), difference +.000 [")


def test_shares_of_fewer_boxes_have_a_difference_but_no_mark():
    hits = {column: np.array([1.0, 0, 1, 0, 1, 0]) for column in COLUMNS}
    box = Box.of((hits, ["Mass"] * 6, list("abcdef")))
    by_count = {n: gap(one_share(n), "hit@iou.3", ["Mass"], box) for n in (6, 4)}
    assert [of.value for of in by_count.values()] == [0, 0]
    assert [gap.mark for gap in by_count.values()] == ["level", ""]
