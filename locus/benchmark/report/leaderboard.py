"""All rows of a suite, from its records and the rows per case: the input of tables, charts and pages.

``Leaderboard``   the rows of one data set: networks, methods, baselines and effects; ``leaderboards`` computes them
``Shares``        shares of hits by record, finding and column, from the rows per case
"""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

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
from locus.core.names import CLASSIFICATION, MAIN, PRIOR, backbone_words
from locus.core.scores import Estimate, ThresholdSource
from locus.core.types import FloatArray
from locus.scoring.statistics.mrmc import RowSamples
from locus.scoring.statistics.resample import ratio

AUROC = "auroc"
"""Metric of the classifier, on all images."""


@dataclass(frozen=True, eq=False)
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
        """Return the row of ``added`` with the network and method of a row; None if it has none."""
        key = row.key_of_network, row.cell.method
        return next((of for of in self.added if (of.key_of_network, of.cell.method) == key), None)

    def baseline(self, name: str, beside: Row | None = None) -> Row | None:
        """Return the row of a baseline, on the grid of the row ``beside`` if there are several."""
        rows = [row for row in self.baselines if row.name == name]
        grid = None if beside is None else _grid(beside)
        return next((row for row in rows if _grid(row) == grid), rows[0] if rows else None)

    def blind(self, beside: Row | None = None) -> list[Row]:
        """Return the baselines that see no image, those of ``names.BLIND``, beside a row."""
        rows = (self.baseline(name, beside) for name in names.BLIND)
        return [row for row in rows if row is not None]

    @property
    def floors_are_made_again(self) -> bool | None:
        """Whether resamples that choose thresholds again also make the baselines again; None without such resamples."""
        scores = [row.by_patient for row in self.blind() if row.by_patient is not None]
        with_resamples = [of_row for of_row in scores if of_row.resampled is not None]
        if not with_resamples:
            return None
        return all(of_row.resamples_draw_folds for of_row in with_resamples)

    def column(self, name: str, rows: Sequence[Row]) -> MainColumn | None:
        """Return a column of the ``rows`` with the same cases as the best row; None without cases."""
        keys = {record.key for row in rows for record in row.runs}
        ranked = [record for record in self._ranked if record.key in self.cases.columns]
        return column_of([*ranked[:1], *(r for r in ranked[1:] if r.key in keys)], self.cases, name)

    @cached_property
    def _ranked(self) -> list[Record]:
        return grouping.ranked(
            record for row in (*self.methods, *self.baselines) for record in row.runs
        )


def leaderboards(
    records: Sequence[Record],
    folders: CaseFolders,
    rank_methods: Sequence[str] = (),
    listed: Set[str] | None = None,
    is_primary: Callable[[Row], bool] | None = None,
) -> list[Leaderboard]:
    """Return the rows of each data set; rows on different cases are in leaderboards of their own, a user's first.

    Rows that were fitted on another suite come before the cross-fitted ones, in a leaderboard of their own.

    ``folders`` contain the rows per case; methods without them have no comparison. ``rank_methods``: the methods whose
    mean represents a network, by default all common methods. ``listed``: the keys of the cells that the suite lists;
    the other rows are a user's, as are those beside published ones. None: no row is. ``is_primary``: whether a row is
    tested before the others.

    Raises ``DataError`` for invalid rows.
    """
    boards = []
    run = {*grouping.datasets(record for record in records if record.source != "paper")}
    for dataset in sorted(grouping.datasets(records), key=lambda name: (name not in run, name)):
        of_dataset = [r for r in records if r.cell.dataset == dataset or is_of_pairs(r)]
        for source, of_source in _by_fit(of_dataset).items():
            runs = _without_people(grouping.main_records(of_source, dataset))
            cases, title = read_columns(runs, folders, READ), f"{dataset}{source}"
            parts = _by_cases(of_source, runs, cases.case_sets)
            for part in parts:
                if len(parts) > 1:
                    cases = read_columns(
                        _without_people(grouping.main_records(part, dataset)), folders, READ
                    )
                    title = f"{dataset}{source}, {_cases_in_words(part, cases)}"
                of_part = title, dataset, part, folders, cases
                boards.append(_leaderboard(*of_part, rank_methods, listed, is_primary))
    return boards


