"""``--verify``: which records of the suites hold, suite by suite."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

import methods
from benchmark.records import Record
from benchmark.suite import plan, results_folder, selection
from benchmark.suite.entered import with_models
from benchmark.suite.plan import Suite
from benchmark.verify.answers import verify_records
from benchmark.verify.figures import Difference, VerificationResult
from config import RunConfig
from core.errors import LocusError
from core.user_code import refuse_code

SHOWN = 3
"""So many figures are reported of a record that differs."""


def run(config: RunConfig, report: Callable[[str], None]) -> int:
    """Verify the suites that the flags name and ``report`` the outcome; 0 when all figures of all records hold, else 1.

    So a record whose maps or data are not at hand ends in 1 too: nothing was shown. Records without figures are
    counted. Raises ``LocusError`` for a bad suite or a broken record. Nothing is written but the cache of decoded
    images.
    """
    tallies = [_verify_suite(name, config, report) for name in selection.names(config)]
    return 0 if all(tally.holds for tally in tallies) else 1


@dataclass
class Tally:
    """How the records of a suite fared."""

    hold: int = 0
    differ: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    """Why records cannot be verified -> how many."""

    @property
    def holds(self) -> bool:
        """Whether no record differs and none is left to doubt.

        >>> Tally(hold=3).holds, Tally(hold=3, differ=1).holds
        (True, False)
        """
        return not self.differ and not self.unknown

    def count(self, result: VerificationResult) -> None:
        """Count a record."""
        if isinstance(result, LocusError):
            self.unknown[str(result)] += 1
        elif result:
            self.differ += 1
        else:
            self.hold += 1


def _verify_suite(name: str, config: RunConfig, report: Callable[[str], None]) -> Tally:
    suite, tally = plan.load(name, selection.suites_folder(config), config.trust), Tally()
    selection.check_protocols(suite, config)
    suite = with_models(suite, config)
    existing = selection.existing_records(results_folder.base(config) / name)
    chosen = _chosen(_of_models(suite, existing, config), config.method, config.protocol)
    stated = [record for record in chosen if record.scores]
    if not config.trust:
        typed = {*config.method, *suite.words}
        refuse_code([r.cell.method for r in stated if r.cell.method not in typed], results_folder.base(config) / name)
    report(f"{name}: {len(stated)} records to verify")
    bar = tqdm(total=len(stated), desc=f"verify {name}", unit="record", leave=False, disable=None)
    for record, result in verify_records(suite, stated, existing, config):
        bar.update()
        tally.count(result)
        if result and not isinstance(result, LocusError):
            report(_message(record, result))
    bar.close()
    if not chosen and selection.has_protocol(suite, config):
        tally.unknown["there is no record: run the suite first"] = 1
    empty = Counter(record.status for record in chosen if not record.scores)
    unknown = tally.unknown.total()
    summary = [f"{tally.hold} records hold", f"{tally.differ} differ", f"{unknown} cannot be verified"]
    summary += [f"{count} without figures ({status})" for status, count in sorted(empty.items())]
    reasons = (f"  {count} cannot be verified: {why}" for why, count in tally.unknown.items())
    report("\n".join([f"{name}: {', '.join(summary)}", *reasons]))
    return tally


def _of_models(suite: Suite, existing: Sequence[Record], config: RunConfig) -> Sequence[Record]:
    """The records of the finished models that the flags name; all of them without such flags."""
    if not config.checkpoint and not config.model:
        return existing
    entered = {model.id for model in plan.models(suite, selection.overrides(config)) if model.finished is not None}
    return [record for record in existing if record.cell.model_id in entered]


def _chosen(existing: Sequence[Record], method: Sequence[str], protocol: Sequence[str]) -> list[Record]:
    """Those of the methods and protocols that the flags name; all of them without such flags."""
    words, by = methods.expand(method), protocol if "all" not in protocol else ()
    return [r for r in existing if (not words or r.cell.method in words) and (not by or r.cell.protocol in by)]


def _message(record: Record, wrong: Sequence[Difference]) -> str:
    """A record that differs: its cell, its key, and the first figures as stated and as found."""
    cell = record.cell
    where = " ".join(word for word in (cell.model_id, cell.method, cell.alignment, cell.protocol) if word)
    lines = [f"  {each.what}: stated {each.stated}, found {each.measured}" for each in wrong[:SHOWN]]
    rest = [f"  and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
    return "\n".join([f"{where} ({record.key}) differs:", *lines, *rest])
