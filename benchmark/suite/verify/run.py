"""Verify the records of the suites, suite by suite."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

import methods
from benchmark.records import Record, published
from benchmark.suite import paired, plan, results_folder, selection
from benchmark.suite.plan import ModelPlan, Suite
from benchmark.suite.verify.differences import Difference, VerificationResult, differences
from config import VerifyConfig
from core.errors import DataError, LocusError, one_line
from core.names import PAIRED
from core.user_code import refuse_code

SHOWN = 3
"""Number of reported figures for a record that differs."""
ENTERED = "their model was added with --checkpoint or --model: write the same flags here"


def run(config: VerifyConfig, report: Callable[[str], None]) -> int:
    """Verify the suites of the flags and ``report`` the outcome; 0 if all figures of all records match, else 1.

    A record without its maps or data also gives 1, since nothing was verified. Records without figures are counted.
    Raises ``LocusError`` for a bad suite or a broken record. Only the cache of decoded images is written.
    """
    holding = [_verify_suite(name, config, report) for name in selection.names(config)]
    return 0 if all(holding) else 1


def _verify_suite(name: str, config: VerifyConfig, report: Callable[[str], None]) -> bool:
    """Return whether all records of a suite were verified without a difference."""
    suite, finished = selection.requested_suite(name, config), bool(config.checkpoint or config.model)
    folder = results_folder.base(config, finished) / name
    existing = selection.existing_records(folder)
    chosen = _chosen(_of_models(suite, existing, config), config.method, config.protocol)
    stated = [record for record in chosen if record.scores]
    if not config.trust:
        typed = {*config.method, *suite.all_words}
        refuse_code([r.cell.method for r in stated if r.cell.method not in typed], folder)
    report(f"{name}: {len(stated)} records to verify")
    results = verify_records(suite, stated, existing, folder, config)
    differ, unknown = 0, Counter[str]()
    for record, result in tqdm(results, f"verify {name}", len(stated), unit="record", leave=False, disable=None):
        if isinstance(result, LocusError):
            unknown[str(result)] += 1
        elif result:
            differ += 1
            report(_message(record, result))
    hold = len(stated) - differ - unknown.total()
    if not chosen and (not config.protocol or {*config.protocol} & {*suite.recorded, "all"}):
        unknown["the suite has no records: run it first"] = 1
    empty = Counter(record.status for record in chosen if not record.scores)
    summary = [f"{hold} records hold", f"{differ} differ", f"{unknown.total()} cannot be verified"]
    summary += [f"{count} without figures ({status})" for status, count in sorted(empty.items())]
    reasons = (f"  {count} cannot be verified: {one_line(why)}" for why, count in unknown.items())
    report("\n".join([f"{name}: {', '.join(summary)}", *reasons]))
    return not differ and not unknown


def _of_models(suite: Suite, existing: Sequence[Record], config: VerifyConfig) -> Sequence[Record]:
    """Return the records of the finished models that the flags name; all of them without such flags."""
    if not config.checkpoint and not config.model:
        return existing
    entered = {model.id for model in plan.models(suite) if model.finished is not None}
    return [record for record in existing if record.cell.model_id in entered]


def _chosen(existing: Sequence[Record], method: Sequence[str], protocol: Sequence[str]) -> list[Record]:
    """Return the records of the methods and protocols that the flags name; all of them without such flags."""
    words, by = methods.expand(method), protocol if "all" not in protocol else ()
    return [r for r in existing if (not words or r.cell.method in words) and (not by or r.cell.protocol in by)]


def _message(record: Record, wrong: Sequence[Difference]) -> str:
    """Describe a record that differs: its cell, its key, and the first figures that differ."""
    cell = record.cell
    where = " ".join(word for word in (cell.model_id, cell.method, cell.alignment, cell.protocol) if word)
    lines = [f"  {one_line(difference)}" for difference in wrong[:SHOWN]]
    rest = [f"  and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
    return "\n".join([f"{one_line(where)} ({one_line(record.key)}) differs:", *lines, *rest])


def verify_records(
    suite: Suite, stated: Sequence[Record], all_records: Sequence[Record], folder: Path, config: VerifyConfig
) -> Iterator[tuple[Record, VerificationResult]]:
    """Verify each of the ``stated`` records of the suite in ``folder`` against its sources.

    Papers' files first, then per-case rows for paired ones, then stored maps and predictions, model by model.
    """
    papers = [record for record in stated if record.source == "paper"]
    pairs = [record for record in stated if record.cell.protocol == PAIRED]
    yield from _looked_up(papers, lambda: [record for word in suite.published for record in published.read(word)])
    yield from _looked_up(pairs, lambda: paired.paired_records(folder, all_records))
    rest = [record for record in stated if record not in papers and record not in pairs]
    models = {model.id: model for model in selection.planned_models(suite, all_records)}
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
            yield from rescore(model, of_model, Path(config.runs) / (suite.trainings or suite.name), folder)


def _looked_up(
    stated: Sequence[Record], made: Callable[[], Sequence[Record]]
) -> Iterator[tuple[Record, VerificationResult]]:
    """Compare with the record of the same cell among those ``made`` anew, which are computed once for all."""
    try:
        remade: dict[str, Record] = {record.key: record for record in made()} if stated else {}
    except LocusError as error:
        yield from ((record, error) for record in stated)
    else:
        gone = DataError("its per-case rows or the file of its paper are missing")
        yield from ((r, differences(r, remade[r.key]) if r.key in remade else gone) for r in stated)


def _unverifiable(model: ModelPlan | None, suite: Suite, stated: Sequence[Record]) -> str:
    """Return why the records of a model cannot be verified; empty if it is planned and its data are available."""
    if model is not None:
        return selection.missing_data_message(suite, model)
    entered = any("weights" in record.cell.recipe for record in stated)
    return ENTERED if entered else "their model is no longer in the suite"
