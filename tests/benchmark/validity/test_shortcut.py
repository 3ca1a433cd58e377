"""A token that goes with a finding: planted maps and planted logits."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.protocols.base import Case
from benchmark.training import data as source
from benchmark.validity.shortcut import Shortcut, _row
from benchmark.validity.tokens import configs_by_variant, load_or_predict_logits, token_rates
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
def test_a_map_that_looks_at_the_token_is_told_from_one_that_looks_at_the_finding():
    first, second = looked(spot(7, 0)), looked(spot(2, 5))
    assert (first["peak@token"], first["peak@finding"]) == (True, False)
    assert (second["peak@token"], second["peak@finding"]) == (False, True)
    assert first["energy@token"] > 0.9 > 0.1 > second["energy@token"] == 0
    assert second["energy@finding"] > 0.9 > first["energy@finding"] == 0


def test_a_flat_map_points_nowhere_and_a_negative_one_has_no_energy():
    assert not looked(np.zeros((8, 8), np.float32))["peak@token"]
    assert looked(-spot(7, 0))["energy@token"] is None
    assert looked(np.ones((8, 8), np.float32))["energy@token"] == pytest.approx(1 / 16)


def test_other_tokens_leave_the_patients_as_they_are(trained):
    wanted = configs_by_variant(trained[0].config)
    sets = {name: source.load(config, "test") for name, config in wanted.items()}
    drawn = sets["drawn"]
    for name, other in sets.items():
        assert [s.image_id for s in other] == [s.image_id for s in drawn], name
        np.testing.assert_array_equal(other.labels, drawn.labels)
    assert all(sample.meta["token"] is None for sample in sets["none"])
    with_finding = drawn.labels[:, drawn.findings.index("Pneumothorax")] == 1
    share = {name: np.array([s.meta["token"] is not None for s in other])[with_finding].mean() for name, other in sets.items()}
    assert share["flipped"] < 0.3 < 0.7 < share["drawn"]


def test_pictures_differ_at_the_token_alone(trained):
    wanted = configs_by_variant(trained[0].config)
    drawn, none = (source.load(wanted[name], "test") for name in ("drawn", "none"))
    n = next(n for n, sample in enumerate(drawn) if sample.meta["token"] is not None)
    rows, columns = np.nonzero(drawn[n].image != none[n].image)
    x0, y0, x1, y1 = drawn[n].meta["token"]
    assert len(rows)
    assert (columns.min() >= x0 - 3, columns.max() <= x1 + 3, rows.min() >= y0 - 3, rows.max() <= y1 + 3) == (True,) * 4


def test_the_classifiers_logits_are_kept_and_read_back(trained, tmp_path):
    first, labels, patients = load_or_predict_logits(trained[0], tmp_path)
    (file,) = tmp_path.glob("tokens-*.csv")
    before = file.stat().st_mtime_ns
    again, _, _ = load_or_predict_logits(trained[0], tmp_path)
    assert file.stat().st_mtime_ns == before
    assert {name: values.shape for name, values in again.items()} == dict.fromkeys(("drawn", "none", "flipped"), (24, 8))
    assert labels.shape == (24, 8)
    assert len(set(patients)) == 24
    assert not np.array_equal(first["drawn"], first["none"])


def test_maps_are_made_of_the_images_with_finding_and_token(trained, tmp_path):
    rows = Shortcut(trained, ["cam", "center"], tmp_path, EngineFlags(), None).evaluate("cam", 0).rows
    both = [s.image_id for s in trained[0].scorable_images if "Pneumothorax" in s.boxes and s.meta["token"] is not None]
    assert [row["image"] for row in rows] == both


def test_data_without_a_shortcut_are_refused(trained):
    config = replace(trained[0].config, dataset="phantom:train=32,val=16,test=16")
    with pytest.raises(BadValueError, match=r"phantom:train=32,val=16,test=16.*phantom:shortcut=Pneumothorax"):
        token_rates(config)
