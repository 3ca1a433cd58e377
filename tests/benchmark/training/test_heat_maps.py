"""Heat maps in TensorBoard do not change the training."""

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark import training
from benchmark.training import load
from benchmark.training.data import SplitImages
from benchmark.training.heat_maps import WHITE, beside, select_images
from datasets.columns import Columns


@pytest.fixture
def runs(tiny):
    """The same two epochs with heat maps and without, their weights averaged and their dropout drawn."""
    flags = {"logger": ["tensorboard"], "dropout": 0.5, "ema": 0.9}
    return [(training.fit(config), config) for config in (tiny(**flags), tiny(**flags, heat_maps=False))]


def events_of(folder, config):
    events = EventAccumulator(f"{config.log_dir}/{folder.name}", size_guidance={"images": 0})
    events.Reload()
    return events


def test_the_event_file_holds_a_picture_of_each_finding_and_epoch_beside_the_curves_and_nothing_else_differs(runs):
    (visible, config), (plain, without) = runs
    events = events_of(visible, config)
    findings = load.checkpoint(visible / "best.ckpt").content["locus"]["findings"]
    assert events.Tags()["images"] == [f"heat_maps/{finding}" for finding in sorted(findings)]
    for tag in events.Tags()["images"]:
        pictures = events.Images(tag)
        assert [picture.step for picture in pictures] == [row.step for row in events.Scalars("val_loss")]
        decoded = cv2.imdecode(np.frombuffer(pictures[0].encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape == (64, 64 + 4 + 64, 3)
    assert events_of(plain, without).Tags()["images"] == []
    assert (visible / "metrics.csv").read_bytes() == (plain / "metrics.csv").read_bytes()
    assert (visible / "predictions.csv").read_bytes() == (plain / "predictions.csv").read_bytes()
    ours, theirs = (load.checkpoint(folder / "last.ckpt").content["state_dict"] for folder in (visible, plain))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def split(labels, boxed):
    """Images a, b, c …; ``boxed``: image -> findings with a truth box."""
    names = [chr(ord("a") + n) for n in range(len(labels))]
    truth = {name: ((8, 8), {finding: np.array([[0.0, 0, 4, 4]]) for finding in boxed[name]}) for name in boxed}
    pixels = np.zeros((len(labels), 8, 8), np.uint8)
    marked, table = np.array([name in boxed for name in names]), torch.tensor(labels)
    columns = Columns(names, names, names, table.numpy(), marked, ~marked, (), truth)
    return SplitImages(("mass", "nodule"), pixels, columns, np.arange(len(labels)), table, {})


@pytest.mark.byhand
def test_each_finding_shows_its_first_image_with_a_box_or_else_with_the_label():
    labels = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    assert select_images(split(labels, {"b": ["mass"]})) == [(1, 0), (1, 1)]
    assert select_images(split(labels, {})) == [(0, 0), (1, 1)]
    assert select_images(split([[0.0, float("nan")]], {})) == []


@pytest.mark.byhand
def test_a_picture_shows_the_image_then_the_heat_over_it_each_with_the_truth():
    heat = np.zeros((8, 8), np.float32)
    heat[6, 6] = 1
    picture = beside(np.full((8, 8), 100, np.uint8), heat, np.array([[1.0, 1, 4, 4]]))
    assert picture.shape == (8, 20, 3)
    assert tuple(picture[1, 1]) == tuple(picture[3, 12 + 3]) == WHITE
    assert tuple(picture[2, 2]) == tuple(picture[6, 6]) == tuple(picture[7, 12 + 7]) == (100, 100, 100)
    red, green, blue = picture[6, 12 + 6].tolist()
    assert min(red, green) > 150 > 100 > blue  # yellow


def test_a_map_without_heat_is_called_flat_in_the_picture():
    heat = np.zeros((64, 64), np.float32)
    image = np.full((64, 64), 100, np.uint8)
    flat = beside(image, heat, np.zeros((0, 4)))
    heat[0, 0] = 1
    assert (flat[:, 68:] != 100).any()
    assert (flat[:, :64] == 100).all()
    assert (beside(image, heat, np.zeros((0, 4)))[32:, 68:] == 100).all()
