"""Subgroups: groups of cases, answers of the classifier, and scores within groups."""

import math

import numpy as np
import pandas as pd
import pytest

from locus import datasets
from locus.benchmark.maps import subgroups
from locus.core.frames import area
from locus.core.types import Sample

MASS, NODULE = "Mass", "Nodule"
FINDINGS = (MASS, NODULE)


def sample(image, labels, boxes, **meta):
    truth = {finding: np.array([box], dtype=float) for finding, box in boxes.items()}
    return Sample(image, image[0], (100, 200), np.array(labels, np.float32), truth, lambda: np.zeros((1, 1), np.uint8), meta=meta)


def predictions(training=0, test=(), signal=1.0):
    """Ten validation images, the positives ``signal`` higher (0 … 4 and signal … signal + 4), and the test images (name, logit, label)."""
    val = [("val", f"v{n}", n % 5 + signal * (n >= 5), n >= 5) for n in range(10)]
    rows = val + [("test", *one) for one in test]
    table = pd.DataFrame(rows, columns=["split", "image", "logit_Mass", "label_Mass"])
    return table.assign(training=training, logit_Nodule=table["logit_Mass"], label_Nodule=math.nan)


def rows(hits, images=None, finding=MASS):
    names = images or [f"p{n:03d}" for n in range(len(hits))]
    return [{"image": i, "patient": i, "finding": finding, "hit@iou.3": h, "pointing": not h} for i, h in zip(names, hits, strict=True)]


@pytest.fixture(scope="module")
def phantom():
    return datasets.load("phantom", img_size=64, test=120, train=0, val=0)


@pytest.mark.byhand
def test_three_cases_are_in_the_expected_groups():
    """Boxes of 1%, 6% and 50% of 100 × 200; the logits of the masses are 4 and 6, the cut-off is 5."""
    one = sample("a1", [1, 1], {MASS: (0, 0, 10, 20), NODULE: (0, 0, 40, 30)}, view="AP", sex="F", age=17.0)
    two = sample("b1", [1, 0], {MASS: (0, 0, 100, 100)}, view="PA", sex="M", age=math.nan)
    table = predictions(test=[("a1", 4.0, 1), ("b1", 6.0, 1)], signal=5.0)
    result = subgroups.group_labels([one, two], table, FINDINGS)
    first, second, third = ("a1", MASS), ("a1", NODULE), ("b1", MASS)
    assert result["size"] == {first: "small", second: "medium", third: "large"}
    assert result["view"] == {first: "AP", second: "AP", third: "PA"}
    assert result["sex"] == {first: "F", second: "F", third: "M"}
    assert result["age"] == {first: "0-17", second: "0-17"}
    assert result["co_occurrence"] == {first: "co-occurring", second: "co-occurring", third: "single"}
    assert subgroups.cut_offs(table, FINDINGS) == {MASS: {0: 5.0}, NODULE: {}}
    assert result["classifier_correct"] == {first: "wrong", third: "right"}


@pytest.mark.byhand
def test_of_several_truth_boxes_the_largest_counts():
    both = sample("a1", [1, 0], {MASS: (0, 0, 10, 10)})
    boxes = {MASS: np.array([[0, 0, 10, 10], [0, 0, 100, 100]], dtype=float)}
    both = Sample("a1", "a", (100, 200), both.labels, boxes, both.read)
    assert subgroups.group_labels([both], predictions(), FINDINGS)["size"] == {("a1", MASS): "large"}


@pytest.mark.byhand
def test_unknown_label_or_a_task_of_one_finding_leaves_company_unknown():
    unsure = sample("a1", [1, math.nan], {MASS: (0, 0, 10, 10)})
    assert "co_occurrence" not in subgroups.group_labels([unsure], predictions(), FINDINGS)
    alone = sample("a1", [1], {MASS: (0, 0, 10, 10)})
    assert "co_occurrence" not in subgroups.group_labels([alone], predictions(), (MASS,))
    boxed = sample("a1", [math.nan, 0], {MASS: (0, 0, 10, 10), NODULE: (0, 0, 10, 10)})
    assert set(subgroups.group_labels([boxed], predictions(), FINDINGS)["co_occurrence"].values()) == {"co-occurring"}


def test_test_labels_do_not_change_the_cut_off():
    table = predictions(test=[(f"t{n}", float(n), n < 10) for n in range(20)], signal=5.0)
    flipped = table.assign(label_Mass=table["label_Mass"] ^ (table["split"] == "test"))
    assert flipped["label_Mass"].ne(table["label_Mass"]).sum() == 20
    assert subgroups.cut_offs(flipped, FINDINGS) == subgroups.cut_offs(table, FINDINGS) == {MASS: {0: 5.0}, NODULE: {}}
    assert subgroups.answers(flipped, FINDINGS) == subgroups.answers(table, FINDINGS)


