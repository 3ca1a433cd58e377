"""Suites of a few cells: records of ``locus`` and their per-case rows."""

import shutil

import numpy as np
import pytest

from benchmark import records
from benchmark.records import Cell, Record, Score, cases

FINDINGS = ("mass", "nodule")
PATIENTS = 30


def _hits(share, seed=0):
    """(60,) IoU of 30 patients with two findings each: .6 where the method hits, else .05; a larger share hits more of the same."""
    return np.where(np.random.default_rng(seed).random(PATIENTS * len(FINDINGS)) < share, 0.6, 0.05)


def rows(iou, first=0):
    """Per-case rows of patients from ``first`` on, as ``locus`` writes them."""
    names = [(f"i{first + n // 2}", f"p{first + n // 2}", FINDINGS[n % 2]) for n in range(len(iou))]
    return [
        {"image": image, "patient": patient, "finding": finding, "iou": value, "pointing": value > 0.3}
        | {f"hit@iou.{tenth}": bool(value > tenth / 10) for tenth in (1, 3, 5)}
        for (image, patient, finding), value in zip(names, map(float, iou), strict=True)
    ]


def writer(folder):
    """See ``write``."""

    def one(suite, model, method, iou, first=0, recipe="a", **fields):
        data = {"images": len(iou) // 2} if fields.pop("part", False) else {}
        words = {"dataset": "phantom", "method": method, "alignment": "aligned", "protocol": "locus", "img_size": 64, "data": data}
        cell = Cell(model_id=model, seed=fields.pop("seed", 0), **words)
        score = Score(finding="mean", metric="hit@iou.3", value=float(np.mean(iou > 0.3)), n=len(iou), threshold_origin="cross-fitted")
        record = Record(
            cell=cell, scores=(score,), data={"drawing": recipe, "counts": len(iou)}, created="2026-01-01", seconds=1.0, **fields
        )
        records.write(record, folder / suite)
        cases.write(rows(iou, first), cell, folder / suite)
        return record

    return one


@pytest.fixture
def write(tmp_path):
    """write(suite, model, method, iou): one cell below the temporary folder of results."""
    return writer(tmp_path)


@pytest.fixture
def hits():
    """hits(share): the IoU of a method that hits so many of the cases."""
    return _hits


@pytest.fixture(scope="session")
def two_models_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two-models")
    for model, more in (("AVG", 0.0), ("PCAM", 0.2)):
        for method, share in (("cam", 0.5), ("layercam", 0.6), ("center", 0.2), ("prior", 0.3), ("truth", 0.8)):
            writer(folder)("tiny", model, method, _hits(share + more))
    return folder


@pytest.fixture
def two_models(two_models_once, tmp_path):
    """The suite ``tiny``: models ``AVG`` and ``PCAM``; cam hits .5 and .7 of the cases, layercam .6 and .8, the baselines less."""
    shutil.copytree(two_models_once, tmp_path, dirs_exist_ok=True)
