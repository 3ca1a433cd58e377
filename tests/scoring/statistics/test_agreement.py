"""Agreement of two rankings: equal, unrelated and reverse orders; tau against SciPy."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from locus.core.errors import BadValueError
from locus.scoring.statistics.mrmc import RowSamples
from locus.scoring.statistics.rank_reversals import agreement, kendall

NAMES = ("cam", "gradcam", "layercam", "hirescam")


def scored(means, seed, trainings=3, patients=200, own=0.01):
    """Return scores of methods on the same training runs."""
    random = np.random.default_rng(seed)
    common = random.normal(0, 0.02, (trainings, 1)) + random.normal(0, 0.3, patients)
    names, out = tuple(f"network {n}" for n in range(trainings)), {}
    for name, mean in zip(NAMES, means, strict=False):
        values = mean + common + random.normal(0, own, (trainings, 1)) + random.normal(0, 0.2, (trainings, patients))
        out[name] = RowSamples(names, values.mean(1), (values.sum(1, keepdims=True) - values) / (patients - 1))
    return out


@pytest.mark.oracle
def test_tau_equals_scipy_with_ties():
    first, second = np.random.default_rng(0).integers(0, 5, (2, 30, 7)).astype(float)
    assert kendall(first, second) == pytest.approx([kendalltau(*pair).statistic for pair in zip(first, second, strict=True)])


@pytest.mark.planted
@pytest.mark.parametrize("trainings", [1, 3])
def test_equal_orders_of_two_data_sets_agree_and_reverse_ones_do_not(trainings):
    up, down = (scored(means, n, trainings) for n, means in enumerate([[0.2, 0.4, 0.6, 0.8], [0.8, 0.6, 0.4, 0.2]]))
    alike, reverse = agreement(up, scored([0.1, 0.2, 0.3, 0.4], 1, trainings)), agreement(up, down)
    assert (alike.tau, alike.low, alike.high) == (1, 1, 1)
    assert (reverse.tau, reverse.low, reverse.high) == (-1, -1, -1)


@pytest.mark.planted
def test_the_interval_of_equal_rows_contains_0():
    many = [agreement(scored([0.5] * 4, n), scored([0.5] * 4, 100 + n)) for n in range(20)]
    assert all(both.low <= 0 <= both.high for both in many)


@pytest.mark.planted
def test_order_due_to_one_of_three_training_runs_is_not_significant():
    def alike(theta):
        return RowSamples(("a", "b", "c"), np.array(theta), np.tile(np.array(theta)[:, None], (1, 50)))

    one, other = {"cam": alike([0.9, 0.2, 0.2]), "gradcam": alike([0.4] * 3)}, {"cam": alike([0.8] * 3), "gradcam": alike([0.4] * 3)}
    both = agreement(one, other)
    assert (both.tau, both.low, both.high) == (1, -1, 1)  # without the first training, (2/3)³ of the draws, cam is behind


@pytest.mark.byhand
def test_one_common_row_is_refused():
    with pytest.raises(BadValueError, match="share 1 rows"):
        agreement(scored([0.2], 0), scored([0.2, 0.3], 1))
