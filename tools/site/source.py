"""Collect the sources of the site: Markdown files, generated pages and the configuration of Zensical."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from locus.benchmark.records.packed import RECORDS_FILE
from tools.site.parts import pages

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
"""Markdown link to a file: text, path, anchor."""
SHOWN = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "CITATION.cff",
    "docs",
    "results",
)
ANCHOR = re.compile(r'<a href="(?!https?:)([^"#]+)">(.*?)</a>')
"""HTML link to a file: path, text."""
KINDS = {".md", ".html", ".svg", ".png", ".csv", ".tex", ".cff", ""}


def write(folder: Path) -> Path:
    """Replace the content of ``folder`` by pages/ and the configuration; return the path of the configuration."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in shown():
        copy = folder / "pages" / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, copy)
    for kind, name, text in pages():
        path = folder / "pages" / "reference" / kind / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for page in (folder / "pages").rglob("*.md"):
        page.write_text(without_dead_links(page), encoding="utf-8")
    for page in (folder / "pages").rglob("*.html"):
        page.write_text(with_pages_of_the_site(page), encoding="utf-8")
    (folder / "pages" / "README.md").rename(folder / "pages" / "index.md")
    for name in ("site.css", "iframe-worker.js"):
        shutil.copy(HERE / name, folder / "pages")
    text = (HERE / "zensical.toml").read_text(encoding="utf-8")
    for kind in ("methods", "protocols"):
        listed = sorted((folder / "pages" / "reference" / kind).glob("*.md"))
        text = text.replace(
            f'"@{kind}"', ", ".join(f'"reference/{kind}/{page.name}"' for page in listed)
        )
    config = folder / "zensical.toml"
    config.write_text(text, encoding="utf-8")
    return config


def shown() -> list[Path]:
    """Return the files of the repository that are part of the site, as relative paths."""
    files = [file for name in SHOWN for file in _files(ROOT / name)]
    return [
        file.relative_to(ROOT)
        for file in files
        if file.suffix in KINDS or file.name == RECORDS_FILE
    ]


def without_dead_links(page: Path) -> str:
    """Return the text of a Markdown page; links to files outside the site are replaced by their text."""
    text = page.read_text(encoding="utf-8")
    return LINK.sub(lambda link: link[0] if _target(page, link[2]).exists() else link[1], text)


def with_pages_of_the_site(page: Path) -> str:
    """Return the text of an HTML page with links to the HTML pages of Markdown files and without dead links."""

    def link(anchor: re.Match[str]) -> str:
        target = _target(page, anchor[1])
        if target.suffix == ".md" and target.exists():
            return f'<a href="{anchor[1].removesuffix(".md")}.html">{anchor[2]}</a>'
        return anchor[0] if target.exists() else anchor[2]

    return ANCHOR.sub(link, page.read_text(encoding="utf-8"))


def _target(page: Path, path: str) -> Path:
    return Path(os.path.normpath(page.parent / path))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
