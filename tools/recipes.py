"""Write the comparison of the two training recipes on radiographs into docs/limits.md.

    python -m tools.recipes

The rows are those of the small CNN with PCAM in the leaderboards of the suites. They differ in what the network saw
before the labels of radiographs: findings drawn by the statistics of NIH's boxes, or at uniform positions.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "limits.md"
MARK = "<!-- recipes -->\n"
RECIPES = {
    "nih-sample": "findings drawn by the statistics of NIH's boxes (published recipe)",
    "nih-sample-uniform": "findings drawn at uniform positions, sizes from one range",
}
"""Suite -> the first training of its networks."""
FIVE_METHODS = ("gradcam", "gradcampp", "hirescam", "layercam", "xgradcam")
"""Methods of the mean: the fast ones among those that represent a network in `nih-sample`."""
SCORE = "hit@iou.3"
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
        rows = _rows_of_network(results / suite / "leaderboard.csv")
        lines.append(f"| {' | '.join([first_training, f'`{suite}`', *_cells(rows)])} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, results: Path) -> str:
    """Return the text of a page with the table between its two marks."""
    before, _, after = page.split(MARK)
    return MARK.join([before, table(results), after])


def _rows_of_network(leaderboard: Path) -> pd.DataFrame:
    """Return the rows, by method, of the small CNN with PCAM that no option of training for localization changed."""
    rows = pd.read_csv(leaderboard)
    rows = rows[(rows["kind"] == "method") & (rows["backbone"] == "custom") & (rows["global_pool"] == "PCAM")]
    most_runs = rows[rows["runs"] == rows["runs"].max()]
    return most_runs.set_index("method")


def _cells(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the cells of a row of the table, from the number of runs on."""
    columns = ("auroc", SCORE, "low", "high", "prior_difference", "prior_low", "prior_high")
    fullgrad = {column: float(rows[column]["fullgrad"]) for column in columns}
    five = [float(rows[SCORE][method]) for method in FIVE_METHODS]
    yield f"{rows['runs']['fullgrad']:.0f}"
    yield _number(fullgrad["auroc"])
    yield f"{_number(fullgrad[SCORE])} [{_number(fullgrad['low'])}, {_number(fullgrad['high'])}]"
    yield _number(sum(five) / len(five))
    low, high = _signed(fullgrad["prior_low"]), _signed(fullgrad["prior_high"])
    yield f"{_signed(fullgrad['prior_difference'])} [{low}, {high}]"


def _number(value: float) -> str:
    """Return a share as in the tables: ``.342``."""
    return f"{value:.3f}".replace("0.", ".", 1)


def _signed(value: float) -> str:
    """Return a difference with its sign: ``+.083``, ``−.004``."""
    sign = "−" if value < 0 else "+"
    return sign + _number(abs(value))


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), ROOT / "results"))