def _by_fit(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return words for a title -> the records fitted on each other suite, with those of the classifiers, then the rest.

    Without a fitted record, all have the words "".
    """
    suites = sorted(
        {record.cell.fitted_on for record in records if record.cell.fitted_on is not None}
    )
    if not suites:
        return {"": list(records)}
    classifiers = [record for record in records if record.cell.protocol == CLASSIFICATION]
    of_suites = {
        f", fitted on {suite}": [
            *(record for record in records if record.cell.fitted_on == suite),
            *classifiers,
        ]
        for suite in suites
    }
    return {
        **of_suites,
        ", cross-fitted": [record for record in records if record.cell.fitted_on is None],
    }


def is_of_pairs(record: Record) -> bool:
    """Return whether a record compares pairs of readers: a ceiling also for other data sets of its suite."""
    return record.cell.method == names.READERS and record.cell.protocol != names.MAIN_PROTOCOL


READ = (
    *grouping.COLUMNS,
    *(f"{names.MEAN_PREFIX}{name}" for name in grouping.COLUMNS),
    "iou",
    "iobb",
)
"""Columns of the rows per case."""


def _without_people(records: Sequence[Record]) -> list[Record]:
    """Return the records of methods and baselines."""
    return [record for record in records if record.cell.method not in names.PEOPLE]


def _by_cases(
    records: Sequence[Record], runs: Sequence[Record], case_sets: Mapping[str, bytes]
) -> list[list[Record]]:
    """Group records by the cases on which they were scored: those with a user's rows first, then the largest.

    Records without rows per case are with the largest group of their model, else with the first group; papers are with
    the largest group of all.
    """
    of_model: dict[tuple[object, ...], bytes] = {}
    for record in runs:
        known = (case_sets.get(record.key, b""), of_model.get(record.cell.model_key, b""))
        of_model[record.cell.model_key] = max(known, key=_count)
    of_user = {case_sets.get(record.key) for record in runs if record.source != PUBLISHED}
    order = sorted(
        {*case_sets.values()}, key=lambda cases: (cases not in of_user, -_count(cases), cases)
    )
    if len(order) < 2:
        return [list(records)]
    largest = max(order, key=_count)
    groups: dict[bytes, list[Record]] = {cases: [] for cases in order}
    for record in records:
        cases = case_sets.get(record.key) or of_model.get(record.cell.model_key) or order[0]
        groups[largest if record.source == "paper" else cases].append(record)
    return [*groups.values()]


def _count(cases: bytes) -> int:
    """Return the number of cases in packed bits."""
    return int.from_bytes(cases).bit_count()


def _cases_in_words(records: Sequence[Record], cases: CaseColumns) -> str:
    """Return ``984 cases of 880 images`` for published rows, ``your 40 cases of 38 images`` for a user's."""
    is_published = all(record.source in (PUBLISHED, "paper") for record in records)
    counts = f"{len(cases.images)} cases of {counted(len({*cases.images.tolist()}), 'image')}"
    return counts if is_published else f"your {counts}"


def _leaderboard(
    title: str,
    dataset: str,
    records: Sequence[Record],
    folders: CaseFolders,
    cases: CaseColumns,
    rank_methods: Sequence[str],
    listed: Set[str] | None,
    is_primary: Callable[[Row], bool] | None,
) -> Leaderboard:
    scored = grouping.main_records(records, dataset)
    groups = trainings(_without_people(scored))
    runs = [record for group in groups for record in group]
    column, shares = column_of(grouping.ranked(runs), cases, MAIN), Shares.of(cases)
    solved = _solved(groups, shares)
    auroc = {metric: auroc_by_model(records, metric) for metric in (AUROC, grouping.BOXED)}
    stored = _stored_resamples(runs, column, folders)
    rows = grouping.told_apart(
        [_row(group, column, shares, solved, auroc, stored) for group in groups]
    )
    compared = [comparisons.within_network(group, column) for group in by_network(rows).values()]
    if is_primary is not None:
        compared = comparisons.primary_first(compared, is_primary)
    rank_methods = rank_methods or comparisons.common_methods(compared)
    of_networks = comparisons.networks(compared, rank_methods)
    methods = [_noted(row) for group in compared for row in by_score(group) if row.is_method]
    by_best = by_network(by_score(methods))  # the network of the best row is first
    order = [
        *dict.fromkeys([*[*by_best][:1], *(row.key_of_network for row in of_networks), *by_best])
    ]
    methods.sort(key=lambda row: order.index(row.key_of_network))
    people = {
        r.cell.method: _person(r) for r in reversed(scored) if r.cell.method in names.PEOPLE
    }  # of all networks
    all_rows = [row for group in compared for row in group]
    baselines = _baselines(all_rows)
    without_network = _baselines([row for row in all_rows if "grid" in row.cell.recipe])
    by_source = [[r for r in group if not r.is_published] for group in compared]
    effects = comparisons.effects([group for group in by_source if group] or compared, of_networks)
    of_added = comparisons.added(records, dataset, is_primary)
    computed = (
        of_networks,
        rank_methods,
        methods,
        baselines,
        without_network,
        [*people.values()],
        effects,
        of_added,
        solved,
    )
    return Leaderboard(title, dataset, records, folders, *computed, _theirs(methods, listed), cases)


def _theirs(methods: Sequence[Row], listed: Set[str] | None) -> list[Row]:
    """Return a user's rows: those beside published ones or, without published ones, those that are not ``listed``."""
    if any(row.is_published for row in methods):
        return [row for row in methods if not row.is_published]
    own = [row for row in methods if not row.contributed_by]
    return (
        [] if listed is None else [row for row in own if any(r.key not in listed for r in row.runs)]
    )


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
        keys, method = [record.key for record in runs], runs[0].cell.method
        if not self.curves or len(runs) < 2:
            return by_patient
        if method in self.floors:
            return column.made_again(by_patient, self.floors[method])
        has_fixed_hits = method in (*names.BLIND, *names.SUPERVISED)
        if has_fixed_hits or all(key in self.curves for key in keys):
            return column.with_thresholds_chosen_again(by_patient, keys, self.curves)
        return by_patient


def _stored_resamples(
    runs: Sequence[Record], column: MainColumn | None, folders: CaseFolders
) -> StoredResamples:
    """Read what the suite stores for the ``runs``; only cross-fitted rows have curves."""
    found = curves.read(folders.own, [record.key for record in runs])
    if column is None or not found:
        return StoredResamples(found, {})
    return StoredResamples(found, floors.read(folders.own, column.hash_of_cases))


def auroc_by_model(
    records: Sequence[Record], metric: str = AUROC
) -> dict[tuple[object, ...], float]:
    """Return the AUROC of each model, on all images or those of another ``metric``."""
    values = ((r.cell.model_key, r.find(metric)) for r in grouping.scored(records, CLASSIFICATION))
    return {
        key: score.value for key, score in values if score is not None and score.value is not None
    }


def _solved(groups: Sequence[Sequence[Record]], shares: "Shares") -> tuple[str, ...]:
    """Return the findings of which ``prior`` hits at least ``SOLVED`` of the cases, unless it solves all."""
    prior = next((group[0] for group in groups if group[0].cell.method == PRIOR), None)
    if prior is None:
        return ()
    hits = _findings([prior], shares)
    solved = tuple(
        name
        for name, share in hits.items()
        if share.value is not None and share.value >= grouping.SOLVED
    )
    return solved if len(solved) < len(hits) else ()


def _row(
    runs: Sequence[Record],
    column: MainColumn | None,
    shares: "Shares",
    solved: Sequence[str],
    auroc: Mapping[str, Mapping[tuple[object, ...], float]],
    stored: StoredResamples,
) -> Row:
    """Return the row of ``runs`` before it is compared with others.

    ``auroc``: metric -> model -> its value.
    """
    first, by_patient = runs[0], None if column is None else column.entry(runs)
    if column is not None and by_patient is not None:
        by_patient = stored.of_row(runs, column, by_patient)
    findings = _findings(runs, shares)
    scores = {
        name: share
        for name in grouping.COLUMNS
        if (share := _mean(runs, name, shares)).value is not None
    }
    if solved and (rest := [share.value for name, share in findings.items() if name not in solved]):
        values = [value for value in rest if value is not None]
        scores[grouping.UNSOLVED] = Estimate(sum(values) / len(values) if values else None)
    if MAIN in scores:
        scores[MAIN] = _with_interval(scores[MAIN], runs, by_patient)
    models = [record.cell.model_key for record in runs]
    measured = {
        m: np.mean([of[key] for key in models])
        for m, of in auroc.items()
        if all(key in of for key in models)
    }
    means = {metric: float(value) for metric, value in measured.items()}
    scores |= {grouping.BOXED: Estimate(means[grouping.BOXED])} if grouping.BOXED in means else {}
    return Row(
        "method",
        first.method,
        tuple(runs),
        scores,
        findings,
        auroc=means.get(AUROC),
        by_patient=by_patient,
    )


def _with_interval(
    main: Estimate, runs: Sequence[Record], by_patient: RowSamples | None
) -> Estimate:
    """Return the main column with its interval: over runs and patients, or that of the record of a single run."""
    score = grouping.main_score(runs[0])
    n = main.n if score is None else score.n
    if len(runs) == 1:
        return (
            main._replace(n=n) if score is None else Estimate(score.value, score.low, score.high, n)
        )
    estimate = None if by_patient is None else by_patient.interval
    return (
        main._replace(n=n)
        if estimate is None
        else Estimate(main.value, estimate.low, estimate.high, n)
    )


def _mean(runs: Sequence[Record], name: str, shares: "Shares") -> Estimate:
    """Return the mean of a column over findings, then runs: from the rows per case, else from the records."""
    if all(record.key in shares.index for record in runs):
        values = [shares.mean(record.key, name) for record in runs]
    else:
        value = Row.of(runs).value(
            name, "none" if name == grouping.POINTING else runs[0].cell.threshold_source
        )
        values = [math.nan if value is None else value]
    mean = sum(values) / len(values)
    return Estimate(round(mean, 6) + 0.0 if math.isfinite(mean) else None)


def _findings(runs: Sequence[Record], shares: "Shares") -> dict[str, Estimate]:
    """Return finding -> the main column, mean over runs, with its number of cases."""
    if all(record.key in shares.index for record in runs):
        by_run = {name: [shares.of_finding(r.key, name) for r in runs] for name in shares.findings}
        pairs = {
            name: (sum(v for v, _ in values) / len(runs), values[0][1])
            for name, values in by_run.items()
        }
        return {name: Estimate(round(value, 6), n=n) for name, (value, n) in pairs.items() if n}
    names = dict.fromkeys(
        score.finding for score in runs[0].select(MAIN) if score.finding != "mean"
    )
    found = {name: Row.of(runs).find(MAIN, name, runs[0].cell.threshold_source) for name in names}
    return {
        name: Estimate(score.value, n=score.n) for name, score in found.items() if score is not None
    }


def _person(record: Record) -> Row:
    score = grouping.main_score(record)
    main = (
        Estimate(None) if score is None else Estimate(score.value, score.low, score.high, score.n)
    )
    return Row("method", record.method, (record,), {MAIN: main}, note=record.reason)


def _grid(row: Row) -> tuple[object, ...]:
    return row.cell.backbone, row.cell.img_size, *row.cell.recipe.get("grid", ())


def _grid_words(row: Row) -> str:
    """Return the network whose grid a row has, or the size of the grid."""
    sides = row.cell.recipe.get("grid")
    return (
        backbone_words(row.cell.backbone) or row.network
        if sides is None
        else f"{sides[0]}×{sides[1]} grid"
    )


def _network_words(row: Row) -> str:
    """Return the network of a row and whether it is a published one beside a user's."""
    return f"{row.network} ({PUBLISHED})" if row.is_published else row.network


def _baselines(rows: Sequence[Row]) -> list[Row]:
    """Return each baseline once, or once per grid on which it differs; of several networks, that with most runs."""
    chosen: list[Row] = []
    for name in names.IN_TABLES:
        of_grid: dict[tuple[object, ...], Row] = {}
        named = [row for row in rows if row.cell.method == name]
        named.sort(
            key=lambda row: (row.is_published, -len(row.runs), [*row.cell.recipe.get("grid", ())])
        )
        for row in named:
            of_grid.setdefault(_grid(row), row)
        distinct = grouping.grouped(of_grid.values(), lambda row: round(row.main.value or 0.0, 4))
        for same in distinct.values():
            grids = "" if len(distinct) == 1 else ", ".join(dict.fromkeys(map(_grid_words, same)))
            note = (
                _network_words(same[0]) if name in (names.UNTRAINED, *names.SUPERVISED) else grids
            )
            chosen.append(replace(same[0], note=note, significantly_worse=None, best_other=None))
    return chosen


def _noted(row: Row) -> Row:
    """Add a note to a method with failed cells."""
    return replace(
        row, note=next((f"failed: {run.reason}" for run in row.runs if run.status == "failed"), "")
    )


@dataclass(frozen=True, eq=False)
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
        findings, number = np.unique(cases.findings, return_inverse=True)
        width = max(cases.columns.values(), default=-1) + 1
        cell, shape = number[cases.cases] * width + cases.record_index, (len(findings), width)
        counts = (
            np.bincount(cell, minlength=len(findings) * width).reshape(shape).astype(np.float64)
        )
        hits = {name: cases.hits(name) for name in grouping.COLUMNS}
        sums = {
            name: np.bincount(cell, of, minlength=counts.size).reshape(shape)
            for name, of in hits.items()
        }
        values, n = (
            {name: ratio(of.astype(np.float64), counts) for name, of in sums.items()},
            (counts > 0).sum(0),
        )
        means = {
            name: of.sum(0, where=counts > 0) / np.maximum(n, 1) for name, of in values.items()
        }
        return cls(tuple(findings.tolist()), cases.columns, values, counts, means)

    def mean(self, key: str, column: str) -> float:
        """Return the mean of a column over the findings that have cases; nan if a finding has no value."""
        return float(self.means[column][self.index[key]])

    def of_finding(self, key: str, finding: str) -> tuple[float, int]:
        """Return the main column of a finding and its number of cases."""
        at = self.findings.index(finding), self.index[key]
        return float(self.values[MAIN][at]), int(self.counts[at])
