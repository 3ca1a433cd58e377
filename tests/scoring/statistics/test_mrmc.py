"""Intervals over training runs and patients: a published analysis, worked examples, simulations."""

import itertools
import json
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from locus.core.errors import BadValueError
from locus.scoring.statistics import mrmc
from locus.scoring.statistics.resample import holm

READERS, CASES = 5, 114
DIFFERENCES = (mrmc.difference, mrmc.difference_nested)
every_difference = pytest.mark.parametrize("compare", DIFFERENCES)


def row_of(hits):
    """Return the means (S,) and those without each patient (S, P), from a value per patient (S, P)."""
    return hits.mean(1), (hits.sum(1, keepdims=True) - hits) / (hits.shape[1] - 1)


def with_covariances(means, covariance, cases=CASES):
    """Return jackknife values (S, P) with exactly the given covariances."""
    random = np.random.default_rng(0).normal(size=(cases, len(means)))
    rows = np.linalg.qr(random - random.mean(0))[0].T
    return np.asarray(means)[:, None] + np.linalg.cholesky(covariance) @ rows * np.sqrt(cases / (cases - 1))


def networks(*thetas, own):
    """Return rows of two networks whose training runs have covariances of 1e-4 and, within a network, ``own`` more."""
    size = len(thetas[0])
    covariances = np.full((size + len(thetas[1]),) * 2, 1e-4) + np.eye(size + len(thetas[1])) * 1e-6
    covariances[:size, :size] += own[0]
    covariances[size:, size:] += own[1]
    jackknife = with_covariances(np.concatenate(thetas), covariances)
    return (np.array(thetas[0]), jackknife[:size]), (np.array(thetas[1]), jackknife[size:])


@pytest.fixture(scope="module")
def published(fixtures):
    """Van Dyke's five readers in two modalities, with a jackknife of the printed covariances."""
    known = json.loads((fixtures / "mrmc_vandyke.json").read_text())
    same, other = np.eye(READERS), 1 - np.eye(READERS)
    within = [known["var"] * same + each["cov2"] * other for each in known["each"]]
    across = known["cov1"] * same + known["cov3"] * other
    theta = np.array(known["auc"])
    jackknife = with_covariances(theta.ravel(), np.block([[within[0], across], [across.T, within[1]]]))
    return known, theta, jackknife.reshape(2, READERS, CASES)


@pytest.mark.oracle
def test_rows_equal_the_published_ones_to_all_printed_digits(published):
    known, theta, jackknife = published
    for n, row in enumerate(known["each"]):
        result = mrmc.interval(theta[n], jackknife[n])
        assert (result.value, result.low, result.high) == pytest.approx((row["mean"], row["low"], row["high"]), abs=1e-8)
        assert result.df == pytest.approx(row["df"], abs=2e-6)


@pytest.mark.oracle
def test_difference_equals_the_published_one_to_all_printed_digits(published):
    known, theta, jackknife = published
    told = known["difference"]
    result = mrmc.difference((theta[0], jackknife[0]), (theta[1], jackknife[1]))
    assert (result.value, result.low, result.high) == pytest.approx((told["value"], told["low"], told["high"]), abs=1e-8)
    assert (result.df, result.p) == pytest.approx((told["df"], told["p"]), abs=2e-6)


@pytest.mark.byhand
def test_equal_training_runs_leave_the_variance_of_patients():
    """A share of hits over 20 patients: the jackknife's variance of a mean is that of the mean."""
    hits = np.arange(20) % 2
    result = mrmc.interval(*row_of(np.tile(hits, (3, 1))))
    assert result.df == np.inf
    assert result.high - 0.5 == pytest.approx(stats.norm.ppf(0.975) * np.std(hits, ddof=1) / np.sqrt(20))


@pytest.mark.byhand
def test_one_training_run_has_no_interval():
    one = ([0.5], np.linspace(0.4, 0.6, 30)[None])
    for result in (mrmc.interval(*one), mrmc.difference(one, one)):
        assert np.isnan([result.low, result.high]).all()


@pytest.mark.byhand
def test_difference_from_a_single_run_keeps_the_variance_over_the_runs_of_the_other_side():
    """Runs: 2.5e-4 / 5 of one side; patients: 4e-4 + (3e-4 + 1e-6) - 2 * 1e-4, the single run's own included."""
    several, single = networks([0.48, 0.49, 0.5, 0.51, 0.52], [0.4], own=(3e-4, 2e-4))
    for result, sign in ((mrmc.difference_nested(several, single), 1), (mrmc.difference_nested(single, several), -1)):
        variance = 0.5e-4 + 4e-4 + 3.01e-4 - 2e-4
        df = variance**2 / ((0.5e-4) ** 2 / 4)
        assert (result.value * sign, result.df) == pytest.approx((0.1, df))
        assert result.high - result.value == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(variance))


