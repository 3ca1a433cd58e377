"""``added``: what a map adds to knowing where a finding usually is."""

import dataclasses

import numpy as np
import pytest
import torch

import locus
from locus.benchmark.baselines.prior import Prior
from locus.benchmark.maps.cases import shuffled_cases
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid, iou
from locus.core.types import Sample, patient_folds
from locus.methods.noise import Noise
from locus.scoring.protocols import added, base, get
from locus.scoring.protocols.added import THRESHOLDS, WEIGHTS, Added
from locus.scoring.protocols.base import Case

FINDINGS = ("mass", "nodule")
FRAME = (256, 320)
GRID = Grid((128, 128), (8, 8), (0, 0))
SIDE = 16


def case(n, box, heat, finding="mass", grid=GRID):
    return Case(f"i{n}", f"p{n // 2}", finding, heat, grid, FRAME, np.array([box], dtype=np.float64))


def spot(box, spread=24.0, grid=GRID, side=SIDE):
    """A map with one peak at the centre of a box."""
    y, x = grid.centres((side, side), FRAME)
    x0, y0, x1, y1 = box
    return np.exp(-((x[None] - (x0 + x1) / 2) ** 2 + (y[:, None] - (y0 + y1) / 2) ** 2) / (2 * spread**2))


def boxes(count, seed=0):
    """Boxes of two findings: mass on the left, nodule on the right, which vary around a usual place."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        x = (70 if n % 2 == 0 else 230) + rng.normal(0, 25)
        y, half = 130 + rng.normal(0, 35), rng.uniform(20, 40, 2)
        yield n, FINDINGS[n % 2], np.clip([x - half[0], y - half[1], x + half[0], y + half[1]], 0, 255)


def cases_of(make, count=40, seed=0):
    """``make``: function of a generator and a truth box that returns a map."""
    rng = np.random.default_rng(seed + 1)
    return [case(n, box, make(rng, box), finding) for n, finding, box in boxes(count, seed)]


def noisy(rng, box):
    return spot(box) + rng.normal(0, 0.2, (SIDE, SIDE))


def only_noise(rng, box):
    return rng.random((SIDE, SIDE))


def evaluate(cases, seed=0):
    return Added().evaluate(cases, FINDINGS, seed)


def groups_of(cases):
    return base.case_index(cases).groups(shared=False)


def blends_of(cases, folds):
    groups = groups_of(cases)
    return added.Blends(cases, Added().priors(cases, groups, folds), groups, folds)


def mean(result, metric):
    return next(score for score in result.scores if (score.finding, score.metric) == ("mean", metric))


# A small independent implementation, in plain loops and without compiled code


def heights(values, y, x, at_y, at_x):
    """Values (h,w) at rows ``y`` and columns ``x``, interpolated linearly to other rows and columns."""
    of_rows = np.stack([np.interp(at_y, y, column) for column in values.T], axis=1)
    return np.stack([np.interp(at_x, x, row) for row in of_rows])


def unit(values):
    return (values - values.min()) / (values.max() - values.min())


def drawn(box, side=32):
    """The share of each cell of a (side,side) raster that a box covers."""
    (height, width), (x0, y0, x1, y1) = FRAME, box
    rows = [max(0, min(y1, (i + 1) * height / side) - max(y0, i * height / side)) * side / height for i in range(side)]
    columns = [max(0, min(x1, (j + 1) * width / side) - max(x0, j * width / side)) * side / width for j in range(side)]
    return np.outer(rows, columns)


def component_box(values, y, x, level):
    """The box of the highest vertex's component above a level, by a search on a fine raster of the surface."""
    fine_y, fine_x = np.arange(0, FRAME[0] + 0.25, 1.0), np.arange(0, FRAME[1] + 0.25, 1.0)
    above = heights(values, y, x, fine_y, fine_x) > level
    row, column = np.unravel_index(values.argmax(), values.shape)
    start = round(float(np.clip(y[row], 0, FRAME[0]))), round(float(np.clip(x[column], 0, FRAME[1])))
    if not above[start]:
        return np.full(4, np.nan)
    seen, waiting = {start}, [start]
    while waiting:
        i, j = waiting.pop()
        for k, m in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= k < above.shape[0] and 0 <= m < above.shape[1] and above[k, m] and (k, m) not in seen:
                seen.add((k, m))
                waiting.append((k, m))
    rows, columns = zip(*seen, strict=True)
    return np.array([fine_x[min(columns)], fine_y[min(rows)], fine_x[max(columns)], fine_y[max(rows)]])


