"""The page that shows how often intervals over trainings and patients hold the truth."""

import pandas as pd

from benchmark.report.table import Table, markdown

LOWEST, HIGHEST = 0.93, 0.97
"""Shares of worlds that may be called 95 %."""
ABOUT = """# Do the intervals hold what they promise?

With five trainings or more they do. With three, nested differences do, rows and paired differences fall short by up to
four in 100. With two, only nested ones do: the others hold it in 86 to 95 of 100.

A row's 95 % interval speaks of the recipe: of a new training and new patients. Whether it holds the truth in 95 of 100
cases can only be seen where the truth is known, in simulated worlds. Made by `python -m tools.coverage` (minutes on one
core; what its table `tools/coverage/coverage.csv` has is not simulated again); the worlds are described in
`tools/coverage/worlds.py`.

`row`: the score of one entry; `paired`: two methods on the same trainings; `nested`: two networks, each with trainings
of its own, on the same patients. Seed's sd: of a row over trainings. Truth: the expectation over trainings and patients
of a row that is scored in the same way, thresholds chosen from as many patients (column `truth`). In per cent; what
lies outside 93 to 97 is **bold**. {worlds:,} worlds per figure: its own standard error is .5.
"""
HEADINGS = {
    (1, "fixed"): "One finding, a score without threshold",
    (1, "cross-fitted"): "One finding, cross-fitted thresholds",
    (8, "cross-fitted"): "Mean over eight findings, cross-fitted thresholds, two findings a patient",
}


def page(table: pd.DataFrame) -> str:
    """The whole page, from the table of all settings."""
    shown = [
        markdown(_section(title, table[(table.findings == findings) & (table.thresholds == origin)]))
        for (findings, origin), title in HEADINGS.items()
    ]
    return "\n".join([ABOUT.format(worlds=int(table.worlds.min())), markdown(_summary(table)), *shown])


def _summary(table: pd.DataFrame) -> Table:
    """A row per number of trainings: the lowest and the highest coverage over all settings, per statistic."""
    statistics = list(dict.fromkeys(table.statistic))
    ends = table.groupby(["trainings", "statistic"]).coverage.agg(["min", "max"])
    counts = sorted(set(table.trainings))
    rows = [(str(n), *(" to ".join(map(_cell, ends.loc[(n, name)])) for name in statistics)) for n in counts]
    return Table(
        "In short", "The lowest and the highest figure of all tables below.", ("trainings", *statistics), tuple(rows)
    )


def _section(title: str, table: pd.DataFrame) -> Table:
    """A row per number of trainings and patients, a column per statistic and seed's sd."""
    wide = table.pivot_table(
        index=["trainings", "patients"], columns=["statistic", "seed_sd"], values="coverage", sort=False
    ).sort_index()
    columns = [f"{statistic}, sd {sd:g}" for statistic, sd in wide.columns]
    rows = [
        tuple(map(str, index)) + tuple(map(_cell, row)) for index, row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return Table(title, _half_widths(table), ("trainings", "patients", *columns), tuple(rows))


def _half_widths(table: pd.DataFrame) -> str:
    """What an interval's half-width is at five trainings, 300 patients and a seed's sd of .025."""
    one = table[(table.trainings == 5) & (table.patients == 300) & (table.seed_sd == 0.025)]
    widths = ", ".join(f"{name} ±{width:.3f}" for name, width in zip(one.statistic, one.half_width, strict=True))
    return f"Half of the mean width with five trainings, 300 patients and a seed's sd of .025: {widths}."


def _cell(share: float) -> str:
    """A share in per cent, bold where it is not 95 %.

    >>> _cell(0.948), _cell(0.905)
    ('94.8', '**90.5**')
    """
    words = f"{100 * share:.1f}"
    return words if LOWEST <= share <= HIGHEST else f"**{words}**"
