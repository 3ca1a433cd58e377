"""AUROC of several drawings of the same patients."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.statistics.intervals import interval
from benchmark.validity.auroc import compared


def drawings(n=300, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 2)) < 0.3).astype(float)
    logits = {"drawn": labels * 2 + rng.normal(size=(n, 2)), "none": labels * 0.5 + rng.normal(size=(n, 2)).round(1)}
    return logits, labels, [f"p{i // 2}" for i in range(n)]


@pytest.mark.oracle
def test_the_values_are_scikit_learns():
    logits, labels, patients = drawings()
    found = {e.metric: e for e in compared(logits, labels, patients, ["a", "b"], 0)}
    for name, values in logits.items():
        np.testing.assert_allclose(found[f"auroc@{name}"].value, [roc_auc_score(labels[:, k], values[:, k]) for k in range(2)], atol=1e-6)


@pytest.mark.oracle
def test_a_resample_is_the_auroc_of_the_patients_that_were_drawn():
    from benchmark.statistics.bootstrap import weights

    logits, labels, patients = drawings(80)
    found = compared(logits, labels, patients, ["a", "b"], 0)[0].samples
    _, person = np.unique(patients, return_inverse=True)
    for n in (0, 17, 9_999):
        times = weights(40, 0)[n][person]
        assert found.samples[n, 0] == pytest.approx(roc_auc_score(labels[:, 0], logits["drawn"][:, 0], sample_weight=times), abs=1e-5)


def test_a_drawing_held_against_itself_changes_by_nothing():
    logits, labels, patients = drawings()
    change = compared({"drawn": logits["drawn"], "same": logits["drawn"]}, labels, patients, ["a", "b"], 0)[-1]
    assert change.metric == "change@auroc@same"
    assert (change.value == 0).all()
    assert (interval(change.samples) == 0).all()


def test_a_real_loss_has_an_interval_that_leaves_0_out():
    logits, labels, patients = drawings()
    change = compared(logits, labels, patients, ["a", "b"], 0)[-1]
    assert (interval(change.samples)[:, 1] < 0).all()


def test_an_unknown_label_has_no_say_and_one_class_has_no_auroc():
    logits, labels, patients = drawings()
    labels[:100, 0], labels[:, 1] = np.nan, 1
    found = compared(logits, labels, patients, ["a", "b"], 0)[0]
    assert found.value[0] == pytest.approx(roc_auc_score(labels[100:, 0], logits["drawn"][100:, 0]))
    assert np.isnan(found.value[1])
    assert found.n.tolist() == [200, 300]