def brute_priors(cases, folds):
    out = []
    for n, one in enumerate(cases):
        others = [drawn(c.boxes[0]) for m, c in enumerate(cases) if folds[m] != folds[n] and c.finding == one.finding]
        out.append(np.mean(others, axis=0))
    return out


def placed(one, prior):
    """The surfaces of a case at all weights: values, rows and columns."""
    prior_y, prior_x = ((np.arange(32) + 0.5) * side / 32 for side in FRAME)
    map_y, map_x = one.grid.centres(one.map.shape, FRAME)
    own, usual = unit(np.asarray(one.map, dtype=float)), unit(prior)
    finer = (map_y, map_x) if own.size >= usual.size else (prior_y, prior_x)
    on_finer = heights(own, map_y, map_x, *finer), heights(usual, prior_y, prior_x, *finer)
    for weight in WEIGHTS:
        if weight == 0:
            yield usual, prior_y, prior_x
        elif weight == 1:
            yield own, map_y, map_x
        else:
            yield weight * on_finer[0] + (1 - weight) * on_finer[1], *finer


def chosen_by_loops(overlap, of_finding, folds):
    """Weight and thresholds (index) of each case, from the IoU (N,12,T) of weights and prior: nested loops."""
    count = len(overlap)
    weight, combined, prior = np.zeros(count, int), np.zeros(count, int), np.zeros(count, int)
    for fold in set(folds):
        best = {}
        for k in range(12):
            of_findings = {}
            for finding in FINDINGS:
                held = [n for n in range(count) if of_finding[n] == finding and folds[n] != fold]
                rated = []
                for t in range(len(THRESHOLDS)):
                    values = [overlap[n, k, t] for n in held]
                    hits = sum(value > 0.3 for value in values) / len(held)
                    rated.append((hits, round(sum(values) / len(held), 10), -t))
                of_findings[finding] = max(rated)
            hits, quality = (np.mean([of[i] for of in of_findings.values()]) for i in (0, 1))
            best[k] = (round(hits, 10), round(quality, 10), -k), of_findings
        k = -max(best[k][0] for k in range(11))[2]
        for n in (n for n in range(count) if folds[n] == fold):
            weight[n], combined[n], prior[n] = k, -best[k][1][of_finding[n]][2], -best[11][1][of_finding[n]][2]
    return weight, combined, prior


@pytest.mark.oracle
@pytest.mark.parametrize("make", [noisy, only_noise])
def test_choice_and_scores_are_those_of_nested_loops(make):
    cases = cases_of(make, 48)
    index = [c.finding for c in cases]
    folds = patient_folds([c.patient_id for c in cases], 5, 0)
    blends = blends_of(cases, folds)
    weight, combined, prior = chosen_by_loops(blends.iou, index, folds.tolist())
    result = evaluate(cases)
    assert [row["weight"] for row in result.rows] == pytest.approx(WEIGHTS[weight])
    assert [row["threshold"] for row in result.rows] == pytest.approx(THRESHOLDS[combined])
    assert [row["threshold_prior"] for row in result.rows] == pytest.approx(THRESHOLDS[prior])
    gained = [(blends.iou[n, weight[n], combined[n]] > 0.3) * 1 - (blends.iou[n, 11, prior[n]] > 0.3) for n in range(48)]
    by_finding = [np.mean([gained[n] for n in range(48) if index[n] == finding]) for finding in FINDINGS]
    assert mean(result, "added").value == pytest.approx(np.mean(by_finding), abs=1e-6)