def test_cut_off_is_that_of_the_training_run_of_the_test_image():
    sure, timid = (predictions(n, test=[(f"t{n}", 7.0, 1)], signal=signal) for n, signal in enumerate((5.0, 20.0)))
    both = pd.concat([timid, sure], ignore_index=True)
    assert subgroups.cut_offs(both, (MASS,)) == {MASS: {0: 5.0, 1: 20.0}}
    assert subgroups.answers(both, (MASS,)) == {("t0", MASS): "right", ("t1", MASS): "wrong"}


@pytest.mark.parametrize("signal", [0.0, -5.0])
def test_uninformative_validation_images_leave_the_answer_unknown(signal):
    table = predictions(test=[("a1", 9.0, 1)], signal=signal)
    result = subgroups.group_labels([sample("a1", [1, 0], {MASS: (0, 0, 10, 10)})], table, FINDINGS)
    assert "classifier_correct" not in result
    assert set(result) == {"size", "co_occurrence"}


@pytest.mark.byhand
def test_exclusive_classes_are_judged_one_against_the_rest():
    """Both logits change together, so only their difference determines the class."""
    table = predictions(test=[("a1", 0.0, 1)], signal=0.0)
    table["logit_Nodule"] = table["logit_Mass"] - np.where(table["label_Mass"] == 1, 1.0, -1.0)
    assert subgroups.cut_offs(table, FINDINGS)[MASS] == {}
    assert subgroups.cut_offs(table, FINDINGS, exclusive=True)[MASS] == {0: pytest.approx(-math.log(1 + math.exp(-1)))}
    assert subgroups.answers(table, FINDINGS, exclusive=True)["a1", MASS] == "right"


@pytest.mark.planted
def test_method_that_hits_only_large_boxes_scores_0_on_small_ones(phantom):
    nobody = pd.DataFrame(columns=["training", "split", "image", *(f"{kind}_{f}" for kind in ("logit", "label") for f in phantom.findings)])
    result = subgroups.group_labels(list(phantom), nobody, phantom.findings)
    assert set(result) == {"size", "co_occurrence"}  # a phantom has no view, sex or age, and no classifier was asked
    cases = [(one.image_id, finding, area(boxes).max()) for one in phantom for finding, boxes in one.boxes.items()]
    table = rows([pixels >= 0.08 * 64 * 64 for *_, pixels in cases], [image for image, *_ in cases])
    table = [row | {"finding": finding} for row, (_, finding, _) in zip(table, cases, strict=True)]
    means = {s.group: s.scores[-2] for s in subgroups.scores(table, result, phantom.findings)}
    shares = {group: (means[group].value, means[group].low, means[group].high) for group in ("small", "medium", "large")}
    assert {group: value for group, (value, *_) in shares.items()} == {"small": 0, "medium": 0, "large": 1}
    assert shares["small"][1] == 0 < shares["small"][2] < 0.1  # the exact binomial bound
    assert 0.9 < shares["large"][1] < 1 == shares["large"][2]
    assert 0 < means["single"].value < 1


@pytest.mark.byhand
def test_group_has_scores_only_for_its_findings():
    words = {"view": {("p000", MASS): "PA", ("p001", MASS): "PA", ("p002", MASS): "AP"}}
    result = subgroups.scores(rows([True, False, True]), words, FINDINGS)
    assert [(s.variable, s.group) for s in result] == [("view", "AP"), ("view", "PA")]
    said = [(s.finding, s.metric, s.value, s.n, s.threshold_source) for s in result[1].scores]
    main = [(finding, "hit@iou.3", 0.5, 2, "cross-fitted") for finding in (MASS, "mean")]
    assert said == [*main, ("mean", "pointing", 0.5, 2, "none")]


def test_ten_patients_have_an_interval_and_nine_have_none():
    cases = rows([n % 2 == 0 for n in range(19)])
    words = {"sex": {(row["image"], MASS): "F" if n < 10 else "M" for n, row in enumerate(cases)}}
    women, men = subgroups.scores(cases, words, FINDINGS)
    assert all(score.low < score.value < score.high for score in women.scores)
    assert all((score.low, score.high) == (None, None) for score in men.scores)


def test_order_of_cases_changes_nothing():
    cases = rows(np.random.default_rng(0).random(60) < 0.5)
    words = {"size": {(row["image"], MASS): ("large", "small", "")[n % 3] for n, row in enumerate(cases)}}
    result = subgroups.scores(cases, words, FINDINGS)
    assert [s.group for s in result] == ["small", "large"]
    assert subgroups.scores(cases[::-1], words, FINDINGS) == result


def test_unknown_variables_and_no_cases_give_no_stratum():
    assert subgroups.scores(rows([True]), {"view": {}}, FINDINGS) == ()
    assert subgroups.scores([], {"view": {("p000", MASS): "PA"}}, FINDINGS) == ()
    assert subgroups.group_labels([], predictions(), FINDINGS) == {}
