"""Report of the check ``controls``: what maps show of the class, of what the network uses, and of a shortcut."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.benchmark.baselines import is_baseline
from locus.benchmark.records import trainings
from locus.benchmark.report import NOTES, charts, grouping
from locus.benchmark.report.case_columns import CaseColumns, read_columns
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import (
    Row,
    basis_lines,
    counted,
    run_names,
)
from locus.benchmark.report.leaderboard import Leaderboard, auroc_by_model
from locus.benchmark.report.section import CheckReport
from locus.benchmark.report.table import Table
from locus.core.names import MAIN, NOISE, PRIOR, UPPER_BOUND
from locus.core.scores import Estimate
from locus.core.types import FloatArray
from locus.scoring.statistics import mrmc
from locus.scoring.statistics.mrmc import RowSamples, leave_one_out
from locus.scoring.statistics.rank_reversals import MIN_RANKED_METHODS, agreement
from locus.scoring.statistics.resample import MIN_PATIENTS, CaseGroups, CaseIndex
from locus.scoring.statistics.summary import Column, estimate, scores

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
SHARES = (MAIN, "own", "swap", "seen", "spared")
"""Answers between 0 and 1; the others may be negative."""
CHANCE_PERCENTILE = 95
"""Percentile of the marker's effect in networks without the shortcut, above which a network uses the marker."""
MIN_USED = 0.1
"""Smallest share of the images on which a network uses the marker for a sensitivity: twice that of chance."""
NETWORKS_HEAD = (
    "network",
    "AUROC",
    "runs",
    "runs with marker",
    "uses the marker",
    "τ: hits, use",
    "τ: hits, sensitivity",
)
NetworkAndMethod = tuple[tuple[str, ...], str]
"""What networks with and without a marker share, and the name of a method."""


@dataclass(frozen=True, eq=False)
class MethodAnswers:
    """The answers of a method on one network."""

    row: Row
    values: Mapping[str, Estimate]
    """Answer -> value with its interval."""
    samples: Mapping[str, RowSamples]
    """Answer -> scores by training run and patient."""

    @property
    def is_method(self) -> bool:
        """Whether it is no baseline."""
        return not is_baseline(self.row.name)

    def value(self, name: str) -> float | None:
        """Return the value of an answer; None without one."""
        return self.values[name].value if name in self.values else None

    def words(self, name: str) -> str:
        """Return an answer with its interval."""
        return number(self.values.get(name, Estimate(None)))

    @property
    def rank_key(self) -> tuple[bool, float]:
        """Key that sorts methods before baselines, and each by ``use`` or, without it, by ``own``."""
        value = self.value("use")
        if value is None:
            value = self.value("own")
        return not self.is_method, 0.0 if value is None else -value


@dataclass(frozen=True)
class MarkerUse:
    """How often a network uses the marker after training with it."""

    images: int
    """Images on which the logit depends on the marker, over the runs."""
    all_images: int
    """All images with a marker, over the runs."""
    runs: int


@dataclass(frozen=True, eq=False)
class NetworkAnswers:
    """The methods of one network, and how often it uses the marker after training with it."""

    name: str
    methods: tuple[MethodAnswers, ...]
    used: MarkerUse | None

    def best(self, answer: str) -> MethodAnswers | None:
        """Return the method with the highest value of an answer."""
        answered = [
            method
            for method in self.methods
            if method.is_method and method.value(answer) is not None
        ]
        return max(answered, key=lambda method: method.value(answer) or 0.0, default=None)

    def baseline_words(self, name: str, answer: str) -> str:
        """Return an answer of a baseline in words."""
        return next(
            (method.words(answer) for method in self.methods if method.row.name == name), NOTHING
        )


