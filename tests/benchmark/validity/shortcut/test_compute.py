"""The check ``shortcut``: planted maps and logits."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.scoring.protocols.base import Case
from benchmark.scoring.statistics.intervals import interval
from benchmark.training.listing import load_split
from benchmark.validity.shortcut.compute import Shortcut, _row, compared
from benchmark.validity.shortcut.tokens import configs_by_variant, load_or_predict_logits, token_rates
from config import EngineFlags
from core.errors import BadValueError
from core.frames import conventional

TOKEN = np.array([[0.0, 48, 16, 64]])
FINDING = np.array([[32.0, 0, 64, 32]])


def looked(values):
    return _row(Case("i", "p", "Pneumothorax", values, conventional((64, 64), values.shape), (64, 64), FINDING), TOKEN)


def spot(row, column):
    values = np.zeros((8, 8), np.float32)
    values[row, column] = 1
    return values


@pytest.mark.planted
def test_maps_at_the_token_and_at_the_finding_are_distinguished():
    first, second = looked(spot(7, 0)), looked(spot(2, 5))
    assert (first["peak@token"], first["peak@finding"]) == (True, False)
    assert (second["peak@token"], second["peak@finding"]) == (False, True)
    assert first["energy@token"] > 0.9 > 0.1 > second["energy@token"] == 0
    assert second["energy@finding"] > 0.9 > first["energy@finding"] == 0


def test_flat_map_has_no_peak_and_negative_map_no_energy():
    assert not looked(np.zeros((8, 8), np.float32))["peak@token"]
    assert looked(-spot(7, 0))["energy@token"] is None
    assert looked(np.ones((8, 8), np.float32))["energy@token"] == pytest.approx(1 / 16)


def test_other_tokens_do_not_change_the_patients(trained):
    wanted = configs_by_variant(trained[0].config)
    sets = {name: load_split(config, "test") for name, config in wanted.items()}
    drawn = sets["drawn"]
    for name, other in sets.items():
        assert [s.image_id for s in other] == [s.image_id for s in drawn], name
        np.testing.assert_array_equal(other.labels, drawn.labels)
    assert all(sample.meta["token"] is None for sample in sets["none"])
    with_finding = drawn.labels[:, drawn.findings.index("Pneumothorax")] == 1
    share = {name: np.array([s.meta["token"] is not None for s in other])[with_finding].mean() for name, other in sets.items()}
    assert share["flipped"] < 0.3 < 0.7 < share["drawn"]


def test_images_differ_only_at_the_token(trained):
    wanted = configs_by_variant(trained[0].config)
    drawn, none = (load_split(wanted[name], "test") for name in ("drawn", "none"))
    n = next(n for n, sample in enumerate(drawn) if sample.meta["token"] is not None)
    rows, columns = np.nonzero(drawn[n].image != none[n].image)
    x0, y0, x1, y1 = drawn[n].meta["token"]
    assert len(rows)
    assert (columns.min() >= x0 - 3, columns.max() <= x1 + 3, rows.min() >= y0 - 3, rows.max() <= y1 + 3) == (True,) * 4


def test_logits_are_stored_and_read_again(trained, tmp_path):
    first, labels, patients = load_or_predict_logits(trained[0], tmp_path)
    (file,) = tmp_path.glob("tokens-*.csv")
    before = file.stat().st_mtime_ns
    again, _, _ = load_or_predict_logits(trained[0], tmp_path)
    assert file.stat().st_mtime_ns == before
    assert {name: values.shape for name, values in again.items()} == dict.fromkeys(("drawn", "none", "flipped"), (24, 8))
    assert labels.shape == (24, 8)
    assert len(set(patients)) == 24
    assert not np.array_equal(first["drawn"], first["none"])


def test_maps_are_of_images_with_finding_and_token(trained, tmp_path):
    rows = Shortcut(trained, ["cam", "center"], tmp_path, EngineFlags(), None).evaluate("cam", 0).rows
    both = [s.image_id for s in trained[0].scorable_images if "Pneumothorax" in s.boxes and s.meta["token"] is not None]
    assert [row["image"] for row in rows] == both


def test_data_without_a_shortcut_are_refused(trained):
    config = replace(trained[0].config, dataset="phantom:train=32,val=16,test=16")
    with pytest.raises(BadValueError, match=r"phantom:train=32,val=16,test=16.*phantom:shortcut=Pneumothorax"):
        token_rates(config)


def drawings(n=300, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 2)) < 0.3).astype(float)
    logits = {"drawn": labels * 2 + rng.normal(size=(n, 2)), "none": labels * 0.5 + rng.normal(size=(n, 2)).round(1)}
    return logits, labels, [f"p{i // 2}" for i in range(n)]


@pytest.mark.oracle
def test_auroc_equals_scikit_learn():
    logits, labels, patients = drawings()
    result = {e.metric: e for e in compared(logits, labels, patients, ["a", "b"], 0)}
    for name, values in logits.items():
        np.testing.assert_allclose(result[f"auroc@{name}"].value, [roc_auc_score(labels[:, k], values[:, k]) for k in range(2)], atol=1e-6)


@pytest.mark.oracle
def test_resample_is_the_auroc_of_the_drawn_patients():
    from benchmark.scoring.statistics.bootstrap import weights

    logits, labels, patients = drawings(80)
    result = compared(logits, labels, patients, ["a", "b"], 0)[0].samples
    _, person = np.unique(patients, return_inverse=True)
    for n in (0, 17, 9_999):
        times = weights(40, 0)[n][person]
        assert result.samples[n, 0] == pytest.approx(roc_auc_score(labels[:, 0], logits["drawn"][:, 0], sample_weight=times), abs=1e-5)


def test_change_of_a_variant_from_itself_is_0():
    logits, labels, patients = drawings()
    change = compared({"drawn": logits["drawn"], "same": logits["drawn"]}, labels, patients, ["a", "b"], 0)[-1]
    assert change.metric == "change@auroc@same"
    assert (change.value == 0).all()
    assert (interval(change.samples) == 0).all()


def test_interval_of_a_real_loss_excludes_0():
    logits, labels, patients = drawings()
    change = compared(logits, labels, patients, ["a", "b"], 0)[-1]
    assert (interval(change.samples)[:, 1] < 0).all()


def test_unknown_labels_do_not_count_and_one_class_has_no_auroc():
    logits, labels, patients = drawings()
    labels[:100, 0], labels[:, 1] = np.nan, 1
    result = compared(logits, labels, patients, ["a", "b"], 0)[0]
    assert result.value[0] == pytest.approx(roc_auc_score(labels[100:, 0], logits["drawn"][100:, 0]))
    assert np.isnan(result.value[1])
    assert result.n.tolist() == [200, 300]
