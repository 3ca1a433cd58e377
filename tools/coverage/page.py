"""Write the page about the coverage of confidence intervals over training runs and patients."""

from collections.abc import Sequence

import pandas as pd

from locus.benchmark.report.table import Table, markdown
from tools.coverage.measure import CHOSEN, EXCLUSION, RULES, STATISTICS
from tools.coverage.words import ABOUT, COLUMNS, REASONS
from tools.coverage.worlds import RUNS

LOWEST = 0.93
"""Lowest coverage of a 95% interval that is not printed in bold."""
TWO, THREE, FIVE, _ = (" ".join(map(str, runs)) for runs in RUNS)
RANGED = (*STATISTICS, EXCLUSION)


def page(table: pd.DataFrame) -> str:
    """Return the whole page from the table of all settings."""
    percentages = figures(table)
    lowest = _rules(table, "coverage", "Lowest coverage", "In per cent, over all settings with equal numbers of runs.")
    parts = [
        ABOUT.format(**percentages),
        markdown(_summary(table)),
        REASONS.format(**percentages),
        markdown(lowest),
        markdown(_rules(table, "power", "Mean power", "In per cent, over the same settings.")),
    ]
    return "\n".join(parts)


def figures(table: pd.DataFrame) -> dict[str, str]:
    """Return the figures in the text of the page, in per cent."""

    def select(runs: str, names: Sequence[str], rule: str = CHOSEN) -> pd.DataFrame:
        selected = table.runs.isin(runs.split(", ")) & table.statistic.isin(names)
        return table[selected & (table.rule == rule)]

    def covered(runs: str, *names: str) -> str:
        return " to ".join(_per_cent(share) for share in select(runs, names).coverage.agg(["min", "max"]))

    def wrong(runs: str, rule: str = CHOSEN) -> str:
        return _per_cent(1 - select(runs, [EXCLUSION], rule).coverage.min())

    def worse_found(runs: str, rule: str, *patients: int) -> str:
        chosen = select(runs, [EXCLUSION], rule)
        return _per_cent(chosen[chosen.patients.isin(patients)].power.mean())

    return {
        "worlds": f"{int(table.worlds.min()):,}",
        "five": covered(FIVE, *STATISTICS),
        "row_3": covered(THREE, "row"),
        "row_2": covered(TWO, "row"),
        "wrong_3": wrong(THREE),
        "wrong_2": wrong(TWO),
        "nothing_3": wrong(THREE, "nothing"),
        "power_both": worse_found(THREE, "floor and cap", 30, 60),
        "power_floor": worse_found(THREE, CHOSEN, 30, 60),
        **{f"{rule}_{count}": worse_found(THREE, rule, count) for rule in (CHOSEN, "nothing") for count in (30, 500)},
        "high": covered(f"{TWO}, {THREE}, {FIVE}", *STATISTICS).split()[-1],
    }


def _summary(table: pd.DataFrame) -> Table:
    """Return a table with the lowest and the highest coverage per number of training runs."""
    ends = table[table.rule == CHOSEN].groupby(["runs", "statistic"], sort=False).coverage.agg(["min", "max"])
    rows = [
        (runs.replace(" ", ", "), *(" to ".join(map(_cell, ends.loc[(runs, name)])) for name in RANGED))
        for runs in _unique(table.runs)
    ]
    text = "Lowest and highest coverage over all settings, in per cent. Values below 93 are **bold**."
    return Table("Training runs", text, ("runs of each network", *(COLUMNS[name] for name in RANGED)), tuple(rows))


def _rules(table: pd.DataFrame, column: str, title: str, text: str) -> Table:
    """Return a table with the lowest coverage or the mean power per rule and number of training runs."""
    names = RANGED if column == "coverage" else RANGED[1:]
    equal = table[table.runs.map(lambda runs: len(set(runs.split())) == 1)]
    groups = equal.groupby(["runs", "rule", "statistic"])[column]
    numbers, show = (groups.min(), _cell) if column == "coverage" else (groups.mean(), _per_cent)
    rows = [
        (runs.split()[0], rule, *(show(numbers[runs, rule, name]) for name in names))
        for runs in _unique(equal.runs)
        for rule in RULES
    ]
    return Table(title, text, ("runs", "rule", *(COLUMNS[name] for name in names)), tuple(rows))


def _unique(values: pd.Series) -> list[str]:
    return list(dict.fromkeys(values))


def _cell(share: float) -> str:
    """Format a share in per cent, in bold if it is too low.

    >>> _cell(0.948), _cell(0.905)
    ('94.8', '**90.5**')
    """
    return _per_cent(share) if share >= LOWEST else f"**{_per_cent(share)}**"


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}"
