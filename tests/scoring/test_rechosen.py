"""Scores in resamples that choose their thresholds again."""

import numpy as np
import pytest

from locus.scoring.rechosen import as_jackknife, chosen_again, with_fixed_hits
from locus.scoring.statistics.mrmc import RowSamples, compared
from locus.scoring.statistics.resample import CaseIndex

PATIENTS = 60


@pytest.fixture(scope="module")
def index():
    """One case of one finding per patient."""
    return CaseIndex.of(["Mass"] * PATIENTS, [f"p{n:02}" for n in range(PATIENTS)])


@pytest.mark.planted
def test_scores_do_not_differ_from_fixed_hits_if_all_thresholds_hit_alike(index):
    hits = np.random.default_rng(0).random(PATIENTS) < 0.4
    again = chosen_again(np.repeat(hits[:, None], 20, axis=1), index)
    np.testing.assert_allclose(again, with_fixed_hits(hits.astype(float), index), atol=1e-6)


@pytest.mark.planted
def test_choosing_among_useless_thresholds_widens_the_spread(index):
    hits = np.random.default_rng(0).random((PATIENTS, 200)) < 0.4
    assert chosen_again(hits, index).std() > with_fixed_hits(hits[:, 0].astype(float), index).std()


@pytest.mark.planted
def test_a_threshold_that_always_hits_is_found_in_every_resample(index):
    hits = np.random.default_rng(0).random((PATIENTS, 50)) < 0.2
    hits[:, 17] = True
    assert chosen_again(hits, index).tolist() == pytest.approx([1.0] * 1000)


@pytest.mark.byhand
def test_comparison_uses_the_resamples_if_both_rows_have_them():
    random = np.random.default_rng(0)
    narrow, wide = random.normal(0.5, 0.001, (2, 3, 50)), random.normal(0.5, 0.05, (2, 3, 1000))
    rows = [
        RowSamples(("a", "b", "c"), np.full(3, value), narrow[n], resampled=as_jackknife(wide[n])) for n, value in enumerate((0.5, 0.4))
    ]
    gap = compared(*rows)
    assert gap.value == pytest.approx(0.1)
    assert (gap.high - gap.low) / (2 * 1.96) == pytest.approx((wide[0] - wide[1]).mean(0).std(ddof=1), rel=0.02)


@pytest.mark.byhand
def test_a_row_that_always_hits_has_the_bound_of_its_patients_and_not_of_its_resamples():
    row = RowSamples(("a", "b"), np.ones(2), np.ones((2, 12)), resampled=np.ones((2, 1000)))
    assert row.interval.low == pytest.approx(0.025 ** (1 / 12))  # Clopper and Pearson for 12 of 12


@pytest.mark.byhand
@pytest.mark.parametrize("runs", [("a",), ("a", "b")])
def test_p_of_twelve_patients_is_at_least_that_of_their_sign_flips(runs):
    spread = as_jackknife(np.random.default_rng(0).normal(0, 1e-4, (2, len(runs), 1000))[0])
    rows = [
        RowSamples(runs, np.full(len(runs), v), np.full((len(runs), 12), v), resampled=v + spread * n) for n, v in enumerate((0.9, 0.1))
    ]
    assert compared(*rows).p == 2.0**-11


@pytest.mark.byhand
def test_error_of_the_draws_widens_a_difference():
    left_out = np.random.default_rng(0).normal(0.5, 0.01, (2, 3, 50))
    one = RowSamples(("a", "b", "c"), np.full(3, 0.5), left_out[0])
    gaps = [compared(one, RowSamples(one.runs, np.full(3, 0.4), left_out[1], draw_error=error)) for error in (0.0, 0.1)]
    widths = [(gap.high - gap.low) / (2 * 1.959964) for gap in gaps]
    assert widths[1] ** 2 - widths[0] ** 2 == pytest.approx(0.01, rel=1e-3)
