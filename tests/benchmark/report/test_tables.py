"""Tables are pure functions of records."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from locus.benchmark.records import Cell, Record, Score, load, pack, write
from locus.benchmark.report import detail_tables, main_table, select, table, tables
from locus.benchmark.report import entry as standing
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case
from locus.core import names as words
from locus.core.errors import BadValueError
from tests.benchmark.report.given import leaderboard, texts

TEX = shutil.which("pdflatex") or shutil.which("tectonic")
METHODS = {"cam": 120, "gradcam": 120, "gradcampp": 300, "center": 250, "prior": 150, "noise": 0, "untrained": 400, "truth": 40}


def cases(method: str) -> list[Case]:
    """24 images, one mass each; the method sees the box's centre through a blur as wide as METHODS says."""
    rng = np.random.default_rng(list(METHODS).index(method))
    return [_case(number, METHODS[method], rng) for number in range(24)]


def _case(number, blur, rng):
    x, y = 300 + 400 * (number % 5) / 4, 300 + 400 * (number % 7) / 6
    at = (np.arange(7) + 0.5) * 1024 / 7
    values = rng.random((7, 7)) if not blur else np.exp(-((at - x) ** 2 + (at[:, None] - y + blur / 2) ** 2) / (2 * (60 + blur) ** 2))
    truth = np.array([[x - 150, y - 150, x + 150, y + 150]])
    return Case(f"i{number}", f"p{number}", "mass", values.astype(np.float32), "conventional", (1024, 1024), truth)


def cell(**fields) -> Cell:
    data = {"dataset": "phantom", "partition": "official", "split": "test", "img_size": 224}
    model = {"backbone": "resnet18", "global_pool": "AVG", "attention_map": "none", "seed": 0, "model_id": "a"}
    return Cell(**{**data, **model, **fields})


def record(method: str, protocol: str, alignment: str = "aligned", **fields) -> Record:
    result = protocols.get(protocol)().evaluate(cases(method), ("mass",), 0)
    rests = {"test images": 60, "patients": 24, "cases": 24}
    about = {"versions": {"torch": "2.11.0"}, "rests_on": rests, "scores": tuple(result.scores), "thresholds": result.thresholds}
    return Record(**{"cell": cell(method=method, protocol=protocol, alignment=alignment), **about, **fields})


@pytest.fixture(scope="module")
def records() -> list[Record]:
    auroc = Score(finding="mean", metric="auroc", value=0.91, n=60)
    aurocs = (auroc, auroc._replace(metric="auroc@boxed", value=0.8))
    return [
        *(record(method, "locus") for method in METHODS),
        record("gradcampp", "locus", "conventional"),
        *(record("cam", name) for name in protocols.of_maps() if name != "locus"),
        Record(cell=cell(method="classifier", protocol="classification"), scores=aurocs),
        Record(cell=cell(dataset="NIH", method="cam", protocol="locus"), status="n/a", reason="no data: put the images | below data/NIH"),
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory, records):
    """The suite's folder with its tables, to be copied."""
    folder = tmp_path_factory.mktemp("written") / "demo"
    for item in records:
        write(item, folder)
    tables.write(folder)
    return folder


@pytest.fixture
def suite(tmp_path, written):
    """A copy of one's own."""
    return shutil.copytree(written, tmp_path / "mine" / "demo")


@pytest.fixture
def board(records):
    table = main_table.main(leaderboard(records))
    return {row[table.header.index("method")]: dict(zip(table.header, row, strict=True)) for row in table.rows}


