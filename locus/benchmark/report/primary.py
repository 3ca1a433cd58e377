"""The comparison that a suite makes before all others: ``primary`` in its file.

``Primary``    at most three contrasts of a method with the baselines that see no image, and the analyses of them
``Finding``    one contrast in one analysis; ``findings`` computes all of them from the leaderboards
``table``, ``sentences``   what a page shows of them

The contrasts are tested first, with Holm's correction over them alone. The p-value of a contrast is the larger one of
its floors. All other rows are tested afterwards: see ``comparisons.primary_first``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
import pydantic

from locus.benchmark.report.formats import NOTHING, number, p_value
from locus.benchmark.report.grouping import Row
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import Table
from locus.core.scores import Difference
from locus.scoring.statistics.mrmc import ALPHA
from locus.scoring.statistics.resample import holm

Floor = Literal["prior", "fixed_box"]
MAX_CONTRASTS = 3
FLOORS = get_args(Floor)
"""Baselines that a contrast must be above, in the order of the columns."""
HEADER = (
    "thresholds and floors",
    "network",
    "method",
    "IoU > .3",
    *(f"− {name}" for name in FLOORS),
    "p",
    "after Holm",
    "status",
)
ABOUT = (
    "Tested before all other rows. p: the larger one of the floors of this analysis; Holm's correction is over "
    "the contrasts of the analysis. Differences have 95% intervals over patients and training runs."
)
INCLUDED = "Each resample of patients chooses the thresholds again and makes the floors again."
HELD_FIXED = "The intervals hold the floors fixed and are too narrow: `floors.parquet` is missing or has other cases."


class _Section(pydantic.BaseModel):
    """A section of ``primary`` in a suite's file."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Contrast(_Section):
    """A method on a network, compared with the baselines."""

    network: str
    """Name of the model without its seed: ``custom-PCAM-128px``."""
    method: str

    def is_of(self, row: Row) -> bool:
        """Whether ``row`` has this network and method."""
        cell = row.runs[0].cell
        return (cell.model_of_any_seed, cell.method) == (self.network, self.method)


class Analysis(_Section):
    """How the contrasts are tested, and when that was decided."""

    fitted_on: str | None = None
    """Suite that chose the thresholds and the floors; none: they are cross-fitted."""
    floors: Annotated[list[Floor], pydantic.Field(min_length=1)] = ["prior", "fixed_box"]
    """The baselines that a method must be above."""
    status: Literal["confirmation", "evidence"]
    """``confirmation``: fixed before the images were scored; ``evidence``: decided afterwards."""
    chosen: str
    """Where and when it was chosen: a sentence."""


class Primary(_Section):
    """The contrasts of a suite and their analyses."""

    contrasts: Annotated[list[Contrast], pydantic.Field(min_length=1, max_length=MAX_CONTRASTS)]
    analyses: Annotated[list[Analysis], pydantic.Field(min_length=1)]
    registered: str = ""
    """The analysis of the next images, with the date of its registration: a sentence."""

    def is_tested_first(self, row: Row) -> bool:
        """Whether ``row`` is a contrast that an analysis with its thresholds compares with all floors."""
        sources = [
            analysis.fitted_on for analysis in self.analyses if {*analysis.floors} == {*FLOORS}
        ]
        return row.cell.fitted_on in sources and any(
            contrast.is_of(row) for contrast in self.contrasts
        )


@dataclass(frozen=True, eq=False)
class Finding:
    """The differences of one contrast from the floors of one analysis."""

    analysis: Analysis
    row: Row
    floors: tuple[Difference, ...]
    p: float
    """The larger p-value of the two floors."""
    corrected: float
    """The same after Holm's correction over the contrasts."""

    @property
    def is_significant(self) -> bool:
        """Whether the row is above all floors after the correction."""
        lows = [gap.estimate.low for gap in self.floors]
        return self.corrected <= ALPHA and all(low is not None and low > 0 for low in lows)

    @property
    def status(self) -> str:
        """What the finding is: confirmed, evidence, or neither."""
        if self.analysis.status == "confirmation":
            return "confirmed" if self.is_significant else "not confirmed"
        return "evidence, not confirmation" if self.is_significant else "not shown"


