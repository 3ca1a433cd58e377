"""The page of a suite: its values equal the records, and it works in a browser."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from locus.benchmark.records import Cell, Record, Score, load, write
from locus.benchmark.report import select, tables
from locus.benchmark.report.answer import by_finding
from locus.benchmark.report.entry import mean_record
from locus.benchmark.report.html import glossary, meaning
from locus.benchmark.report.page import Description
from locus.benchmark.report.table import Table, latex
from tests.benchmark.report.given import all_tables, leaderboard
from tests.browser import answers

EVIL = "<script>alert(1)</script>"
MAIN = "hit@iou.3"


class Reader(HTMLParser):
    """The tables of a page, its ids, its links and whatever it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.ids, self.links, self.fetched, self.text, self.within, self.rows = {}, [], [], [], "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.fetched += [given[name] for name in ("src", "href") if name in given and tag in ("script", "link", "img", "iframe")]
        self.within = [tag] if tag in ("script", "style") else []
        if tag == "table":
            self.rows = self.tables[given["id"]] = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.within = []
        self.rows = [] if tag == "table" else self.rows

    def handle_data(self, data):
        self.text += "" if self.within else data
        if self.rows and self.rows[-1] and not self.within:
            self.rows[-1][-1] += data.strip()


@pytest.fixture(scope="module")
def page(three_trainings, tmp_path_factory):
    """Four entries of three trainings, four that point, and one record of a finding with a name that is a script."""
    folder = tmp_path_factory.mktemp("page") / "demo"
    shutil.copytree(three_trainings, folder)
    cell = Cell(dataset="NIH", backbone="evil", global_pool="AVG", method="cam", protocol="locus", seed=0, model_id="m")
    scores = [Score(finding=f, metric=MAIN, value=0.25, low=0.125, high=0.5, n=8, threshold_origin="cross-fitted") for f in (EVIL, "mean")]
    write(Record(cell=cell, scores=tuple(scores)), folder)
    write(Record(cell=cell.model_copy(update={"method": "pcam"}), status="n/a", reason=f"no {EVIL}"), folder)
    for record in load("results/demo"):
        if record.cell.protocol == "pointing" and record.cell.method in ("cam", "prior"):
            write(record, folder)
    tables.write(folder, Description("A <b> title", "About `code` & more."))
    return folder / "index.html"


@pytest.fixture(scope="module")
def read(page):
    return Reader(page.read_text())


def test_leaderboard_values_equal_the_records(page, read):
    entries = leaderboard(load(page.parent), folder=page.parent).entries
    header, *rows = read.tables["phantom-methods-within-each-network"]
    values = sorted(re.match(r"[\d.]+", row[header.index(f"{MAIN} [95%]")])[0] for row in rows)
    assert values == sorted(f"{select.main_value(entry):.3f}" for entry in entries)
    assert len(values) == 4


def test_page_contains_each_table_once_with_all_rows(page, read):
    for table in all_tables(page.parent):
        name = re.sub(r"[^a-z0-9]+", "-", table.title.lower()).strip("-")
        assert [tuple(row) for row in read.tables[name][1:]] == [tuple(cell.replace("`", "") for cell in row) for row in table.rows]
    assert len(read.ids) == len(set(read.ids))


def test_page_loads_nothing_and_all_links_have_targets(page, read):
    assert [address for address in read.fetched if not address.startswith("data:")] == []
    assert not re.search(r"@import|url\((?!data:)", page.read_text().split("</style>")[0])
    assert {link[1:] for link in read.links if link.startswith("#")} <= {*read.ids}
    assert page.stat().st_size < 3e6