class ControlsReport(CheckReport):
    """Answers per method, the networks, and whether methods that localize well also show what is used."""

    question = "Does a heat map show the class, what the network used, and a shortcut?"
    open_tables = 4
    limit = "Other networks, findings and markers."

    @cached_property
    def networks(self) -> tuple[NetworkAnswers, ...]:
        """The networks trained without a marker."""
        return answers_by_network(self.leaderboard, self.check)

    def tables(self) -> list[Table]:
        """Return a table of methods per network, then the networks."""
        tables: list[Table] = []
        for network in self.networks:
            note = NOTES["controls"] if not tables else ""
            tables.append(self._methods(network, note))
        rows = tuple(self._network(network) for network in self.networks)
        return [
            *tables,
            Table(f"{self.dataset}: networks", NOTES["controls_networks"], NETWORKS_HEAD, rows),
        ]

    def _methods(self, network: NetworkAnswers, note: str) -> Table:
        """Return a row per method, with a column for each answer that one of them has."""
        basis = basis_lines(
            [method.row for method in network.methods], "chosen on other patients, for each finding"
        )
        names = [
            name for name in HEADINGS if any(name in method.values for method in network.methods)
        ]
        rows = []
        for method in network.methods:
            case_count = method.values.get(MAIN, Estimate(None)).n
            rows.append((method.row.name, *(method.words(name) for name in names), str(case_count)))
        head = ("method", *(HEADINGS[name] for name in names), "cases")
        return Table(
            f"{self.dataset}: {network.name}", f"{note}\n{basis}".strip(), head, tuple(rows)
        )

    def _network(self, network: NetworkAnswers) -> tuple[str, ...]:
        """Return the row of a network in the table of networks."""
        runs = network.methods[0].row.runs
        auroc_of = auroc_by_model(self.leaderboard.records)
        aurocs = [auroc_of[run.cell.model_key] for run in runs if run.cell.model_key in auroc_of]
        auroc = number(sum(aurocs) / len(aurocs), digits=2) if aurocs else NOTHING
        runs_with_marker = "0"
        uses = NOTHING
        if network.used is not None:
            runs_with_marker = str(network.used.runs)
            uses = f"{network.used.images} of {network.used.all_images}"
        agreements = (_agreement(network, "use"), _agreement(network, "seen"))
        return (network.name, auroc, str(len(runs)), runs_with_marker, uses, *agreements)

    def in_short(self) -> str:
        """Return how often the best method hits with its own map, and with that of the other finding."""
        top = self.networks[0].best("class") if self.networks else None
        if top is None:
            return super().in_short()
        with_own_map = number(top.values["own"].value)
        swapped = number(top.values["swap"].value)
        return f"`{top.row.name}` hits {with_own_map} with its own map, {swapped} with the other finding's"

    def sentences(self) -> Iterator[str]:
        """Yield one line per question."""
        if not self.networks:
            return
        first = self.networks[0]
        best_by_class = first.best("class")
        if best_by_class is not None:
            yield _class_sentence(first, best_by_class)
        best_by_use = first.best("use")
        if best_by_use is not None:
            yield _use_sentence(first, best_by_use)
        if first.used is not None:
            yield _shortcut_sentence(first, first.used)

    def chart(self) -> Chart | None:
        """Draw one panel per question with a dot and an interval per method and network."""
        if not self.networks:
            return None
        methods = [method for network in self.networks for method in network.methods]
        methods.sort(
            key=lambda method: not method.is_method
        )  # baselines last; otherwise the order stays
        names = list(dict.fromkeys(method.row.name for method in methods))
        panels = {}
        for answer, title in PANELS.items():
            if any(answer in method.values for method in methods):
                panels[title] = {
                    network.name: _intervals(network, names, answer) for network in self.networks
                }
        about = f"{self.dataset}: one panel per question, a dot per method with its 95% interval, a colour per network."
        return charts.intervals(panels, names, about)


def _class_sentence(network: NetworkAnswers, best: MethodAnswers) -> str:
    """Return the hits by the own map and by that of another finding, and the methods for which they do not differ."""
    text = NOTES["controls_class"].format(
        network=network.name,
        top=best.row.name,
        own=best.words("own"),
        n=best.values["own"].n,
        swap=best.words("swap"),
    )
    answered = [
        method for method in network.methods if method.is_method and "class" in method.values
    ]
    # an interval has no ends if too few patients have cases; then no difference is shown either
    equal = [
        f"`{method.row.name}`" for method in answered if (method.values["class"].low or 0) <= 0
    ]
    if equal:
        text += f" No difference is shown for {grouping.listed(equal)}."
    return text


def _use_sentence(network: NetworkAnswers, best: MethodAnswers) -> str:
    """Return what the pixels of the best map are worth to the network, beside the baselines."""
    baseline_uses = ", ".join(
        f"`{name}` {network.baseline_words(name, 'use')}" for name in (UPPER_BOUND, PRIOR, NOISE)
    )
    tau = _agreement(network, "use")
    return NOTES["controls_use"].format(
        top=best.row.name, use=best.words("use"), others=baseline_uses, tau=tau
    )


