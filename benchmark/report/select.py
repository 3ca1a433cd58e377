"""Which records a table shows, how they are ordered, and what a reader must be told about a row."""

from collections.abc import Iterable, Sequence

from benchmark.records.record import Record, Score
from benchmark.report.same import same_as

MAIN = "hit@iou.3"
BASELINES = ("center", "prior", "noise")
LIMIT = "truth"


def model_of(record: Record) -> tuple[object, ...]:
    """What two records share when they explain the same model on the same data."""
    c = record.cell
    return (c.dataset, c.partition, c.split, c.backbone, c.global_pool, c.attention_map, c.img_size, c.seed, c.model_id)


def words(record: Record) -> tuple[str, ...]:
    """The cells with which a row begins, as ``WORDS`` names them."""
    c, paper = record.cell, record.source == "paper"
    names = (f"{c.method} (paper)", "") if paper else (c.method, same_as(c.method, c.global_pool))
    return (c.backbone or "–", c.global_pool or "–", c.attention_map or "–", str(c.img_size or "–"), *names)


WORDS = ("backbone", "pooling", "attention", "size", "method", "same map as")


def datasets(records: Iterable[Record]) -> list[str]:
    """The data sets of the records, sorted."""
    return sorted({record.cell.dataset for record in records})


def parts(records: Iterable[Record], dataset: str) -> list[int]:
    """How many images slow methods explained, where those are a part of a data set's boxed images; ascending."""
    return sorted({r.cell.images for r in records if r.cell.dataset == dataset and r.cell.images is not None})


def explained(record: Record) -> int | None:
    """How many images a record of a part of the images rests on: as many as were asked for, or all boxed ones where those are fewer."""
    images = record.cell.images
    return None if images is None else record.rests_on.get("explained images", images)


def scored(records: Iterable[Record], protocol: str, images: int | None = None) -> list[Record]:
    """The records of a protocol that have scores, failed cases counted as misses among them; in a fixed order.

    Those of all images, or of a part of so many ``images``: the two never stand in one table.
    """
    kept = [r for r in records if r.cell.protocol == protocol and r.cell.images == images and r.scores]
    return sorted(kept, key=lambda r: (*map(str, model_of(r)), r.cell.method, r.cell.alignment, r.key))


def once(records: Sequence[Record]) -> list[Record]:
    """One record per model and method: the conventional alignment only where there is no other."""
    others = {(model_of(r), r.cell.method) for r in records if r.cell.alignment != "conventional"}
    return [r for r in records if r.cell.alignment != "conventional" or (model_of(r), r.cell.method) not in others]


def main_score(record: Record, finding: str = "mean") -> Score | None:
    """The main column: hits at IoU .3 at the cross-fitted threshold."""
    return record.find(MAIN, finding, "cross-fitted")


def main_value(record: Record) -> float | None:
    """The main column's mean over findings, where it has one."""
    score = main_score(record)
    return None if score is None else score.value


def ranked(records: Sequence[Record]) -> list[Record]:
    """From the best main column down, those without one last; ``truth``, the limit, at the very end."""
    return sorted(records, key=lambda r: (r.cell.method == LIMIT, -(-1.0 if (v := main_value(r)) is None else v), words(r)))


def ranks(records: Sequence[Record]) -> list[str]:
    """The place of each record, equal values sharing one; none for baselines, the limit, papers and rows without a value."""
    values = [main_value(r) if r.source == "run" and r.cell.method not in (*BASELINES, LIMIT) else None for r in records]
    entered = [value for value in values if value is not None]
    return ["–" if value is None else str(1 + sum(other > value for other in entered)) for value in values]


def prior_of(record: Record, records: Iterable[Record]) -> float | None:
    """The main column of ``prior`` for the same model, else the best one on the same data set."""
    priors = [r for r in records if r.cell.method == "prior" and r.cell.dataset == record.cell.dataset and main_value(r) is not None]
    same = [r for r in priors if model_of(r) == model_of(record)] or priors
    return max((value for r in same if (value := main_value(r)) is not None), default=None)


def notes(record: Record, records: Sequence[Record]) -> str:
    """Limit, baseline, paper, not above prior, failed cases: joined by semicolons."""
    method, value, prior = record.cell.method, main_value(record), prior_of(record, records)
    told = [_kind(record)]
    if method not in (*BASELINES, LIMIT) and value is not None and prior is not None and value <= prior:
        told.append("does not beat prior")
    if record.status == "failed":
        told.append(f"failed: {record.reason}")
    return "; ".join(filter(None, told))


def _kind(record: Record) -> str:
    if record.source == "paper":
        return "from a paper, not run here"
    if record.cell.method == LIMIT:
        return "limit: sees the truth, not ranked"
    if record.cell.method == "prior":
        return "baseline: sees other patients' truth"
    return "baseline" if record.cell.method in BASELINES else ""
