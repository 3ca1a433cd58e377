"""The check of a network with labelled images."""

import pytest

from locus.benchmark.inspect import model
from locus.benchmark.inspect.model import compare_normalisations
from locus.config import ModelCheckConfig


@pytest.mark.parametrize(
    ("own", "best", "verdict"),
    [(0.70, 0.72, "pass"), (0.70, 0.80, "fail"), (0.50, 0.64, "note"), (0.60, 0.62, "pass")],
)
def test_a_better_normalisation_is_inconclusive_if_its_auroc_is_low(own, best, verdict):
    row = compare_normalisations({"ImageNet's": best, "[0, 1]": own}, mean=own)
    assert row.verdict == verdict
    assert ("inconclusive" in row.seen) == (verdict == "note")


def test_images_that_are_drawn_by_code_have_the_size_of_the_network(monkeypatch):
    class Opened:
        img_size = 96

    sides = []
    monkeypatch.setattr(model.opening, "build", lambda network, findings: Opened())
    monkeypatch.setattr(model, "answers", lambda opened: [])
    monkeypatch.setattr(model, "labelled_answers", lambda opened, data, count: sides.append(data.size) or [])
    config = ModelCheckConfig(model="timm:resnet18", dataset="phantom:train=8,val=16,test=16")
    assert model.run(config, lambda text: None) == []
    assert sides == [96]
