"""All rows of a suite, from its records and the rows per case: the input of tables, charts and pages.

``Leaderboard``   the rows of one data set: networks, methods, baselines and effects; ``leaderboards`` computes them
``Shares``        shares of hits by record, finding and column, from the rows per case
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from locus.benchmark.baselines import blind, in_tables, is_blind, is_fine_tuned, is_people
from locus.benchmark.records import Record, curves, floors, trainings
from locus.benchmark.records.curves import Curves
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report import comparisons, grouping
from locus.benchmark.report.case_columns import (
    CaseColumns,
    CaseFolders,
    MainColumn,
    column_of,
    read_columns,
)
from locus.benchmark.report.grouping import Row, by_network, by_score, counted
from locus.core import names
from locus.core.frames import ratio
from locus.core.names import CLASSIFICATION, MAIN, PRIOR, backbone_words
from locus.core.scores import Estimate, ThresholdSource
from locus.core.types import FloatArray
from locus.scoring.statistics.mrmc import RowSamples

AUROC = "auroc"
"""Metric of the classifier, on all images."""
CASE_COLUMNS = (
    *grouping.COLUMNS,
    *(f"{names.MEAN_PREFIX}{name}" for name in grouping.COLUMNS),
    "iou",
    "iobb",
)
"""Columns that are read of the rows per case."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Leaderboard:
    """The rows of a suite that were scored on the same cases of a data set."""

    title: str
    """The data set and, if its rows were scored on several sets of cases, which."""
    dataset: str
    records: Sequence[Record]
    """The records of these rows, of failed cells and of papers."""
    folders: CaseFolders
    """Folders with the rows per case."""
    networks: Sequence[Row]
    """A row per network, best mean first."""
    rank_methods: Sequence[str]
    """The methods over which the score of a network is the mean."""
    methods: Sequence[Row]
    """Methods, network by network in the order of ``networks``, best first."""
    baselines: Sequence[Row]
    """Baselines and the upper bound, once per grid on which they differ."""
    without_network: Sequence[Row]
    """Baselines and upper bounds of grids, which need no network: scored on all boxes of the truth."""
    people: Sequence[Row]
    """Boxes drawn by people, scored on their own cases."""
    effects: Sequence[Row]
    """A row per method, over networks."""
    added: Sequence[Row]
    """A row per network and method that the protocol ``added`` scored."""
    solved: Sequence[str]
    """Findings that ``prior`` solves."""
    theirs: Sequence[Row]
    """The methods of a user: those beside published ones, else the rows with a cell that the suite does not list."""
    cases: CaseColumns
    """The rows per case of methods and baselines."""

    @property
    def threshold_source(self) -> ThresholdSource:
        """Source of the score thresholds of its rows."""
        return self.methods[0].cell.threshold_source if self.methods else "cross-fitted"

    def of_protocol(self, protocol: str) -> list[Row]:
        """Return a row per record that a protocol or a check scored, in a fixed order."""
        records = grouping.of_protocol(self.records, self.dataset, protocol)
        return grouping.told_apart([Row.of([record]) for record in records])

    @property
    def of_networks(self) -> list[list[Row]]:
        """The methods of each network."""
        return list(by_network(self.methods).values())

    def added_of(self, row: Row) -> Row | None:
        """Return the row of ``added`` with the network, method and number of runs of a row; None without one."""
        return self._added_by_key.get(_key_of_added(row))

    @cached_property
    def _added_by_key(self) -> dict[tuple[str, str, int], Row]:
        return {_key_of_added(added): added for added in self.added}

    def baseline(self, name: str, beside: Row | None = None) -> Row | None:
        """Return the row of a baseline, on the grid of the row ``beside`` if there are several."""
        rows = [row for row in self.baselines if row.name == name]
        grid = None if beside is None else _grid(beside)
        return next((row for row in rows if _grid(row) == grid), rows[0] if rows else None)

    def blind(self, beside: Row | None = None) -> list[Row]:
        """Return the baselines that see no image, beside a row."""
        rows = (self.baseline(name, beside) for name in blind())
        return [row for row in rows if row is not None]

    @property
    def floors_are_made_again(self) -> bool | None:
        """Whether resamples that choose thresholds again also make the baselines again; None without such resamples."""
        scores = [row.by_patient for row in self.blind() if row.by_patient is not None]
        with_resamples = [samples for samples in scores if samples.resampled is not None]
        if not with_resamples:
            return None
        return all(samples.resamples_draw_folds for samples in with_resamples)

    def column(self, name: str, rows: Sequence[Row]) -> MainColumn | None:
        """Return a column of the ``rows`` with the same cases as the best row; None without cases."""
        keys = {record.key for row in rows for record in row.runs}
        ranked = [record for record in self._ranked if record.key in self.cases.columns]
        best = ranked[:1]
        others = [record for record in ranked[1:] if record.key in keys]
        return column_of([*best, *others], self.cases, name)

    @cached_property
    def _ranked(self) -> list[Record]:
        return grouping.ranked(
            record for row in (*self.methods, *self.baselines) for record in row.runs
        )


