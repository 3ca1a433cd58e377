"""What the build adds to ``pyproject.toml``: the address of the repository, and README with absolute links.

The address is ``LOCUS_URL``, which the continuous integration sets. A wheel that is built from a source archive takes
it from the archive's PKG-INFO. Without an address, README's links stay as they are.
"""

import os
import re
from email import message_from_string
from pathlib import Path

from setuptools import setup

HOME = Path(__file__).resolve().parent
PAGES = {
    "Documentation": "blob/{tag}/docs/start.md",
    "Changelog": "blob/{tag}/CHANGELOG.md",
    "Issues": "issues",
}
"""Label of a link on the package index -> its address below that of the repository."""
LINK = re.compile(r"(?P<before>\]\(|src=\")(?!https?:|#)(?P<path>[^)\"]+)")
PICTURES = (".svg", ".png")


def version() -> str:
    """Return the version of the package, without importing it."""
    text = (HOME / "locus" / "__init__.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.*)"$', text, re.MULTILINE)[0]


def address() -> str:
    """Return the address of the repository; empty if the build does not know it."""
    archive = HOME / "PKG-INFO"
    stated = message_from_string(archive.read_text(encoding="utf-8") if archive.is_file() else "")
    links = dict(entry.split(", ", 1) for entry in stated.get_all("Project-URL", []))
    return os.environ.get("LOCUS_URL", "").rstrip("/") or links.get("Source", "")


def absolute(text: str, url: str, tag: str) -> str:
    """Return Markdown whose relative links and pictures point into the repository at ``url``.

    >>> absolute('[a](docs/a.md#b) <img src="b.svg">', "https://host/x", "v1")
    '[a](https://host/x/blob/v1/docs/a.md#b) <img src="https://host/x/raw/v1/b.svg">'
    """

    def link(found: re.Match[str]) -> str:
        kind = "raw" if found["path"].endswith(PICTURES) else "blob"
        return f"{found['before']}{url}/{kind}/{tag}/{found['path']}"

    return LINK.sub(link, text)


def main() -> None:
    """Build the package."""
    url, tag = address(), f"v{version()}"
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    links = {label: f"{url}/{path.format(tag=tag)}" for label, path in PAGES.items()}
    setup(
        long_description=absolute(readme, url, tag) if url else readme,
        long_description_content_type="text/markdown",
        project_urls={"Source": url, **links} if url else {},
    )


if __name__ == "__main__":
    main()