def findings(primary: Primary, boards: Sequence[Leaderboard]) -> list[Finding]:
    """Return the findings of all analyses; contrasts whose rows are not on the ``boards`` are left out."""
    return [
        finding
        for analysis in primary.analyses
        for finding in _of_analysis(primary, analysis, boards)
    ]


def _of_analysis(
    primary: Primary, analysis: Analysis, boards: Sequence[Leaderboard]
) -> list[Finding]:
    methods = [row for board in boards for row in board.methods]
    rows = [row for row in methods if row.cell.fitted_on == analysis.fitted_on]
    floors_of: dict[Row, tuple[Difference, ...]] = {}
    for contrast in primary.contrasts:
        for row in rows:
            floors = _floors(row, analysis)
            if contrast.is_of(row) and len(floors) == len(analysis.floors):
                floors_of[row] = floors
    largest = [max(gap.single_p or 0.0 for gap in floors) for floors in floors_of.values()]
    corrected = holm(np.array(largest)).tolist()
    return [
        Finding(analysis=analysis, row=row, floors=floors, p=p, corrected=after)
        for (row, floors), p, after in zip(floors_of.items(), largest, corrected, strict=True)
    ]


def _floors(row: Row, analysis: Analysis) -> tuple[Difference, ...]:
    """Return the differences of the row from the floors of the analysis that were tested."""
    return tuple(
        gap
        for gap in row.over_baselines
        if gap.other in analysis.floors and gap.single_p is not None
    )


def table(primary: Primary | None, boards: Sequence[Leaderboard]) -> Table:
    """Return a line per finding; no line without ``primary``."""
    lines = [] if primary is None else [_line(finding) for finding in findings(primary, boards)]
    return Table("Primary comparison", ABOUT, HEADER, tuple(lines))


def _line(finding: Finding) -> tuple[str, ...]:
    gaps = {gap.other: number(gap.estimate) for gap in finding.floors}
    return (
        _source(finding.analysis),
        finding.row.network,
        finding.row.name,
        number(finding.row.main),
        *(gaps.get(name, NOTHING) for name in FLOORS),
        p_value(finding.p),
        p_value(finding.corrected),
        finding.status,
    )


def _source(analysis: Analysis) -> str:
    return "cross-fitted" if analysis.fitted_on is None else f"from {analysis.fitted_on}"


def sentences(primary: Primary | None, boards: Sequence[Leaderboard]) -> Iterator[str]:
    """Yield a line per analysis with its findings and when it was chosen, then the registered analysis."""
    if primary is None:
        return
    all_findings = findings(primary, boards)
    for analysis in primary.analyses:
        in_words = [_words(finding) for finding in all_findings if finding.analysis == analysis]
        if in_words:
            title = f"**Primary comparison**, thresholds and floors {_source(analysis)}"
            analysis_sentences = [f"{title}: {'; '.join(in_words)}.", analysis.chosen.strip()]
            analysis_sentences.append(_resamples(analysis, boards))
            yield " ".join(filter(None, analysis_sentences))
    if primary.registered:
        yield f"**Registered** for the next images: {primary.registered}"


def _resamples(analysis: Analysis, boards: Sequence[Leaderboard]) -> str:
    """Say what the intervals of a cross-fitted analysis include; empty for other analyses and without resamples."""
    cross_fitted = [
        board for board in boards if board.methods and board.methods[0].cell.fitted_on is None
    ]
    made_again = [board.floors_are_made_again for board in cross_fitted]
    if analysis.fitted_on is not None or not made_again or made_again[0] is None:
        return ""
    return INCLUDED if made_again[0] else HELD_FIXED


def _words(finding: Finding) -> str:
    """Say how far the row is above each floor, and what that is worth."""
    gaps = " and ".join(f"{number(gap.estimate)} above `{gap.other}`" for gap in finding.floors)
    p = f"p {p_value(finding.corrected)} after Holm"
    score = number(finding.row.main)
    return f"`{finding.row.name}` on {finding.row.network} {score}, {gaps}, {p}: {finding.status}"