def _key_of_added(row: Row) -> tuple[str, str, int]:
    """Return what a row of ``added`` shares with its row of the main protocol: network, method and number of runs."""
    return row.key_of_network, row.cell.method, len(row.runs)


def leaderboards(
    records: Sequence[Record],
    folders: CaseFolders,
    rank_methods: Sequence[str] = (),
    listed: Set[str] | None = None,
    is_primary: Callable[[Row], bool] | None = None,
) -> list[Leaderboard]:
    """Return the rows of each data set; rows on different cases are in leaderboards of their own, a user's first.

    Rows that were fitted on another suite come before the cross-fitted ones, in a leaderboard of their own.

    Args:
        records: all records of a suite.
        folders: folders with the rows per case; methods without them have no comparison.
        rank_methods: the methods whose mean represents a network, by default all common methods.
        listed: the keys of the cells that the suite lists; the other rows are a user's, as are those beside published
            ones. None: no row is.
        is_primary: whether a row is tested before the others.

    Raises:
        DataError: for invalid rows.
    """
    return [
        _leaderboard(
            group, folders=folders, rank_methods=rank_methods, listed=listed, is_primary=is_primary
        )
        for group in _groups(records, folders)
    ]


class CaseGroup(NamedTuple):
    """The records of a data set that were scored on the same cases, with the rows of these cases."""

    title: str
    dataset: str
    records: Sequence[Record]
    cases: CaseColumns


def _groups(records: Sequence[Record], folders: CaseFolders) -> Iterator[CaseGroup]:
    """Yield the groups of each data set; data sets with published results only are last."""
    was_run = set(grouping.datasets(record for record in records if record.source != "paper"))
    datasets = sorted(grouping.datasets(records), key=lambda name: (name not in was_run, name))
    for dataset in datasets:
        of_dataset = [
            record for record in records if record.cell.dataset == dataset or is_of_pairs(record)
        ]
        for title_ending, fitted_records in _by_fit(of_dataset).items():
            yield from _by_cases(f"{dataset}{title_ending}", dataset, fitted_records, folders)