@pytest.mark.byhand
@pytest.mark.parametrize(("share", "ends"), [(0.0, (0, 1 - 0.025 ** (1 / 30))), (1.0, (0.025 ** (1 / 30), 1))])
def test_mean_of_0_or_1_has_the_binomial_bound_over_patients(share, ends):
    result = mrmc.interval([share] * 3, np.full((3, 30), share))
    assert (result.low, result.high) == pytest.approx(ends)


@pytest.mark.byhand
def test_ends_are_clipped_to_the_possible_range():
    high, low = np.tile([[0.99], [0.6]], (1, 9)), np.tile([[0.0], [0.3]], (1, 9))
    assert mrmc.interval([0.99, 0.6], high).high == 1
    assert mrmc.difference(([0.99, 0.6], high), ([0.0, 0.3], low)).high == 1


@pytest.mark.byhand
def test_degrees_of_freedom_of_nested_rows_use_the_total_variance():
    """Seeds: 2.5e-4 / 5 and 3e-4 / 3; patients: 4e-4 + 3e-4 - 2 * 1e-4 = 5e-4."""
    result = mrmc.difference_nested(*networks([0.48, 0.49, 0.5, 0.51, 0.52], [0.4, 0.4, 0.43], own=(3e-4, 2e-4)))
    variance = 0.5e-4 + 1e-4 + 5e-4
    df = variance**2 / ((0.5e-4) ** 2 / 4 + (1e-4) ** 2 / 2)
    assert (result.value, result.df) == pytest.approx((0.09, df))
    assert result.high - result.value == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(variance))


@pytest.mark.byhand
@every_difference
def test_runs_that_agree_by_chance_have_the_variance_of_patients(compare):
    """Six patients differ by 1/3 each in the mean of the runs, 44 by 0: its variance over patients is .0117 / 49."""
    row = row_of(np.eye(50)[:6].reshape(3, 2, 50).sum(1))  # two other cases in each run
    result = compare(row, row_of(np.zeros((3, 50))))
    error = np.sqrt((6 / 9 / 50 - 0.04**2) / 49)
    assert (result.value, result.df) == (pytest.approx(0.04), np.inf)
    assert (result.low, result.high) == pytest.approx((0.04 - 1.959964 * error, 0.04 + 1.959964 * error))
    assert result.p == pytest.approx(2 * stats.norm.sf(0.04 / error))
    assert mrmc.interval(*row).high == pytest.approx(result.high)


@pytest.mark.byhand
@every_difference
def test_rows_with_equal_differences_in_all_patients_have_the_binomial_bound(compare):
    """A hits all 30 patients, B none: a share of 1 - .025^(1/30) of new ones may do the reverse; p is 2 / 2^30."""
    result = compare(row_of(np.ones((3, 30))), row_of(np.zeros((3, 30))))
    assert (result.value, result.low, result.high) == pytest.approx((1, 2 * 0.025 ** (1 / 30) - 1, 1))
    assert result.p == pytest.approx(2.0**-29)


@pytest.mark.byhand
def test_rows_that_differ_only_within_patients_have_no_interval_of_zero_width():
    """Patient 1 gains in run 1 what it loses in run 2, and patient 2 the reverse: means agree, cases do not."""
    gains = np.pad([[0.5, -0.5], [-0.5, 0.5]], ((0, 0), (0, 28)))
    result = mrmc.difference(row_of(0.5 + gains), row_of(np.full((2, 30), 0.5)))
    assert (result.value, result.p) == (pytest.approx(0), 1)
    assert result.low < 0 < result.high


@pytest.mark.byhand
@every_difference
def test_rows_that_are_equal_in_each_patient_have_zero_width_and_p_of_1(compare):
    row = row_of(np.tile(np.arange(30) % 2, (3, 1)))
    result = compare(row, row)
    assert (result.value, result.low, result.high, result.p) == (0, 0, 0, 1)


def test_one_run_gives_all_pairs_the_differences_of_one_pair_at_a_time():
    runs = 1
    random = np.random.default_rng(runs)
    theta = random.random((6, runs))
    jackknife = theta[..., None] + random.normal(0, 0.01, (6, runs, 40))
    theta[3], jackknife[3] = theta[2], jackknife[2]  # equal rows
    for row, value in ((4, 0.7), (5, 0.5)):  # rows without spread
        theta[row] = jackknife[row] = value
    one_by_one = [
        mrmc.difference_nested((theta[a], jackknife[a]), (theta[b], jackknife[b])) for a, b in itertools.combinations(range(6), 2)
    ]
    together = mrmc.all_differences((theta, jackknife))
    np.testing.assert_allclose([astuple(e) for e in together], [astuple(e) for e in one_by_one], rtol=1e-9, atol=1e-12)
    assert together[9] == mrmc.NO_DIFFERENCE  # rows 2 and 3


