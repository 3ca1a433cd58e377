"""The documentation site: links, pages and building."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from locus import methods
from locus.scoring import protocols
from tools.site import source
from tools.site.parts import pages
from tools.site.pictures import draw_entries

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    source.write(folder / "site")
    return folder / "site"


def test_every_link_leads_to_a_file(site):
    files = [*PAGES, *site.rglob("*.md")]
    assert [file for file in files if source.without_dead_links(file) != file.read_text(encoding="utf-8")] == []


def test_every_page_of_docs_is_in_the_menu(site):
    text = (site / "zensical.toml").read_text()
    assert [page.name for page in PAGES[2:] if f'"docs/{page.name}"' not in text] == []
    assert set(tomllib.loads(text)) == {"project"}


def test_every_method_and_protocol_has_a_page():
    texts = {(kind, word): text for kind, word, text in pages()}
    assert {word for kind, word in texts if kind == "protocols"} == set(protocols.names())
    assert {word for kind, word in texts if kind == "methods"} == set(methods.names())
    assert "Features weighted by their positive gradients at each position" in texts["methods", "layercam"]


def test_the_site_is_built_without_warnings(site):
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("needs the extra docs: pip install -e '.[docs]'")
    command = [sys.executable, "-m", "zensical", "build", "-f", site / "zensical.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "No issues found" in done.stdout + done.stderr
    page = (site / "site" / "index.html").read_text(encoding="utf-8")
    asked = re.findall(r'<(?:script|link rel="stylesheet")[^>]* (?:src|href)="(?:\./)?([^"]+)"', page)
    assert {"site.css", "iframe-worker.js"} <= {*asked}
    assert [file for file in (*asked, "search.js") if not (site / "site" / file).exists()] == []


def test_the_figure_of_entries_shows_the_leaderboard():
    drawn = Image.open(ROOT / "docs" / "pictures" / "concept-entry.png").text["Description"]
    assert drawn == draw_entries(Figure().subplots()), "docs/pictures are stale: python -m tools.site.pictures"


def test_links_of_html_pages_lead_to_pages_of_the_site(site):
    links = [(page, link) for page in (site / "pages").rglob("*.html") for link, _ in source.ANCHOR.findall(page.read_text())]
    assert len(links) > 30
    targets = [page.parent / link for page, link in links]
    assert [file for file in targets if not (file.exists() or file.with_suffix(".md").exists())] == []