def _by_fit(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return a title's ending -> the records fitted on each other suite, with those of the classifiers, then the rest.

    Without a fitted record, all have the ending "".
    """
    suites = {record.cell.fitted_on for record in records if record.cell.fitted_on is not None}
    if not suites:
        return {"": list(records)}
    classifiers = [record for record in records if record.cell.protocol == CLASSIFICATION]
    groups: dict[str, list[Record]] = {}
    for suite in sorted(suites):
        fitted = [record for record in records if record.cell.fitted_on == suite]
        groups[f", fitted on {suite}"] = [*fitted, *classifiers]
    groups[", cross-fitted"] = [record for record in records if record.cell.fitted_on is None]
    return groups


def is_of_pairs(record: Record) -> bool:
    """Return whether a record compares pairs of readers: a ceiling also for other data sets of its suite."""
    return record.cell.method == names.READERS and record.cell.protocol != names.MAIN_PROTOCOL


def _without_people(records: Sequence[Record]) -> list[Record]:
    """Return the records of methods and baselines."""
    return [record for record in records if not is_people(record.cell.method)]


def _by_cases(
    title: str, dataset: str, records: Sequence[Record], folders: CaseFolders
) -> Iterator[CaseGroup]:
    """Yield the groups of records that were scored on the same cases."""
    cases = _read_cases(records, dataset, folders)
    runs = _without_people(grouping.main_records(records, dataset))
    groups = _same_cases(records, runs, cases.case_sets)
    if len(groups) == 1:
        yield CaseGroup(title, dataset, groups[0], cases)
        return
    for group in groups:
        cases_of_group = _read_cases(group, dataset, folders)
        in_words = _cases_in_words(group, cases_of_group)
        yield CaseGroup(f"{title}, {in_words}", dataset, group, cases_of_group)


def _read_cases(records: Sequence[Record], dataset: str, folders: CaseFolders) -> CaseColumns:
    """Read the rows per case of methods and baselines."""
    runs = _without_people(grouping.main_records(records, dataset))
    return read_columns(runs, folders, CASE_COLUMNS)


def _same_cases(
    records: Sequence[Record], runs: Sequence[Record], case_sets: Mapping[str, bytes]
) -> list[list[Record]]:
    """Group records by the cases on which they were scored: those with a user's rows first, then the largest.

    Records without rows per case are with the largest group of their model, else with the first group; papers are with
    the largest group of all.
    """
    of_user = {case_sets.get(record.key) for record in runs if record.source != PUBLISHED}
    order = sorted(
        set(case_sets.values()), key=lambda cases: (cases not in of_user, -_count(cases), cases)
    )
    if len(order) < 2:
        return [list(records)]
    of_model: dict[tuple[object, ...], bytes] = {}
    for record in runs:
        model = record.cell.model_key
        of_model[model] = max(case_sets.get(record.key, b""), of_model.get(model, b""), key=_count)
    groups: dict[bytes, list[Record]] = {cases: [] for cases in order}
    for record in records:
        if record.source == "paper":
            cases = max(order, key=_count)
        else:
            cases = case_sets.get(record.key) or of_model.get(record.cell.model_key) or order[0]
        groups[cases].append(record)
    return list(groups.values())


def _count(cases: bytes) -> int:
    """Return the number of cases in packed bits."""
    return int.from_bytes(cases).bit_count()


def _cases_in_words(records: Sequence[Record], cases: CaseColumns) -> str:
    """Return ``984 cases of 880 images`` for published rows, ``your 40 cases of 38 images`` for a user's."""
    image_count = len(set(cases.images.tolist()))
    counts = f"{len(cases.images)} cases of {counted(image_count, 'image')}"
    is_published = all(record.source in (PUBLISHED, "paper") for record in records)
    return counts if is_published else f"your {counts}"


def _leaderboard(
    group: CaseGroup,
    folders: CaseFolders,
    rank_methods: Sequence[str],
    listed: Set[str] | None,
    is_primary: Callable[[Row], bool] | None,
) -> Leaderboard:
    """Return the rows of a group; see ``leaderboards``."""
    scored = grouping.main_records(group.records, group.dataset)
    runs_of_rows = trainings(_without_people(scored))
    source = RowSource.of(runs_of_rows, group.records, folders, group.cases)
    rows = grouping.told_apart([source.row(runs) for runs in runs_of_rows])
    networks = [
        comparisons.within_network(of_network, source.column)
        for of_network in by_network(rows).values()
    ]
    if is_primary is not None:
        networks = comparisons.primary_first(networks, is_primary)
    all_rows = [row for of_network in networks for row in of_network]
    rank_methods = rank_methods or comparisons.common_methods(networks)
    means = comparisons.networks(networks, rank_methods)
    methods = _methods(networks, means)
    not_published = by_network([row for row in all_rows if not row.is_published])
    compared = list(not_published.values()) or networks
    effects = comparisons.effects(compared, means)
    added = comparisons.added(group.records, group.dataset, is_primary)
    baselines = _baselines(all_rows)
    people = _people(scored)
    theirs = _theirs(methods, listed)
    without_network = _baselines([row for row in all_rows if "grid" in row.cell.recipe])
    return Leaderboard(
        title=group.title,
        dataset=group.dataset,
        records=group.records,
        folders=folders,
        networks=means,
        rank_methods=rank_methods,
        methods=methods,
        baselines=baselines,
        without_network=without_network,
        people=people,
        effects=effects,
        added=added,
        solved=source.solved,
        theirs=theirs,
        cases=group.cases,
    )


def _people(records: Sequence[Record]) -> list[Row]:
    """Return a row per people who drew boxes, from the first network that they are recorded with."""
    people = [record for record in records if is_people(record.cell.method)]
    first = {record.cell.method: record for record in reversed(people)}
    return [_person(record) for record in first.values()]


def _methods(groups: Sequence[Sequence[Row]], of_networks: Sequence[Row]) -> list[Row]:
    """Return the methods, network by network, best first.

    The network of the best row is the first one, then come those of the rows ``of_networks``.
    """
    methods = []
    for group in groups:
        methods += [_noted(row) for row in by_score(group) if row.is_method]
    by_best = [row.key_of_network for row in by_score(methods)]
    by_mean = [row.key_of_network for row in of_networks]
    order = list(dict.fromkeys([*by_best[:1], *by_mean, *by_best]))
    return sorted(methods, key=lambda row: order.index(row.key_of_network))


def _theirs(methods: Sequence[Row], listed: Set[str] | None) -> list[Row]:
    """Return a user's rows: those beside published ones or, without published ones, those that are not ``listed``."""
    if any(row.is_published for row in methods):
        return [row for row in methods if not row.is_published]
    if listed is None:
        return []
    return [
        row
        for row in methods
        if not row.contributed_by and any(record.key not in listed for record in row.runs)
    ]


@dataclass(frozen=True, eq=False)
class StoredResamples:
    """What a suite stores to choose thresholds and to make baselines again in resamples of patients."""

    curves: Mapping[str, Curves]
    """Key of a record -> its curves."""
    floors: Mapping[str, FloatArray]
    """Baseline -> its scores (B,) on these cases; empty if they are not stored."""

    def of_row(
        self, runs: Sequence[Record], column: MainColumn, by_patient: RowSamples
    ) -> RowSamples:
        """Return the scores of the ``runs`` of a row with resamples, unchanged if they cannot be computed."""
        if not self.curves or len(runs) < 2:
            return by_patient
        method = runs[0].cell.method
        if method in self.floors:
            return column.made_again(by_patient, self.floors[method])
        keys = [record.key for record in runs]
        has_fixed_hits = is_blind(method) or is_fine_tuned(method)
        if has_fixed_hits or all(key in self.curves for key in keys):
            return column.with_thresholds_chosen_again(by_patient, keys, self.curves)
        return by_patient


def _stored_resamples(
    runs: Sequence[Record], column: MainColumn | None, folders: CaseFolders
) -> StoredResamples:
    """Read what the suite stores for the ``runs``; only cross-fitted rows have curves."""
    curves_of_runs = curves.read(folders.folder, [record.key for record in runs])
    if column is None or not curves_of_runs:
        return StoredResamples(curves_of_runs, {})
    return StoredResamples(curves_of_runs, floors.read(folders.folder, column.hash_of_cases))


@dataclass(frozen=True, eq=False, kw_only=True)
class RowSource:
    """Inputs of the rows of a leaderboard, besides their records."""

    column: MainColumn | None
    """The main column, on the cases of the best row."""
    shares: "Shares"
    solved: tuple[str, ...]
    """Findings that ``prior`` solves."""
    auroc: Mapping[str, Mapping[tuple[object, ...], float]]
    """Metric of the classifier -> model -> its value."""
    stored: StoredResamples

    @classmethod
    def of(
        cls,
        runs_of_rows: Sequence[Sequence[Record]],
        records: Sequence[Record],
        folders: CaseFolders,
        cases: CaseColumns,
    ) -> "RowSource":
        """Compute what rows need from their runs and the rows per case.

        Args:
            runs_of_rows: the records of the training runs of each row.
            records: all records of the group.
            folders: the folders with the rows per case.
            cases: the columns of the rows per case.
        """
        runs = [record for of_row in runs_of_rows for record in of_row]
        column = column_of(grouping.ranked(runs), cases, MAIN)
        shares = Shares.of(cases)
        return cls(
            column=column,
            shares=shares,
            solved=_solved(runs_of_rows, shares),
            auroc={metric: auroc_by_model(records, metric) for metric in (AUROC, grouping.BOXED)},
            stored=_stored_resamples(runs, column, folders),
        )

    def row(self, runs: Sequence[Record]) -> Row:
        """Return the row of ``runs`` before it is compared with others."""
        by_patient = None if self.column is None else self.column.entry(runs)
        if self.column is not None and by_patient is not None:
            by_patient = self.stored.of_row(runs, self.column, by_patient)
        findings = _findings(runs, self.shares)
        return Row(
            "method",
            runs[0].method,
            tuple(runs),
            scores=self._scores(runs, findings, by_patient),
            findings=findings,
            auroc=self._mean_auroc(AUROC, runs),
            by_patient=by_patient,
        )

    def _scores(
        self,
        runs: Sequence[Record],
        findings: Mapping[str, Estimate],
        by_patient: RowSamples | None,
    ) -> dict[str, Estimate]:
        """Return the columns of a row that have a value."""
        means = {name: _mean(runs, name, self.shares) for name in grouping.COLUMNS}
        scores = {name: mean for name, mean in means.items() if mean.value is not None}
        unsolved = [share for name, share in findings.items() if name not in self.solved]
        if self.solved and unsolved:
            values = [share.value for share in unsolved if share.value is not None]
            mean = sum(values) / len(values) if values else None
            scores[grouping.UNSOLVED] = Estimate(mean)
        if MAIN in scores:
            scores[MAIN] = _with_interval(scores[MAIN], runs, by_patient)
        boxed = self._mean_auroc(grouping.BOXED, runs)
        if boxed is not None:
            scores[grouping.BOXED] = Estimate(boxed)
        return scores

    def _mean_auroc(self, metric: str, runs: Sequence[Record]) -> float | None:
        """Return the mean of a metric of the classifier; None if it lacks for a run."""
        values = [self.auroc[metric].get(record.cell.model_key) for record in runs]
        if any(value is None for value in values):
            return None
        return float(np.mean(np.array(values, dtype=np.float64)))


def auroc_by_model(
    records: Sequence[Record], metric: str = AUROC
) -> dict[tuple[object, ...], float]:
    """Return the AUROC of each model, on all images or those of another ``metric``."""
    values = {}
    for record in grouping.scored(records, CLASSIFICATION):
        score = record.find(metric)
        if score is not None and score.value is not None:
            values[record.cell.model_key] = score.value
    return values


def _solved(groups: Sequence[Sequence[Record]], shares: "Shares") -> tuple[str, ...]:
    """Return the findings that ``prior`` solves: it hits at least ``SOLVED`` of their cases. Empty if it solves all."""
    priors = [group[0] for group in groups if group[0].cell.method == PRIOR]
    if not priors:
        return ()
    hits = _findings(priors[:1], shares)
    solved = [name for name, share in hits.items() if (share.value or 0.0) >= grouping.SOLVED]
    return tuple(solved) if len(solved) < len(hits) else ()


def _with_interval(
    main: Estimate, runs: Sequence[Record], by_patient: RowSamples | None
) -> Estimate:
    """Return the main column with its interval: over runs and patients, or that of the record of a single run."""
    score = grouping.main_score(runs[0])
    if score is not None and len(runs) == 1:
        return score.estimate
    main = main._replace(n=main.n if score is None else score.n)
    over_runs = None if by_patient is None or len(runs) == 1 else by_patient.interval
    return main if over_runs is None else main._replace(low=over_runs.low, high=over_runs.high)


def _mean(runs: Sequence[Record], name: str, shares: "Shares") -> Estimate:
    """Return the mean of a column over findings, then runs: from the rows per case, else from the records."""
    if all(record.key in shares.index for record in runs):
        values = [shares.mean(record.key, name) for record in runs]
        mean = sum(values) / len(values)
        return Estimate(round(mean, 6) + 0.0 if math.isfinite(mean) else None)
    threshold_source = runs[0].cell.threshold_source
    if name == grouping.POINTING:
        threshold_source = "none"
    value = Row.of(runs).value(name, threshold_source)
    return Estimate(None if value is None else round(value, 6) + 0.0)


def _findings(runs: Sequence[Record], shares: "Shares") -> dict[str, Estimate]:
    """Return finding -> the main column, mean over runs, with its number of cases."""
    estimates: dict[str, Estimate] = {}
    if all(record.key in shares.index for record in runs):
        for name in shares.findings:
            values, counts = zip(*(shares.of_finding(r.key, name) for r in runs), strict=True)
            if counts[0]:
                estimates[name] = Estimate(round(sum(values) / len(runs), 6), n=counts[0])
        return estimates
    for name in dict.fromkeys(score.finding for score in runs[0].select(MAIN)):
        score = Row.of(runs).find(MAIN, name, runs[0].cell.threshold_source)
        if score is not None and name != "mean":
            estimates[name] = Estimate(score.value, n=score.n)
    return estimates


def _person(record: Record) -> Row:
    score = grouping.main_score(record)
    main = Estimate(None) if score is None else score.estimate
    return Row("method", record.method, (record,), {MAIN: main}, note=record.reason)


def _grid(row: Row) -> tuple[object, ...]:
    return row.cell.backbone, row.cell.img_size, *row.cell.recipe.get("grid", ())


def _grid_words(row: Row) -> str:
    """Return the network whose grid a row has, or the size of the grid."""
    sides = row.cell.recipe.get("grid")
    if sides is not None:
        return f"{sides[0]}×{sides[1]} grid"
    return backbone_words(row.cell.backbone) or row.network


def _baselines(rows: Sequence[Row]) -> list[Row]:
    """Return each baseline once, or once per grid on which it differs; of several networks, that with most runs."""
    chosen: list[Row] = []
    for name in in_tables():
        of_grid: dict[tuple[object, ...], Row] = {}
        for row in sorted((row for row in rows if row.cell.method == name), key=_place_of_baseline):
            of_grid.setdefault(_grid(row), row)
        by_value = grouping.grouped(of_grid.values(), lambda row: round(row.main.value or 0.0, 4))
        for equal_rows in by_value.values():
            note = _note_of_baseline(name, equal_rows, has_one_value=len(by_value) == 1)
            row = equal_rows[0]
            chosen.append(replace(row, note=note, significantly_worse=None, best_other=None))
    return chosen


def _place_of_baseline(row: Row) -> tuple[bool, int, list[int]]:
    return row.is_published, -len(row.runs), [*row.cell.recipe.get("grid", ())]


def _note_of_baseline(name: str, rows: Sequence[Row], has_one_value: bool) -> str:
    """Return the network of a baseline that uses it, else the grids of ``rows`` if other grids have other values."""
    first = rows[0]
    if name == names.UNTRAINED or is_fine_tuned(name):
        return f"{first.network} ({PUBLISHED})" if first.is_published else first.network
    return "" if has_one_value else ", ".join(dict.fromkeys(map(_grid_words, rows)))


def _noted(row: Row) -> Row:
    """Add a note to a method with failed cells."""
    reasons = [f"failed: {run.reason}" for run in row.runs if run.status == "failed"]
    return replace(row, note=reasons[0] if reasons else "")


@dataclass(frozen=True, eq=False, kw_only=True)
class Shares:
    """Shares of hits of R records by finding (F) and column, and the number of cases."""

    findings: tuple[str, ...]
    index: Mapping[str, int]
    """Key of a record -> its number."""
    values: Mapping[str, FloatArray]
    """Column -> (F,R) share of hits; nan if a record lacks the column or has no case of the finding."""
    counts: FloatArray
    """(F,R) number of cases."""
    means: Mapping[str, FloatArray]
    """Column -> (R,) mean over the findings with cases; nan if one of them has no value."""

    @classmethod
    def of(cls, cases: CaseColumns) -> "Shares":
        """Compute the shares from rows per case."""
        findings, finding_of_case = np.unique(cases.findings, return_inverse=True)
        width = max(cases.columns.values(), default=-1) + 1
        shape = (len(findings), width)
        group = finding_of_case[cases.cases] * width + cases.record_index  # (N,) finding and record
        size = len(findings) * width
        counts = np.bincount(group, minlength=size).reshape(shape).astype(np.float64)
        has_cases = counts > 0
        values: dict[str, FloatArray] = {}
        means: dict[str, FloatArray] = {}
        for name in grouping.COLUMNS:
            sums = np.bincount(group, cases.hits(name), minlength=size).reshape(shape)
            values[name] = ratio(sums.astype(np.float64), counts)
            totals = values[name].sum(0, where=has_cases)
            means[name] = totals / np.maximum(has_cases.sum(0), 1)
        return cls(
            findings=tuple(findings.tolist()),
            index=cases.columns,
            values=values,
            counts=counts,
            means=means,
        )

    def mean(self, key: str, column: str) -> float:
        """Return the mean of a column over the findings that have cases; nan if a finding has no value."""
        return float(self.means[column][self.index[key]])

    def of_finding(self, key: str, finding: str) -> tuple[float, int]:
        """Return the main column of a finding and its number of cases."""
        position = self.findings.index(finding), self.index[key]
        return float(self.values[MAIN][position]), int(self.counts[position])
