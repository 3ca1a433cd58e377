"""Resamples of baselines, written and read."""

import numpy as np

from locus.benchmark.records import floors

IMAGES, PATIENTS, FINDINGS = ["a.png", "b.png"], ["a", "b"], ["Mass", "Mass"]
SCORES = {"prior": np.array([0.25, 0.5, 0.125]), "fixed_box": np.array([0.3, 0.2, 0.1])}


def test_scores_are_read_as_they_were_written_whatever_the_order_of_the_cases(tmp_path):
    floors.write(SCORES, floors.hash_of_cases(IMAGES, PATIENTS, FINDINGS, 3), tmp_path)
    read = floors.read(tmp_path, floors.hash_of_cases(IMAGES[::-1], PATIENTS[::-1], FINDINGS, 3))
    assert {name: scores.tolist() for name, scores in read.items()} == {name: scores.tolist() for name, scores in SCORES.items()}


def test_other_cases_and_a_missing_file_have_no_scores(tmp_path):
    other = floors.hash_of_cases(IMAGES, PATIENTS, ["Mass", "Nodule"], 3)
    assert floors.read(tmp_path, other) == {}
    floors.write(SCORES, floors.hash_of_cases(IMAGES, PATIENTS, FINDINGS, 3), tmp_path)
    assert floors.read(tmp_path, other) == {}
