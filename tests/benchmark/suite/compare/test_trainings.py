"""Comparisons over several training runs."""

import numpy as np
import pytest

from locus.scoring.statistics import mrmc

SHARES = {"cam": (0.5, 0.6, 0.55), "layercam": (0.65, 0.7, 0.75)}


@pytest.fixture
def seeds(write, hits):
    """Two methods of one network on three seeds, and the first of them on seed 0 of another network."""
    for method, shares in SHARES.items():
        for seed, share in enumerate(shares):
            write("s", f"net-seed{seed}", method, hits(share, seed), seed=seed)
    write("s", "other-seed0", "cam", hits(0.5, 7))


def by_hand(hits, method):
    """(3,) scores of the finding mass, and (3,30) the same without each patient."""
    rows = np.array([hits(share, seed)[::2] > 0.3 for seed, share in enumerate(SHARES[method])], dtype=float)
    return rows.mean(1), np.array([[np.delete(row, p).mean() for p in range(30)] for row in rows])


def of_mass(rows):
    return next(row for row in rows if (row["metric"], row["finding"]) == ("hit@iou.3", "mass"))


def test_two_methods_of_one_network_are_paired_over_its_trainings(seeds, hits, compare):
    text, rows = compare("s/net/layercam", "s/net/cam")
    row, wanted = of_mass(rows), mrmc.difference(by_hand(hits, "layercam"), by_hand(hits, "cam"))
    numbers = [float(row[name]) for name in ("difference", "low", "high", "p")]
    assert numbers == pytest.approx([wanted.value, wanted.low, wanted.high, wanted.p])
    assert (row["model_A"], row["runs_A"], row["runs_B"]) == ("net", "3", "3")
    assert "over runs and patients" in text
    assert "over patients (" not in text


def test_single_runs_have_intervals_over_patients(seeds, compare):
    text, rows = compare("s/net-seed1/layercam", "s/net-seed1/cam")
    assert (of_mass(rows)["model_A"], of_mass(rows)["runs_A"]) == ("net-seed1", "1")
    assert "over patients (" in text
    assert "over runs and patients" not in text


def test_single_run_on_a_side_is_compared_over_the_runs_of_the_other_side_and_patients(seeds, hits, compare):
    text, rows = compare("s/net/cam", "s/other-seed0/cam")
    other = hits(0.5, 7)[::2] > 0.3
    left_out = [[np.delete(other, p).mean() for p in range(30)]]
    wanted = mrmc.difference_nested(by_hand(hits, "cam"), ([other.mean()], left_out))
    row = of_mass(rows)
    assert [float(row[name]) for name in ("difference", "low", "high")] == pytest.approx([wanted.value, wanted.low, wanted.high])
    assert (row["runs_A"], row["runs_B"]) == ("3", "1")
    assert "training seeds: 0, 1, 2 (A), 0 (B)" in text
    assert "a row has one training run: its spread over runs is unknown" in text
    assert "runs of A and B" not in text


def test_tables_have_the_numbers_of_runs_if_pairs_differ(seeds, compare):
    text, _ = compare("s/net/cam", "s")
    runs = {("layercam" in line, "3 and 3" in line, "3 and 1" in line) for line in text.splitlines() if " mean " in line}
    assert runs == {(True, True, False), (False, False, True)}