@pytest.mark.oracle
def test_boxes_are_those_of_a_search_on_a_fine_raster():
    cases = cases_of(noisy, 24)
    folds = patient_folds([c.patient_id for c in cases], 5, 0)
    priors = Added().priors(cases, groups_of(cases), folds)
    expected = brute_priors(cases, folds)
    for values, mine in zip(priors, expected, strict=True):
        assert values == pytest.approx(mine, abs=1e-5)
    blends = blends_of(cases, folds)
    for n in (0, 5, 11):
        for k, (values, y, x) in enumerate(placed(cases[n], expected[n])):
            for threshold in (0.2, 0.35):
                box = blends.boxes(np.full(24, k), np.full(24, threshold))[0][n]
                by_search = component_box(values, y, x, threshold)
                assert np.isnan(box).all() == np.isnan(by_search).all()
                if not np.isnan(box).any():
                    assert box == pytest.approx(by_search, abs=1.01)  # a raster of one pixel
                    assert blends.boxes(np.full(24, k), np.full(24, threshold))[1][n] == pytest.approx(iou([box], cases[n].boxes)[0, 0])


@pytest.mark.oracle
def test_prior_is_the_map_of_the_row_prior():
    cases = cases_of(noisy)
    named = [Sample(c.image_id, c.patient_id, FRAME, np.ones(2, np.float32), {c.finding: c.boxes}, None) for c in cases]
    fold, maps = Prior().by_fold(named, FINDINGS)
    folds = patient_folds([c.patient_id for c in cases], 5, 0)
    mine = Added().priors(cases, groups_of(cases), folds)
    for n, one in enumerate(cases):
        assert mine[n] == pytest.approx(maps[fold[n], FINDINGS.index(one.finding)], abs=1e-6)


# Properties


def test_without_a_blend_the_box_is_that_of_single_box():
    cases = cases_of(noisy)
    folds = patient_folds([c.patient_id for c in cases], 5, 0)
    blends = blends_of(cases, folds)
    for threshold in (0.3, 0.5):
        boxes, overlap = blends.boxes(added.MAP_ALONE, np.full(40, threshold))
        rows = get("single_box")().evaluate(cases, FINDINGS).rows
        if threshold == 0.5:
            assert overlap == pytest.approx([row["iou_fixed"] for row in rows])
        assert np.isfinite(boxes).all()


def test_map_that_knows_the_place_adds_and_noise_adds_nothing():
    knows, noise = (evaluate(cases_of(make, 80)) for make in (noisy, only_noise))
    assert mean(knows, "added").low > 0
    assert mean(knows, "combined").value - mean(knows, "added").value == pytest.approx(
        mean(noise, "combined").value - mean(noise, "added").value, abs=1e-6
    )
    assert not (mean(noise, "added").low or 0) > 0


def test_flat_map_adds_exactly_nothing():
    result = evaluate(cases_of(lambda rng, box: np.full((SIDE, SIDE), 0.7)))
    assert {score.value for score in result.scores if score.metric in ("added", "weight", "alone")} == {0.0}
    assert (mean(result, "added").low, mean(result, "added").high) == (0, 0)
    assert {row["reason"] for row in result.rows} == {"flat map"}
    assert not result.failed
    assert set(result.resampled) == {0.0}


def test_prior_itself_adds_exactly_nothing():
    cases = cases_of(noisy)
    folds = patient_folds([c.patient_id for c in cases], 5, 0)
    priors = Added().priors(cases, groups_of(cases), folds)
    same = [dataclasses.replace(c, map=p, grid="conventional") for c, p in zip(cases, priors, strict=True)]
    result = evaluate(same)
    assert mean(result, "added").value == mean(result, "weight").value == 0
    assert mean(result, "alone").value == mean(result, "combined").value


