"""Selectors of a comparison, and the pairs that they give."""

import pytest

from locus.benchmark.suite.comparison import pairs_of, resolve
from locus.core.errors import BadValueError, DataError, UnknownNameError


def names(side):
    return {(name.model, name.method) for name in side.rows}


def paired(tmp_path, first, second):
    """The models and methods of the pairs of two selectors, A before B."""
    pairs = pairs_of(resolve(first, tmp_path), resolve(second, tmp_path))[0]
    return {tuple(f"{row.cell.model_id}/{row.name}" for row in pair) for pair in pairs}


@pytest.mark.parametrize(
    ("address", "models", "methods"),
    [
        ("tiny", {"AVG", "PCAM"}, {"cam", "layercam"}),
        ("tiny/AVG", {"AVG"}, {"cam", "layercam"}),
        ("tiny/cam", {"AVG", "PCAM"}, {"cam"}),
        ("tiny/prior", {"AVG", "PCAM"}, {"prior"}),
        ("tiny/PCAM/cam", {"PCAM"}, {"cam"}),
    ],
)
def test_selector_is_a_suite_with_model_and_method(two_models, tmp_path, address, models, methods):
    assert names(resolve(address, tmp_path)) == {(model, method) for model in models for method in methods}


def test_method_in_a_selector_may_contain_slashes(two_models, write, tmp_path, hits):
    write("tiny", "AVG", "some/where/mine.py:Mine", hits(0.5))
    for address in ("tiny/some/where/mine.py:Mine", "tiny/AVG/some/where/mine.py:Mine"):
        assert names(resolve(address, tmp_path)) == {("AVG", "some/where/mine.py:Mine")}


@pytest.mark.parametrize(
    ("address", "facts"),
    [
        ("tin", "suite.*'tin'.*'tiny'"),
        ("tiny/layercm", "suite 'tiny'.*'layercm'.*'layercam'"),
        ("tiny/PCM", "suite 'tiny'.*'PCM'.*'PCAM'"),
        ("tiny/PCM/cam", "suite 'tiny'.*'PCM'.*'PCAM'"),
        ("tiny/PCAM/layercm", "tiny/PCAM.*'layercm'.*'layercam'"),
        ("nowhere/best.ckpt", "suite 'nowhere'.*tiny"),
    ],
)
def test_unknown_name_gets_a_suggestion(two_models, tmp_path, address, facts):
    with pytest.raises(UnknownNameError, match=facts):
        resolve(address, tmp_path)


def test_suite_without_scores_is_an_error(write, tmp_path, hits):
    write("empty", "AVG", "cam", hits(0.5), source="paper")
    with pytest.raises(DataError, match=rf"'empty'.*'single_box'.*{tmp_path}/empty"):
        resolve("empty", tmp_path)


def test_unnamed_parts_are_equal_on_both_sides(two_models, tmp_path):
    methods = {(f"AVG/{method}", f"PCAM/{method}") for method in ("cam", "layercam")}
    assert paired(tmp_path, "tiny/AVG", "tiny/PCAM") == methods
    assert paired(tmp_path, "tiny/cam", "tiny/layercam") == {("AVG/cam", "AVG/layercam"), ("PCAM/cam", "PCAM/layercam")}
    assert paired(tmp_path, "tiny/AVG/cam", "tiny/PCAM/layercam") == {("AVG/cam", "PCAM/layercam")}
    assert paired(tmp_path, "tiny", "tiny/cam") == {("AVG/layercam", "AVG/cam"), ("PCAM/layercam", "PCAM/cam")}


def test_two_suites_are_compared_cell_by_cell_and_the_rest_is_counted(two_models, write, tmp_path, hits):
    write("other", "AVG", "cam", hits(0.4))
    write("other", "LSE", "cam", hits(0.4))
    pairs, unmatched = pairs_of(resolve("tiny", tmp_path), resolve("other", tmp_path))
    assert [{(row.cell.model_id, row.name) for row in pair} for pair in pairs] == [{("AVG", "cam")}]
    assert unmatched == (3, 1)


def test_no_common_cell_is_an_error_with_advice(two_models, write, tmp_path, hits):
    write("other", "LSE", "gradcam", hits(0.4))
    with pytest.raises(BadValueError, match=r"tiny.*other.*AVG/cam.*LSE/gradcam.*suite/model/method"):
        pairs_of(resolve("tiny", tmp_path), resolve("other", tmp_path))
