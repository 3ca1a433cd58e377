"""Suites of a few cells: records of ``single_box`` and their per-case rows."""

import csv

import numpy as np
import pytest

from locus.benchmark import records
from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.suite.comparison import run

FINDINGS = ("mass", "nodule")


@pytest.fixture
def hits():
    """hits(share): (60,) IoU of 30 patients with two findings each: .6 where the method hits, else .05."""

    def iou(share, seed=0):
        return np.where(np.random.default_rng(seed).random(60) < share, 0.6, 0.05)

    return iou


def rows(iou, first):
    """Per-case rows of patients from ``first`` on, as ``single_box`` writes them."""
    for n, value in enumerate(map(float, iou)):
        patient = first + n // 2
        hit = {f"hit@iou.{tenth}": value > tenth / 10 for tenth in (1, 3, 5)}
        yield {"image": f"i{patient}", "patient": f"p{patient}", "finding": FINDINGS[n % 2], "iou": value, "pointing": value > 0.3, **hit}


@pytest.fixture
def write(tmp_path):
    """write(suite, model, method, iou): one cell below the temporary folder of results."""

    def one(suite, model, method, iou, first=0, order=1, recipe="a", seed=0, **fields):
        names = {"dataset": "phantom", "method": method, "alignment": "aligned", "protocol": "single_box", "img_size": 64}
        cell = Cell(model_id=model, seed=seed, **names)
        score = Score(finding="mean", metric="hit@iou.3", value=float(np.mean(iou > 0.3)), n=len(iou), threshold_source="cross-fitted")
        fields |= {"data": {"drawing": recipe, "counts": len(iou)}, "created": "2026-01-01", "seconds": 1.0}
        record = Record(cell=cell, scores=(score,), **fields)
        records.write(record, tmp_path / suite)
        cases.write(list(rows(iou, first))[::order], cell, tmp_path / suite)
        return record

    return one


@pytest.fixture
def two_models(write, hits):
    """The suite ``tiny``: models ``AVG`` and ``PCAM``; cam hits .5 and .7 of the cases, layercam .6 and .8, the baselines less."""
    for model, more in (("AVG", 0.0), ("PCAM", 0.2)):
        for method, share in (("cam", 0.5), ("layercam", 0.6), ("center", 0.2), ("prior", 0.3), ("truth", 0.8)):
            write("tiny", model, method, hits(share + more))


@pytest.fixture
def compare(tmp_path):
    """compare(A, B): the output, and the rows of the comparisons."""

    def both(first, second):
        text, file = [], tmp_path / "all.csv"
        run((first, second), results=str(tmp_path), output=str(file), echo=text.append)
        return "\n".join(text), list(csv.DictReader(file.open()))

    return both
