"""The page's tables on records made by hand: each figure stands where it belongs, and nothing stands there that is not known."""

import re
from pathlib import Path

import pytest

from benchmark.records import Cell, Record, Score, Stratum, write
from benchmark.report import tables
from benchmark.report.columns import NAMES_AND_ALIGNMENT, score, tabulated
from benchmark.report.leaderboard import breakdown, main_table, strata
from benchmark.report.leaderboard.sections import tables_of
from benchmark.report.page import COMMITTED_PAGES, page
from tests.benchmark.report.given import leaderboard, tables_on_page

ROOT = Path(__file__).resolve().parents[3]

FINDINGS = ("Mass", "Nodule", "Effusion")
POOLINGS = ("AVG", "PCAM")


def cell(method="cam", protocol="locus", pooling="AVG", **fields):
    known = {"dataset": "NIH", "partition": "kfold", "split": "test", "backbone": "custom", "attention_map": "none", "img_size": 128}
    known |= {"global_pool": pooling, "seed": 0, "model_id": f"custom-{pooling}", "alignment": "aligned"}
    return Cell(**{**known, "method": method, "protocol": protocol, **fields})


def scores(metric, value, origin="none", n=30, low=None, high=None):
    each = [Score(finding=f, metric=metric, value=value, n=n // 3, threshold_origin=origin) for f in FINDINGS]
    return [*each, Score(finding="mean", metric=metric, value=value, low=low, high=high, n=n, threshold_origin=origin)]


def record(*given, method="cam", protocol="locus", pooling="AVG", **fields):
    return Record(cell=cell(method, protocol, pooling), scores=tuple(s for one in given for s in one), rests_on={"cases": 30}, **fields)


def main(value, method="cam", pooling="AVG", **fields):
    return record(scores("hit@iou.3", value, "cross-fitted"), method=method, pooling=pooling, **fields)


def rows(table):
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


@pytest.mark.byhand
def test_the_main_column_stands_at_every_origin_and_a_dash_where_it_was_not_scored():
    values = {"fixed": 0.1, "otsu": 0.2, "cross-fitted": 0.4, "oracle": 0.5}
    given = [scores("hit@iou.3", value, origin) for origin, value in values.items()]
    given += [scores("hit@iou.3@shared", 0.3, "cross-fitted"), scores("optimism", 0.1, "oracle", low=0.05, high=0.2)]
    (row,) = rows(breakdown.by_threshold(leaderboard([record(*given)], "NIH")))
    assert {name: row[name] for name in values} == {name: f"{value:.3f}" for name, value in values.items()}
    assert row["cross-fitted, shared"] == "0.300"
    assert row["optimism"] == "0.100 [0.050, 0.200]"
    assert [row[name] for name in ("validation", "oracle, shared", "optimism, shared")] == ["–"] * 3


def test_the_paired_records_stand_in_the_main_table_and_without_them_their_columns_are_gone():
    first = scores("p_first", 0.9, "cross-fitted")[-1:] + scores("p_holm", 0.0001, "cross-fitted")[-1:]
    above = scores("above_prior", 0.05, "cross-fitted", low=-0.01, high=0.1)[-1:]
    every = [main(0.4), main(0.35, "prior"), record(first, above, protocol="paired")]
    row, prior = rows(main_table.main(leaderboard(every, "NIH")))
    assert (row["− prior [95 %]"], row["p (Holm)"], row["P(best)"]) == ("+0.050 [-0.010, +0.100]", "< 0.001", "0.900")
    assert prior["P(best)"] == "–"
    assert "P(best)" not in main_table.main(leaderboard(every[:2], "NIH")).header
    assert "P(best)" not in main_table.main(leaderboard(every[:2], "NIH")).intro


def test_an_untrained_network_is_a_baseline():
    found = rows(main_table.main(leaderboard([main(0.4), main(0.3, "untrained")], "NIH")))
    assert [row["note"] for row in found] == ["", "baseline: the same network with random weights"]


def test_baselines_that_see_no_network_stand_once_where_equal_and_untrained_networks_stand_each():
    methods = ("cam", "center", "untrained")
    every = [main(0.2, method, pooling) for method in methods for pooling in POOLINGS] + [main(0.3, "prior"), main(0.1, "prior", "PCAM")]
    table = breakdown.by_threshold(leaderboard(every, "NIH"))
    found = sorted((row["method"], row["pooling"]) for row in rows(table))
    apart = [(method, pooling) for method in ("cam", "prior", "untrained") for pooling in POOLINGS]
    assert found == sorted([*apart, ("center", "any")])


def test_words_that_are_the_same_in_every_row_stand_above_the_table_instead():
    both = [main(0.2), Record(cell=cell(pooling="PCAM", img_size=224), scores=(scores("hit@iou.3", 0.1, "cross-fitted")[-1],))]
    columns = [*NAMES_AND_ALIGNMENT, score("hit@iou.3")]
    assert tabulated("", "", columns, both[:1]).header == ("backbone", "pooling", "method", "hit@iou.3")
    assert tabulated("", "", columns, both).header == ("backbone", "pooling", "size", "method", "hit@iou.3")
    assert "image size 128; alignment aligned" in breakdown.by_threshold(leaderboard(both[:1], "NIH")).intro


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
def test_every_protocol_has_a_table_that_says_where_its_thresholds_come_from(protocol):
    found = tables_on_page(leaderboard([record(*LAYOUTS[protocol], protocol=protocol)], "NIH"))
    assert len(found) == (2 if protocol == "maxbox" else 1)
    for table in found:
        assert protocol in table.title
        assert "Based on: 30 cases" in table.intro
        assert "Thresholds: " in table.intro
        assert any(cell.startswith("0.250") for cell in table.rows[0])


@pytest.mark.parametrize(("protocol", "main"), [("detection", "ap@iou.4"), ("froc", "froc@iou.3"), ("brandnew", "novelty")])
def test_one_finding_is_shown_by_the_metric_that_the_protocol_calls_its_main_one(protocol, main):
    others = [] if protocol == "brandnew" else [scores("left_out", 0.1)]
    ((layout, _),) = tables_of(leaderboard([record(*others, scores(main, 0.5), protocol=protocol)], "NIH")).protocols
    assert layout.main[0] == main


def test_maps_without_energy_are_counted():
    (table,) = tables_on_page(leaderboard([record(*LAYOUTS["energy"], protocol="energy")], "NIH"))
    assert rows(table)[0]["no energy"] == "3 of 30"
    assert "in lungs" not in table.header


def test_boxes_that_stand_in_for_masks_are_told():
    (table,) = tables_on_page(leaderboard([record(*LAYOUTS["chexlocalize"], protocol="chexlocalize")], "NIH"))
    assert table.title == "NIH: chexlocalize, the interior of boxes"


def grouped(value, method, pooling="AVG"):
    within = [
        Stratum(variable="size", group=g, scores=tuple(scores("hit@iou.3", v, "cross-fitted", 15)))
        for g, v in (("small", 0.125), ("large", value))
    ]
    return main(value, method, pooling, strata=tuple(within))


def test_strata_show_the_first_method_of_each_network_then_prior_and_center():
    given = (("cam", 0.3), ("gradcam", 0.4), ("prior", 0.2), ("center", 0.1), ("noise", 0.0), ("truth", 1.0))
    every = [grouped(value, method, pooling) for method, value in given for pooling in POOLINGS] + [grouped(0.5, "pcam", "PCAM")]
    table = strata.strata(leaderboard(every, "NIH"))
    assert [row["method"] for row in rows(table)] == ["pcam", "gradcam", "prior", "center"]
    assert table.header[-2:] == ("size: small (n 15)", "size: large (n 15)")
    assert table.rows[0][-2:] == ("0.125", "0.500")
    assert "the scores are slightly too high because the method was selected" in table.intro
    assert strata.strata(leaderboard([main(0.4)], "NIH")) is None


def test_the_markdown_has_the_main_table_in_the_columns_that_decide_and_links_to_all_else(tmp_path):
    folder = tmp_path / COMMITTED_PAGES[0]
    for name, given in LAYOUTS.items():
        write(record(*given, protocol=name), folder)
    write(main(0.4), folder)
    write(Record(cell=cell("pcam"), status="n/a", reason="use a PCAM model"), folder)
    tables.write(folder)
    text = (folder / "leaderboard.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["NIH: methods within each network", "Cells without a score"]
    assert len(next(line for line in text.splitlines() if line.startswith("| backbone")).split("|")) <= 12
    assert "- 1 n/a: use a PCAM model" in text
    assert {"index.html", "leaderboard.csv"} <= {*re.findall(r"\]\(([^)]+)\)", text)}


def test_what_the_records_no_longer_give_is_removed(tmp_path):
    file = write(grouped(0.5, "cam"), tmp_path)
    tables.write(tmp_path)
    file.unlink()
    write(main(0.5), tmp_path)
    tables.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("records", "index.html", "leaderboard.md", "leaderboard.csv", "leaderboard.tex"),
    }


def test_no_committed_table_in_markdown_has_more_than_ten_columns_and_notes():
    pages = [file.read_text() for file in ROOT.glob("results/*/leaderboard.md")]
    heads = [head for page in pages for head in re.findall(r"^\| (.*) \|\n\| ---", page, re.MULTILINE)]
    assert len(heads) > 20
    assert max(len([word for word in head.split(" | ") if word.strip() not in ("note", "")]) for head in heads) <= 10


def test_a_page_that_is_not_committed_is_named_and_not_linked():
    kept = re.findall(r"^!/results/(.+)/index.html$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    assert {*kept} == {*COMMITTED_PAGES}
    assert "(index.html)" not in page([], "t", suite="other")
    assert "[index.html](index.html)" in page([], "t", suite=kept[0])


@pytest.mark.parametrize("folder", ["results/demo", "runs/results/demo"])
def test_the_link_to_what_the_columns_mean_leads_there_from_wherever_the_page_lies(folder):
    (link,) = re.findall(r"\[meaning of the columns\]\((.*?)\)", page([], "t", folder=ROOT / folder))
    assert (ROOT / folder / link).resolve() == ROOT / "docs/protocols.md"


def test_a_page_outside_the_checkout_names_the_documentation_without_a_link(tmp_path):
    text = page([], "t", folder=tmp_path)
    assert "docs/protocols.md" in text
    assert "](../" not in text
