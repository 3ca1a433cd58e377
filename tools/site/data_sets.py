"""Write the table of data sets in docs/data_setup.md, from the attribute ``about`` of their classes.

python -m tools.site.data_sets
"""

from pathlib import Path

from locus import datasets

FILE = Path(__file__).resolve().parents[2] / "docs" / "data_setup.md"
MARK = "<!-- data sets -->\n"
HEADINGS = ("`--dataset`", "images", "access", "licence", "a box is", "cite")


def with_table(page: str) -> str:
    """Replace what is between the page's two marks by the table."""
    before, _, after = page.split(MARK)
    return MARK.join([before, table(), after])


def table() -> str:
    """Return a Markdown table with a row per data set."""
    rows = [HEADINGS, ("---",) * len(HEADINGS)]
    for name in datasets.names():
        about = datasets.REGISTRY.get(name).about
        first = f"`{name}`: {about.title}"
        rows.append((first, about.size, about.access, about.licence, about.boxes, about.citation))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    FILE.write_text(with_table(FILE.read_text(encoding="utf-8")), encoding="utf-8")
