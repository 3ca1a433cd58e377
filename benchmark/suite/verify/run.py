"""Verify the records of the suites, suite by suite."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

import methods
from benchmark.records import Record, cases, papers
from benchmark.suite import paired, plan, results_folder, selection
from benchmark.suite.plan import ModelPlan, Suite
from benchmark.suite.verify.differences import Difference, VerificationResult, differences
from config import VerifyConfig
from core.errors import DataError, LocusError, one_line
from core.names import PAIRED
from core.types import Echo
from core.user_code import refuse_code

MOST = 3
"""Maximum number of differences that are reported for a record."""


def run(config: VerifyConfig, echo: Echo) -> int:
    """Verify the suites of the flags and ``echo`` the outcome; return 0 if all records match, else 1.

    A record without its maps or data cannot be verified and gives 1, too. Records without scores are counted. Raises
    ``LocusError`` for an invalid suite or record. Only the cache of decoded images is written.
    """
    verified = [_verify_suite(name, config, echo) for name in selection.names(config)]
    return 0 if all(verified) else 1


def _verify_suite(name: str, config: VerifyConfig, echo: Echo) -> bool:
    """Return whether all records of a suite were verified without a difference."""
    suite, given = selection.requested_suite(name, config), bool(config.checkpoint or config.model)
    folder = results_folder.base(config, given) / name
    existing = selection.existing_records(folder)
    chosen = _chosen(suite, existing, config)
    scored = [record for record in chosen if record.scores]
    if not config.trust:
        typed = {*config.method, *suite.all_words}
        refuse_code([r.cell.method for r in scored if r.cell.method not in typed], folder)
    echo(f"{name}: {len(scored)} records to verify")
    results = verify_records(suite, scored, existing, folder, config)
    differ, unknown = 0, Counter[str]()
    for record, result in tqdm(results, f"verify {name}", len(scored), unit="record", leave=False, disable=None):
        if isinstance(result, LocusError):
            unknown[str(result)] += 1
        elif result:
            differ += 1
            echo(_message(record, result))
    match = len(scored) - differ - unknown.total()
    if not chosen and (not config.protocol or {*config.protocol} & {*suite.recorded_protocols, "all"}):
        unknown["the suite has no records: run it first"] = 1
    empty = Counter(record.status for record in chosen if not record.scores)
    summary = [f"{match} records match", f"{differ} differ", f"{unknown.total()} cannot be verified"]
    summary += [f"{count} without scores ({status})" for status, count in sorted(empty.items())]
    reasons = (f"  {count} cannot be verified: {one_line(why)}" for why, count in unknown.items())
    echo("\n".join([f"{name}: {', '.join(summary)}", *reasons]))
    return not differ and not unknown


def _chosen(suite: Suite, existing: Sequence[Record], config: VerifyConfig) -> Sequence[Record]:
    """Return the records of the given models, methods and protocols named by the flags; without flags, all."""
    if config.checkpoint or config.model:
        entered = {model.id for model in plan.models(suite) if model.given is not None}
        existing = [record for record in existing if record.cell.model_id in entered]
    words, by = methods.expand(config.method), config.protocol if "all" not in config.protocol else ()
    return [r for r in existing if (not words or r.cell.method in words) and (not by or r.cell.protocol in by)]


def _message(record: Record, wrong: Sequence[Difference]) -> str:
    """Describe a record that differs: its cell, its key, and the first differences."""
    cell = record.cell
    where = " ".join(word for word in (cell.model_id, cell.method, cell.alignment, cell.protocol) if word)
    lines = [f"  {one_line(difference)}" for difference in wrong[:MOST]]
    rest = [f"  and {len(wrong) - MOST} more"] if len(wrong) > MOST else []
    return "\n".join([f"{one_line(where)} ({one_line(record.key)}) differs:", *lines, *rest])


def verify_records(
    suite: Suite, scored: Sequence[Record], all_records: Sequence[Record], folder: Path, config: VerifyConfig
) -> Iterator[tuple[Record, VerificationResult]]:
    """Verify each ``scored`` record of the suite in ``folder`` against its source.

    Sources are the files of papers, the per-case rows of paired records, and stored maps and predictions.
    """
    quoted = [record for record in scored if record.source == "paper"]
    pairs = [record for record in scored if record.cell.protocol == PAIRED]
    of_papers = "no paper in `papers` of the suite contains them: run the suite again"
    yield from _compare_all(quoted, lambda: [r for word in suite.papers for r in papers.read(word)], of_papers)
    no_rows = f"their per-case rows are missing: {cases.RUN_AGAIN}"
    yield from _compare_all(pairs, lambda: paired.paired_records(folder, all_records), no_rows)
    rest = [record for record in scored if record not in quoted and record not in pairs]
    models = {model.id: model for model in plan.models(suite)}
    for word in dict.fromkeys(record.cell.model_id for record in rest):
        of_model = [record for record in rest if record.cell.model_id == word]
        model = models.get(word)
        why = _unverifiable(model, suite, of_model)
        if model is None or why:
            yield from ((record, DataError(why)) for record in of_model)
        else:
            from benchmark.suite.verify.rescore import rescore
            from benchmark.training import machine  # torch and numba are imported only for scoring

            if config.threads:
                machine.configure_torch(config.threads)
            yield from rescore(model, of_model, Path(config.runs) / (suite.training_runs_of or suite.name), folder)


def _compare_all(
    scored: Sequence[Record], recompute: Callable[[], Sequence[Record]], why_gone: str
) -> Iterator[tuple[Record, VerificationResult]]:
    """Compare each ``scored`` record with the recomputed record of the same cell.

    ``why_gone``: why a record cannot be recomputed.
    """
    try:
        by_key: dict[str, Record] = {record.key: record for record in recompute()} if scored else {}
    except LocusError as error:
        yield from ((record, error) for record in scored)
    else:
        gone = DataError(why_gone)
        yield from ((r, differences(r, by_key[r.key]) if r.key in by_key else gone) for r in scored)


def _unverifiable(model: ModelPlan | None, suite: Suite, model_records: Sequence[Record]) -> str:
    """Return why the records of a model cannot be verified; empty if it is planned and its data are available."""
    if model is not None:
        return selection.missing_data_message(suite, model)
    if any("weights" in record.cell.recipe for record in model_records):
        return "their model was added with --checkpoint or --model: give benchmark.verify the same flags"
    return "their model is no longer in the suite"
