"""Comparison of two cells on the same cases."""

import numpy as np
import pytest

from locus.benchmark.scoring.statistics.paired import compare, corrected
from locus.benchmark.scoring.statistics.resample import CaseIndex
from locus.benchmark.scoring.statistics.summary import Column
from locus.core.errors import BadValueError

NAMES = ("mass", "nodule", "effusion")
INDEX = CaseIndex.of(["mass", "nodule"] * 40, [f"p{i // 4}" for i in range(80)])


def column(hits, metric="hit", whole=1.0, shared=False):
    return Column(metric, "fixed", np.asarray(hits, dtype=np.float64), np.full(80, whole), shared)


def rows(first, second):
    return {(c.metric, c.finding): c for c in compare(first, second, INDEX, NAMES)}


@pytest.mark.byhand
def test_comparison_has_both_values_their_difference_and_its_interval():
    better = np.tile([1, 1, 1, 0], 20)  # mass always; nodule every other time
    result = rows([column(better)], [column(np.zeros(80))])
    mass, nodule, effusion, mean = (result["hit", name] for name in (*NAMES, "mean"))
    assert (mass.first, mass.second, mass.difference, mass.low, mass.high, mass.n) == (1, 0, 1, 1, 1, 40)
    assert (nodule.difference, nodule.low, nodule.high) == (0.5, 0.5, 0.5)  # each patient has one hit of two
    assert (mean.difference, mean.n) == (0.75, 80)
    assert mass.p == 1 / 10_001  # 20 patients: coins are thrown
    assert (effusion.first, effusion.difference, effusion.low, effusion.p, effusion.n) == (None, None, None, None, 0)


@pytest.mark.byhand
def test_difference_of_a_cell_from_itself_is_0():
    hits = np.random.default_rng(0).random(80)
    for row in rows([column(hits)], [column(hits)]).values():
        assert row.finding == "effusion" or (row.difference, row.low, row.high, row.p) == (0, 0, 0, 1)


@pytest.mark.planted
def test_paired_interval_is_narrower_than_the_intervals_of_the_cells():
    hits = np.random.default_rng(0).random(80)
    gap = rows([column(hits + 0.1)], [column(hits)])["hit", "mean"]
    assert (gap.difference, gap.low, gap.high) == pytest.approx((0.1, 0.1, 0.1), abs=1e-6)


@pytest.mark.byhand
def test_each_metric_has_its_own_n():
    result = rows([column(np.ones(80)), column(np.ones(80), "afp", 80, True)], [column(np.ones(80)), column(np.zeros(80), "afp", 80, True)])
    assert (result["hit", "mean"].n, result["afp", "mean"].n) == (80, 3200)


@pytest.mark.byhand
def test_table_is_corrected_as_a_whole():
    rng = np.random.default_rng(0)
    table = compare([column(rng.random(80))], [column(rng.random(80) * 0.8)], INDEX, NAMES)
    p = {c.finding: c.p for c in table}
    adjusted = {c.finding: c.adjusted for c in corrected(table)}
    assert adjusted["effusion"] is None
    smallest = min((name for name in p if p[name] is not None), key=p.get)
    assert adjusted[smallest] == pytest.approx(min(1, 3 * p[smallest]))


@pytest.mark.byhand
def test_other_columns_cannot_be_compared():
    with pytest.raises(BadValueError, match=r"'hit'.*'other'.* 80 cases"):
        compare([column(np.ones(80))], [column(np.ones(80), "other")], INDEX, NAMES)
