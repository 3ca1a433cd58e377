"""Simulated error rates of the verdicts of a table."""

import re
from pathlib import Path

import numpy as np
import pytest

from locus.scoring.statistics.mrmc import RowSamples
from tools.error_rates import FOLDERS, REPETITIONS, rows_of_networks, simulate

ROOT = Path(__file__).resolve().parents[2]
PATIENTS = 60


def planted(means):
    """Rows of three training runs on 60 patients, with the given mean scores."""
    random = np.random.default_rng(0)
    rows = []
    for mean in means:
        values = mean + random.normal(0, 0.2, (3, PATIENTS))
        theta = values.mean(1)
        left_out = (theta[:, None] * PATIENTS - values) / (PATIENTS - 1)
        rows.append(RowSamples(("a", "b", "c"), theta, left_out))
    return rows


@pytest.mark.planted
def test_methods_that_are_far_behind_are_found_and_equal_methods_rarely_called_worse():
    rates = simulate(planted([0.8, 0.3, 0.3, 0.3]), repetitions=80)
    assert rates.methods == 4
    assert rates.found == 3
    assert rates.any_false <= rates.any_false_alone
    assert rates.any_false < 0.15


@pytest.mark.freshness
def test_the_page_states_what_is_simulated():
    text = (ROOT / "docs/concepts.md").read_text(encoding="utf-8")
    counts = [len(rows) for folder in FOLDERS for _, rows in rows_of_networks(ROOT / folder)]
    most = max(counts)
    assert f"up to {most} methods, so {most * (most - 1) // 2} pairs" in text
    assert f"mean of {len(counts)} networks" in text
    assert f"of the {sum(counts) - len(counts)} methods that are not the best" in text
    assert re.search(rf"{REPETITIONS} times", text)
