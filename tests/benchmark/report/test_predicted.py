"""Comparison of a run with the interval expected from published runs."""

import pytest

from benchmark.report.published import predicted
from tests.benchmark.report.made_up import training

PINNED = {"threads": 1, "precision": "32"}


def verdicts(said):
    """Method -> interval and verdict, from the table."""
    rows = [line.split("  ") for line in said.splitlines() if line.startswith("custom")]
    cells = [[word.strip() for word in row if word.strip()] for row in rows]
    return {row[3]: (row[5], row[7]) for row in cells}


@pytest.fixture
def published(tmp_path):
    """Three trainings of three methods, with pinned threads and precision, and two of a fourth."""
    counts = {"cam": (14, 15, 16), "gradcam": (14, 15, 16), "prior": (5, 5, 5), "layercam": (9, 9)}
    return [training(tmp_path, method, seed, count, pinned=PINNED) for method, row in counts.items() for seed, count in enumerate(row)]


@pytest.mark.byhand
def test_scores_inside_and_outside_the_interval_are_reported(published, tmp_path):
    here = [training(tmp_path, method, 0, count) for method, count in {"cam": 19, "gradcam": 20, "prior": 5, "layercam": 9}.items()]
    text = predicted(here, published, "phantom")
    # sd .05, t of two degrees of freedom 4.30265, reach 4.30265 * .05 * sqrt(4 / 3) = .248
    assert verdicts(text) == {
        "cam": ("[0.502, 0.998]", "yes"),
        "gradcam": ("[0.502, 0.998]", "no"),
        "prior": ("[0.250, 0.250]", "yes"),
        "layercam": ("–", "no interval"),
    }
    assert "2 of 3 scores are inside" in text
    assert "Outside: custom PCAM gradcam." in text
    assert "1 scores have no interval, which requires 3 or more" in text


def test_other_recipes_and_image_sizes_have_no_prediction(published, tmp_path):
    other = training(tmp_path, "cam", 0, 19, pinned={"epochs": 3})
    assert predicted([other], published, "phantom") == ""
    larger = other.model_copy(update={"cell": published[0].cell.model_copy(update={"img_size": 128})})
    assert predicted([larger], published, "phantom") == ""
