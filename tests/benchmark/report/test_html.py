"""The page of a suite: its values equal the records, nothing is loaded, and it works in a browser."""

import re
import shutil
from html.parser import HTMLParser

import pytest

from locus.benchmark.records import Cell, Record, Score, load, write
from locus.benchmark.report import tables
from locus.benchmark.report.page import Description
from locus.benchmark.report.table import anchor
from tests.benchmark.report.given import leaderboard, tables_on_page
from tests.browser import answers

EVIL = "<script>alert(1)</script>"
MAIN = "hit@iou.3"
BOARD = "phantom-hits-over-iou-and-iobb-thresholds"


class Reader(HTMLParser):
    """The tables of a page by the id of their section or heading, its ids, its links and whatever it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.ids, self.links, self.fetched, self.text, self.within, self.rows = [], [], [], [], "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.fetched += [given[name] for name in ("src", "href") if name in given and tag in ("script", "link", "img", "iframe")]
        self.within = [tag] if tag in ("script", "style") else []
        if tag == "table":
            self.rows = []
            self.tables.append(self.rows)
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
    """Four methods of three runs, two that point, and one record of a finding with a name that is a script."""
    folder = tmp_path_factory.mktemp("page") / "demo"
    shutil.copytree(three_trainings, folder)
    cell = Cell(dataset="NIH", backbone="evil", global_pool="AVG", method="cam", protocol="single_box", seed=0, model_id="m")
    scores = [Score(finding=f, metric=MAIN, value=0.25, low=0.125, high=0.5, n=8, threshold_source="cross-fitted") for f in (EVIL, "mean")]
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


def test_page_contains_each_table_with_all_rows(page, read):
    board = leaderboard(load(page.parent), folder=page.parent)
    shown = [[tuple(row) for row in table[1:]] for table in read.tables]
    for table in tables_on_page(board):
        assert [tuple(cell.replace("`", "") for cell in row) for row in table.rows] in shown, table.title
    assert len(read.ids) == len(set(read.ids))
    assert {anchor(table.title) for table in tables_on_page(board)[:1]} <= {*read.ids}


def test_page_loads_nothing_and_all_links_have_targets(page, read):
    assert [address for address in read.fetched if not address.startswith("data:")] == []
    assert not re.search(r"@import|url\((?!data:)", page.read_text().split("</style>")[0])
    assert {link[1:] for link in read.links if link.startswith("#")} <= {*read.ids}
    assert page.stat().st_size < 400e3


def test_page_has_the_answer_one_chart_per_data_set_and_what_the_tables_rest_on(page, read):
    text = " ".join(read.text.split())
    for words in ("Best: ", "three training runs", "501 patients", "drawn by code", f"no {EVIL}", "A <b> title", "About code & more."):
        assert words in text, words
    assert page.read_text().count("<svg") == 2


TABLE = f"#{BOARD} table"
QUESTIONS = {
    "rows": f"return document.querySelectorAll('{TABLE} tbody tr').length",
    "sorted": f"""const names = () => [...document.querySelectorAll('{TABLE} tbody tr')].map(row => row.cells[2].textContent);
        document.querySelector('{TABLE} th:nth-child(3) button').click(); await wait(); const down = names();
        document.querySelector('{TABLE} th:nth-child(3) button').click(); await wait(); return [down, names()]""",
    "columns": f"""const box = document.querySelector('#{BOARD} fieldset input:checked'), label = box.parentElement.textContent;
        const column = [...document.querySelectorAll('{TABLE} th')].findIndex(th => th.textContent.trim() === label);
        box.click(); await wait(); return document.querySelector('{TABLE} tbody tr').cells[column].classList.contains('off')""",
}


def test_browser_sorts_and_hides_columns(page, tmp_path):
    output = answers(page, QUESTIONS, tmp_path)
    assert output["problems"] == []
    assert output["rows"] == 4
    down, up = output["sorted"]
    assert (down, up) == (sorted(down, reverse=True), sorted(down))
    assert output["columns"] is True


def test_page_whose_networks_nobody_can_run_offers_no_command_for_them(page, tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(page.parent, folder)
    words = {}
    for can_be_run in (True, False):
        tables.write(folder, Description("t", command="python -m benchmark.run --suite demo", can_be_run=can_be_run))
        text = (folder / "index.html").read_text()
        words[can_be_run] = ["benchmark.gallery" in text, "path/to/file.py:MyCAM" in text]
    assert words == {True: [True, True], False: [False, False]}


def test_script_in_a_name_is_escaped(page):
    assert EVIL not in page.read_text()