@pytest.mark.byhand
def test_pairs_of_a_table_have_at_least_the_mean_spread_over_runs_of_all_its_pairs():
    """Pairs (0,1), (0,2), (1,2) have mean squares .02, 0 and .02 over two runs, and no spread over patients."""
    theta = np.array([[0.5, 0.7], [0.3, 0.3], [0.1, 0.3]])
    jackknife = np.repeat(theta[..., None], 12, -1)
    estimates = mrmc.all_differences((theta, jackknife))
    for estimate, value, square in zip(estimates, (0.3, 0.4, 0.1), (0.02, 0.04 / 3, 0.02), strict=True):
        assert (estimate.value, estimate.df) == pytest.approx((value, 1))
        assert estimate.p == pytest.approx(2 * stats.t.sf(value / np.sqrt(square / 2), 1))


def test_all_pairs_of_equal_methods_are_rarely_different_with_three_runs():
    """60 tables of 12 equal methods whose scores vary over three runs; Holm over the pairs holds 5% of 60, about 3."""
    random, false = np.random.default_rng(0), 0
    for _ in range(60):
        theta = random.normal(0.5, 0.03, (12, 3))
        jackknife = theta[..., None] + random.normal(0, 1e-4, (12, 3, 50))
        false += (holm(np.array([gap.p for gap in mrmc.all_differences((theta, jackknife))])) <= 0.05).any()
    assert false <= 7


@pytest.mark.byhand
def test_method_effect_is_the_mean_over_networks_with_the_variance_of_their_sum():
    """Networks of three and two runs: seeds MS / (S 4), patients (c11 + c22 + 2 c12) / 4."""
    result = mrmc.method_effect(networks([0.10, 0.12, 0.14], [0.02, 0.06], own=(3e-4, 1e-4)))
    seeds = np.array([4e-4 / 3 / 4, 8e-4 / 2 / 4])
    variance = seeds.sum() + (4e-4 + 2e-4 + 2 * 1e-4) / 4
    df = variance**2 / (seeds[0] ** 2 / 2 + seeds[1] ** 2 / 1)
    assert (result.value, result.df) == pytest.approx((0.08, df))
    assert (result.low, result.high) == pytest.approx(stats.t.interval(0.95, df, 0.08, np.sqrt(variance)))
    assert result.p == pytest.approx(2 * stats.t.sf(0.08 / np.sqrt(variance), df))


@pytest.mark.byhand
def test_method_effect_without_any_difference_is_zero_with_p_of_1():
    result = mrmc.method_effect([row_of(np.zeros((2, 30)))] * 2)
    assert (result.value, result.low, result.high, result.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("runs", [(3,), (3, 1), ()])
def test_method_effect_of_one_network_or_one_run_is_refused(runs):
    with pytest.raises(BadValueError):
        mrmc.method_effect([row_of(np.eye(9)[:count]) for count in runs])


@pytest.mark.parametrize(
    ("theta", "jackknife"), [([0.5], [[0.5]]), ([0.5, 0.5], [[0.5, 0.5]]), ([np.nan], [[0.5, 0.5]]), ([], np.zeros((0, 3)))]
)
def test_arrays_of_different_shapes_are_refused(theta, jackknife):
    with pytest.raises(BadValueError):
        mrmc.interval(theta, jackknife)


def two_equal_methods(random, runs=5, patients=60):
    """Return the rows of two equally good methods: hits by normal effects of patient, run, method and patient x run."""
    shared = 1 + random.normal(0, 2, patients) + random.normal(0, 0.3, (runs, 1)) + random.normal(0, 2, (runs, patients))
    logits = shared + random.normal(0, 1, (2, 1, patients)) + random.logistic(size=(2, runs, patients))
    return [row_of(hits) for hits in (logits > 0).astype(float)]


@pytest.mark.planted
def test_intervals_cover_the_truth_in_about_95_percent_of_simulations():
    random = np.random.default_rng(0)
    worlds = [two_equal_methods(random) for _ in range(400)]
    rows, gaps = [mrmc.interval(*first) for first, _ in worlds], [mrmc.difference(*pair) for pair in worlds]
    for estimates, truth in ((rows, np.mean([row.value for row in rows])), (gaps, 0)):
        assert 0.92 <= np.mean([each.low <= truth <= each.high for each in estimates]) <= 0.99
