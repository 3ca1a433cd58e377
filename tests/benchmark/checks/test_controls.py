"""The check ``controls``: networks and maps whose answers are known."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import locus
from locus import backbones, datasets
from locus.benchmark.checks.controls import AREAS, Controls, MarkedRun, Pair, _columns, _highest_changed, _order, spearman
from locus.benchmark.maps.runs import ModelRun, with_random_weights
from locus.config import EngineFlags, TrainConfig
from locus.core.frames import resize_image
from locus.core.types import Sample, generator
from locus.datasets.base import Samples
from locus.scoring.protocols.base import make_case
from locus.scoring.protocols.pointing import Pointing

SIDE = 50
WINDOW = np.zeros((SIDE, SIDE))
WINDOW[10:15, 5:10] = 1  # 1% of the image
FINDINGS = ("Mass", "Nodule")


class Grey(nn.Module):
    """A network whose logits are the mean grey in the window."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(WINDOW).float())

    def predict(self, images):
        grey = (images.mean(1) * self.weight).sum((1, 2)) / self.weight.sum()
        return torch.stack([grey, grey], 1)


def sample(number):
    """An image whose findings are bright in the window and its mirror; without them both are darker."""
    image = generator(number, "bright").integers(100, 200, (SIDE, SIDE), dtype=np.uint8)
    dark = np.where(WINDOW + WINDOW[:, ::-1], image // 2, image).astype(np.uint8)
    boxes = {finding: np.array([[5.0, 10, 10, 15]]) for finding in FINDINGS}
    pixels = {"read": lambda: image, "read_without": lambda finding: dark}
    return Sample(f"i{number}", f"p{number}", (SIDE, SIDE), np.ones(2, np.float32), boxes, **pixels)


@dataclass(frozen=True)
class GreyRun(ModelRun):
    """The network of grey on twelve images."""

    @property
    def data(self):
        return Samples([sample(number) for number in range(12)], FINDINGS, "test")

    @property
    def pixels(self):
        return np.stack([one.image for one in self.scorable_images])

    def model(self, device):
        return Grey().to(device)


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    run = GreyRun(TrainConfig(img_size=SIDE), Path())
    return Controls(trained=[run], methods=[], folder=tmp_path_factory.mktemp("maps"), flags=EngineFlags(), max_images=None)


def cases(check, values):
    return [
        make_case(one, finding, 1, values(one) if callable(values) else values, "conventional")
        for one in check.runs[0].scorable_images
        for finding in FINDINGS
    ]


def use(check, values):
    of = check._use("a map", cases(check, values))
    return {name: of[name].sum() / of["fall"].sum() for name in ("use", "sufficiency")}


@pytest.mark.byhand
def test_a_map_of_the_window_that_the_network_reads_has_all_of_its_use_and_a_mirrored_one_none(grey):
    assert use(grey, WINDOW) == pytest.approx({"use": 1, "sufficiency": 1})
    assert use(grey, WINDOW[:, ::-1] - WINDOW) == pytest.approx({"use": 0, "sufficiency": 0})


@pytest.mark.byhand
def test_pixels_in_random_order_have_the_use_of_their_area_in_a_network_that_adds_pixels_up(grey):
    values = use(grey, lambda one: generator(0, one.image_id).random((SIDE, SIDE)))
    assert values == pytest.approx({"use": np.mean(AREAS), "sufficiency": np.mean(AREAS)}, abs=0.03)


@pytest.mark.byhand
def test_a_finding_whose_logit_never_falls_has_no_value_of_use(grey):
    values = {"fall": np.array([0.0, 2.0, 0.0, 4.0]), "use": np.array([0.0, 1.0, 0.0, 2.0])}
    (use_column,) = _columns(values, cases(grey, WINDOW)[:4])
    assert use_column.numerator.tolist() == [0, 1 / 3, 0, 2 / 3]
    assert use_column.denominator.tolist() == [0, 2 / 3, 0, 4 / 3]


@pytest.mark.byhand
def test_a_finding_whose_logit_rises_on_average_has_no_value_of_use(grey):
    values = {"fall": np.array([1.0, 2.0, -3.0, 4.0]), "use": np.array([1.0, 1.0, -3.0, 2.0])}
    (use_column,) = _columns(values, cases(grey, WINDOW)[:4])
    assert use_column.numerator.tolist() == [0, 1 / 3, 0, 2 / 3]
    assert use_column.denominator.tolist() == [0, 2 / 3, 0, 4 / 3]


@dataclass(frozen=True)
class LargeImagesRun(GreyRun):
    """The same network on images that are twice as large as its input, and whose marker changes no pixel."""

    @property
    def data(self):
        data = Samples([large_sample(number) for number in range(3)], FINDINGS, "test")
        data.describe["marker"] = "Mass"
        return data

    @property
    def pixels(self):
        return np.stack([resize_image(one.image, (SIDE, SIDE)) for one in self.scorable_images])


def large_sample(number):
    image = np.kron(sample(number).image, np.ones((2, 2), np.uint8))
    pixels = {"read": lambda: image, "read_without": lambda finding: image}
    return replace(sample(number), frame=image.shape, **pixels)


@pytest.mark.byhand
def test_the_image_without_a_marker_has_the_size_of_the_input(grey):
    check = replace(grey, trained=[LargeImagesRun(TrainConfig(img_size=SIDE), Path())])
    check._marked = check.runs
    assert [*check._changes.values()] == [0, 0, 0]


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("side", "shares"), [(5, (1, 1, 1, 1, 1)), (20, (0.0625, 0.125, 0.3125, 0.625, 1)), (50, (0.05, 0.1, 0.25, 0.5, 1))]
)
def test_the_truth_takes_away_all_of_a_finding_when_the_area_is_as_large(side, shares):
    image = np.full((SIDE, SIDE), 100, np.uint8)
    without = image.copy()
    without[:side, :side] = 50
    pair = Pair(image, without)
    case = make_case(sample(0), "Mass", 1, np.ones((2, 2)), "conventional")
    assert _highest_changed(pair, _order("truth", case, pair)).sum(1) / pair.changed.sum() == pytest.approx(shares)


