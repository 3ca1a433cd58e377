"""The end of a run of a suite: compare its methods on the same cases, pack its records and write its tables.

``paired_records`` makes the records of protocol ``paired`` from the rows per case. The imports are slow, so a dry run
does without this module.
"""

import logging
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from locus.benchmark import records
from locus.benchmark.records import Cell, Record, Score, cases, papers
from locus.benchmark.report import tables
from locus.benchmark.report.all_tables import DatasetTables
from locus.benchmark.report.case_columns import KEY, CommonCases, columns, common_cases, read_cases
from locus.benchmark.report.leaderboard import Leaderboard, leaderboards
from locus.benchmark.report.page import Description
from locus.benchmark.report.select import is_method
from locus.benchmark.scoring.statistics.entries import share_of_first_places
from locus.benchmark.scoring.statistics.paired import compare, corrected
from locus.benchmark.scoring.statistics.resample import (
    ONE_BLAS_THREAD,
    CaseIndex,
    bootstrap_draws,
    interval,
    mean,
    over_findings,
    ratio,
)
from locus.benchmark.scoring.statistics.summary import Column, sums
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.cells import ModelTask, ResultsFolder, with_published
from locus.benchmark.suite.plan import Suite
from locus.config import RunConfig
from locus.core.errors import DataError, UnknownNameError, examples
from locus.core.names import (
    AGREEMENT,
    MAIN,
    MAIN_PROTOCOL,
    PAIRED,
    PEOPLE,
    PRIOR,
    RELATIVE_DROP,
    UPPER_BOUND_AND_PEOPLE,
)
from locus.core.startup import gc_paused

log = logging.getLogger(__name__)


@gc_paused()
def finalize(
    suite: Suite,
    planned: Sequence[ModelTask],
    config: RunConfig,
    folder: ResultsFolder,
    before: list[Record],
    ran: bool,
) -> tuple[list[Record], list[DatasetTables]]:
    """Pack the suite's records and write its tables; return the records in the tables, and the tables.

    ``before``: the records in ``folder`` before the cells ran; ``ran``: whether any cell ran. Paired records are
    computed again if there are new records. Raises ``DataError`` for invalid per-case rows, ``WriteError`` if a file
    cannot be written.
    """
    changed = ran or bool(records.unpacked(folder.path)) or PAIRED in config.protocol
    records_now = cells.existing_records(folder.path) if ran else before
    current = _drop_obsolete(suite, [cell for task in planned for cell in task.cells], records_now, config.forget)
    run_records = [record for record in current if record.source == "run" and record.cell.protocol != PAIRED]
    pairs = [record for record in current if record.cell.protocol == PAIRED]
    if changed or len(current) < len(records_now) or not pairs:
        pairs = paired_records(folder.path, current)
    of_papers = [record for word in suite.papers for record in papers.read(word)]
    final = records.ordered([*run_records, *pairs, *of_papers])
    if changed or final != list(records_now):
        records.pack(folder.path, final)
    table_records = with_published(final, folder.published)
    datasets = tables.write(folder.path, describe(suite), table_records, config.columns, folder.published_folder)
    return table_records, datasets


@ONE_BLAS_THREAD
@gc_paused()
def leaderboards_of(folder: Path) -> list[Leaderboard]:
    """Return the leaderboards of a suite that was run before, from the records in its ``folder``."""
    results, name = ResultsFolder(folder), folder.name
    rank_methods = plan.load(name).rank_methods if name in plan.suites() else ()
    folders = [path for path in (folder, results.published_folder) if path is not None]
    return leaderboards(with_published(records.load(folder), results.published), folders, rank_methods)


def describe(suite: Suite) -> Description:
    """Return the texts on the suite's pages."""
    return Description(suite.title, suite.about, suite.limits, tuple(suite.rank_methods))


