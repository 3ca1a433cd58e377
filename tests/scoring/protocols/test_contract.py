"""Tests that every registered protocol passes."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from locus.benchmark.records import Cell, Record, load, write
from locus.core.frames import Grid
from locus.scoring import protocols
from locus.scoring.protocols.base import Case, Result

FINDINGS = ("mass", "nodule", "effusion")
SIDE = 256
GRID = Grid((224, 224), (32, 32), (0, 0))
VALID, NAN, INF = (np.diag([corner] * 7) for corner in (1, np.nan, -np.inf))

pytestmark = pytest.mark.contract
every = pytest.mark.parametrize("name", protocols.names())
by_finding = pytest.mark.parametrize("name", [name for name in protocols.names() if not getattr(protocols.get(name), "is_pooled", False)])
of_maps = pytest.mark.parametrize("name", [name for name in protocols.names() if name != "masks"])
"""``masks`` takes values as they are: a constant above the threshold selects the whole image."""


def planted(n: int = 24) -> list[Case]:
    """Return cases of n images of n/2 patients with one truth box each, and maps near it; no image shows effusion."""
    rng = np.random.default_rng(0)
    return [case for i in range(n) for case in _image(i, rng)]


def _image(number: int, rng: np.random.Generator) -> list[Case]:
    centre, half = rng.uniform(0.25 * SIDE, 0.75 * SIDE, 2), rng.uniform(0.08 * SIDE, 0.25 * SIDE, 2)
    truth = np.array([[*(centre - half), *(centre + half)]])
    there = FINDINGS[number % 2]
    y, x = (c[:, None] if axis == 0 else c[None] for axis, c in enumerate(GRID.centres((7, 7), (SIDE, SIDE))))
    blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (0.15 * SIDE) ** 2))
    maps = {f: (blob + rng.normal(0, 0.1, (7, 7))).astype(np.float32) for f in FINDINGS}
    boxes = {f: truth if f == there else np.zeros((0, 4)) for f in FINDINGS}
    said = {f: {"label": float(f == there), "probability": rng.uniform(0.2, 0.9)} for f in FINDINGS}
    return [Case(f"i{number}", f"p{number // 2}", f, maps[f], GRID, (SIDE, SIDE), boxes[f], **said[f]) for f in FINDINGS]


@functools.cache
def result_of(name: str, n: int = 24) -> Result:
    """Return the protocol's result for the planted images, cached."""
    return evaluate(name, planted(n))


def evaluate(name: str, cases: list[Case]) -> Result:
    return protocols.get(name)().evaluate(cases, FINDINGS, 0)


@by_finding
def test_every_metric_has_a_score_per_finding_and_a_mean(name):
    result = result_of(name)
    keys = [(s.metric, s.threshold_source, s.finding) for s in result.scores]
    assert len(set(keys)) == len(keys)
    assert {finding for *_, finding in keys} == {*FINDINGS, "mean"}
    assert len(keys) == len({key[:2] for key in keys}) * (len(FINDINGS) + 1)


@by_finding
def test_undefined_score_is_none_with_its_n(name):
    alarms = ("afp", "mask_iou_all", "left_out", "dice@")  # they count what is found where there is nothing
    scores = [s for s in result_of(name).scores if s.finding == "effusion" and not s.metric.startswith(alarms)]
    assert scores
    assert all(s.value is None and s.n == 0 and s.reason for s in scores)


@by_finding
def test_mean_is_the_unweighted_mean_over_findings_with_a_value(name):
    scores = result_of(name).scores
    for mean in (s for s in scores if s.finding == "mean"):
        own = [s for s in scores if (s.metric, s.threshold_source) == (mean.metric, mean.threshold_source) and s.finding != "mean"]
        assert mean.value == pytest.approx(np.mean([s.value for s in own if s.value is not None]), abs=2e-6)


@every
def test_interval_contains_its_value_and_needs_ten_patients(name):
    for score in result_of(name).scores:
        assert score.low is None or score.low - 1e-6 <= score.value <= score.high + 1e-6
    assert all(s.low is None for s in result_of(name, 14).scores if s.n < 10)


@every
def test_shuffling_the_cases_changes_nothing(name):
    cases = planted()
    order = np.random.default_rng(1).permutation(len(cases))
    straight, shuffled = result_of(name), evaluate(name, [cases[i] for i in order])
    for first, second in zip(straight.scores, shuffled.scores, strict=True):
        assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high), abs=1e-5)
    by_case = [{(row["image"], row["finding"]): row.get("threshold") for row in r.rows} for r in (straight, shuffled)]
    assert by_case[0] == pytest.approx(by_case[1])


