"""A suite that joins the cases of other suites."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from locus.backbones import METADATA
from locus.benchmark import records
from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.suite import join
from locus.benchmark.suite.plan import Suite
from locus.core.errors import BadValueError, DataError
from locus.core.names import DRAW_ERROR, MAIN

SUITE = Suite(name="both", title="", about="", joins=["one", "two"])


def write_weights(results, part, **flags):
    """Write a file of weights with its recipe."""
    (results / part / "weights").mkdir(parents=True, exist_ok=True)
    about = json.dumps({"locus": {"config": {"lr": 0.001, "epochs": 16, **flags}}})
    save_file({"weight": np.zeros(1)}, results / part / "weights" / "net-seed0.safetensors", {METADATA: about})


def write_part(results, part, names, hits, patients=None, **data):
    """Write the record of ``cam`` on one network, with a case per image of ``names``."""
    network = {"dataset": "NIH", "model_id": "net-seed0", "seed": 0}
    cell = Cell(**network, method="cam", protocol="single_box", recipe={"part": part}, data=data)
    rows = [
        {"image": name, "patient": patient, "finding": "Mass", "reason": "", "threshold": 0.5, "iou": 0.4, MAIN: hit}
        for name, patient, hit in zip(names, patients or names, hits, strict=True)
    ]
    share = float(np.mean(hits))
    scores = (Score("mean", MAIN, share, threshold_source="cross-fitted"), Score("Mass", DRAW_ERROR, 0.03))
    cases.write(rows, cell, results / part)
    records.write(Record(cell=cell, scores=scores, rests_on={"cases": len(rows)}), results / part)
    records.pack(results / part)


@pytest.fixture
def results(tmp_path):
    """Two suites: three hits of four cases, and one of six."""
    write_weights(tmp_path, "one")
    write_weights(tmp_path, "two")
    write_part(tmp_path, "one", [f"a{n}" for n in range(4)], [True, True, True, False])
    write_part(tmp_path, "two", [f"b{n}" for n in range(6)], [True] + [False] * 5)
    return tmp_path


def test_joined_row_has_all_cases_and_their_mean(results):
    ((_, of_parts),) = join.parts(SUITE, results).items()
    record, rows = join.joined(SUITE, of_parts, results)
    assert record.find(MAIN, "mean", "cross-fitted").value == pytest.approx(0.4)
    assert rows["part"].value_counts().to_dict() == {"two": 6, "one": 4}
    assert record.rests_on == {"cases": 10}


def test_rows_that_were_fitted_on_another_suite_are_not_joined(results):
    write_part(results, "two", [f"b{n}" for n in range(6)], [True] * 6, fitted_on="one")
    (of_parts,) = join.parts(SUITE, results).values()
    record, _ = join.joined(SUITE, of_parts, results)
    assert record.find(MAIN, "mean", "cross-fitted").value == pytest.approx(0.4)


def test_error_of_the_draws_is_weighted_by_the_cases_of_each_part(results):
    (of_parts,) = join.parts(SUITE, results).values()
    record, _ = join.joined(SUITE, of_parts, results)
    assert record.find(DRAW_ERROR).value == pytest.approx(np.hypot(0.4 * 0.03, 0.6 * 0.03), abs=1e-6)


@pytest.mark.parametrize(("names", "patients", "shared"), [(["a0"], None, "image a0"), (["c0"], ["a1"], "patient a1")])
def test_parts_that_share_an_image_or_a_patient_are_refused(results, names, patients, shared):
    write_part(results, "two", names, [True], patients)
    with pytest.raises(BadValueError, match=f"'both' joins one and two, which share the {shared}"):
        join.parts(SUITE, results)


def test_parts_with_different_recipes_are_refused(results):
    write_weights(results, "two", epochs=8)
    with pytest.raises(BadValueError, match="net-seed0 has epochs 16 in one and 8 in two"):
        join.parts(SUITE, results)


def test_a_part_that_was_scored_again_is_joined_again(results):
    (of_parts,) = join.parts(SUITE, results).values()
    record, _ = join.joined(SUITE, of_parts, results)
    assert join.missing_rows(SUITE, [record], results) == []
    write_part(results, "one", [f"a{n}" for n in range(4)], [False] * 4)
    assert len(join.missing_rows(SUITE, [record], results)) == 1


def test_suites_without_a_common_row_are_refused(tmp_path):
    write_part(tmp_path, "one", ["a"], [True])
    (tmp_path / "two").mkdir()
    with pytest.raises(DataError, match="one and two have no row in common"):
        join.parts(SUITE, tmp_path)