def test_answer_names_network_method_certainty_and_effect_of_another_run(read):
    text = " ".join(read.text.split())
    for words in (
        "averaged over the suite's rank_methods", "Method on custom ", "501 patients", "drawn by code", "seeds: [0, 1, 2, 3]",
        "Each network was trained 3 times (seeds 0, 1, 2)", "runs have a standard deviation of",
        "95% interval over training runs and patients, from 3 runs", "score [95%, this run only]",
        "95% interval over patients only, from one training run",  # of the other data set
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize("suite", ["demo", "phantom", "nih-sample"])
def test_answer_names_the_first_method_with_interval_and_difference_to_prior(suite):
    text = " ".join(Reader(Path(f"results/{suite}/index.html").read_text()).text.split())
    output = re.search(r"Method on (\w+) (\w+): (\w+) scores ([\d.]+) \[([\d.]+), ([\d.]+)\](.*?It .*?prior)", text)
    backbone, pooling, method, score, low, high, rest = output.groups()
    first = pd.read_csv(f"results/{suite}/leaderboard.csv").iloc[0]
    assert (backbone, pooling, method) == (first["backbone"], first["global_pool"], first["method"])
    ends = [first["low"], first["high"]] if first["trainings"] > 1 else [first["of_this_network_low"], first["of_this_network_high"]]
    assert [float(score), float(low), float(high)] == pytest.approx([first["score"], *ends], abs=6e-4)
    assert ("not shown to be above prior" in rest) == (first["above_prior_low"] <= 0 or first["p_holm"] > 0.05)


def test_script_in_a_name_is_escaped(page, read):
    assert EVIL not in page.read_text()
    assert [text for text in (EVIL, "A <b> title") if text not in read.text] == []


def test_latex_download_is_escaped_like_the_files():
    script = (Path(tables.__file__).parent / "templates/download.js").read_text()
    pairs = json.loads(re.search(r"const TEX = ({.*});", script)[1])
    for sign, text in pairs.items():
        assert f"{text} " in latex(Table("t", "", (sign,), ()), "t"), sign
    assert {*re.search(r"text.replace\(/\[(.*?)\]/g, letter", script)[1]} == {*pairs, *"&%$#_{}"}


def test_columns_are_explained():
    assert "chosen on the test annotations" in meaning("optimism")
    assert meaning("hit@iobb.5") == meaning("hit@iobb.25")
    assert set(glossary(["hit@iobb.5", "hit@iobb.25", "acc@iou.5"])) == {"hit@iobb.x", "acc@iou.x"}
    assert meaning("what nobody knows") == ""


@pytest.mark.byhand
def test_tied_rows_begin_with_the_one_compared_with_prior():
    def row(method, metric=MAIN, **ends):
        score = Score(finding="Mass", metric=metric, value=0.5, threshold_origin="cross-fitted", **ends)
        return Record(cell=Cell(dataset="NIH", backbone="a", method=method, protocol="locus"), scores=(score,))

    above = row("gradcam", "above_prior", low=0.1, high=0.9).scores
    entered = [row("cam"), row("gradcam").model_copy(update={"scores": (*row("gradcam").scores, *above)})]
    table = by_finding(entered, [*entered, row("prior")])
    ((finding, first, is_real, *_),) = table.rows
    assert (finding, first.split("`")[1], is_real) == ("Mass", "gradcam", "yes, and better than all others")


DOWNLOAD = """let made; const create = URL.createObjectURL, kind = window.Blob; URL.createObjectURL = () => '#';
        window.Blob = class { constructor(parts) { made = parts.join(''); } };
        document.querySelector('[data-download=%s]').click(); URL.createObjectURL = create; window.Blob = kind; return made"""
QUESTIONS = {
    "data set": """const select = document.querySelector('select[name=dataset]'); select.value = 'phantom';
        select.dispatchEvent(new Event('change', {bubbles: true})); await wait(); return location.hash""",
    "rows": "return document.querySelectorAll('#phantom-methods-within-each-network tbody tr:not(.off)').length",
    "best": "return document.querySelectorAll('#phantom-methods-within-each-network tr.may-be-best').length",
    "bars": "return document.querySelectorAll('#phantom-methods-within-each-network svg.bar line.ends').length",
    "charts": "await wait(); return document.querySelectorAll('[data-chart] svg').length > 2",
    "filtered": """const select = document.querySelector('select[name=pooling]'); select.value = 'PCAM';
        select.dispatchEvent(new Event('change', {bubbles: true})); await wait();
        return [location.hash, document.querySelectorAll('#phantom-methods-within-each-network tbody tr:not(.off)').length]""",
    "sorted": """document.querySelector('#phantom-methods-within-each-network th[data-name=method] button').click(); await wait();
        const buttons = document.querySelectorAll('#phantom-methods-within-each-network tbody tr:not(.off) td button.open');
        return [location.hash, [...buttons].map(button => button.textContent)]""",
    "finding": """location.hash = '#dataset=phantom&finding=Nodule&method=layercam'; await wait(); await wait();
        const row = document.querySelector('#phantom-methods-within-each-network tbody tr:not(.off)');
        return [document.querySelector('select[name=method]').value, row.dataset.entry, row.querySelector('td[data-mean]').textContent]""",
    "pointing": """const table = '#phantom-pointing-game';
        const names = () => [...document.querySelectorAll(`${table} th:not(.off)`)].map(th => th.dataset.name);
        location.hash = '#dataset=phantom&protocol=pointing&finding=Nodule'; await wait(); await wait();
        const row = document.querySelector(`${table} tbody tr`), ofFinding = names();
        const said = [row.dataset.entry, row.querySelector('td.main').textContent, document.querySelectorAll(`${table} svg.bar`).length];
        location.hash = '#dataset=phantom&protocol=pointing'; await wait(); await wait(); const ofMean = names();
        location.hash = '#dataset=phantom&finding=Nodule&method=layercam'; await wait(); await wait();
        return [...said, ofFinding, ofMean]""",
    "help": """const button = document.querySelector('button[data-word="pointing"]');
        button.dispatchEvent(new FocusEvent('focusin', {bubbles: true}));
        const help = document.querySelector('#help'); return [help.hidden, help.textContent, button.getAttribute('aria-describedby')]""",
    "matrix": """const cell = document.querySelector('table.matrix td.shaded');
        const ends = cell.querySelector('.ends');
        return ends === null || (getComputedStyle(ends).display === 'none' && cell.title.startsWith(cell.firstChild.textContent + ' ['))""",
    "word": """const link = [...document.querySelectorAll('.answer a')].find(a => a.textContent === 'hit@iou.3');
        return document.getElementById(decodeURIComponent(link.hash.slice(1))).nextElementSibling.textContent""",
    "record": """document.querySelector('#phantom-methods-within-each-network button.open').click(); await wait();
        const dialog = document.querySelector('dialog'); const said = [dialog.open, dialog.textContent]; dialog.close(); return said""",
    "first record": """document.querySelector('section[data-dataset=phantom] table.first tbody tr').cells[3].click(); await wait();
        const dialog = document.querySelector('dialog'); const said = dialog.textContent; dialog.close(); return said""",
    "n/a": """document.querySelector('#missing button.open').click(); await wait();
        const dialog = document.querySelector('dialog'); const said = dialog.textContent; dialog.close(); return said""",
    "csv": DOWNLOAD % "csv",
    "tex": f"location.hash = '#dataset=phantom&finding=Nodule'; await wait(); await wait(); {DOWNLOAD % 'tex'}",
    "columns": """location.hash = '#dataset=phantom&finding=Nodule&columns=method'; await wait(); await wait();
        return [...document.querySelectorAll('#phantom-methods-within-each-network th:not(.off)')].map(th => th.dataset.name)""",
    "one training": f"location.hash = '#dataset=NIH'; await wait(); await wait(); {DOWNLOAD % 'csv'}",
    "anchor": """location.hash = '#dataset=phantom&pooling=PCAM'; await wait(); await wait(); const before = scrollY;
        location.hash = '#words'; await wait(); await wait(); return [location.hash, before > 0]""",
    "first": """const link = document.querySelector('section[data-dataset=phantom] table.first a'); link.click(); await wait();
        const shown = [link.textContent, document.querySelector('select[name=finding]').value, location.hash];
        history.back(); await wait(); await wait(); await wait();
        return [...shown, document.querySelector('select[name=finding]').value]""",
}


def test_browser_sorts_filters_links_explains_and_opens_records(page, tmp_path):
    output = answers(page, QUESTIONS, tmp_path)
    assert output["problems"] == []
    assert (output["rows"], output["bars"], output["charts"]) == (4, 4, True)
    assert 1 <= output["best"] <= 4
    assert output["filtered"] == ["#dataset=phantom&pooling=PCAM", 2]
    assert output["sorted"] == ["#dataset=phantom&pooling=PCAM&sort=method", ["cam", "layercam"]]
    method, entry, visible = output["finding"]
    (row,) = (r for r in leaderboard(load(page.parent), folder=page.parent).entries if r.key == entry)
    assert method == row.cell.method == "layercam"
    key, pointed, bars, of_finding, of_mean = output["pointing"]
    (record,) = (r for r in load(page.parent) if r.key == key)
    score = record.find("pointing", "Nodule")
    assert pointed == f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}] (n {score.n})"
    assert bars == 3  # that of prior once
    assert of_finding == ["backbone", "pooling", "method", "pointing [95%]", "interval"]
    assert of_mean == ["backbone", "pooling", "method", "pointing", "pointing@15", "n cases"]
    assert output["anchor"] == ["#dataset=phantom&pooling=PCAM", True]
    finding, chosen, address, back = output["first"]
    assert (finding == chosen != back, f"finding={finding}" in address) == (True, True)
    assert visible.startswith(f"{select.main_score(row, 'Nodule').value:.3f} [")
    assert output["help"] == [False, meaning("pointing"), "help"]
    assert (output["matrix"], output["word"]) == (True, meaning("hit@iou.3"))
    is_open, text = output["record"]
    trainings = [r.key for r in select.main_records(load(page.parent), "phantom") if mean_record([r, r]).key == entry]
    assert (is_open, len(trainings)) == (True, 3)
    assert [word for word in ("3 records", "hit@iou.3 of this training", *trainings) if word not in text] == []
    assert [word for word in ("3 records", "score [95%]") if word not in output["first record"]] == []
    assert f"no {EVIL}" in output["n/a"]
    header, *lines = output["csv"].splitlines()
    assert header.endswith(",method,hit@iou.3,hit@iou.3_low,hit@iou.3_high,hit@iou.3_n,may be the best")
    cells = [line.split(",") for line in lines]
    assert [(line[0], line[-6]) for line in cells] == [("Nodule", "layercam")] * 2
    assert "yes" in {line[-1] for line in cells} <= {"yes", "no"}
    assert "methods within each network, Nodule}" in output["tex"]
    assert output["columns"] == ["method"]
    header, line = output["one training"].splitlines()
    row = dict(zip(header.split(","), line.split(","), strict=True))
    assert [row[name] for name in ("hit@iou.3", "this run only_low", "this run only_high")] == ["0.250", "0.125", "0.500"]
