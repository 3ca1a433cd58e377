"""Methods marked as equal have equal maps on a network with random weights; others have not."""

import itertools

import pytest
import torch

from locus import backbones, methods
from locus.benchmark.explain import collect_evidence, run_method
from locus.benchmark.records import Cell, Record, Score
from locus.benchmark.report.columns import FEWEST, NAMES, PROPORTIONAL, same_as, tabulated
from locus.config import POOLINGS

RELATED = ("cam", "gradcam", "hirescam", "xgradcam", "shapleycam")
SLOW = {"AVG_MAX", "EXP", "MAX"}


@pytest.fixture(scope="module", params=[pytest.param(word, marks=[pytest.mark.slow] if word in SLOW else []) for word in POOLINGS])
def found(request):
    """The pooling's word, and (N,K,h,w) maps of the related methods divided by their maxima."""
    torch.manual_seed(0)
    model, images = backbones.build("custom", num_classes=3, global_pool=request.param).train(), torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        for _ in range(40):
            model(images)  # calibrates the batch norms
        for parameter in model.head.parameters():
            parameter.normal_(0, 5)  # steep: under PCAM Grad-CAM is then CAM in some maps and its negative in others
    evidence = collect_evidence(model.eval(), images)
    return request.param, {name: run_method(methods.build(name), evidence).maps for name in RELATED}


def scaled(maps):
    return maps / maps.abs().amax((-2, -1), keepdim=True).clamp(min=1e-30)


def equal(first, second):
    return torch.allclose(scaled(first), scaled(second), atol=1e-4)  # machines round otherwise; maps that differ, differ by tenths


def root(method, word):
    """The map that the tables refer to in the end."""
    other = same_as(method, word)
    return root(other, word) if other in RELATED else other or method


@pytest.mark.parametrize(("first", "second"), itertools.combinations(RELATED, 2))
def test_methods_are_marked_equal_only_if_their_maps_are(found, first, second):
    word, maps = found
    roots = [root(method, word) for method in (first, second)]
    assert equal(maps[first], maps[second]) == (roots[0] == roots[1]), word
    names = [name.removeprefix("rectified ") for name in roots]
    assert equal(maps[first].clamp(min=0), maps[second].clamp(min=0)) == (names[0] == names[1]), word


def test_options_of_the_pooling_do_not_matter():
    assert set(PROPORTIONAL) < set(POOLINGS)
    assert {same_as("gradcam", f"{word}{options}") for word in PROPORTIONAL for options in ("", ":gamma=5")} == {"rectified cam"}
    assert [same_as("shapleycam", f"{word}:gamma=5") for word in ("LINEAR", "LSE", "PCAM")] == ["gradcam", "gradcam", ""]
    assert [same_as("gradcam", word) for word in ("", "PCAM", "LINEAR")] == ["", "", ""]


def scored(method, value, n=FEWEST, protocol="locus"):
    cell = Cell(dataset="phantom", method=method, model_id="m", protocol=protocol, global_pool="PCAM")
    return Record(cell=cell, scores=(Score(finding="mean", metric="hit@iou.3", value=value, n=n),))


def test_a_user_s_method_with_the_scores_of_another_is_marked_as_the_same_map():
    table = tabulated("t", "", NAMES, [scored("cam", 0.5), scored("maxcam", 0.5)])
    assert [row[table.header.index("same map as")] for row in table.rows] == ["", "cam"]


@pytest.mark.parametrize(
    ("method", "value", "given"),
    [("maxcam", 0.6, {}), ("noise", 0.5, {}), ("maxcam", 0.5, {"n": FEWEST - 1}), ("maxcam", 0.5, {"protocol": "pointing"})],
    ids=["other scores", "a baseline", "few cases", "another protocol"],
)
def test_other_scores_baselines_few_cases_and_other_protocols_are_not_marked(method, value, given):
    assert "same map as" not in tabulated("t", "", NAMES, [scored("cam", 0.5, **given), scored(method, value, **given)]).header