def test_map_with_nan_is_a_miss_and_is_counted():
    cases = cases_of(noisy)
    usual = evaluate(cases_of(only_noise))
    broken = [dataclasses.replace(c, map=np.full((SIDE, SIDE), np.nan)) for c in cases]
    result = evaluate(broken)
    prior = mean(usual, "combined").value - mean(usual, "added").value
    assert prior > 0
    assert mean(result, "combined").value == mean(result, "alone").value == 0
    assert mean(result, "added").value == pytest.approx(-prior, abs=1e-6)
    assert {reason for *_, reason in result.failed} == {"nan or inf in the map"}
    assert len(result.failed) == mean(result, "added").n == 40
    one = [dataclasses.replace(c, map=np.full((SIDE, SIDE), np.nan)) if c.image_id == "i4" else c for c in cases]
    row = next(row for row in evaluate(one).rows if row["image"] == "i4")
    assert (row["iou"], row["x0"]) == (0, None)


def test_finding_without_boxes_of_five_other_patients_has_no_score():
    cases = [c for c in cases_of(noisy, 48) if c.finding == "mass" or int(c.image_id[1:]) < 10]
    result = evaluate(cases)
    rare = [score for score in result.scores if score.finding == "nodule"]
    assert {(score.value, score.n) for score in rare} == {(None, 0)}
    assert all("nodule has boxes of " in score.reason and " other patients" in score.reason for score in rare)
    assert mean(result, "added").value == next(s.value for s in result.scores if (s.finding, s.metric) == ("mass", "added"))
    assert "nodule" in result.remark
    assert [row["threshold"] for row in result.rows if row["finding"] == "nodule"] == [None] * 5


def test_no_finding_with_boxes_of_five_other_patients_is_not_available():
    with pytest.raises(NotAvailableError, match=r"mass has boxes of 4 other patients.* 5"):
        evaluate([c for c in cases_of(noisy, 10) if c.finding == "mass"])
    with pytest.raises(NotAvailableError, match=r"mass has boxes of 1 other patient: .*nodule has boxes of 1 other patient: "):
        evaluate(cases_of(noisy, 4))


def test_prior_of_a_case_does_not_depend_on_the_boxes_of_its_patient():
    cases = cases_of(noisy)
    moved = [dataclasses.replace(c, boxes=np.array([[0.0, 0, 30, 30]])) if c.patient_id == "p3" else c for c in cases]
    folds = patient_folds([c.patient_id for c in cases], 5, 0)
    before, after = (Added().priors(of, groups_of(of), folds) for of in (cases, moved))
    for one, values, others in zip(cases, before, after, strict=True):
        same_fold = folds[cases.index(one)] == folds[6]
        assert np.array_equal(values, others) == same_fold


def test_finer_grid_of_map_and_prior_is_that_of_the_blend():
    fine = Grid((128, 128), (2, 2), (0.5, 0.5))
    for grid, side, finer in ((GRID, SIDE, 32), (fine, 64, 64)):
        heat = added.surface(spot((40, 60, 100, 120), grid=grid, side=side), FRAME, grid)
        prior = added.surface(drawn((60, 60, 120, 120)), FRAME, "conventional")
        both = added.on_finer_grid(heat, prior)
        assert [part.values.shape for part in both] == [(finer, finer)] * 2


PHANTOM = "phantom:train=4,val=4,test=150"


def filled(frame, box):
    """A map on a fine grid that is 1 inside a box and 0 outside."""
    y, x = ((np.arange(64) + 0.5) * side / 64 for side in frame)
    x0, y0, x1, y1 = box
    return 1.0 * np.outer((y >= y0) & (y <= y1), (x >= x0) & (x <= x1))


