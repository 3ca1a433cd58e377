"""Check ``protocols``: the order of two methods under different rules."""

from dataclasses import replace

import numpy as np
import pytest

from locus.scoring.protocols.base import Case
from locus.scoring.protocols.detection import Detection, Froc
from locus.scoring.protocols.pxap import PxAP
from locus.scoring.rules import of_single_box, pooled_rules, rule_values, scored, traits
from locus.scoring.statistics.rank_reversals import contradicted, differences, entries, reversals, significant
from locus.scoring.statistics.resample import CaseGroups

LEFT = np.array([[0.0, 0, 30, 40]])
"""Truth: the left three of five columns of positions, each of ten pixels."""
SPOT = np.zeros((4, 5))
SPOT[0, 0] = 1
WIDE = np.tile([0.8, 0.8, 0.8, 1.0, 0.0], (4, 1))


def cases(heat):
    return [Case(f"i{n}", f"p{n}", "Mass", heat, "conventional", (40, 50), LEFT) for n in range(6)]


@pytest.mark.byhand
def test_the_order_of_two_methods_reverses_between_iou_and_pointing():
    """The spot points at the truth but its box is small; the wide map covers the truth but its maximum is outside."""
    spot, wide = (rule_values(scored(cases(heat), ["Mass"], 0)) for heat in (SPOT, WIDE))
    assert (spot["pointing"].tolist(), wide["pointing"].tolist()) == ([1.0] * 6, [0.0] * 6)
    assert (spot["IoU > .3"].tolist(), wide["IoU > .3"].tolist()) == ([0.0] * 6, [1.0] * 6)
    assert (spot["IoU"] <= 15**2 / 1200).all()  # half way to the next position
    assert wide["IoU"] == pytest.approx(30 / 41, abs=0.001)  # the cut is in the middle of 0 to .8
    assert wide["IoBB > .5"].tolist() == [1.0] * 6


def test_traits_of_a_map_are_shares_of_the_image_and_its_cut():
    """The box of the wide map has 40 of 50 columns; its four columns of .8 or more are above .5, the last above .99."""
    columns = traits(cases(WIDE), scored(cases(WIDE), ["Mass"], 0)("single_box"))
    assert {name: values[0] for name, values in columns.items()} == {
        "box area": pytest.approx(41 / 50, abs=0.001),
        "area above .5": 0.8,
        "area above .99": 0.2,
        "cut": pytest.approx(0.4, abs=0.01),
    }


def test_pooled_rules_are_those_of_the_protocols_and_of_the_other_patients():
    """Each patient has an image with a mass and one without, on which the boxes are false."""
    positive = [replace(case, probability=0.4 + 0.1 * n) for n, case in enumerate([*cases(SPOT)[:3], *cases(WIDE)[3:]])]
    absent = [replace(c, image_id=f"a{c.image_id}", boxes=np.zeros((0, 4)), label=0, probability=0.6) for c in cases(WIDE)]
    pooled = pooled_rules([*positive, *absent], ["Mass"])
    others = [case for case in (*positive, *absent) if case.patient_id != "p0"]
    of_protocol = (PxAP, "pxap"), (Detection, "ap@iou.4"), (Froc, "froc@iou.3")
    for (value, without), (protocol, metric) in zip(pooled.values(), of_protocol, strict=True):
        for known, part in ((value, (*positive, *absent)), (without["p0"], others)):
            scores = protocol().evaluate(part, ["Mass"]).scores
            assert known == pytest.approx(next(s.value for s in scores if (s.finding, s.metric) == ("mean", metric)))
    assert all(0 < value < 1 for value, _ in pooled.values())


def test_pairs_of_methods_that_differ_by_noise_seldom_reverse():
    random, groups, count = np.random.default_rng(0), CaseGroups.of(np.full(120, "Mass"), np.arange(120).astype(str)), 0
    for _ in range(200):
        iou, other = random.random((2, 120, 2))
        hits = random.random((120, 2)) < 0.5
        columns = {"iou": iou, "iobb": (iou + other) / 2, "pointing": hits, "center_inside": hits, "anyhits": hits}
        rules = of_single_box(lambda name, known=columns: known.get(name, np.full((120, 2), np.nan)).astype(float))
        scored = [entries(values, groups, [("a",), ("b",)]) for values in rules.values() if np.isfinite(values).all()]
        signs = np.array([significant(*differences(rows)) for rows in scored])
        count += int(contradicted(signs)[0])
    assert len(signs) >= 15
    assert count <= 10


@pytest.mark.byhand
def test_two_rules_reverse_a_pair_if_both_are_significant_and_opposite():
    signs = np.array([[1, 1, 0], [-1, 1, 1], [0, 0, -1]], np.int8)  # three rules, three pairs
    assert contradicted(signs).tolist() == [True, False, True]
    assert reversals(signs) == pytest.approx(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 3)
