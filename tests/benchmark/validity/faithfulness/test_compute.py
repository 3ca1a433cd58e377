"""The check ``faithfulness`` on a briefly trained network."""

from dataclasses import replace

import numpy as np
import pytest

from locus.benchmark.scoring.protocols.base import with_truth
from locus.benchmark.validity.faithfulness import Faithfulness, Networks, curves, measures
from locus.config import EngineFlags
from locus.core.errors import NotAvailableError

WORDS = ["cam", "pcam", "center"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("maps")


@pytest.fixture(scope="module")
def check(trained, folder):
    return Faithfulness(trained, WORDS, folder, EngineFlags(), 3)


@pytest.fixture(scope="module")
def result(check):
    return check.evaluate("cam", 0)


def test_record_has_each_measure_with_its_cases_and_localization_on_the_same(result):
    scores = {score.metric: score for score in result.scores if score.finding == "mean"}
    assert {"insertion", "deletion", "road", "road@morf", "road@lerf", "hit@iou.3", "pointing"} <= set(scores)
    assert {score.n for score in scores.values()} == {len(result.rows)}
    assert scores["road"].value == pytest.approx((scores["road@lerf"].value - scores["road@morf"].value) / 2, abs=2e-6)


def test_stored_curves_are_read_without_a_network(trained, folder, result, monkeypatch):
    monkeypatch.setattr(Networks, "probabilities", None)
    again = Faithfulness(trained, WORDS, folder, EngineFlags(), 3)
    assert again.evaluate("cam", 0).rows == result.rows


def test_method_without_maps_raises_its_reason(check):
    with pytest.raises(NotAvailableError, match="PCAM"):
        check.evaluate("pcam", 0)


@pytest.mark.contract
def test_cases_do_not_depend_on_the_batch_and_flat_maps_have_no_value(check, result, tmp_path):
    first, *others = with_truth(check.cases("cam"))
    cases = [replace(first, map=np.zeros_like(first.map)), *others]
    small = Networks(EngineFlags(memory_gib=0.001))
    values = measures(curves(check.runs, cases, check.maps("cam", check.runs), tmp_path, small))["road"]
    assert np.isnan(values[0])
    assert values[1:] == pytest.approx([row["road"] for row in result.rows[1:]], abs=1e-6)
