"""Scores of simulated worlds: thresholds, jackknife and variance over training runs; only missing settings are simulated."""

import numpy as np
import pandas as pd
import pytest

from locus.benchmark.scoring.score_thresholds import FOLDS, SampledThresholds
from tools.coverage import worlds as simulated
from tools.coverage.__main__ import main
from tools.coverage.worlds import NAME, STEPS, Simulation, settings, worlds


@pytest.mark.oracle
def test_cross_fitted_hits_equal_those_of_the_scoring_code():
    random, patients = np.random.default_rng(0), 40
    logits, findings = random.normal(0, 5, (1, 1, patients, 2)), np.tile([0, 1], (1, patients, 1))
    begin, end = simulated.reach(logits, random.normal(0.5, 0.15, logits.shape))
    hits = simulated.cross_fitted_hits(begin, end, findings, 2)
    fold = np.arange(patients) % FOLDS
    for finding in (0, 1):
        table = (np.arange(STEPS) >= begin[0, 0, :, [finding]].T) & (np.arange(STEPS) < end[0, 0, :, [finding]].T)
        selector = SampledThresholds(table, np.zeros(table.shape))
        best = [int(selector.best(np.flatnonzero(fold != number))) for number in fold]
        assert hits[0, 0, :, finding].tolist() == table[np.arange(patients), best].tolist()


@pytest.mark.byhand
def test_a_case_hits_between_its_first_and_last_threshold():
    """A logit of 2 falls to 0 at .1 from the best threshold, .5: thresholds .4 to .6 of 64 steps."""
    begin, end = simulated.reach(np.array([2.0, -1.0]), np.array([0.5, 0.5]))
    assert (begin.tolist(), end.tolist()) == ([26, 32], [39, 32])


@pytest.mark.byhand
def test_the_jackknife_leaves_out_whole_patients():
    hits = np.array([[1, 0], [1, 1], [0, 0], [1, 0]], dtype=bool)[None, None]
    findings = np.array([[0, 1], [0, 1], [1, 0], [0, 1]])[None]
    theta, jackknife = simulated._scored(hits, findings, 2)
    assert theta.item() == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert jackknife.ravel() == pytest.approx([(2 / 3 + 1 / 3) / 2, (2 / 3 + 0) / 2, (1 + 1 / 3) / 2, (2 / 3 + 1 / 3) / 2])


@pytest.mark.planted
@pytest.mark.parametrize(("findings", "thresholds"), [(1, "fixed"), (8, "cross-fitted")])
def test_scores_vary_over_training_runs_as_in_the_setting(findings, thresholds):
    """With many patients, after subtracting the variance without any effect of training runs."""
    with_seeds, without = (scores(60, 1500, sd, findings, thresholds)[:, 0].var(1, ddof=1).mean() for sd in (0.05, 0.0))
    assert np.sqrt(with_seeds - without) == pytest.approx(0.05, rel=0.12)


@pytest.mark.planted
def test_only_the_better_method_is_better_by_the_advantage_of_the_setting():
    theta = scores(20, 500, 0.01, 1, "fixed", count=40).mean((0, 2))
    assert theta[-1] - theta[0] == pytest.approx(0.05, abs=0.005)
    assert theta[:-1] == pytest.approx(np.full(len(theta) - 1, theta[:-1].mean()), abs=0.01)


def scores(runs, patients, sd, findings, thresholds, count=4):
    """Return the (W, M + 1, S) scores of a single network."""
    return worlds(Simulation((runs,), patients, (sd,), findings, thresholds), count)[0].theta


@pytest.mark.commands
def test_only_the_missing_setting_is_simulated(tmp_path, capsys):
    table = pd.read_csv("tools/coverage/coverage.csv", dtype=str)
    missing = table[list(NAME)].eq(settings()[0].name).all(axis=1)
    table[~missing].to_csv(tmp_path / "table.csv", index=False)
    assert main(["--worlds", "2", "--table", str(tmp_path / "table.csv"), "--output", str(tmp_path / "page.md")]) == 0
    again = pd.read_csv(tmp_path / "table.csv", dtype=str)
    assert again[: (~missing).sum()].equals(table[~missing].reset_index(drop=True))
    assert set(again[(~missing).sum() :].worlds) == {"2"}
    assert len(again) == len(table)
    assert capsys.readouterr().out.count("Simulation(") == 1
    assert "## Training runs" in (tmp_path / "page.md").read_text()


def test_there_are_at_most_60_settings_and_no_two_are_the_same():
    names = [setting.name for setting in settings()]
    assert len(names) == len(set(names)) <= 60
