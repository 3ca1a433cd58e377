"""Tables are pure functions of records."""

import csv
import html
import re
import shutil
import subprocess

import numpy as np
import pytest

from locus.benchmark.records import Cell, Record, Score, load, pack, write
from locus.benchmark.report import grouping, table, tables
from locus.benchmark.report.page import Place
from locus.scoring import protocols
from locus.scoring.protocols.base import Case
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
        *(record(method, "single_box") for method in METHODS),
        record("gradcampp", "single_box", "conventional"),
        *(record("cam", name) for name in protocols.of_maps() if name != "single_box"),
        Record(cell=cell(method="classifier", protocol="classification"), scores=aurocs),
        Record(
            cell=cell(dataset="NIH", method="cam", protocol="single_box"), status="n/a", reason="no data: put the images | below data/NIH"
        ),
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


@pytest.mark.parametrize("step", ["suite_page", "link_documents"])
def test_a_page_that_fails_leaves_no_file(tmp_path, monkeypatch, records, step):
    def fail(*_args, **_keywords):
        raise ZeroDivisionError

    monkeypatch.setattr(tables, step, fail)
    folder = tmp_path / "demo"
    with pytest.raises(ZeroDivisionError):
        tables.write(folder, records=records)
    assert not folder.exists()


def test_leaderboard_csv_has_a_line_per_row_with_the_recorded_values(suite, records):
    by_method = {line["method"]: line for line in lines(suite)}
    assert list(by_method)[-5:] == ["prior", "center", "noise", "untrained", "truth"]
    assert set(by_method) == set(METHODS)
    for record in grouping.main_records(records, "phantom"):
        main, pointing = record.find("hit@iou.3", threshold_source="cross-fitted"), record.find("pointing")
        line = by_method[record.cell.method]
        assert float(line["hit@iou.3"]) == main.value
        assert [float(line[name]) for name in ("low", "high")] == [round(end, 5) for end in (main.low, main.high)]
        assert (float(line["pointing"]), int(line["n"])) == (pointing.value, main.n)
        assert float(line["hit@iou.3,oracle"]) == record.find("hit@iou.3", threshold_source="oracle").value
        assert float(line["auroc"]) == 0.91


def test_page_states_the_basis_of_each_table_and_missing_cells(suite):
    sections = texts(suite)
    assert all("Based on: 60 test images, 24 patients, 24 cases" in sections[f"phantom: {name}"] for name in ("adaptive_threshold", "pxap"))
    assert "torch 2.11.0" in sections["phantom: pointing"]
    for file in ("index.html", "leaderboard.md"):
        text = (suite / file).read_text()
        assert "Based on 60 test images, 24 patients, 24 cases." in text
        assert "1 n/a (resnet18 with AVG): no data: put the images | below data/NIH" in text
    titles = "hits over IoU and IoBB thresholds", "hits at IoU &gt; .3 by finding", "wang", "pointing"
    page = (suite / "index.html").read_text()
    assert [title for title in titles if f"{title[0].upper()}{title[1:]}</h" not in page] == []


def test_latex_is_a_booktabs_table_with_nothing_unescaped(suite):
    text = (suite / "leaderboard.tex").read_text()
    body = text[text.index("\\toprule") : text.index("\\bottomrule")]
    assert body.count(r"\\") == len(METHODS) + 1
    assert "[95\\%]" in body
    assert r"\caption{phantom: hits over IoU and IoBB thresholds}" in text
    assert r"\label{tab:demo-phantom-hits-over-iou-and-iobb-thresholds}" in text


def test_first_table_is_the_same_in_markdown_latex_and_on_the_page(suite):
    data = next(data for data in tables.write(suite) if data.leaderboard.dataset == "phantom")
    first = data.at(Place.MARKDOWN)[0]
    assert len(first.headings) <= 9
    assert table.markdown(first) in (suite / "leaderboard.md").read_text()
    assert table.latex(first, f"tab:demo-{table.anchor(first.title)}") in (suite / "leaderboard.tex").read_text()
    page = (suite / "index.html").read_text()
    buttons = re.findall(r'<th scope="col"><button type="button">(.*?)</button>', page)
    assert [html.unescape(heading) for heading in buttons[: len(first.headings)]] == list(first.headings)


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


def test_the_index_links_every_suite(suite):
    tables.index(suite.parent, {suite: tables.write(suite)})
    text = (suite.parent / "README.md").read_text()
    assert "| [demo](demo/leaderboard.md) | demo | `cam` 1.00 |" in text
    assert '<a href="demo/index.html">demo</a><td>demo<td><code>cam</code> 1.00' in (suite.parent / "index.html").read_text()


def test_failed_cell_has_scores_and_reason(records):
    failed = records[0].model_copy(update={"status": "failed", "reason": "2 failed cases"})
    assert leaderboard([failed]).methods[0].note == "failed: 2 failed cases"
    assert grouping.scored([failed], "single_box") == [failed]


def test_order_of_records_does_not_change_the_files(suite, tmp_path):
    handed = tmp_path / "handed" / "demo"
    sections = tables.write(handed, records=load(suite)[::-1])
    assert {p.name: p.read_bytes() for p in handed.iterdir()} == {p.name: p.read_bytes() for p in suite.iterdir() if p.is_file()}
    assert tables.headline(sections) == tables.headline(tables.write(suite))


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=y>",
        "[a](https://x.y)",
        "![a](x)",
        "[a][b]",
        "[a]: x",
        "https://x.y",
        "www.x.y",
        "```[a](x)`",
        "`a``[x](u)`",
        "<!-- a",
    ],
)
def test_text_of_others_makes_no_link_picture_or_html_in_markdown(text):
    markdown_it = pytest.importorskip("markdown_it")
    escaped = table.markdown_text(text)
    assert not re.search(r"<(a|img|!--)", markdown_it.MarkdownIt("commonmark").render(escaped))
    assert not re.search(r"https://|www\.", escaped), "GitHub makes links of them"
    assert "<img" not in str(table.marked(text))


def test_code_and_bold_words_stay_in_markdown():
    assert table.markdown_text("**Best**: `cam` [.1, .2] < 5") == "**Best**: `cam` [.1, .2] < 5"
