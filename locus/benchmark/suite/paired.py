"""The records of protocol ``paired``: comparison of the methods of a model with each other and with ``prior``.

They are computed from the per-case rows of ``locus`` on the aligned grid, on all boxed images and on the part that slow
methods explain. The same rows give the same bytes.

``p_first``      probability of ranking first by ``hit@iou.3`` among the methods of the model, in resamples of
                 patients; tied methods share it. Baselines have none.
``above_prior``  difference in ``hit@iou.3`` to ``prior`` on the same cases, with its interval.
``relative_drop@readers``, ``relative_drop@second readers``  (people - method) / people in ``hit@iou.3``, means over
                 findings on their common cases, with its bootstrap interval by patient; 0: as good as people
                 (Saporta et al., Nature Machine Intelligence 4 (2022), 867-878).
``p``, ``p_holm``  sign-flip test by patient of that difference; Holm over the methods and baselines of the model.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from locus.benchmark.records import Record, Score, cases
from locus.benchmark.report.case_columns import KEY, CommonCases, columns, common_cases, read_cases
from locus.benchmark.report.select import is_method
from locus.benchmark.scoring.statistics.entries import share_of_first_places
from locus.benchmark.scoring.statistics.paired import compare, corrected
from locus.benchmark.scoring.statistics.resample import CaseIndex, bootstrap_draws, interval, mean, over_findings, ratio
from locus.benchmark.scoring.statistics.summary import Column, sums
from locus.core.errors import DataError, examples
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

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


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
