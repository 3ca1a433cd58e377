"""The phantom: reproducible images with known truth."""

import hashlib

import cv2
import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, UnknownNameError
from locus.core.frames import conventional, iou, resample
from locus.datasets.phantom.patient import BOX_STATISTICS

pytestmark = pytest.mark.planted


@pytest.fixture(scope="module")
def many():
    return list(datasets.load("phantom", split="train", train=4000))


@pytest.fixture(scope="module")
def truth(many):
    """Return finding -> (M,4) boxes as shares of the image side."""
    return {f: np.concatenate([s.boxes[f] for s in many if f in s.boxes]) / 128 for f in BOX_STATISTICS}


def test_images_are_identical_on_every_machine_and_differ_between_seeds():
    data = (datasets.load("phantom", test=20, seed=seed) for seed in (0, 1))
    pixels, others = (b"".join(sample.image.tobytes() for sample in samples) for samples in data)
    assert hashlib.sha256(pixels).hexdigest()[:16] == "6e820b34e18ea1f2"
    assert pixels != others


def test_the_same_index_is_the_same_patient_at_128_and_512():
    small, large = (datasets.load("phantom", test=25, img_size=size) for size in (128, 512))
    assert large[0].image.shape == large[0].frame == (512, 512)
    for a, b in zip(small, large, strict=True):
        for finding in a.boxes:
            assert np.abs(a.boxes[finding] * 4 - b.boxes[finding]).max() <= 6
        shrunk = b.image.reshape(128, 4, 128, 4).mean((1, 3))
        assert np.abs(shrunk - a.image).mean() < 12


@pytest.mark.parametrize("word", ["phantom:test=40", "implanted:test=40"])
def test_labels_boxes_and_masks_agree(nih_tree, word):
    data = datasets.load(f"{word},prevalence=0.5", nih_tree(), img_size=64)
    for sample in data:
        present = {f for f, label in zip(data.findings, sample.labels, strict=True) if label}
        assert present == set(sample.boxes) == set(sample.masks)
        for finding, mask in sample.masks.items():
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            edges = sample.boxes[finding]
            tight = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert [*edges[:, :2].min(0), *edges[:, 2:].max(0)] == tight


def test_splits_are_disjoint_and_independent_of_each_other():
    sides = [datasets.load("phantom", split=split, train=50, val=20, test=20) for split in ("train", "val", "test")]
    assert len({sample.image_id for side in sides for sample in side}) == 90
    assert datasets.load("phantom", test=2, train=7)[1].image_id == datasets.load("phantom", test=20)[1].image_id


def test_findings_are_independent_with_a_prevalence_of_18_per_cent(many):
    labels = np.stack([sample.labels for sample in many])
    assert np.abs(labels.mean(0) - 0.18).max() < 0.025
    correlation = np.corrcoef(labels.T) - np.eye(8)
    assert np.abs(correlation).max() < 0.07


@pytest.mark.parametrize("finding", BOX_STATISTICS)
def test_sizes_and_positions_follow_the_published_boxes(truth, finding):
    boxes = truth[finding]
    place, shares, at = BOX_STATISTICS[finding], (0.1, 0.5, 0.9), np.array([1, 3, 5])
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    x, y = ((boxes[:, 2:] + boxes[:, :2]) / 2).T
    assert np.quantile(width, shares) == pytest.approx(np.array(place.width)[at], rel=0.1, abs=0.015)
    assert np.quantile(height, shares) == pytest.approx(np.array(place.height)[at], rel=0.1, abs=0.015)
    assert np.quantile(y, shares) == pytest.approx(np.array(place.y)[at], abs=0.05)
    assert (x > 0.5).mean() == pytest.approx(place.share_right, abs=0.07)
    assert np.median(x[x > 0.5]) == pytest.approx(place.right, abs=0.06)


def test_a_truth_map_on_a_16_by_16_grid_still_hits_its_box():
    """Score truth maps on a coarse grid, interpolated to pixels."""
    grid, hits = conventional((128, 128), (16, 16)), []
    for sample in datasets.load("phantom", test=120):
        for finding, mask in sample.masks.items():
            cells = mask.reshape(16, 8, 16, 8).mean((1, 3))
            surface = resample(cells / max(cells.max(), 0.01), grid, sample.frame)
            count, _, stats, _ = cv2.connectedComponentsWithStats((surface > 0.5).astype(np.uint8))
            x, y, w, h = stats[1:, :4][stats[1:, 4].argmax()] if count > 1 else (0, 0, 0, 0)
            hits.append(iou([[x, y, x + w, y + h]], sample.boxes[finding]).max() > 0.3)
    assert np.mean(hits) > 0.95


@pytest.mark.parametrize("word", ["phantom:test=5,grain=0", "implanted:test=10"])
def test_changing_one_finding_does_not_change_the_rest_of_the_patient(nih_tree, word):
    root, others = nih_tree(), {} if "phantom" in word else dict.fromkeys(BOX_STATISTICS, 0.0)
    sides = (datasets.load(word, root, prevalence={**others, "Mass": share}, img_size=128) for share in (0, 1))
    for a, b in zip(*sides, strict=True):
        x0, y0, x1, y1 = b.boxes["Mass"][0].astype(int)
        changed = a.image != b.image
        far = np.ones_like(changed)
        margin = int(0.3 * max(x1 - x0, y1 - y0) + (0.06 * 128 if "phantom" in word else 0)) + 2
        far[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = False
        assert changed.any()
        assert not (changed & far).any()


def test_an_invalid_size_raises_a_clear_error():
    with pytest.raises(BadValueError, match=r"img_size.* 8.* 32 .* 4096 "):
        datasets.load("phantom", img_size=8)


def test_an_unknown_finding_raises_an_error_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"finding.*'Masss'.*'Mass'"):
        datasets.load("phantom", prevalence={"Masss": 0.5})
