"""How two data sets agree on an order: the same, the reverse, one pair that changes places."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from benchmark.statistics.entries import EntryScores
from benchmark.statistics.transfer import agreement, kendall
from core.errors import BadValueError

NAMES = ("cam", "gradcam", "layercam", "hirescam")


def scored(means, seed, trainings=3, patients=200, own=0.01, nested=False):
    """Hits of methods on the same trainings, or of networks on their own, and the same patients."""
    random = np.random.default_rng(seed)
    common = random.normal(0, 0.02, (trainings, 1)) + random.normal(0, 0.3, patients)
    out = {}
    for name, mean in zip(NAMES, means, strict=False):
        values = mean + common + random.normal(0, own, (trainings, 1)) + random.normal(0, 0.2, (trainings, patients))
        names = tuple(f"{name if nested else 'network'} {n}" for n in range(trainings))
        out[name] = EntryScores(names, values.mean(1), (values.sum(1, keepdims=True) - values) / (patients - 1))
    return out


@pytest.mark.oracle
def test_tau_is_scipys_ties_included():
    first, second = np.random.default_rng(0).integers(0, 5, (2, 30, 7)).astype(float)
    assert kendall(first, second) == pytest.approx([kendalltau(*pair).statistic for pair in zip(first, second, strict=True)])


@pytest.mark.planted
def test_data_sets_of_the_same_order_agree_and_nothing_swaps():
    both = agreement(scored([0.2, 0.4, 0.6, 0.8], 0), scored([0.1, 0.2, 0.3, 0.4], 1))
    assert (both.tau, both.low, both.high, both.swapped) == (1, 1, 1, ())


@pytest.mark.planted
@pytest.mark.parametrize("nested", [False, True])
def test_the_reverse_order_swaps_every_pair_the_first_data_sets_better_one_named_first(nested):
    both = agreement(scored([0.2, 0.5, 0.8], 0, nested=nested), scored([0.8, 0.5, 0.2], 1, nested=nested))
    assert both.tau == -1
    assert both.swapped == (("gradcam", "cam"), ("layercam", "cam"), ("layercam", "gradcam"))


@pytest.mark.planted
def test_equal_rows_make_any_tau_and_swap_within_chance():
    many = [agreement(scored([0.5] * 4, n), scored([0.5] * 4, 100 + n)) for n in range(20)]
    assert all(both.low <= 0 <= both.high for both in many)
    assert sum(bool(both.swapped) for both in many) <= 1


@pytest.mark.planted
def test_an_order_that_one_of_three_trainings_makes_is_open_though_all_patients_are_alike():
    def alike(theta):
        return EntryScores(("a", "b", "c"), np.array(theta), np.tile(np.array(theta)[:, None], (1, 50)))

    one, other = {"cam": alike([0.9, 0.2, 0.2]), "gradcam": alike([0.4] * 3)}, {"cam": alike([0.8] * 3), "gradcam": alike([0.4] * 3)}
    both = agreement(one, other)
    assert (both.tau, both.low, both.high) == (1, -1, 1)  # without the first training, (2/3)³ of the draws, cam is behind


@pytest.mark.byhand
def test_of_rows_of_one_training_patients_alone_decide():
    both = agreement(scored([0.2, 0.8], 0, trainings=1), scored([0.8, 0.2], 1, trainings=1))
    assert (both.tau, both.low, both.high, both.swapped) == (-1, -1, -1, (("gradcam", "cam"),))


@pytest.mark.byhand
def test_one_common_row_is_no_ranking():
    with pytest.raises(BadValueError, match="share 1 rows"):
        agreement(scored([0.2], 0), scored([0.2, 0.3], 1))
