"""Threshold sources of all protocols that choose thresholds."""

import dataclasses

import numpy as np
import pytest

from locus.scoring import protocols
from locus.scoring.protocols.base import Case
from locus.scoring.surface import min_max
from locus.scoring.surface.bilinear import to_frame
from tests.scoring.protocols.test_maxbox import sweep

FINDINGS = ("mass", "nodule")
FRAME = (224, 224)
choosing = [name for name in protocols.names() if protocols.get(name).chooses_thresholds and name != "masks"]  # tested in test_masks.py
every = pytest.mark.parametrize("name", choosing)


def cases(seed: int, n: int = 24, training: int = 0) -> list[Case]:
    """Return maps of blobs near their truth; boxes of mass are larger than those of nodule."""
    random, out = np.random.default_rng(seed), []
    x = np.arange(7) * 32 + 16
    for i in range(n):
        finding = FINDINGS[i % 2]
        centre, half = random.uniform(60, 160, 2), random.uniform(*((10, 30) if i % 2 else (25, 55)), 2)
        blob = np.exp(-((x[None] - centre[0]) ** 2 + (x[:, None] - centre[1]) ** 2) / 2 / 45**2) + random.normal(0, 0.05, (7, 7))
        truth = np.array([[*(centre - half), *(centre + half)]])
        out.append(Case(f"{seed}-{i}", f"{seed}-{i // 2}", finding, blob, "conventional", FRAME, truth, training=training))
    return out


def evaluate(name, some, validation=()):
    return protocols.get(name)().evaluate(some, FINDINGS, 0, validation)


def words(name, scores):
    """Return the main metric and the name of its optimism."""
    told = [s.metric for s in scores]
    main = next(word for word in told if word in (protocols.get(name).main, f"{protocols.get(name).main}@box"))
    return main, next(word for word in told if word in ("optimism", "optimism@box", f"optimism@{main}"))


def values(result, finding="mean"):
    return {(s.metric, s.threshold_source): s.value for s in result.scores if s.finding == finding}


@every
def test_all_origins_have_scores_per_finding_and_those_with_truth_also_shared_ones(name):
    result = evaluate(name, cases(0), cases(1))
    found, (metric, _) = values(result), words(name, result.scores)
    told = {"validation", "cross-fitted", "oracle"}
    assert {threshold_source for word, threshold_source in found if word == metric} - {"otsu"} == told | {"fixed"}
    assert {threshold_source for word, threshold_source in found if word == f"{metric}@shared"} == told
    assert None not in {found[metric, threshold_source] for threshold_source in told}


@every
def test_optimism_is_oracle_minus_cross_fitted_and_has_no_interval(name):
    scores = evaluate(name, cases(0)).scores
    main, optimism = words(name, scores)
    for finding in (*FINDINGS, "mean"):
        found = {(s.metric, s.threshold_source): s for s in scores if s.finding == finding}
        for suffix in ("", "@shared"):
            gap = found[optimism + suffix, "oracle"]
            pair = [found[main + suffix, threshold_source].value for threshold_source in ("oracle", "cross-fitted")]
            assert gap.value == pytest.approx(pair[0] - pair[1], abs=2e-6)
            assert gap.low is None
    assert next(s for s in scores if (s.metric, s.threshold_source, s.finding) == (main, "oracle", "mean")).low is None


@every
def test_validation_scores_need_validation_cases(name):
    for validation in ((), [dataclasses.replace(case, boxes=np.zeros((0, 4))) for case in cases(1)]):
        result = evaluate(name, cases(0), validation)
        assert "validation" not in {s.threshold_source for s in result.scores}
        assert "validation" not in result.thresholds


@every
def test_finding_without_validation_cases_has_a_reason_instead_of_a_score(name):
    masses = [case for case in cases(1) if case.finding == "mass"]
    result = evaluate(name, cases(0), masses)
    known = {(s.metric, s.finding): s for s in result.scores if s.threshold_source == "validation"}
    main, _ = words(name, result.scores)
    missing = known[main, "nodule"]
    assert (missing.value, missing.n) == (None, 0)
    assert "no validation case" in missing.reason
    assert known[main, "mean"].value == known[main, "mass"].value
    assert known[f"{main}@shared", "nodule"].value is not None
    assert all(row["threshold_validation"] is None for row in result.rows if row["finding"] == "nodule")


@every
def test_validation_thresholds_do_not_depend_on_the_scored_truth(name):
    moved = [dataclasses.replace(case, boxes=np.array([[0.0, 0, 9, 9]])) for case in cases(0)]
    before, after = (evaluate(name, scored, cases(1)) for scored in (cases(0), moved))
    assert before.thresholds["validation"] == after.thresholds["validation"]
    assert {row["image"] for row in before.rows} == {case.image_id for case in moved}


@every
def test_validation_thresholds_apply_within_one_training_run(name):
    first, second = cases(0), cases(2, training=1)
    held, other = cases(1), cases(3, training=1)
    both = evaluate(name, [*first, *second], [*held, *other]).rows
    apart = [*evaluate(name, first, held).rows, *evaluate(name, second, other).rows]
    columns = ("image", "threshold_validation", "iou_validation")
    assert sorted([row[c] for c in columns] for row in both) == sorted([row[c] for c in columns] for row in apart)
    assert {row["threshold_validation"] for row in evaluate(name, second, held).rows} == {None}


@every
def test_shared_threshold_of_one_finding_is_its_threshold(name):
    masses, held = ([case for case in cases(seed) if case.finding == "mass"] for seed in (0, 1))
    result = evaluate(name, masses, held)
    found, (main, _) = values(result, "mass"), words(name, result.scores)
    for threshold_source in ("validation", "cross-fitted", "oracle"):
        assert found[f"{main}@shared", threshold_source] == found[main, threshold_source]


def test_shared_oracle_of_maxbox_pools_all_classes_as_the_source_does():
    some = cases(0)
    scores = [s for s in evaluate("maxbox", some).scores if (s.metric, s.threshold_source) == ("maxboxacc@shared", "oracle")]
    pooled = sum(s.value * s.n for s in scores if s.finding != "mean") / len(some)
    pictures = [to_frame(case.map, FRAME, "conventional") for case in some]
    curves = [sweep(min_max(picture), np.trunc(case.boxes)) for picture, case in zip(pictures, some, strict=True)]
    assert pooled == pytest.approx((np.array(curves) >= 0.5).mean(0).max(), abs=1e-6)


@pytest.mark.contract
def test_rows_of_locus_have_all_columns_for_further_statistics():
    needed = "image patient finding reason threshold x0 y0 x1 y1 iou iobb hit@iou.1 hit@iou.3 hit@iou.5 hit@iobb.1 "
    needed += "hit@iobb.5 pointing boxes truths anyhits threshold_oracle iou_oracle iou_validation"
    assert {*needed.split()} <= {*evaluate("single_box", cases(0), cases(1)).rows[0]}


@every
def test_every_row_has_plain_values_and_the_same_columns_with_and_without_validation_cases(name):
    rows = [row for validation in (cases(1), ()) for row in evaluate(name, cases(0), validation).rows]
    assert {frozenset(row) for row in rows} == {frozenset(rows[0])}
    assert {"iou_validation", "iou_oracle", "iou_cross-fitted@shared"} <= {*rows[0]}
    assert {type(value) for row in rows for value in row.values()} <= {str, float, int, bool, type(None)}
