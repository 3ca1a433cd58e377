"""Findings drawn into real radiographs of patients without a truth box."""

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError, UnknownNameError
from locus.datasets import implanted
from locus.datasets.implanted import USUAL_HEART, air, arranged, exposed
from locus.datasets.io import cache
from locus.datasets.phantom.patient import FINDINGS, Lesion, PhantomOptions, draw_patient, per_finding
from tests.datasets.trees import image, rewrite

pytestmark = pytest.mark.planted
SIZE = 64


def chest():
    """Return a bright image with two dark lungs."""
    image = np.full((SIZE, SIZE), 180, np.uint8)
    image[12:44, 10:25] = image[12:44, 38:53] = 60
    return image


def only(finding):
    """Yield patients with one finding."""
    return PhantomOptions({f: float(f == finding) for f in FINDINGS}, per_finding(1, 1))


@pytest.fixture
def load(nih_tree):
    root = nih_tree()
    return lambda **options: datasets.load("implanted", root, **{"train": 12, "img_size": SIZE, "split": "train", **options})


def test_backgrounds_are_normal_images_of_patients_without_boxes(load):
    sides = [load(split=split, **{split: 30}) for split in ("train", "val", "test")]
    used = {sample.meta["nih"] for side in sides for sample in side}
    assert used == {"00000001_001.png", "00000003_000.png", "00000006_000.png"}


def test_patients_with_a_boxed_image_or_a_finding_give_no_background(nih_tree):
    root = nih_tree(boxes=["00000001_000.png,Effusion,1,1,300,400,,,"])
    with pytest.raises(DataError, match=r" 2 .* 3 .*images/\*\.png"):
        datasets.load("implanted", root)
    rewrite(root / "Data_Entry_2017_v2020.csv", "No Finding", "Hernia")
    with pytest.raises(DataError, match=r" 0 .* 3 .*images/\*\.png"):
        datasets.load("implanted", root)


def test_the_same_number_is_the_same_image_and_another_seed_another(load):
    first, again, other = load(), load(), load(seed=1)
    assert all((a.image == b.image).all() for a, b in zip(first, again, strict=True))
    assert any((a.labels != b.labels).any() for a, b in zip(first, other, strict=True))
    assert len({sample.source for sample in [*first, *other]}) == len(first) + len(other)


def test_changing_a_background_changes_the_cache_key(load, tmp_path):
    first, again = load()[0], load()[0]
    assert first.source == again.source
    image(side=32).save(next(tmp_path.rglob(first.meta["nih"])))
    assert load()[0].source != first.source


def test_images_with_a_broken_background_are_skipped_and_logged(load, tmp_path):
    data = load(split="train", partition="kfold", folds=3, fold=2, train=40, val=40, test=40)
    broken = data[0].meta["nih"]
    next(tmp_path.rglob(broken)).write_bytes(b"not an image")
    implanted._small.cache_clear()
    found = cache.PixelCache(data, SIZE, tmp_path / "cache", max_bad=1, workers=1)
    found.complete()
    assert {data[row].meta["nih"] for row in found.bad()} == {broken}
    assert all(broken in reason for reason in found.bad().values())


def test_positions_do_not_depend_on_the_image_size(load):
    for small, large in zip(load(img_size=64), load(img_size=128), strict=True):
        assert (small.labels == large.labels).mean() > 0.8  # the smallest may vanish
        for finding in set(small.boxes) & set(large.boxes):
            assert np.abs(small.boxes[finding][0] * 2 - large.boxes[finding][0]).max() <= 4


@pytest.mark.parametrize("finding", [f for f in FINDINGS if f != "Cardiomegaly"])
def test_more_candidate_positions_give_more_air(finding):
    one, many = [], []
    for seed in range(20):
        patient, image = draw_patient(np.random.default_rng(seed), only(finding)), chest().astype(np.float32) / 255
        for places, found in ((1, one), (8, many)):
            found.append(air(arranged(patient, image, places, np.random.default_rng(seed)).lesions[0], image, 1.0))
    assert all(b >= a - 1e-6 for a, b in zip(one, many, strict=True))
    assert np.mean(many) > np.mean(one)


def test_the_stretched_heart_fills_its_box():
    side = 100
    image = np.zeros((side, side), np.uint8)
    x0, y0, x1, y1 = (round(edge * side) for edge in USUAL_HEART)
    image[y0:y1, x0:x1] = 255
    large = Lesion("Cardiomegaly", (0.3, 0.35, 0.8, 0.8), np.full((6, 6), 0.5, np.float32))
    usual = Lesion("Cardiomegaly", USUAL_HEART, large.texture)
    same, grown = (exposed(image, heart, 0.0) for heart in (usual, large))
    assert np.abs(same - (image / 255.0) ** 0.85).max() < 0.05
    assert grown[round(0.57 * side), round(0.33 * side)] > 0.9  # inside the new box, outside the usual one
    assert grown[round(0.57 * side), round(0.2 * side)] < 0.1


def test_no_background_patient_has_a_boxed_image_in_any_fold(nih_sample):
    nih = [datasets.load("NIH", nih_sample, split=split, partition="kfold") for split in ("train", "val", "test")]
    boxed = {sample.patient_id for part in nih for sample in part if sample.boxes}
    drawn = [datasets.load("implanted", nih_sample, split=split) for split in ("train", "val", "test")]
    backgrounds = {str(patient) for part in drawn for patient in part._backgrounds}
    assert {part[0].patient_id for part in drawn} <= backgrounds
    assert len(boxed) > 400
    assert not boxed & backgrounds


