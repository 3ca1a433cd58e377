"""Tables of the page, from records written by hand."""

import re
from pathlib import Path

import pytest

from locus.benchmark.records import Cell, Record, Score, Subgroup, write
from locus.benchmark.report import detail_tables, tables
from locus.benchmark.report.detail_tables import NAMES, score
from locus.benchmark.report.grouping import Row
from locus.benchmark.report.page import Description, answer, cells_without_score, leaderboard_md
from locus.benchmark.report.table import tabulated
from tests.benchmark.report.given import leaderboard, tables_on_page

ROOT = Path(__file__).resolve().parents[3]

FINDINGS = ("Mass", "Nodule", "Effusion")
POOLINGS = ("AVG", "PCAM")


def cell(method="cam", protocol="single_box", pooling="AVG", **fields):
    data = {"dataset": "NIH", "partition": "kfold", "split": "test", "img_size": 128, "alignment": "aligned", "seed": 0}
    model = {"backbone": "custom", "attention_map": "none", "global_pool": pooling, "model_id": f"custom-{pooling}"}
    return Cell(**{**data, **model, "method": method, "protocol": protocol, **fields})


def scores(metric, value, threshold_source="none", n=30, low=None, high=None):
    item = [Score(finding=f, metric=metric, value=value, n=n // 3, threshold_source=threshold_source) for f in FINDINGS]
    return [*item, Score(finding="mean", metric=metric, value=value, low=low, high=high, n=n, threshold_source=threshold_source)]


def record(*given, method="cam", protocol="single_box", pooling="AVG", **fields):
    return Record(cell=cell(method, protocol, pooling), scores=tuple(s for one in given for s in one), rests_on={"cases": 30}, **fields)


def main(value, method="cam", pooling="AVG", **fields):
    return record(scores("hit@iou.3", value, "cross-fitted"), method=method, pooling=pooling, **fields)


def rows(table):
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


@pytest.mark.byhand
def test_main_column_has_all_origins_and_dashes():
    values = {"fixed": 0.1, "otsu": 0.2, "cross-fitted": 0.4, "oracle": 0.5}
    given = [scores("hit@iou.3", value, threshold_source) for threshold_source, value in values.items()]
    given += [scores("hit@iou.3@shared", 0.3, "cross-fitted"), scores("optimism", 0.1, "oracle", low=0.05, high=0.2)]
    (row,) = rows(detail_tables.by_threshold(leaderboard([record(*given)], "NIH")))
    assert {name: row[name] for name in values} == {name: f"{value:.3f}" for name, value in values.items()}
    assert row["cross-fitted, shared"] == "0.300"
    assert row["optimism"] == "0.100 [0.050, 0.200]"
    assert [row[name] for name in ("validation", "oracle, shared", "optimism, shared")] == ["–"] * 3


def test_equal_baselines_without_a_network_are_merged():
    methods = ("cam", "center", "untrained")
    all_records = [main(0.2, method, pooling) for method in methods for pooling in POOLINGS]
    all_records += [main(0.3, "prior"), main(0.1, "prior", "PCAM")]
    columns = [*NAMES, score("hit@iou.3")]
    result = sorted((row["method"], row["network"]) for row in rows(tabulated("", "", columns, [Row.of([one]) for one in all_records])))
    networks = [cell(pooling=pooling).network for pooling in POOLINGS]
    apart = [(method, network) for method in ("cam", "prior", "untrained") for network in networks]
    assert result == sorted([*apart, ("center", "any")])


def test_constant_columns_are_omitted():
    both = [main(0.2), Record(cell=cell(pooling="PCAM", img_size=224), scores=(scores("hit@iou.3", 0.1, "cross-fitted")[-1],))]
    columns = [*NAMES, score("hit@iou.3")]
    each = [Row.of([one]) for one in both]
    assert tabulated("", "", columns, each[:1]).header == ("network", "method", "hit@iou.3")
    assert tabulated("", "", columns, each).header == ("network", "size", "method", "hit@iou.3")
    assert "image size: 128; alignment: aligned" in detail_tables.by_threshold(leaderboard(both[:1], "NIH")).intro


LAYOUTS = {
    "maxbox": [
        *(scores(f"maxboxacc{v}", 0.25, o) for v in ("", "v2") for o in ("cross-fitted", "oracle")),
        scores("optimism@maxboxacc", 0.1),
    ],
    "pxap": [scores("pxap", 0.25)],
    "energy": [scores("energy", 0.25, n=27), scores("no_energy", 0.1, n=30)],
    "chexlocalize": [scores("mask_iou@box", 0.25, "cross-fitted"), scores("hit_rate@box", 0.75)],
    "pointing": [scores("pointing", 0.25)],
    "brandnew": [scores("novelty", 0.25, "oracle")],
}


@pytest.mark.parametrize("protocol", LAYOUTS)
def test_all_protocols_have_a_table_with_all_their_means(protocol):
    (table,) = tables_on_page(leaderboard([record(*LAYOUTS[protocol], protocol=protocol)], "NIH"))
    assert table.title == f"NIH: {protocol}"
    assert "Based on: 30 cases" in table.intro
    means = [f"{given[-1].value:.3f} (n {given[-1].n})" for given in LAYOUTS[protocol]]
    assert list(table.rows[0][-len(means) :]) == means


def grouped(value, method, pooling="AVG"):
    groups = {name: tuple(scores("hit@iou.3", share, "cross-fitted", 15)) for name, share in (("small", 0.125), ("large", value))}
    return main(value, method, pooling, subgroups=tuple(Subgroup(variable="size", group=g, scores=s) for g, s in groups.items()))


def test_subgroups_show_the_first_method_of_each_network_then_prior_and_center():
    given = (("cam", 0.3), ("gradcam", 0.4), ("prior", 0.2), ("center", 0.1), ("noise", 0.0), ("truth", 1.0))
    all_records = [grouped(value, method, pooling) for method, value in given for pooling in POOLINGS] + [grouped(0.5, "pcam", "PCAM")]
    table = detail_tables.subgroups(leaderboard(all_records, "NIH"))
    assert [row["method"] for row in rows(table)] == ["pcam", "gradcam", "prior", "center"]
    assert table.header[-2:] == ("size: small (n 15)", "size: large (n 15)")
    assert table.rows[0][-2:] == ("0.125", "0.500")
    assert "slightly too high because the method was selected" in table.intro
    assert detail_tables.subgroups(leaderboard([main(0.4)], "NIH")).rows == ()


def test_markdown_has_the_main_columns_and_links(tmp_path):
    folder = tmp_path / "mine"
    for name, given in LAYOUTS.items():
        write(record(*given, protocol=name), folder)
    write(main(0.4), folder)
    write(Record(cell=cell("pcam"), status="n/a", reason="use a PCAM model"), folder)
    tables.write(folder)
    text = (folder / "leaderboard.md").read_text()
    tables_shown = ["NIH: hits over IoU and IoBB thresholds", "NIH: hits at IoU > .3 by finding"]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [*tables_shown, "NIH: all thresholds", "Notes", "Cells without a score"]
    assert "- 1 n/a (small CNN with AVG): use a PCAM model" in text
    assert {"index.html", "leaderboard.csv"} <= {*re.findall(r"\]\(([^)]+)\)", text)}


@pytest.mark.parametrize("folder", ["results/demo", "runs/results/demo"])
def test_link_to_the_meaning_of_columns_works_from_any_folder(folder):
    (link,) = re.findall(r"Columns: \[docs/protocols.md\]\((.*?)\)", leaderboard_md([], Description("t"), [], folder=ROOT / folder))
    assert (ROOT / folder / link).resolve() == ROOT / "docs/protocols.md"


def test_reasons_that_differ_in_numbers_only_are_one_line():
    missing = [record(pooling=pooling, status="n/a", reason=f"{part}% is missing") for pooling, part in (("PCAM", 0.4), ("AVG", 12))]
    other = record(status="failed", reason="0.4% is missing")
    wanted = ["1 failed (small CNN with AVG): 0.4% is missing", "2 n/a (small CNN with AVG, small CNN with PCAM): 0.4% is missing"]
    assert cells_without_score([*missing, other]) == wanted


@pytest.mark.parametrize(("truth", "says_so"), [(0.2, True), (0.4, False)])
def test_page_says_that_a_grid_is_too_coarse_only_if_its_best_map_hits_less_than_prior(truth, says_so):
    board = leaderboard([main(0.1), main(truth, "truth"), main(0.3, "prior")], "NIH")
    assert answer(board)[0].startswith("**These maps have too few positions**") == says_so
    assert ("`truth` .200, `prior` .300" in answer(board)[0]) == says_so