def planted(change, of_phantom):
    """The result of maps that are filled inside a changed truth box; ``change``: function of frame and box."""
    if of_phantom:
        data = locus.load_dataset(PHANTOM, img_size=64)
        pairs = [(sample, finding) for sample in data for finding in sample.boxes]
        cases = [base.make_case(sample, finding, 1.0, np.zeros((64, 64)), "conventional") for sample, finding in pairs]
    else:
        cases = [case(n, box, None, finding, "conventional") for n, finding, box in boxes(160)]
    maps = [filled(c.frame, change(c.frame, c.boxes[0])) for c in cases]
    filled_cases = [dataclasses.replace(c, map=heat) for c, heat in zip(cases, maps, strict=True)]
    return Added().evaluate(filled_cases, sorted({c.finding for c in cases}), 0)


def shifted(frame, box):
    half = frame[1] / 2
    return box + np.array([1, 0, 1, 0]) * (half if box[0] < half else -half)


def third(frame, box):
    return np.array([[2, 0, 1, 0], [0, 2, 0, 1], [1, 0, 2, 0], [0, 1, 0, 2]]) @ box / 3


@pytest.mark.planted
@pytest.mark.parametrize("of_phantom", [False, True])
def test_truth_at_a_shifted_place_adds_nothing(of_phantom):
    result = planted(shifted, of_phantom)
    assert mean(result, "added").value <= 0
    assert not (mean(result, "added").low or 0) > 0


@pytest.mark.planted
def test_right_place_with_a_box_of_a_third_of_the_size_adds_though_it_hits_nothing():
    result = planted(third, of_phantom=False)
    assert mean(result, "alone").value < 0.02
    assert mean(result, "added").low > 0


@pytest.mark.planted
def test_third_of_a_box_of_the_phantom_adds_though_it_hits_less_than_prior():
    result = planted(third, of_phantom=True)
    assert mean(result, "alone").value < mean(result, "combined").value - mean(result, "added").value
    assert mean(result, "added").low > 0


def test_resamples_have_the_mean_of_the_score_and_its_spread():
    result = evaluate(cases_of(noisy, 80))
    score, resamples = mean(result, "added"), np.array(result.resampled)
    assert len(resamples) == 1000
    assert abs(resamples.mean() - score.value) < 2 * resamples.std()
    assert resamples.std() > 0


def test_choice_of_all_cases_is_recorded_for_other_suites():
    chosen = evaluate(cases_of(noisy)).thresholds["oracle"]
    assert {*chosen} == {*FINDINGS}
    assert all(
        {name: len(values) for name, values in of.items()} == {"weight": 1, "combined": 1, "prior": 1, "alone": 1} for of in chosen.values()
    )
    assert len({of["weight"][0] for of in chosen.values()}) == 1


@pytest.mark.oracle
def test_fitted_scores_are_at_the_given_weight_and_thresholds():
    first, second = cases_of(noisy, 40, seed=3), cases_of(noisy, 40, seed=4)
    chosen = evaluate(first).thresholds["oracle"]
    maps = {finding: np.mean([drawn(c.boxes[0]) for c in first if c.finding == finding], axis=0) for finding in FINDINGS}
    result = added.Fitted(chosen, maps).evaluate(second, FINDINGS)
    for row, one in zip(result.rows, second, strict=True):
        of = chosen[one.finding]
        assert (row["weight"], row["threshold"], row["threshold_prior"]) == pytest.approx(
            (of["weight"][0], of["combined"][0], of["prior"][0])
        )
        values, y, x = [*placed(one, maps[one.finding])][round(row["weight"] * 10)]
        by_search = component_box(values, y, x, row["threshold"])
        assert [row[name] for name in ("x0", "y0", "x1", "y1")] == pytest.approx(by_search, abs=1.01)
    assert {score.threshold_source for score in result.scores} == {"fitted"}


