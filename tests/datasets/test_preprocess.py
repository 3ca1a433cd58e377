"""Preprocessing as in another project, and the truth of padded images."""

import cv2
import numpy as np
import pytest

from locus import datasets
from locus.core.types import Sample
from locus.datasets.io import cache, preprocess

RNG = np.random.default_rng(0)
IMAGE = (RNG.integers(0, 90, (40, 30)) + 20).astype(np.uint8)


@pytest.mark.oracle
def test_jf_equalises_blurs_and_pads_to_the_right_and_below():
    ready = preprocess.jf(IMAGE)
    assert ready.shape == (40, 40)
    assert np.array_equal(ready[:, :30], cv2.GaussianBlur(cv2.equalizeHist(IMAGE), (3, 3), 0))
    assert (ready[:, 30:] == 128).all()
    assert preprocess.jf(IMAGE.T).shape == (40, 40)


@pytest.mark.planted
def test_padding_grows_the_frame_and_keeps_the_truth():
    """The file is a smaller copy; its frame is the published one."""
    mask = np.zeros((80, 60), bool)
    mask[10:20, 5:9] = True
    boxes = {"Mass": np.array([[5.0, 10, 9, 20]])}
    found = Sample("a", "p", (80, 60), np.ones(1, np.float32), boxes, lambda: IMAGE, read_masks=lambda: {"Mass": mask})
    ready = preprocess.one_sample(found, "jf")
    assert (ready.frame, ready.image.shape) == ((80, 80), (40, 40))
    assert ready.boxes is boxes
    assert np.array_equal(ready.masks["Mass"][:, :60], mask)
    assert not ready.masks["Mass"][:, 60:].any()
    assert preprocess.one_sample(found, "none") is found


def test_preprocessed_pixels_have_their_own_cache_key(tmp_path):
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), IMAGE)
    plain = Sample("a", "p", IMAGE.shape, np.ones(1, np.float32), {}, lambda: IMAGE, str(file))
    ready = preprocess.one_sample(plain, "jf")
    one, other = (cache.PixelCache([sample], 32, tmp_path / "cache").complete()[0] for sample in (plain, ready))
    assert not np.array_equal(one, other)
    assert (other[:, 25:] == 128).all()
    before = ready.source
    file.write_bytes(file.read_bytes() + b" ")
    assert preprocess.one_sample(plain, "jf").source != before


def test_the_description_contains_the_preprocessing():
    data = datasets.load("phantom:train=4,val=2,test=2", img_size=48)
    ready = preprocess.of(data, "jf")
    assert preprocess.of(data, "none") is data
    assert ready.describe == {**data.describe, "preprocess": "jf"}
    assert (len(ready), ready.findings, ready.patients) == (len(data), data.findings, data.patients)
    assert np.array_equal(ready.labels, data.labels)
    assert np.array_equal(ready[1].image, preprocess.jf(data[1].image))