def lines(folder):
    with (folder / "leaderboard.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.freshness
def test_tables_regenerate_byte_for_byte(suite):
    before = {p.name: p.read_bytes() for p in suite.iterdir() if p.is_file()}
    copy = suite.parent.parent / "again" / "demo"
    copy.mkdir(parents=True)
    pack(suite)
    for file in suite.glob("*.parquet"):
        shutil.move(file, copy)
    tables.write(copy)
    assert before == {p.name: p.read_bytes() for p in copy.iterdir() if p.suffix != ".parquet"}
    assert set(before) == {"index.html", "leaderboard.md", "leaderboard.csv", "leaderboard.tex"}


def test_leaderboard_csv_has_a_line_per_row_with_the_recorded_values(suite, records):
    found = {line["method"]: line for line in lines(suite)}
    assert set(found) == set(METHODS)
    for record in select.main_records(records, "phantom"):
        main, pointing = record.find("hit@iou.3", origin="cross-fitted"), record.find("pointing")
        line = found[record.cell.method]
        assert [float(line[f"hit@iou.3{end}"]) for end in ("", "_low", "_high")] == [main.value, main.low, main.high]
        assert (float(line["pointing"]), int(line["n_cases"])) == (pointing.value, main.n)
        assert float(line["auroc"]) == 0.91
    assert found["truth"]["note"] == "upper bound: sees the truth"


def test_rows_are_methods_then_baselines_then_truth_best_first_with_the_auroc_of_the_classifier(board):
    assert list(board)[-1] == "truth"
    assert {*list(board)[3:-1]} == {*words.BASELINES}
    for names in (list(board)[:3], list(board)[3:-1]):
        values = [float(board[name]["hit@iou.3 [95%]"].split()[0]) for name in names]
        assert values == sorted(values, reverse=True)
    assert "lower score than center" in board["gradcampp"]["note"]
    assert {row["auroc"] for row in board.values()} == {"0.910 (n 60)"}
    assert {row["auroc, images with boxes"] for row in board.values()} == {"0.800 (n 60)"}


def test_equal_maps_are_marked_in_all_tables(suite, board):
    assert {name: row["same map as"] for name, row in board.items() if row["same map as"]} == {"gradcam": "rectified cam"}
    visible = [section for section in texts(suite).values() if "| gradcam |" in section]
    assert len(visible) >= 3
    assert all("| gradcam | rectified cam |" in section for section in visible)
    assert "| gradcam | rectified cam |" in (suite / "leaderboard.md").read_text()
    assert "& gradcam & rectified cam &" in (suite / "leaderboard.tex").read_text()


def of_a_part(method):
    remaining = cases(method)[:12]
    result = protocols.get("locus")().evaluate(remaining, ("mass",), 0)
    rests = {"test images": 60, "boxed images": 24, "explained images": 12, "cases": 12}
    return Record(cell=cell(method=method, protocol="locus", data={"images": 12}), rests_on=rests, scores=tuple(result.scores))


@pytest.fixture(scope="module")
def both(tmp_path_factory, records):
    """A suite in which slow methods explain 12 of 24 images."""
    slow = of_a_part("gradcampp").model_copy(update={"cell": cell(method="occlusion", protocol="locus", data={"images": 12})})
    folder = tmp_path_factory.mktemp("both")
    for item in (*records, *map(of_a_part, METHODS), slow):
        write(item, folder)
    return folder


def test_slow_method_is_only_in_the_table_of_its_images_and_changes_no_other(both, records):
    sections, board = texts(both), leaderboard(load(both))
    (part,) = [section for section in sections.values() if "| occlusion |" in section]
    assert part == sections["phantom: methods within each network, on 12 images"]
    assert "12 explained images" in part
    assert "do not compare their scores with those in other tables" in part
    table = main_table.main(board, 12)
    assert {row[table.header.index("n cases")] for row in table.rows} == {"12"}
    assert {row[table.header.index("method")] for row in table.rows} == {*METHODS, "occlusion"}
    assert main_table.main(board) == main_table.main(leaderboard(records))
    assert detail_tables.per_finding(board) == detail_tables.per_finding(leaderboard(records))


def test_scores_on_a_part_are_marked_in_csv_terminal_and_latex(both):
    visible = tables.headline(tables.write(both))
    assert "lower score than center" in visible
    for text in (visible, (both / "leaderboard.tex").read_text()):
        assert "methods within each network, on 12 images" in text
    assert {line["images"] for line in lines(both) if line["method"] == "occlusion"} == {"12"}


def test_method_below_a_baseline_has_a_note(records):
    prior = next(r for r in records if r.cell.method == "prior")
    fewer = tuple(s._replace(value=0.0) for s in prior.scores if s.value is not None)
    worse = prior.model_copy(update={"cell": cell(method="mycam", protocol="locus", alignment="aligned"), "scores": fewer})
    assert "prior" in standing.notes(worse, [*records, worse])

    def note(low, high):
        above = Score(finding="mean", metric="above_prior", value=(low + high) / 2, low=low, high=high)
        return standing.notes(worse.model_copy(update={"scores": (*fewer, above)}), [worse, prior])

    assert note(-0.2, -0.1) == "below prior"
    assert note(-0.2, 0.1) == note(-0.1, 0.2) == "not shown to be above prior"
    assert note(0.1, 0.2) == ""
    assert "baseline" in standing.notes(prior, records)


def test_main_column_has_no_oracle_scores(board, records):
    for r in (r for r in records if r.cell.protocol == "locus" and r.cell.alignment == "aligned"):
        assert board[r.cell.method]["hit@iou.3 [95%]"].startswith(f"{r.find('hit@iou.3', origin='cross-fitted').value:.3f}")
        assert board[r.cell.method]["hit@iou.3 oracle"] == f"{r.find('hit@iou.3', origin='oracle').value:.3f}"


def test_page_states_the_basis_of_each_table_and_missing_cells(suite):
    sections = texts(suite)
    text = "".join(sections.values())
    assert len(sections) == text.count("Based on:")
    assert "60 test images, 24 patients, 24 cases" in text
    assert "torch 2.11.0" in text
    page = (suite / "index.html").read_text()
    assert "<td>NIH<td>resnet18<td>AVG<td>none<td>cam<td>locus<td>1<td>n/a<td>no data: put the images | below data/NIH" in page
    assert "- 1 n/a: no data: put the images | below data/NIH" in (suite / "leaderboard.md").read_text()
    for title in (
        "methods within each network", "hit@iou.3 per finding", "wang, T(IoU)", "wang, T(IoBB)", "seed, cross-fitted", "pointing game",
    ):  # fmt: skip
        assert title in text
    section = sections[f"phantom: alignment ({words.MAIN})"]
    assert section.count("| gradcampp |") == 1
    assert "The suite `alignment` has paired intervals" in section


def test_failed_cell_has_scores_and_reason(records):
    failed = records[0].model_copy(update={"status": "failed", "reason": "2 failed cases"})
    assert "failed: 2 failed cases" in standing.notes(failed, [failed])
    assert select.scored([failed], "locus") == [failed]


def test_latex_is_a_booktabs_table_with_nothing_unescaped(suite):
    text = (suite / "leaderboard.tex").read_text()
    body = text[text.index("\\toprule") : text.index("\\bottomrule")]
    assert body.count(r"\\") == len(METHODS) + 1
    assert "[95\\%]" in body
    assert body.splitlines()[1].count("&") < 11, "more columns than a page holds"
    assert r"\caption{phantom: methods within each network" in text
    assert r"\label{tab:demo-phantom-methods-within-each-network}" in text


def test_long_latex_table_continues_on_the_next_page():
    text = table.latex(table.Table("t", "", ("rank",), tuple((str(n),) for n in range(100))), "tab:t")
    assert [part.count(r"\\") for part in text.split(r"\end{table}")] == [46, 46, 11, 0]
    assert r"\caption{t (continued)}" in text
    assert r"\label{tab:t-3}" in text


@pytest.mark.skipif(TEX is None, reason="neither pdflatex nor tectonic is installed")
def test_latex_tables_compile(suite, tmp_path):
    signs = table.Table("signs", "", ("IoU ≥ .3", "p"), (("–", "< 0.001"), ("−1 × 2", "> .5 ~ ^ & % $ # _ { } ≤ \\")))
    tables_text = (suite / "leaderboard.tex").read_text() + table.latex(signs, "tab:signs")
    head = r"\documentclass{article}\usepackage[utf8]{inputenc}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "paper.tex").write_text(f"{head}\n{tables_text}\n\\end{{document}}\n")
    flags = [] if TEX.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([TEX, *flags, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "paper.pdf").stat().st_size


def test_latex_has_the_requested_columns(suite):
    tables.write(suite, columns=("method", "boxes_per_case"))
    text = (suite / "leaderboard.tex").read_text()
    assert r"method & boxes\_per\_case \\" in text
    with pytest.raises(BadValueError, match=r"--columns.*'mood'.*boxes_per_case"):
        tables.write(suite, columns=("method", "mood"))


def test_the_latex_of_a_check_has_its_numbers():
    text = (Path(__file__).parents[3] / "results/alignment/leaderboard.tex").read_text()
    assert r"custom & PCAM & 128 & cam & 0.620 & 0.617" in text


def test_order_of_records_does_not_change_the_files(suite, tmp_path):
    handed = tmp_path / "handed" / "demo"
    sections = tables.write(handed, records=load(suite)[::-1])
    assert {p.name: p.read_bytes() for p in handed.iterdir()} == {p.name: p.read_bytes() for p in suite.iterdir() if p.is_file()}
    assert tables.headline(sections) == tables.headline(tables.write(suite))


def test_the_index_links_every_suite(suite):
    tables.index(suite.parent, {suite: leaderboards(load(suite), [suite])})
    text = (suite.parent / "README.md").read_text()
    assert "[md](demo/leaderboard.md)" in text
    assert "| NIH, phantom |" in text
    page = (suite.parent / "index.html").read_text()
    assert re.search('<a href="demo/index.html">demo</a><td>[^<]*<td>NIH, phantom<', page)


@pytest.mark.structure
def test_tables_need_no_torch_and_no_compiler():
    modules = "locus.benchmark.report.tables, locus.benchmark.records.cases"
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'numba', 'timm'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.structure
def test_protocols_need_no_torch():
    code = "import sys, locus.benchmark.scoring.protocols as p; [p.get(n) for n in p.names()]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_title_states_the_number_of_explained_images():
    fewer = [r.model_copy(update={"cell": r.cell.model_copy(update={"data": {"images": 99}})}) for r in map(of_a_part, METHODS)]
    assert main_table.main(leaderboard(fewer), 99).title == "phantom: methods within each network, on 12 images"
    assert {line["images"] for line in csv.DictReader(main_table.leaderboard_csv(leaderboards(fewer)).splitlines())} == {"12"}
