"""Selectors of a comparison, and the pairs that they give."""

import pytest

from locus.benchmark.suite.comparison import pairs_of, resolve
from locus.core.errors import BadValueError, DataError, UnknownNameError


def names(side):
    return {(record.cell.model_id, record.cell.method) for record in side.records}


def against(tmp_path, first, second):
    return {pair.names for pair in pairs_of(resolve(first, tmp_path), resolve(second, tmp_path))[0]}


@pytest.mark.parametrize(
    ("address", "models", "methods"),
    [
        ("tiny", {"AVG", "PCAM"}, {"cam", "layercam", "center", "prior", "truth"}),
        ("tiny/AVG", {"AVG"}, {"cam", "layercam", "center", "prior", "truth"}),
        ("tiny/cam", {"AVG", "PCAM"}, {"cam"}),
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
        ("nowhere/best.ckpt", "suite 'nowhere'.*tiny.*checkpoint"),
    ],
)
def test_unknown_name_gets_a_suggestion(two_models, tmp_path, address, facts):
    with pytest.raises(UnknownNameError, match=facts):
        resolve(address, tmp_path)


def test_suite_without_scores_is_an_error(write, tmp_path, hits):
    write("empty", "AVG", "cam", hits(0.5), source="paper")
    with pytest.raises(DataError, match=rf"'empty'.*'locus'.*{tmp_path}/empty"):
        resolve("empty", tmp_path)


def test_unnamed_parts_are_equal_on_both_sides(two_models, tmp_path):
    assert against(tmp_path, "tiny/AVG", "tiny/PCAM") == {("AVG − PCAM", "cam"), ("AVG − PCAM", "layercam")}
    assert against(tmp_path, "tiny/cam", "tiny/layercam") == {("AVG", "cam − layercam"), ("PCAM", "cam − layercam")}
    assert against(tmp_path, "tiny/AVG/cam", "tiny/PCAM/layercam") == {("AVG − PCAM", "cam − layercam")}
    assert against(tmp_path, "tiny", "tiny/cam") == {("AVG", "layercam − cam"), ("PCAM", "layercam − cam")}


def test_two_suites_are_compared_cell_by_cell_and_the_rest_is_counted(two_models, write, tmp_path, hits):
    write("other", "AVG", "cam", hits(0.4))
    write("other", "LSE", "cam", hits(0.4))
    pairs, unmatched = pairs_of(resolve("tiny", tmp_path), resolve("other", tmp_path))
    assert [pair.names for pair in pairs] == [("AVG", "cam")]
    assert unmatched == (3, 1)


def test_baseline_is_compared_only_if_named(two_models, tmp_path):
    assert against(tmp_path, "tiny/AVG/cam", "tiny/AVG/prior") == {("AVG", "cam − prior")}
    assert ("AVG", "prior") not in against(tmp_path, "tiny/AVG", "tiny/PCAM")


def test_cells_on_the_same_images_are_compared(write, tmp_path, hits):
    write("tiny", "AVG", "cam", hits(0.5))
    small = [write("tiny", "AVG", method, hits(0.5)[:20], part=True) for method in ("cam", "ablationcam")]
    ((pair,), _) = pairs_of(resolve("tiny/AVG/cam", tmp_path), resolve("tiny/AVG/ablationcam", tmp_path))
    assert [*pair.sides[0], *pair.sides[1]] == small


def test_no_common_cell_is_an_error_with_advice(two_models, write, tmp_path, hits):
    write("other", "LSE", "gradcam", hits(0.4))
    with pytest.raises(BadValueError, match=r"tiny.*other.*AVG, PCAM.*LSE.*suite/model/method"):
        pairs_of(resolve("tiny", tmp_path), resolve("other", tmp_path))
