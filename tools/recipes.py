"""Write the comparison of three training recipes on radiographs into docs/limits.md.

    python -m tools.recipes

The rows are those of the small CNN with PCAM in the leaderboards of the suites. They differ in what the network saw
before the labels of radiographs: findings drawn by the statistics of NIH's boxes, or at uniform positions.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "limits.md"
MARK = "<!-- recipes -->\n"
RECIPES = {
    "nih-sample": "findings drawn by the statistics of NIH's boxes (published recipe)",
    "nih-sample-uniform": "findings drawn at uniform positions, sizes from one range",
    "nih-sample-labels": "none: image labels only, 30 epochs",
}
"""Suite -> the first training of its networks."""
FIVE_METHODS = ("gradcam", "gradcampp", "hirescam", "layercam", "xgradcam")
"""Methods of the mean: the fast ones among those that represent a network in `nih-sample`."""
SCORE = "hit@iou.3"
NETWORK = "small CNN with PCAM"
HEADER = (
    "first training",
    "suite",
    "runs",
    "AUROC",
    "`fullgrad` [95%]",
    "mean of five methods",
    "`fullgrad` − `prior` [95%]",
)


def table(results: Path) -> str:
    """Return the Markdown table of the recipes, from the leaderboards below the folder ``results``."""
    lines = [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    for suite, first_training in RECIPES.items():
        rows = rows_of_network(results / suite / "leaderboard.csv")
        lines.append(f"| {' | '.join([first_training, f'`{suite}`', *_cells(rows)])} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, results: Path) -> str:
    """Return the text of a page with the table between its two marks."""
    return replaced(page, MARK, table(results))


def replaced(page: str, mark: str, text: str) -> str:
    """Return the text of a page with ``text`` between its two marks."""
    before, _, after = page.split(mark)
    return mark.join([before, text, after])


def rows_of_network(
    leaderboard: Path, network: str = NETWORK, kind: str = "method"
) -> pd.DataFrame:
    """Return the rows of a ``network`` by method, or its baselines, without options of training for localization."""
    rows = pd.read_csv(leaderboard)
    of_network = rows[rows["network"] == network]
    return of_network[of_network["kind"] == kind].set_index("method")


def _cells(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the cells of a row of the table, from the number of runs on."""
    fullgrad = rows.loc["fullgrad"]
    yield f"{fullgrad['runs']:.0f}"
    yield number(fullgrad["auroc"])
    yield f"{number(fullgrad[SCORE])} [{number(fullgrad['low'])}, {number(fullgrad['high'])}]"
    yield number(rows.loc[list(FIVE_METHODS), SCORE].mean())
    yield over_prior(fullgrad)


def over_prior(row: pd.Series) -> str:
    """Return the difference of a row of a leaderboard from ``prior``, with its interval."""
    return _interval(row, ("prior_difference", "prior_low", "prior_high"))


def added(row: pd.Series) -> str:
    """Return what the map of a row of a leaderboard adds to ``prior``, with its interval."""
    return _interval(row, ("added", "added_low", "added_high"))


def number(value: float) -> str:
    """Return a share as in the tables: ``.342``."""
    return f"{value:.3f}".replace("0.", ".", 1)


def _interval(row: pd.Series, columns: Sequence[str]) -> str:
    """Return a difference with its interval from three ``columns`` of a row."""
    difference, low, high = (_signed(row[name]) for name in columns)
    return f"{difference} [{low}, {high}]"


def _signed(value: float) -> str:
    """Return a difference with its sign: ``+.083``, ``−.004``."""
    sign = "−" if value < 0 else "+"
    return sign + number(abs(value))


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), ROOT / "results"))