def _shortcut_sentence(network: NetworkAnswers, marker_use: MarkerUse) -> str:
    """Return how often the network uses the marker, and how often the best map shows this."""
    based = (
        f"{marker_use.images} of {marker_use.all_images} images ({counted(marker_use.runs, 'run')})"
    )
    best = network.best("seen")
    if best is None:
        return NOTES["controls_not_used"].format(based=based)
    return NOTES["controls_shortcut"].format(
        based=based,
        top=best.row.name,
        seen=best.words("seen"),
        noise=network.baseline_words(NOISE, "seen"),
        spared=best.words("spared"),
    )


def _intervals(network: NetworkAnswers, names: Sequence[str], answer: str) -> list[Estimate | None]:
    """Return an answer of each method in ``names``; None without one."""
    values = {method.row.name: method.values.get(answer) for method in network.methods}
    return [values.get(name) for name in names]


def _agreement(network: NetworkAnswers, answer: str) -> str:
    """Return Kendall's tau of the methods by hits and by an ``answer``, with its interval; a dash for few methods."""
    answered = [
        method for method in network.methods if method.is_method and answer in method.samples
    ]
    if len(answered) < MIN_RANKED_METHODS:
        return NOTHING
    by_hits = {method.row.name: method.samples[MAIN] for method in answered}
    by_answer = {method.row.name: method.samples[answer] for method in answered}
    ranks = agreement(by_hits, by_answer)
    return number(Estimate(ranks.tau, ranks.low, ranks.high))


def answers_by_network(board: Leaderboard, check: str) -> tuple[NetworkAnswers, ...]:
    """Return the networks trained without a marker, with the answers of the same networks trained with one.

    Networks that were also trained with a marker come first. ``check``: name of the check in the records.
    """
    records = grouping.of_protocol(board.records, board.dataset, check)
    if not records:
        return ()
    columns = read_columns(records, board.folders, COLUMNS)
    groups = trainings(record for record in records if record.key in columns.columns)
    rows = grouping.told_apart([Row.of(runs) for runs in groups])
    marked = {}
    unmarked = []
    for row in rows:
        if "marker=" in str(row.cell.data.get("dataset", "")):
            marked[row.cell.network_without_marker, row.name] = row
        else:
            unmarked.append(row)
    networks = [
        _answers_of_network(rows_of_network, marked, columns)
        for rows_of_network in grouping.by_network(unmarked).values()
    ]
    return tuple(sorted(networks, key=lambda network: network.used is None))


def _answers_of_network(
    rows: Sequence[Row], marked: Mapping[NetworkAndMethod, Row], columns: CaseColumns
) -> NetworkAnswers:
    """Return the answers of the methods ``rows`` of a network; ``marked``: rows of networks trained with a marker."""
    methods = []
    uses = []
    for row in rows:
        ratios = _ratios(row, columns)
        with_marker = marked.get((row.cell.network_without_marker, row.name))
        if with_marker is not None:
            marker_ratios, marker_uses = _marker_ratios(row, with_marker, columns)
            ratios += marker_ratios
            uses += marker_uses
        values = {}
        samples = {}
        for ratio in ratios:
            answer = _mean_ratio(ratio, columns)
            if answer is not None:
                values[ratio.name], samples[ratio.name] = answer
        methods.append(MethodAnswers(row, values, samples))
    methods.sort(key=lambda method: method.rank_key)
    # The effect of the marker is the same for all methods: that with the most runs and images has it most completely.
    used_most = max(uses, key=lambda use: (use.images, use.all_images, use.runs), default=None)
    return NetworkAnswers(rows[0].network, tuple(methods), used_most)


@dataclass(frozen=True, eq=False)
class Ratio:
    """An answer as a ratio of sums over K cases, for each of the S runs of a row."""

    name: str
    row: Row
    part: FloatArray
    """(K,S)."""
    whole: ArrayLike
    """(K,S); 0 if the case does not count."""