def _drop_obsolete(
    suite: Suite, planned: Sequence[Cell], records_now: Sequence[Record], forget: Sequence[str]
) -> list[Record]:
    """Drop the records whose model, protocol, alignment or images are no longer in the suite.

    Records of methods added by ``--method`` and of models added by ``--checkpoint`` or ``--model`` stay, unless
    ``forget`` lists the model. Raises ``UnknownNameError`` for a name in ``forget`` that no such model has.
    """
    wanted = {cell.key for cell in planned}
    if not forget and all(_is_wanted(record, wanted) for record in records_now):
        return list(records_now)
    planned_keys = {cell.without_method.key for cell in planned}
    listed, models = {cell.method for cell in planned}, {cell.model_id for cell in planned}
    remaining, added_models = [], set()  # by --checkpoint or --model
    for record in records_now:
        cell = record.cell
        is_added = "weights" in cell.recipe and cell.model_id not in models
        of_added_method = cell.method not in listed and cell.without_method.key in planned_keys
        if is_added:
            added_models.add(cell.model_id)
        if _is_wanted(record, wanted) or is_added or of_added_method:
            remaining.append(record)
        else:
            log.warning("%s: record %s is removed: its cell is no longer in the suite", suite.name, record.key)
    if unknown := [name for name in forget if name not in added_models]:
        known = sorted(added_models)
        raise UnknownNameError(f"--forget (models added to {suite.name} earlier)", unknown[0], known)
    if kept := ", ".join(sorted(added_models.difference(forget))):
        log.info("%s: models of an earlier --checkpoint or --model (remove with --forget): %s", suite.name, kept)
    return [record for record in remaining if record.cell.model_id not in forget]


def _is_wanted(record: Record, wanted: Set[str]) -> bool:
    return record.source != "run" or record.cell.protocol == PAIRED or record.key in wanted


if TYPE_CHECKING:
    import pandas as pd


def paired_records(folder: Path, all_records: Iterable[Record]) -> list[Record]:
    """Compute the paired records of a suite's ``folder``, from its records of ``locus`` and their per-case rows.

    Raises ``DataError`` for invalid rows.
    """
    models = tqdm(_models(all_records), desc="compare methods", unit="model", leave=False, disable=None)
    return [record for group in models for record in _of(group, folder)]


def _models(all_records: Iterable[Record]) -> list[list[Record]]:
    """Group the records to compare by model and images, ordered by method."""
    groups: dict[str, list[Record]] = {}
    for record in sorted(all_records, key=lambda r: r.cell.method):
        if is_comparable(record):
            groups.setdefault(record.cell.without_method.key, []).append(record)
    return list(groups.values())


def is_comparable(record: Record) -> bool:
    """Whether a record has scores of ``locus``: of a run on the aligned grid, or of an external entry on any grid."""
    is_own = record.source == "run" and record.cell.alignment == "aligned"
    return (
        bool(record.scores) and record.cell.protocol == MAIN_PROTOCOL and (is_own or "external" in record.cell.recipe)
    )


def _of(group: Sequence[Record], folder: Path) -> list[Record]:
    """Return a paired record for each record of a model, except ``prior`` and the upper bounds.

    Records without rows in ``folder`` are skipped with a warning. Raises ``DataError`` if the rows of two records have
    different cases.
    """
    entered = [record for record in group if record.cell.method not in UPPER_BOUND_AND_PEOPLE]
    existing = [record for record in entered if cases.exist(record.cell, folder)]
    if absent := [record.cell.method for record in entered if record not in existing]:
        again = f"to compare them, {cases.RUN_AGAIN}"
        log.warning("%s in %s: no per-case rows of %s; %s", group[0].cell.model_id, folder, examples(absent), again)
    if not existing:
        return []
    common = common_cases([read_cases(record, folder) for record in existing])
    if any(common.left_out):
        names = ", ".join(record.cell.method for record, count in zip(existing, common.left_out, strict=True) if count)
        differ = f"the methods of {existing[0].cell.model_id} in {folder} have different cases ({names})"
        raise DataError(f"{differ}: {cases.RUN_AGAIN}")
    people = [record for record in group if record.cell.method in PEOPLE and cases.exist(record.cell, folder)]
    drops = [[_relative_drop(table, record, folder) for record in people] for table in common.tables]
    scores = zip(existing, _scores(existing, common), drops, strict=True)
    return [_record(record, [*compared, *drop]) for record, compared, drop in scores if compared or drop]