def test_finding_that_the_other_suite_did_not_choose_has_no_score():
    chosen = {"mass": evaluate(cases_of(noisy)).thresholds["oracle"]["mass"]}
    maps = {finding: drawn((60, 60, 120, 120)) for finding in FINDINGS}
    scores = added.Fitted(chosen, maps).evaluate(cases_of(noisy, seed=2), FINDINGS).scores
    by_finding = {score.finding: score for score in scores if score.metric == "added"}
    rare = by_finding["nodule"]
    assert (rare.value, rare.reason) == (None, "the other suite has no weight and thresholds of nodule")
    assert by_finding["mean"].low is not None
    assert by_finding["mean"].estimate[:3] == by_finding["mass"].estimate[:3]


def test_values_are_rounded_numbers_of_resamples():
    assert all(value == round(value, 4) for value in evaluate(cases_of(noisy)).resampled)


@pytest.mark.byhand
def test_example_of_the_docs():
    """docs/concepts.md: three positions along a row, the truth from 10 to 20."""
    frame, truth = (10, 30), np.array([[10.0, 0, 20, 10]])
    prior, own = (added.surface([values], frame, "conventional") for values in ([1, 0.8, 0], [0, 1, 0.2]))
    traces = [*added.traces_of_weights(own, prior, added.trace(prior))]
    for weight, threshold, box, overlap in ((0, 0.9, (0, 10), 0), (10, 0.9, (14, 16.25), 0.225), (5, 0.6, (7.5, 18.75), 0.7)):
        predicted = added.Traces([traces[weight]]).boxes(np.array([0]), np.array([[threshold]]))[0, 0]
        assert predicted[[0, 2]] == pytest.approx(box)
        assert iou([predicted], truth)[0, 0] == pytest.approx(overlap)


@pytest.mark.planted
@pytest.mark.slow
def test_noise_and_shuffled_maps_of_an_untrained_network_seldom_add():
    """Of 20 seeds, at most one is significantly above 0, for each of the two."""
    phantom = locus.load_dataset(PHANTOM, img_size=64)
    data = [sample for sample in phantom if sample.boxes]
    findings = phantom.findings
    significant = {"noise": 0, "shuffled": 0}
    for seed in range(20):
        torch.manual_seed(seed)
        model = locus.build("custom", num_classes=len(findings), global_pool="AVG", pretrained=False)
        model.set_outputs(findings, 64)
        maps = locus.explain(model, model.prepare(data), methods=["gradcam"])
        grid, values = maps.grids["gradcam"], maps["gradcam"]
        pairs = [(n, k, sample) for n, sample in enumerate(data) for k, finding in enumerate(findings) if finding in sample.boxes]
        own = [base.make_case(sample, findings[k], 1.0, np.asarray(values[n, k]), grid) for n, k, sample in pairs]
        shape = own[0].map.shape
        noise = [dataclasses.replace(c, map=Noise().draw(f"{seed} {c.image_id}", c.finding, shape)) for c in own]
        for name, cases in (("noise", noise), ("shuffled", shuffled_cases(own))):
            score = mean(Added().evaluate(cases, findings, seed), "added")
            significant[name] += score.low > 0
    assert max(significant.values()) <= 1, significant


def test_shuffled_maps_are_of_other_patients_with_the_same_finding():
    cases = cases_of(noisy)
    shuffled = shuffled_cases(cases)
    owner = {id(c.map): c for c in cases}
    for one, other in zip(cases, (owner[id(c.map)] for c in shuffled), strict=True):
        assert (one.finding, one.patient_id != other.patient_id) == (other.finding, True)
    again = shuffled_cases(cases[::-1])[::-1]
    assert [c.map is d.map for c, d in zip(shuffled, again, strict=True)] == [True] * 40
    with pytest.raises(NotAvailableError, match="mass has boxes of one patient"):
        shuffled_cases([dataclasses.replace(c, patient_id="p") for c in cases])
