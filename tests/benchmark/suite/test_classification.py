import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from locus.benchmark.evaluation.classifier import classification


def table(labels, logits, boxed):
    return pd.DataFrame({"boxed": boxed, "label_Mass": labels, "logit_Mass": logits, "label_Nodule": 0, "logit_Nodule": logits})


@pytest.mark.byhand
def test_auroc_covers_all_and_boxed_images_and_a_finding_of_one_class_has_a_reason():
    """Mass on all images: 3 of 4 pairs in order; boxed: images 2 and 3, in order. Nodule: no positive image."""
    result = classification(table([0, 1, 0, 1], [0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1]), ["Mass", "Nodule"])
    results = {(score.metric, score.finding): score for score in result.scores}
    assert (results["auroc", "Mass"].value, results["auroc", "Mass"].n) == (0.75, 4)
    assert (results["auroc@boxed", "Mass"].value, results["auroc@boxed", "Mass"].n) == (1.0, 2)
    nodule = results["auroc", "Nodule"]
    assert (nodule.value, nodule.n, nodule.reason) == (None, 4, "0 of 4 images are positive: one class only")
    assert results["auroc", "mean"].value == 0.75
    assert "without Nodule" in results["auroc", "mean"].reason


@pytest.mark.oracle
def test_auroc_equals_scikit_learn_and_ignores_unknown_labels():
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 2, 200).astype(float), rng.normal(0, 30, 200)
    labels[::7] = np.nan
    labelled = ~np.isnan(labels)
    score = classification(table(labels, logits, 1), ["Mass"]).scores[0]
    assert score.value == pytest.approx(roc_auc_score(labels[labelled], logits[labelled]), abs=1e-6)
    assert score.n == labelled.sum()
