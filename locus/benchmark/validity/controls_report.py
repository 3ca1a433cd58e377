"""Report of the check ``controls``: what maps show of the class, of what the network uses, and of a shortcut."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from locus.benchmark.report import NOTES, charts, grouping
from locus.benchmark.report.case_columns import CaseColumns, read_columns
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.grouping import Interval, Row, basis_lines, counted, run_names, without_marker
from locus.benchmark.report.leaderboard import Leaderboard, auroc_by_model
from locus.benchmark.report.main_table import auroc_words
from locus.benchmark.report.page import CheckReport
from locus.benchmark.report.table import NOTHING, Table, of_interval, short
from locus.benchmark.scoring.statistics import mrmc
from locus.benchmark.scoring.statistics.mrmc import RowSamples, leave_one_out
from locus.benchmark.scoring.statistics.rank_reversals import MIN_RANKED_METHODS, agreement
from locus.benchmark.scoring.statistics.resample import MIN_PATIENTS, CaseGroups, CaseIndex
from locus.benchmark.scoring.statistics.summary import Column, estimate, scores
from locus.core.names import CONTROLS, MAIN, NOISE, PRIOR, UNRANKED_METHODS, UPPER_BOUND
from locus.core.types import FloatArray

COLUMNS = (MAIN, "own", "swap", "fall", "use", "sufficiency", "weights", "marker", "marker_change")
"""Columns of the rows per case."""
HEADINGS = {
    MAIN: "hits, IoU > .3",
    "own": "two findings: own map",
    "swap": "the other's map",
    "use": "use",
    "sufficiency": "sufficiency",
    "seen": "shortcut: sensitivity",
    "spared": "specificity",
    "weights": "random weights",
}
"""Answer -> its heading."""
PANELS = {
    "class": "class: own map − the other's",
    "use": "use",
    "seen": "shortcut: sensitivity",
    "weights": "correlation, random weights",
}
"""Answer -> title of its panel in the chart."""
CHANCE_PERCENTILE = 95
"""Percentile of the marker's effect in networks without the shortcut, above which a network uses the marker."""
MIN_USED = 0.1
"""Smallest share of the images on which a network uses the marker for a sensitivity: twice that of chance."""
HEAD = ("network", "AUROC", "runs", "runs with marker", "uses the marker", "τ: hits, use", "τ: hits, sensitivity")


@dataclass(frozen=True, eq=False)
class MethodAnswers:
    """The answers of a method on one network."""

    row: Row
    values: Mapping[str, Interval]
    """Answer -> value with its interval."""
    samples: Mapping[str, RowSamples]
    """Answer -> scores by training run and patient."""

    @property
    def is_method(self) -> bool:
        """Whether it is no baseline."""
        return self.row.name not in UNRANKED_METHODS

    def value(self, name: str) -> float | None:
        """Return the value of an answer; None without one."""
        return self.values[name].value if name in self.values else None

    def words(self, name: str) -> str:
        """Return an answer with its interval."""
        return of_interval(self.values.get(name, Interval(None)))


@dataclass(frozen=True, eq=False)
class NetworkAnswers:
    """The methods of one network, and how often it uses the marker after training with it."""

    name: str
    methods: tuple[MethodAnswers, ...]
    used: tuple[int, int, int] | None
    """Images on which the logit depends on the marker, and all with a marker, over the runs; number of runs."""

    def best(self, name: str) -> MethodAnswers | None:
        """Return the method with the highest value of an answer."""
        having = [(value, one) for one in self.methods if one.is_method and (value := one.value(name)) is not None]
        return max(having, key=lambda pair: pair[0])[1] if having else None

    def of(self, name: str, answer: str) -> str:
        """Return an answer of a baseline in words."""
        return next((one.words(answer) for one in self.methods if one.row.name == name), NOTHING)


@lru_cache(maxsize=4)
def networks(board: Leaderboard) -> tuple[NetworkAnswers, ...]:
    """Return the networks trained without a marker, with what those trained with one show; these come first."""
    records = grouping.of_protocol(board.records, board.dataset, ControlsReport.check)
    if not records:
        return ()
    columns = read_columns(records, board.folders, COLUMNS)
    groups = grouping.trainings(record for record in records if record.key in columns.columns)
    rows = grouping.told_apart([Row.of(runs) for runs in groups])
    is_marked = {row: "marker=" in str(row.cell.data.get("dataset", "")) for row in rows}
    marked = {(without_marker(row.cell), row.name): row for row in rows if is_marked[row]}
    unmarked = grouping.by_network([row for row in rows if not is_marked[row]])
    of_groups = [_network(group, marked, columns) for group in unmarked.values()]
    return tuple(sorted(of_groups, key=lambda network: network.used is None))


