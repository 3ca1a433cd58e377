"""Paired records of the methods of a model."""

import pytest

from locus.benchmark import records
from locus.benchmark.records import cases
from locus.benchmark.suite import finalize
from locus.core.errors import DataError


def written(place):
    """The paired records that a suite's folder gets."""
    return finalize.paired_records(place, records.load(place))


def scores(found, model="AVG"):
    """Method -> metric -> score of the paired records of a model."""
    return {r.cell.method: {s.metric: s for s in r.scores} for r in found if r.cell.model_id == model}


def test_all_methods_have_a_reproducible_undated_paired_record(two_models, tmp_path):
    result = written(tmp_path / "tiny")
    assert {(r.cell.model_id, r.cell.method) for r in result} == {(m, x) for m in ("AVG", "PCAM") for x in ("cam", "layercam", "center")}
    assert {r.cell.protocol for r in result} == {"paired"}
    expected = {r.cell.model_copy(update={"protocol": "paired"}).key for r in records.load(tmp_path / "tiny") if r.cell.protocol == "locus"}
    assert {r.key for r in result} < expected
    assert result == written(tmp_path / "tiny")
    assert {(r.created, r.seconds) for r in result} == {("", None)}


def test_layercam_is_first_and_above_prior_with_a_corrected_p_and_no_baseline_is_first(two_models, tmp_path, hits):
    result = scores(written(tmp_path / "tiny"))
    assert result["layercam"]["p_first"].value > 0.9
    assert result["layercam"]["p_first"].value + result["cam"]["p_first"].value == pytest.approx(1)
    assert "p_first" not in result["center"]
    gap = result["layercam"]["above_prior"]
    assert gap.value == pytest.approx(float((hits(0.6) > 0.3).mean() - (hits(0.3) > 0.3).mean()), abs=1e-6)
    assert 0 < gap.low < gap.value < gap.high
    assert gap.n == 60
    assert result["center"]["above_prior"].value < 0
    assert result["layercam"]["p"].value < result["layercam"]["p_holm"].value < 0.05


def test_methods_that_are_equal_share_the_first_place(write, tmp_path, hits):
    for method in ("cam", "gradcam"):
        write("s", "AVG", method, hits(0.5))
    result = scores(written(tmp_path / "s"))
    assert [result[name]["p_first"].value for name in ("cam", "gradcam")] == [0.5, 0.5]


def test_without_prior_there_are_probabilities_alone(write, tmp_path, hits):
    write("s", "AVG", "cam", hits(0.5))
    assert set(scores(written(tmp_path / "s"))["cam"]) == {"p_first"}


def test_methods_on_a_part_of_the_images_are_compared_among_each_other(two_models, write, tmp_path, hits):
    whole = scores(written(tmp_path / "tiny"))
    for method, share in (("ablationcam", 0.9), ("cam", 0.5), ("prior", 0.2)):
        write("tiny", "AVG", method, hits(share)[:20], part=True)
    result = written(tmp_path / "tiny")
    assert scores([r for r in result if r.cell.images is None]) == whole
    part = scores([r for r in result if r.cell.images is not None])
    assert set(part) == {"ablationcam", "cam"}
    assert part["ablationcam"]["above_prior"].n == 20


def test_methods_on_other_cases_are_an_error(two_models, write, tmp_path, hits):
    write("tiny", "AVG", "gradcam", hits(0.9), first=1)
    with pytest.raises(DataError, match=r"AVG.*cam, center, gradcam, layercam, prior.*--overwrite always"):
        written(tmp_path / "tiny")


def test_record_without_rows_is_skipped_with_a_warning(two_models, tmp_path, caplog):
    folder = tmp_path / "tiny"
    for record in records.load(folder):
        if record.cell.method == "cam":
            cases.path(folder, record.cell).unlink()
    assert set(scores(written(folder))) == {"layercam", "center"}
    assert "no per-case rows of cam" in caplog.text