def _record(of: Record, scores: Sequence[Score]) -> Record:
    """Make a paired record without time stamps, so that the same rows give the same record."""
    cell = of.cell.model_copy(update={"protocol": PAIRED})
    return of.model_copy(
        update={
            "cell": cell, "status": "ok", "reason": "", "geometry": "none", "created": "", "seconds": None,
            "thresholds": {}, "hits_by_threshold": (), "scores": tuple(scores), "strata": (),
        }
    )  # fmt: skip


def _scores(methods: Sequence[Record], common: CommonCases) -> list[list[Score]]:
    """Return for each record ``p_first`` (not for baselines), and the difference to ``prior`` with its p."""
    hits, findings = [columns(table, [MAIN])[0] for table in common.tables], common.findings
    scores: list[list[Score]] = [[] for _ in methods]
    if entered := [n for n, record in enumerate(methods) if is_method(record)]:
        method_sums = sums([hits[n] for n in entered], common.index, findings)
        samples: NDArray[np.float32] = mean(bootstrap_draws(method_sums).samples, -2)  # (R, K)
        for n, share in zip(entered, share_of_first_places(samples), strict=True):
            scores[n].append(_score("p_first", float(share), len(common.index)))
    prior = next((n for n, record in enumerate(methods) if record.cell.method == PRIOR), None)
    others = [n for n in range(len(methods)) if n != prior]
    if prior is not None and others:
        comparisons = compare([hits[n] for n in others], [hits[prior]] * len(others), common.index, findings)
        for n, one in zip(others, corrected([row for row in comparisons if row.finding == "mean"]), strict=True):
            scores[n].append(_score("above_prior", one.difference, one.n, one.low, one.high))
            scores[n] += [_score("p", one.p, one.n), _score("p_holm", one.adjusted, one.n)]
    return scores


def _relative_drop(table: "pd.DataFrame", people: Record, folder: Path) -> Score:
    """Return (people - method) / people from a method's per-case rows, on the cases of the ``people`` record."""
    read = cases.read(people.cell, folder)[[*KEY, AGREEMENT]].astype(dict.fromkeys(KEY, str))
    both = table[[*KEY, MAIN]].merge(read, on=KEY)  # packed rows of a method have the column AGREEMENT, too
    scored = [Column(name, "none", both[name].to_numpy(np.float64), np.ones(len(both))) for name in (AGREEMENT, MAIN)]
    index = CaseIndex.of(both["finding"].tolist(), both["patient"].tolist())
    drop = over_findings(bootstrap_draws(sums(scored, index, sorted({*both["finding"]})))).over(relative_drop)
    value = None if not np.isfinite(drop.value) else float(drop.value)
    low, high = interval(drop).tolist() if value is not None else (np.nan, np.nan)
    ends = (None, None) if np.isnan([low, high]).any() else (low, high)
    return _score(f"{RELATIVE_DROP}{people.cell.method}", value, len(both), *ends)


def relative_drop(pair: Any) -> Any:
    """Return (people - method) / people from (..., 2) scores of people and method, as (...); nan if people have 0.

    >>> relative_drop(np.array([0.5, 0.4])).round(3).item()
    0.2
    """
    people, method = pair[..., 0], pair[..., 1]
    return ratio(people - method, people)


def _score(metric: str, value: float | None, n: int, low: float | None = None, high: float | None = None) -> Score:
    return Score(finding="mean", metric=metric, value=value, low=low, high=high, n=n, threshold_origin="cross-fitted")
