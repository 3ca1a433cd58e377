"""Which networks were measured on which images, and what is still to be run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from locus.benchmark.report.formats import number
from locus.benchmark.report.grouping import Row
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.page import DatasetTables
from locus.benchmark.report.table import Table
from locus.core import names

BACKBONES = (
    "custom",
    "small_vit",
    "small_vit:class_token=True",
    "resnet18:stride=8",
    "densenet121:stride=8",
    "efficientnet_b0:stride=8",
)
POOLINGS = ("AVG", "LSE", "PCAM")
OWN_POOLINGS = {"small_vit:class_token=True": ("TOKEN",)}
"""Backbone -> its poolings, if they are not ``POOLINGS``."""
IMAGES = {"phantom": "phantom", "nih-sample": "NIH radiographs"}
"""Suite -> heading of its column."""
TITLE = "Networks"
ABOUT = (
    "A cell has the AUROC of a network, without attention layers and training options for localization, and its best "
    "method with the share of boxes hit at IoU > .3. An empty cell has the line that fills it: add it to `models` in "
    "`configs/suites/SUITE.yaml`, then run `python -m benchmark.run --suite SUITE`, where SUITE is `phantom` or "
    "`nih-sample`."
)


def networks(suites: Mapping[Path, Sequence[DatasetTables]]) -> Table | None:
    """Return the table of backbones and poolings; None if a suite of ``IMAGES`` is not among ``suites``.

    ``suites``: folder of each suite -> its tables.
    """
    boards = {
        folder.name: tables[0].leaderboard
        for folder, tables in suites.items()
        if folder.name in IMAGES
    }
    if len(boards) < len(IMAGES):
        return None
    rows = []
    for backbone in BACKBONES:
        for pooling in OWN_POOLINGS.get(backbone, POOLINGS):
            cells = [_cell(boards[suite], backbone, pooling) for suite in IMAGES]
            rows.append((names.backbone_words(backbone), pooling, *cells))
    return Table(TITLE, ABOUT, ("backbone", "pooling", *IMAGES.values()), tuple(rows))


def _cell(board: Leaderboard, backbone: str, pooling: str) -> str:
    """Return AUROC and best method of a network, or the line of a suite's file that adds it."""
    best = next((row for row in board.methods if _is_plain(row, backbone, pooling)), None)
    if best is None:
        return f'`- {{backbone: "{backbone}", global_pool: {pooling}}}`'
    auroc = "" if best.auroc is None else f"{number(best.auroc, digits=2)}; "
    return f"{auroc}`{best.name}` {number(best.main.value)}"


def _is_plain(row: Row, backbone: str, pooling: str) -> bool:
    """Return whether a row is of this network, without attention layer and training options for localization."""
    cell = row.cell
    has_options = cell.attention_map not in ("", "none") or names.augment_words(
        cell.recipe.get("augment", "")
    )
    return (cell.backbone, cell.global_pool) == (backbone, pooling) and not has_options