def _network(
    rows: Sequence[Row], marked: Mapping[tuple[tuple[str, ...], str], Row], columns: CaseColumns
) -> NetworkAnswers:
    methods, used = [], None
    for row in rows:
        wide = {name: _wide(row, columns, name) for name in COLUMNS}
        wide["class"] = wide["own"] - wide["swap"]
        parts = {name: (row, wide[name], np.isfinite(wide[name])) for name in (MAIN, "own", "swap", "class", "weights")}
        parts |= {name: (row, wide[name], np.nan_to_num(wide["fall"])) for name in ("use", "sufficiency")}
        effect = np.abs(wide["marker_change"])
        if (other := marked.get((without_marker(row.cell), row.name))) is not None and np.isfinite(effect).any():
            limits = np.nanpercentile(effect, CHANCE_PERCENTILE, axis=0)
            change = np.abs(_wide(other, columns, "marker_change"))
            uses = change > limits.mean()
            if uses.sum() >= MIN_USED * np.isfinite(change).sum():
                parts["seen"] = other, _wide(other, columns, "marker"), uses
            parts["spared"] = row, 1 - wide["marker"], effect <= limits
            used = max(used or (0, 0, 0), (int(uses.sum()), int(np.isfinite(change).sum()), len(other.runs)))
        found = {name: answer for name, part in parts.items() if (answer := _answer(name, *part, columns)) is not None}
        values = {name: value for name, (value, _) in found.items()}
        methods.append(MethodAnswers(row, values, {name: samples for name, (_, samples) in found.items()}))
    order = sorted(methods, key=lambda one: (not one.is_method, -(one.value("use") or one.value("own") or 0)))
    return NetworkAnswers(rows[0].network, tuple(order), used)


def _wide(row: Row, columns: CaseColumns, name: str) -> FloatArray:
    """Return a column (K,S) of the row's S runs; nan where a case has no value."""
    if name not in columns.rows.column_names:
        return np.full((len(columns.findings), len(row.runs)), np.nan)
    return columns.wide([record.key for record in row.runs], name)


def _answer(
    name: str, row: Row, part: FloatArray, whole: ArrayLike, columns: CaseColumns
) -> tuple[Interval, RowSamples] | None:
    """Return the mean over findings of sums of ``part`` over sums of ``whole``, (K,S); None if nothing is known."""
    over = np.asarray(whole, np.float64)
    known = (over != 0).any(1)
    if not known.any():
        return None
    findings, patients, over = columns.findings[known], columns.patients[known], over[known]
    values, n = np.where(over != 0, part[known], 0), int((over != 0).sum(0).max())
    theta, left_out = leave_one_out(values, over, CaseGroups.of(findings, patients))
    is_share = name not in ("class", "use", "sufficiency", "weights")  # others may be negative
    ends: tuple[float | None, float | None] = (None, None)
    if left_out.shape[1] >= MIN_PATIENTS and len(row.runs) == 1:
        names, index = [*np.unique(findings)], CaseIndex.of(findings.tolist(), patients.tolist())
        column = Column("pointing" if is_share else name, "none", values[:, 0], over[:, 0])
        mean = scores(estimate([column], index, names, 0), names)[-1]
        ends = mean.low, mean.high
    elif left_out.shape[1] >= MIN_PATIENTS:
        zero = np.zeros_like(theta), np.zeros_like(left_out)
        of = mrmc.interval(theta, left_out) if is_share else mrmc.difference((theta, left_out), zero)
        ends = of.low, of.high
    return Interval(float(theta.mean()), *ends, n=n), RowSamples(run_names(row.runs), theta, left_out)


