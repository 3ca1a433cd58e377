"""Entries with several training runs: jackknife, paired and nested differences, rows that may be the best."""

import numpy as np
import pytest

from locus.scoring.statistics import mrmc
from locus.scoring.statistics.mrmc import RowSamples
from locus.scoring.statistics.rank_reversals import UnderRule
from locus.scoring.statistics.resample import CaseGroups

FINDINGS = ("mass", "nodule", "rare")


def world(seed, trainings, patients=120, sd=0.3, shift=0.0, shared=None):
    """Return hits (S,P) of training runs that differ by ``sd`` on the logit; patients are equally hard for all."""
    random = np.random.default_rng(seed)
    hard = np.random.default_rng(shared if shared is not None else seed).normal(0, 1, patients)
    own = random.normal(0, sd, trainings)[:, None] + random.normal(0, 0.5, (trainings, patients))
    return (random.random((trainings, patients)) < 1 / (1 + np.exp(-(0.5 + shift + hard + own)))).astype(float)


def scores(hits, name="a"):
    patients = hits.shape[1]
    left_out = (hits.sum(1, keepdims=True) - hits) / (patients - 1)
    return RowSamples(tuple(f"{name}{n}" for n in range(len(hits))), hits.mean(1), left_out)


@pytest.mark.oracle
def test_jackknife_is_the_score_without_each_patient(monkeypatch):
    monkeypatch.setattr(mrmc, "COLUMNS_PER_BLOCK", 2)  # several blocks of columns
    random = np.random.default_rng(0)
    patients, findings = np.repeat(np.arange(12), 3).astype(str), np.tile([*FINDINGS[:2], "nodule"], 12)
    findings[4] = "rare"  # of one patient alone: without it, the mean is over the other two
    hits = (random.random((36, 5)) < 0.4).astype(float)
    theta, left_out = mrmc.leave_one_out(hits, np.ones_like(hits), CaseGroups.of(findings, patients))

    def anew(kept):
        return np.mean([hits[kept & (findings == name)].mean(0) for name in FINDINGS if (kept & (findings == name)).any()], axis=0)

    assert theta == pytest.approx(anew(np.ones(36, dtype=bool)))
    for number, patient in enumerate(sorted(set(patients))):
        assert left_out[:, number] == pytest.approx(anew(patients != patient))


def test_common_training_runs_are_paired_and_other_ones_nested():
    one, other = scores(world(1, 4)), scores(world(2, 4))
    rows = (one.theta, one.jackknife), (other.theta, other.jackknife)
    assert mrmc.compared(one, other.restrict(other.runs[::-1])) == mrmc.difference(*rows)
    apart = RowSamples(tuple("bcde"), other.theta, other.jackknife)
    assert mrmc.compared(one, apart) == mrmc.difference_nested(*rows)
    single = one.restrict(["a1"])  # of one side's runs
    assert mrmc.compared(one, single.restrict(["a1"])).value == 0
    assert mrmc.compared(apart, single).df == mrmc.difference_nested(rows[1], (single.theta, single.jackknife)).df < np.inf


def over_patients(first, second):
    """Compare the hits (80,) of two runs on 20 patients with four cases each, of two findings."""
    findings, patients = np.tile(FINDINGS[:2], 40), np.repeat(np.arange(20), 4).astype(str)
    groups = CaseGroups.of(findings, patients)
    one, other = (groups.sums(np.asarray(hits, float)[:, None], np.ones((80, 1))) for hits in (first, second))
    (gap,) = mrmc.over_patients(one, other)
    return gap


@pytest.mark.byhand
def test_single_runs_are_compared_over_patients_and_paired():
    better = np.tile([1, 1, 1, 0], 20)  # the first finding always, the second in half of its cases
    gap = over_patients(better, np.zeros(80))
    assert (gap.value, gap.low, gap.high, gap.p) == (0.75, 0.75, 0.75, 1 / 10_001)  # no flip of 20 coins is as extreme
    hits = np.random.default_rng(0).random(80)
    same, shifted = over_patients(hits, hits), over_patients(hits + 0.1, hits)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert (shifted.value, shifted.low, shifted.high) == pytest.approx((0.1, 0.1, 0.1), abs=1e-6)


def significantly_worse(rows):
    verdicts = mrmc.verdicts(len(rows), mrmc.gaps_between(rows))
    return [verdict.significantly_worse for verdict in verdicts]


def test_row_is_significantly_worse_only_if_clearly_worse():
    hits = world(3, 5, sd=0.1)
    near, far = scores(world(4, 5, sd=0.1, shared=3), "b"), scores(world(5, 5, sd=0.1, shift=-2, shared=3), "c")
    assert significantly_worse([scores(hits), near, far]) == [False, False, True]
    assert significantly_worse([scores(hits[:, :8]), scores(1 - hits[:, :8], "c")]) == [None, None]  # too few patients


def gap(value, p):
    return mrmc.MrmcEstimate(value, value - 0.1, value + 0.1, np.inf, p)


@pytest.mark.byhand
def test_best_excluding_row_is_named_if_the_top_row_excludes_nothing():
    """Rows 0 to 3; only row 1 is clearly better than row 3, and row 2 is not excluded at all."""
    gaps = {(0, 1): gap(0.01, 0.8), (0, 2): gap(0.02, 0.6), (0, 3): gap(0.2, 0.02), (1, 2): gap(0.01, 0.9),
            (1, 3): gap(0.19, 0.001), (2, 3): gap(0.18, 0.5)}  # fmt: skip
    result = mrmc.verdicts(4, gaps)
    assert [verdict.significantly_worse for verdict in result] == [False, False, False, True]
    assert [verdict.compared_with for verdict in result] == [None, 0, 0, 1]  # .02 is .1 after Holm: the top row does not exclude row 3
    assert result[3].worse_by == gaps[1, 3]
    assert result[1].worse_by == gaps[0, 1]


@pytest.mark.byhand
def test_holm_is_over_all_pairs_of_the_table():
    gaps = {(0, 1): gap(0.1, 0.02), (0, 2): gap(0.2, 0.3), (1, 2): gap(0.1, 0.4)}
    assert [verdict.significantly_worse for verdict in mrmc.verdicts(3, gaps)] == [False, False, False]  # .02 is .06 among three
    assert [verdict.significantly_worse for verdict in mrmc.verdicts(3, gaps | {(0, 1): gap(0.1, 0.01)})] == [False, True, False]


def test_better_uses_the_p_value_after_holms_correction():
    rule = UnderRule("IoU > .3", first=0.6, second=0.5, difference=0.1, low=0.01, high=0.19, p=0.04, p_holm=0.4)
    assert (rule.sign, rule._replace(p_holm=0.04).sign) == (0, 1)