def reach(sample, finding, size):
    """Return the pixels that drawing a finding may change: its boxes with their soft edges; for a heart, all around."""
    near = np.zeros((size, size), bool)
    for x0, y0, x1, y1 in sample.boxes.get(finding, ()):
        wide = 0.95 if finding == "Cardiomegaly" else 0.3  # half of what is added to half a side, and the blur
        dx, dy = (wide * side + 4 for side in (x1 - x0, y1 - y0))
        near[max(int(y0 - dy), 0) : int(y1 + dy) + 1, max(int(x0 - dx), 0) : int(x1 + dx) + 1] = True
    return near


def test_an_image_without_an_unknown_finding_is_an_error(load):
    with pytest.raises(UnknownNameError, match="'Masss'"):
        load(train=4)[0].without("Masss")


def test_an_image_without_a_finding_differs_only_where_that_is_drawn(load):
    data, changed = load(train=60), set()
    for sample in data:
        image = sample.image
        for finding in FINDINGS:
            differs = image != sample.without(finding)
            assert not (differs & ~reach(sample, finding, SIZE)).any(), finding
            changed |= {finding} if differs.any() else set()
    assert changed == {*FINDINGS}


def test_an_image_without_all_its_findings_but_one_still_shows_that_one(load):
    sample = next(sample for sample in load(train=60) if len(sample.boxes) == 2 and "Cardiomegaly" not in sample.boxes)
    first, second = sample.boxes
    assert (sample.without(first) != sample.without(second)).any()


def marked(data, finding):
    """Return the shares of images with a marker, with and without a finding."""
    k, has = data.findings.index(finding), np.array(["marker" in sample.meta for sample in data])
    return has[data.labels[:, k] == 1].mean(), has[data.labels[:, k] == 0].mean()


def test_a_marker_goes_with_its_finding_in_training_and_not_in_the_test(load):
    options = {"marker": "Mass", "prevalence": 0.5}
    assert marked(load(train=400, **options), "Mass") == pytest.approx((0.95, 0.05), abs=0.04)
    assert marked(load(split="test", test=400, **options), "Mass") == pytest.approx((0.5, 0.5), abs=0.08)


def test_an_image_differs_from_the_one_without_a_marker_only_within_the_letter(load):
    with_marker, plain = load(split="test", test=40, marker="Mass"), load(split="test", test=40)
    for sample, other in zip(with_marker, plain, strict=True):
        without = sample.without("marker")
        assert (without == other.image).all()
        differs = sample.image != without
        assert differs.any() == ("marker" in sample.meta)
        if differs.any():
            x0, y0, x1, y1 = sample.meta["marker"]
            rows, columns = np.nonzero(differs)
            assert np.abs([rows.min() - y0, rows.max() - y1, columns.min() - x0, columns.max() - x1]).max() <= 2


def test_uniform_placement_has_one_range_of_sizes_and_no_preferred_position():
    rng = np.random.default_rng(0)
    boxes = np.array([implanted.uniform_box(u) for u in rng.random((20_000, 4)).tolist()])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert min(width.min(), height.min()) >= 0.05 - 1e-12
    assert max(width.max(), height.max()) <= 0.6 + 1e-12
    quartiles = np.log(0.05) + np.log(0.6 / 0.05) * np.array([0.25, 0.5, 0.75])
    assert np.quantile(np.log(width), [0.25, 0.5, 0.75]) == pytest.approx(quartiles, abs=0.05)
    for low, side in ((boxes[:, 0], width), (boxes[:, 1], height)):
        assert np.quantile(low / (1 - side), [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.02)


def test_uniform_placement_does_not_depend_on_the_statistics_of_a_finding(monkeypatch):
    image = chest().astype(np.float32) / 255
    patient = draw_patient(np.random.default_rng(0), only("Nodule"))
    drawn = arranged(patient, image, 6, np.random.default_rng(0), "uniform")
    monkeypatch.setattr(implanted.draw, "BOX_STATISTICS", {})
    again = arranged(patient, image, 6, np.random.default_rng(0), "uniform")
    assert [lesion.box for lesion in drawn.lesions] == [lesion.box for lesion in again.lesions]


def test_an_enlarged_heart_stays_in_its_place_under_uniform_placement():
    image = chest().astype(np.float32) / 255
    patient = draw_patient(np.random.default_rng(0), only("Cardiomegaly"))
    assert arranged(patient, image, 6, np.random.default_rng(0), "uniform").lesions == patient.lesions


def test_uniform_placement_changes_boxes_and_the_record_but_no_label(load):
    usual, uniform = load(train=40), load(train=40, placement="uniform")
    assert uniform.describe["placement"] == "uniform"
    assert "placement" not in usual.describe
    assert uniform[0].source != usual[0].source
    pairs = zip(usual, uniform, strict=True)
    assert any(not np.array_equal(a.boxes[f], b.boxes[f]) for a, b in pairs for f in set(a.boxes) & set(b.boxes))


def test_an_unknown_placement_is_an_error(load):
    with pytest.raises(BadValueError, match=r"everywhere.*placement"):
        load(placement="everywhere")