class ControlsReport(CheckReport):
    """Answers per method, the networks, and whether methods that localize well also show what is used."""

    check = CONTROLS
    question = "Does a heat map show the class, what the network used, and a shortcut?"
    shown = 4
    limit = "Other networks, findings and markers."

    def tables(self) -> list[Table]:
        """Return a table of methods per network, then the networks."""
        found = networks(self.leaderboard)
        made = [self._methods(network, NOTES["controls"] if network is found[0] else "") for network in found]
        about = NOTES["controls_networks"]
        return [*made, Table(f"{self.dataset}: networks", about, HEAD, tuple(map(self._network, found)))]

    def _methods(self, network: NetworkAnswers, note: str) -> Table:
        basis = basis_lines([one.row for one in network.methods], "chosen on other patients, for each finding")
        names = [name for name in HEADINGS if any(name in one.values for one in network.methods)]
        lines = [
            (one.row.name, *map(one.words, names), str(one.values.get(MAIN, Interval(None)).n))
            for one in network.methods
        ]
        head = ("method", *(HEADINGS[name] for name in names), "cases")
        return Table(f"{self.dataset}: {network.name}", f"{note}\n{basis}".strip(), head, tuple(lines))

    def _network(self, network: NetworkAnswers) -> tuple[str, ...]:
        runs, auroc = network.methods[0].row.runs, auroc_by_model(self.leaderboard.records)
        known = [auroc[run.cell.model_key] for run in runs if run.cell.model_key in auroc]
        mean = auroc_words(sum(known) / len(known)) if known else NOTHING
        uses = ("0", NOTHING) if network.used is None else (str(network.used[2]), "{} of {}".format(*network.used))
        return (network.name, mean, str(len(runs)), *uses, *(_agreement(network, name) for name in ("use", "seen")))

    def in_short(self) -> str:
        """Return how often the best method hits with its own map, and with that of the other finding."""
        found = networks(self.leaderboard)
        top = found[0].best("class") if found else None
        if top is None:
            return super().in_short()
        own, other = short(top.values["own"].value), short(top.values["swap"].value)
        return f"`{top.row.name}` hits {own} with its own map, {other} with the other finding's"

    def sentences(self) -> Iterator[str]:
        """Yield one line per question."""
        found = networks(self.leaderboard)
        if not found:
            return
        first = found[0]
        if (top := first.best("class")) is not None:
            having = [one for one in first.methods if one.is_method and "class" in one.values]
            equal = [
                f"`{one.row.name}`" for one in having if (one.values["class"].low or 0) <= 0
            ]  # None: never differs
            same = f" No difference is shown for {grouping.listed(equal)}." if equal else ""
            own, swap, n = top.words("own"), top.words("swap"), top.values["own"].n
            yield NOTES["controls_class"].format(network=first.name, top=top.row.name, own=own, n=n, swap=swap) + same
        if (top := first.best("use")) is not None:
            others = ", ".join(f"`{name}` {first.of(name, 'use')}" for name in (UPPER_BOUND, PRIOR, NOISE))
            use, tau = top.words("use"), _agreement(first, "use")
            yield NOTES["controls_use"].format(top=top.row.name, use=use, others=others, tau=tau)
        if first.used is None:
            return
        uses, images, runs = first.used
        based = f"{uses} of {images} images ({counted(runs, 'run')})"
        if (top := first.best("seen")) is None:
            yield NOTES["controls_not_used"].format(based=based)
        else:
            noise, seen, spared = first.of(NOISE, "seen"), top.words("seen"), top.words("spared")
            of_top = {"top": top.row.name, "seen": seen, "noise": noise, "spared": spared}
            yield NOTES["controls_shortcut"].format(based=based, **of_top)

    def chart(self) -> Chart | None:
        """Draw one panel per question with a dot and an interval per method and network."""
        found = networks(self.leaderboard)
        if not found:
            return None
        names = [one.row.name for one in found[0].methods]
        rows = {network.name: {one.row.name: one.values for one in network.methods} for network in found}
        values = {
            title: {name: [of.get(word, {}).get(answer) for word in names] for name, of in rows.items()}
            for answer, title in PANELS.items()
            if any(answer in of for methods in rows.values() for of in methods.values())
        }
        about = f"{self.dataset}: one panel per question, a dot per method with its 95% interval, a colour per network."
        return charts.intervals(values, names, about)


def _agreement(network: NetworkAnswers, answer: str) -> str:
    """Return Kendall's tau of the methods by hits and by an ``answer``, with its interval; a dash for few methods."""
    having = [one for one in network.methods if one.is_method and answer in one.samples]
    if len(having) < MIN_RANKED_METHODS:
        return NOTHING
    of = agreement(*({one.row.name: one.samples[name] for one in having} for name in (MAIN, answer)))
    return f"{short(of.tau)} [{short(of.low)}, {short(of.high)}]"
