"""Entries over trainings: the jackknife, what is paired and what is nested, ties, and who is first."""

import numpy as np
import pytest

from benchmark.statistics import entries, mrmc
from benchmark.statistics.entries import EntryScores
from benchmark.statistics.patients import by_patient

FINDINGS = ("mass", "nodule", "rare")


def world(seed, trainings, patients=120, sd=0.3, shift=0.0, shared=None):
    """(S,P) hits of trainings that differ by ``sd`` on the logit, on patients that are as hard for all."""
    random = np.random.default_rng(seed)
    hard = np.random.default_rng(shared if shared is not None else seed).normal(0, 1, patients)
    own = random.normal(0, sd, trainings)[:, None] + random.normal(0, 0.5, (trainings, patients))
    return (random.random((trainings, patients)) < 1 / (1 + np.exp(-(0.5 + shift + hard + own)))).astype(float)


def scores(hits, name="a"):
    patients = hits.shape[1]
    left_out = (hits.sum(1, keepdims=True) - hits) / (patients - 1)
    return EntryScores(tuple(f"{name}{n}" for n in range(len(hits))), hits.mean(1), left_out)


@pytest.mark.oracle
def test_the_jackknife_is_the_score_anew_without_each_patient():
    random = np.random.default_rng(0)
    patients, findings = np.repeat(np.arange(12), 3).astype(str), np.tile([*FINDINGS[:2], "nodule"], 12)
    findings[4] = "rare"  # of one patient alone: without it, the mean is over the other two
    hits = (random.random((36, 5)) < 0.4).astype(float)
    theta, left_out = entries.leave_one_out(by_patient(hits, np.ones_like(hits), findings, patients, FINDINGS))

    def anew(kept):
        return np.mean([hits[kept & (findings == name)].mean(0) for name in FINDINGS if (kept & (findings == name)).any()], axis=0)

    assert theta == pytest.approx(anew(np.ones(36, dtype=bool)))
    for number, patient in enumerate(sorted(set(patients))):
        assert left_out[:, number] == pytest.approx(anew(patients != patient))


def test_the_same_trainings_are_paired_in_any_order_and_others_nested():
    one, other = scores(world(1, 4)), scores(world(2, 4))
    rows = (one.theta, one.jackknife), (other.theta, other.jackknife)
    assert entries.difference(one, other.restrict(other.trainings[::-1])) == mrmc.difference(*rows)
    apart = EntryScores(tuple("bcde"), other.theta, other.jackknife)
    assert entries.difference(one, apart) == mrmc.difference_nested(*rows)


@pytest.mark.planted
def test_five_trainings_of_an_entry_do_not_differ_from_five_others_of_it():
    away = []
    for number in range(60):
        hits = world(number, 10)
        gap = entries.difference(scores(hits[:5]), scores(hits[5:], "b"))
        away.append(not gap.low <= 0 <= gap.high)
    assert sum(away) <= 7  # 5 % of 60 are 3; more than 7 have a probability below .02


@pytest.mark.planted
def test_patients_alone_would_find_differences_between_trainings_of_one_entry():
    away = []
    for number in range(60):
        hits = world(number, 2, patients=500)
        gap = entries.difference(scores(hits[:1]), scores(hits[1:], "b"))
        away.append(not gap.low <= 0 <= gap.high)
    assert sum(away) > 15


def test_ties_are_with_the_first_and_a_clear_distance_ends_them():
    hits = world(3, 5, sd=0.1)
    near, far = scores(world(4, 5, sd=0.1, shared=3), "b"), scores(world(5, 5, sd=0.1, shift=-2, shared=3), "c")
    assert entries.tied(scores(hits), [near, far]) == [True, False]
    assert entries.tied(scores(hits[:, :8]), [scores(1 - hits[:, :8], "c")]) == [True]  # of eight patients nobody can tell


def test_differences_that_chance_makes_once_in_thirty_are_ties_among_two():
    """Holm: of two comparisons the smaller p counts twice."""
    hits = np.zeros((2, 100))
    hits[0, :40] = hits[1, :60] = 1
    theta = np.array([0.5, 0.5])
    best = EntryScores(("a", "b"), theta, (hits.sum(1, keepdims=True) - hits) / 99)
    moved = np.roll(hits, 30, axis=1)
    others = [EntryScores((name, name * 2), theta - 0.145, (moved.sum(1, keepdims=True) - moved) / 99) for name in "cd"]
    p = entries.difference(best, others[0]).p
    assert 0.025 < p < 0.05
    assert entries.tied(best, others[:1]) == [False]
    assert entries.tied(best, others) == [True, True]
    assert entries.behind(best, others)[0] == (True, entries.difference(best, others[0]))


def test_who_is_first_depends_on_the_trainings_that_are_drawn():
    first, second = np.zeros((200, 2)), np.zeros((200, 2))
    first[:180, 0] = first[:20, 1] = 1  # .9 and .1
    second[:140] = 1  # .7 and .7
    hits = np.concatenate([first, second], 1)
    sums = by_patient(hits, np.ones_like(hits), ["mass"] * 200, [f"{n:03}" for n in range(200)], ["mass"])
    shares = entries.first_of_entries(sums, 2)
    assert shares.sum() == pytest.approx(1)
    assert shares == pytest.approx([0.25, 0.75], abs=0.03)  # the good training twice; of patients alone .5 is never above .7