@every
@pytest.mark.parametrize("changed", [None, VALID, NAN, pytest.param(INF, marks=pytest.mark.slow)])
def test_changed_or_failing_map_changes_no_other_images_row(name, changed):
    """Pitfall: a bare except around scoring: a failing image reuses the last one's IoU."""
    before = result_of(name)
    after = evaluate(name, [dataclasses.replace(c, map=changed) if c.image_id == "i4" else c for c in planted()])
    reason = "no map" if changed is None else "nan or inf in the map"
    assert {(image, why) for image, _, why in after.failed} == (set() if changed is VALID else {("i4", reason)})
    assert not before.failed
    pairs = [(a, b) for a, b in zip(before.rows, after.rows, strict=True) if a["image"] != "i4"]
    assert len(pairs) == len(before.rows) - sum(row["image"] == "i4" for row in before.rows)
    assert all(_of_the_case(a) == _of_the_case(b) for a, b in pairs)


def _of_the_case(row: dict) -> dict:
    """Return a row without its cross-fitted threshold and the columns that depend on it."""
    chosen = ("threshold", "x0", "y0", "x1", "y1", "iou", "iobb", "hit@", "any@") if "iou_oracle" in row else ()
    chosen = ("weight", "threshold", "x0", "y0", "x1", "y1", "iou") if "weight" in row else chosen
    chosen = ("boxes", "hits") if "confidence" in row else ("dice", "iou") if "dice" in row else chosen
    return {key: value for key, value in row.items() if not key.startswith(chosen)}


@every
def test_failing_image_counts_as_a_miss(name):
    broken = {"map": None, "reason": "the method broke"}
    failing = [dataclasses.replace(c, **broken) if c.image_id == "i4" else c for c in planted()]
    before, after = result_of(name), evaluate(name, failing)
    assert ("i4", "mass", "the method broke") in after.failed
    drawn = ("mean_iobb", "mask_iou", "optimism@box", "cnr", "dice@pooled")  # defined where something is drawn
    counts = [{(s.metric, s.threshold_source, s.finding): s.n for s in r.scores if not s.metric.startswith(drawn)} for r in (before, after)]
    assert counts[0] == counts[1]
    assert next(row["reason"] for row in after.rows if (row["image"], row["finding"]) == ("i4", "mass")) == "the method broke"


@of_maps
@pytest.mark.parametrize("constant", [0, 0.7])
def test_flat_map_is_a_miss_without_nan(name, constant):
    """Pitfall: a flat map divided by its range has nan boxes."""
    result = evaluate(name, [dataclasses.replace(c, map=np.full((7, 7), constant, np.float32)) for c in planted(20)])
    assert {row["reason"] for row in result.rows} == {"flat map"}
    assert not result.failed
    shares = ("hit", "acc", "pointing", "mean_iou", "anyhit", "maxbox", "ap", "froc", "miou")
    hits = [s.value for s in result.scores if s.finding == "mean" and s.metric.startswith(shares)]
    assert set(hits) == (set() if name in ("energy", "pxap", "added") else {0.0})


@of_maps
def test_scores_do_not_depend_on_a_maps_scale_or_offset(name):
    if protocols.get(name).judges == "raw":
        pytest.skip("raw values are what it judges")
    cases = planted(20)
    offset = 0 if name == "energy" else 8  # it rectifies: where a map is zero is part of what it says
    scaled = [dataclasses.replace(c, map=c.map.astype(np.float64) * 64 + offset) for c in cases]
    straight, other = result_of(name, 20).scores, evaluate(name, scaled).scores
    assert [s.value for s in straight] == pytest.approx([s.value for s in other])


@every
def test_no_cases_give_scores_without_value(name):
    assert all(s.value is None and s.n == 0 for s in evaluate(name, []).scores)


@every
def test_result_is_equal_after_a_record_is_written_and_read(name, tmp_path):
    result = result_of(name, 20)
    record = Record(cell=Cell(dataset="planted", protocol=name), scores=tuple(result.scores), thresholds=result.thresholds)
    write(record, tmp_path)
    assert load(tmp_path) == [record]
    json.dumps(result.rows, allow_nan=False)