def _ratios(row: Row, columns: CaseColumns) -> list[Ratio]:
    """Return the answers that need no marker: the means of hits and correlations, and the areas under the curves."""
    with_own_map = _by_case_and_run(row, columns, "own")
    swap = _by_case_and_run(row, columns, "swap")
    averaged = {
        MAIN: _by_case_and_run(row, columns, MAIN),
        "own": with_own_map,
        "swap": swap,
        "class": with_own_map - swap,
        "weights": _by_case_and_run(row, columns, "weights"),
    }
    ratios = [Ratio(name, row, values, np.isfinite(values)) for name, values in averaged.items()]
    fall = np.nan_to_num(_by_case_and_run(row, columns, "fall"))
    for name in ("use", "sufficiency"):
        ratios.append(Ratio(name, row, _by_case_and_run(row, columns, name), fall))
    return ratios


def _marker_ratios(
    row: Row, with_marker: Row, columns: CaseColumns
) -> tuple[list[Ratio], list[MarkerUse]]:
    """Return sensitivity and specificity for the shortcut, and how often the network uses the marker.

    ``with_marker``: the same method on the network trained with the marker. Both lists are empty without a case.
    """
    effect = np.abs(_by_case_and_run(row, columns, "marker_change"))
    if not np.isfinite(effect).any():
        return [], []
    chance = np.nanpercentile(effect, CHANCE_PERCENTILE, axis=0)
    change = np.abs(_by_case_and_run(with_marker, columns, "marker_change"))
    # A run with the marker has no counterpart among the runs without it, so it is compared with their mean; a run
    # without the marker is compared with itself.
    uses_marker = change > chance.mean()
    known_count = int(np.isfinite(change).sum())
    ratios = []
    if uses_marker.sum() >= MIN_USED * known_count:
        ratios.append(
            Ratio(
                "seen", with_marker, _by_case_and_run(with_marker, columns, "marker"), uses_marker
            )
        )
    ratios.append(
        Ratio("spared", row, 1 - _by_case_and_run(row, columns, "marker"), effect <= chance)
    )
    return ratios, [MarkerUse(int(uses_marker.sum()), known_count, len(with_marker.runs))]


def _by_case_and_run(row: Row, columns: CaseColumns, name: str) -> FloatArray:
    """Return a column (K,S) of the row's S runs; nan where a case has no value."""
    if name not in columns.rows.column_names:
        return np.full((len(columns.findings), len(row.runs)), np.nan)
    return columns.wide([record.key for record in row.runs], name)


def _mean_ratio(ratio: Ratio, columns: CaseColumns) -> tuple[Estimate, RowSamples] | None:
    """Return the mean over findings of sums of ``part`` over sums of ``whole``; None if no case counts."""
    denominators = np.asarray(ratio.whole, np.float64)
    is_defined = (denominators != 0).any(1)
    if not is_defined.any():
        return None
    denominators = denominators[is_defined]
    numerators = np.where(denominators != 0, ratio.part[is_defined], 0)
    findings = columns.findings[is_defined]
    patients = columns.patients[is_defined]
    run_means, left_out = leave_one_out(numerators, denominators, CaseGroups.of(findings, patients))
    low = None
    high = None
    if left_out.shape[1] >= MIN_PATIENTS:
        if len(ratio.row.runs) == 1:
            low, high = _ends_of_one_run(
                ratio.name, numerators[:, 0], denominators[:, 0], findings, patients
            )
        else:
            low, high = _ends_over_runs(ratio.name, run_means, left_out)
    case_count = int((denominators != 0).sum(0).max())
    mean = Estimate(float(run_means.mean()), low, high, n=case_count)
    return mean, RowSamples(run_names(ratio.row.runs), run_means, left_out)


def _ends_of_one_run(
    name: str,
    numerators: FloatArray,
    denominators: FloatArray,
    findings: NDArray[np.str_],
    patients: NDArray[np.str_],
) -> tuple[float | None, float | None]:
    """Return the interval over patients of the mean over findings, from (K,) values."""
    names = [*np.unique(findings)]
    index = CaseIndex.of(findings.tolist(), patients.tolist())
    column = Column(name, "none", numerators, denominators, is_share=name in SHARES)
    mean = scores(estimate([column], index, names, seed=0), names)[-1]
    return mean.low, mean.high


def _ends_over_runs(
    name: str, run_means: FloatArray, left_out: FloatArray
) -> tuple[float | None, float | None]:
    """Return the interval over runs and patients; that of a share stays within 0 and 1."""
    if name in SHARES:
        interval = mrmc.interval(run_means, left_out)
    else:  # as a difference from 0, which may be negative
        zero = np.zeros_like(run_means), np.zeros_like(left_out)
        interval = mrmc.difference((run_means, left_out), zero)
    return interval.low, interval.high