@pytest.mark.byhand
def test_a_map_that_ignores_the_class_hits_as_often_with_the_map_of_the_other_finding(grey):
    of = grey._classes(cases(grey, lambda one: generator(0, one.image_id).random((5, 5))), 0)
    assert (of["own"] == of["swap"]).all()
    assert len(of["own"]) == 24


@pytest.mark.byhand
def test_a_map_of_its_own_finding_hits_and_that_of_the_other_finding_does_not(grey):
    side = {"Mass": np.array([[5.0, 10, 10, 15]]), "Nodule": np.array([[35.0, 30, 45, 40]])}
    shown = []
    for one in grey.runs[0].scorable_images:
        for finding, (box,) in side.items():
            values = np.zeros((SIDE, SIDE))
            values[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 1
            shown.append(make_case(replace(one, boxes=side), finding, 1, values, "conventional"))
    of = grey._classes(shown, 0)
    assert (of["own"].mean(), of["swap"].mean()) == (1, 0)


@pytest.mark.byhand
def test_a_map_of_the_marker_is_always_highest_at_it(nih_sample):
    config = TrainConfig(dataset="implanted:test=40,marker=Mass", data_root_dir=str(nih_sample), partition="patient", img_size=64)
    marked = MarkedRun(config, Path()).scorable_images
    assert 10 < len(marked) < 30
    shown = [np.abs(one.image.astype(float) - one.without("marker")) for one in marked]
    seen = [make_case(one, "Mass", 1, values, "conventional") for one, values in zip(marked, shown, strict=True)]
    rows = Pointing().evaluate(seen, ("Mass",)).rows
    assert all(row["pointing"] for row in rows)
    elsewhere = [make_case(one, "Mass", 1, np.eye(64)[::-1] * (np.arange(64) < 8), "conventional") for one in marked]
    assert not any(row["pointing"] for row in Pointing().evaluate(elsewhere, ("Mass",)).rows)


@pytest.mark.oracle
def test_correlation_equals_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 64).astype(float), rng.integers(0, 9, 64).astype(float)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_flat_missing_and_differently_shaped_maps_have_no_correlation():
    ramp = np.arange(4.0)
    for other in (np.ones(4), np.full(1, np.nan), np.arange(9.0)):
        assert np.isnan(spearman(ramp, other))


@pytest.mark.parametrize("backbone", ["custom", pytest.param("vit_tiny_patch16_224", marks=pytest.mark.slow)])
def test_random_weights_have_no_trained_weight(backbone):
    model = backbones.build(backbone, 8, pretrained=False)
    before = {name: value.clone() for name, value in model.named_parameters() if value.std() > 0}
    after = dict(with_random_weights(model, 0).named_parameters())
    assert not [name for name, value in before.items() if torch.equal(value, after[name])]


def test_a_network_of_ones_own_is_checked_and_the_shortcut_has_a_reason(nih_sample):
    data = datasets.load("implanted", nih_sample, partition="patient", img_size=64, test=30)
    torch.manual_seed(0)
    model = locus.build("custom", 8, findings=data.findings, pretrained=False, img_size=64)
    result = locus.evaluate(model, data, ["gradcam", "truth"], protocols=["pointing"], checks=["controls"])
    scores = result.scores().query("protocol == 'controls'").set_index(["method", "metric"])["value"]
    assert scores["truth", "weights"] == 1
    assert abs(scores["gradcam", "weights"]) < 1
    assert scores["truth", "own"] > scores["truth", "swap"]
    assert np.isfinite(scores["gradcam", "use"])
    (record,) = [one for one in result.records if (one.method, one.cell.protocol) == ("gradcam", "controls")]
    assert "trained" in record.find("marker").reason
