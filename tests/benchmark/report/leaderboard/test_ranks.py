"""Ranks of methods over findings: the table agrees with the arithmetic, the picture's bytes with the table."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scikit_posthocs import posthoc_nemenyi_friedman

from benchmark.records import Cell, Record, Score, write
from benchmark.report import tables
from benchmark.report.leaderboard import ranks
from tests.benchmark.report.given import all_tables

FINDINGS = tuple(f"finding {n}" for n in range(12))
RANKED = {"cam": 0.9, "gradcam": 0.7, "prior": 0.5, "noise": 0.1}


def record(method, value, pooling="AVG", **fields):
    cell = Cell(
        dataset="NIH",
        backbone="custom",
        global_pool=pooling,
        model_id=pooling,
        method=method,
        alignment="aligned",
        protocol="locus",
        **fields,
    )
    each = [
        Score(finding=f, metric="hit@iou.3", value=value + n / 500, n=5, threshold_origin="cross-fitted") for n, f in enumerate(FINDINGS)
    ]
    mean = Score(finding="mean", metric="hit@iou.3", value=value, n=60, threshold_origin="cross-fitted")
    return Record(cell=cell, scores=(*each, mean))


@pytest.fixture
def records():
    return [record(method, value, pooling) for method, value in {**RANKED, "truth": 1.0}.items() for pooling in ("AVG", "PCAM")]


@pytest.mark.byhand
def test_methods_that_never_change_places_have_whole_ranks(records):
    (ranking,) = ranks.rankings(records, "NIH")
    table = ranks.ranks(ranking)
    assert [row[:3] for row in table.rows] == [(f"{n}.00", m, f"{v + 0.011:.3f}") for n, (m, v) in enumerate(RANKED.items(), 1)]
    assert table.rows[0][-1] == "prior, noise"  # critical difference 2.569·sqrt(4·5/(6·12)) = 1.35
    assert "chi² 36.0" in table.intro  # 12·12/(4·5) · (1.5² + .5² + .5² + 1.5²)
    assert "critical difference of average ranks (Nemenyi, 5 %): 1.35" in table.intro


@pytest.mark.oracle
def test_what_a_method_is_better_than_is_scikit_posthocs_word_and_agrees_with_the_critical_difference():
    values = np.random.default_rng(3).random((9, len(FINDINGS))) + np.linspace(0, 0.7, 9)[:, None]
    methods = tuple("abcdefghi")
    ranking = ranks.Ranking((record("cam", 0.5),), methods, FINDINGS, tuple(map(tuple, values.tolist())), ("custom AVG",), (), "NIH")
    told = {row[1]: {*row[-1].split(", ")} - {""} for row in ranks.ranks(ranking).rows}
    p = posthoc_nemenyi_friedman(values.T).to_numpy()
    drawn = ranking.diagram
    rank = dict(zip(drawn.methods, drawn.ranks, strict=True))
    for n, method in enumerate(methods):
        assert told[method] == {other for m, other in enumerate(methods) if p[n, m] < 0.05 and rank[other] > rank[method]}
        assert told[method] == {other for other in methods if rank[other] - rank[method] > drawn.critical}
    assert 0 < sum(map(len, told.values())) < 9 * 8 / 2


def test_truth_is_never_ranked_and_a_method_that_a_network_lacks_is_named(records):
    (ranking,) = ranks.rankings([*records, record("pcam", 0.95, "PCAM")], "NIH")
    assert ranking.methods == tuple(sorted(RANKED))
    assert "2 networks (custom AVG, custom PCAM). Left out, for not every network has them: pcam." in ranks.ranks(ranking).intro


def test_the_value_of_a_finding_is_the_mean_over_the_networks():
    one, other = record("cam", 0.2), record("cam", 0.4, "PCAM")
    (ranking,) = ranks.rankings([one, other, record("noise", 0.1), record("noise", 0.1, "PCAM")], "NIH")
    assert ranking.values[0] == pytest.approx([0.3 + n / 500 for n in range(12)])


def test_nothing_is_ranked_where_there_is_one_method_or_one_finding(records):
    assert ranks.rankings(records[:2], "NIH") == []
    single = [r.model_copy(update={"scores": (r.scores[0], r.scores[-1])}) for r in records]
    assert ranks.rankings(single, "NIH") == []


@pytest.mark.freshness
def test_the_picture_is_one_svg_with_the_same_bytes_every_time_and_is_linked_once(tmp_path, records):
    part = [record(method, value, data={"images": 12}) for method, value in RANKED.items()]
    for name in ("first", "second"):
        for each in (*records, *part):
            write(each, tmp_path / name)
        tables.write(tmp_path / name, "the title")
    first, second = ((tmp_path / name / "ranks.svg").read_bytes() for name in ("first", "second"))
    assert first == second
    assert b"date" not in first
    assert ET.fromstring(first).tag.endswith("svg")
    text = (tmp_path / "first" / "leaderboard.md").read_text()
    assert text.count("](ranks.svg)") == 1
    titles = [table.title for table in all_tables(tmp_path / "first")]
    assert [title for title in titles if title.endswith(": ranks")] == ["NIH, all images: ranks", "NIH, 12 images: ranks"]


@pytest.mark.house
def test_tables_without_ranks_draw_nothing(tmp_path, records):
    write(records[0], tmp_path)
    tables.write(tmp_path)
    assert not (tmp_path / "ranks.svg").exists()
