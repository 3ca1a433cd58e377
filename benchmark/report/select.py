"""Selects the records that a table shows, and tells what is the same between them."""

from collections.abc import Iterable, Sequence

from benchmark.records.record import Record
from core.names import MAIN, MAIN_PROTOCOL, UNRANKED_METHODS
from core.registry import Registry
from core.scores import Score

CHECKS = Registry("benchmark.validity", "check")
"""The words of the validity checks; none of them is imported."""


def model_of(record: Record) -> tuple[object, ...]:
    """What two records share when they explain the same model on the same data."""
    return record.cell.model_key


def by_model(records: Iterable[Record]) -> list[list[Record]]:
    """The records of each model, in their order.

    >>> from benchmark.records import Cell
    >>> words = [(method, name) for method in ("cam", "prior") for name in "ab"]
    >>> rows = [Record(cell=Cell(dataset="d", backbone=name, method=method)) for method, name in words]
    >>> [[record.cell.method for record in group] for group in by_model(rows)]
    [['cam', 'prior'], ['cam', 'prior']]
    """
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(model_of(record), []).append(record)
    return list(groups.values())


def row_key(record: Record) -> tuple[object, ...]:
    """What two records share that a table shows in one row: model and method."""
    return (model_of(record), record.cell.method)


def network(record: Record) -> str:
    """The model of a record in words: backbone, pooling and, where there is one, attention.

    >>> from benchmark.records import Cell
    >>> network(Record(cell=Cell(dataset="phantom", backbone="resnet18", global_pool="PCAM", attention_map="none")))
    'resnet18 PCAM'
    """
    c = record.cell
    return " ".join(word for word in (c.backbone, c.global_pool, c.attention_map) if word not in ("", "none"))


def datasets(records: Iterable[Record]) -> list[str]:
    """The data sets of the records, sorted."""
    return sorted({record.cell.dataset for record in records})


def parts(records: Iterable[Record], dataset: str) -> list[int]:
    """How many images slow methods explained, where those are a part of a data set's boxed images; ascending.

    Each number is that of a table of its own: scores on a part never stand beside those on all images.
    """
    return sorted({r.cell.images for r in records if r.cell.dataset == dataset and r.cell.images is not None})


def explained_images(record: Record) -> int | None:
    """How many images a record of a part rests on: as many as were asked for, or all boxed ones if fewer."""
    images = record.cell.images
    return None if images is None else record.rests_on.get("explained images", images)


def images_in_words(records: Iterable[Record]) -> str:
    """How many images the records of a part rest on, in words; nothing for records of all images."""
    return " or ".join(sorted({str(images) for r in records if (images := explained_images(r)) is not None}))


def scored(records: Iterable[Record], protocol: str, images: int | None = None) -> list[Record]:
    """The records of a protocol that were run and have scores, in a fixed order.

    Those of all images, or of a part of so many ``images``: the two never stand in one table.
    """
    return _ordered(r for r in records if r.cell.protocol == protocol and r.cell.images == images)


def of_protocol(records: Iterable[Record], dataset: str, protocol: str, images: int | None = None) -> list[Record]:
    """The scored records of a protocol on one data set, in a fixed order."""
    return [r for r in scored(records, protocol, images) if r.cell.dataset == dataset]


def of_check(records: Iterable[Record], dataset: str, check: str) -> list[Record]:
    """The scored records of a validity check on one data set, on however many images it looks at."""
    return _ordered(r for r in records if r.cell.dataset == dataset and r.cell.protocol == check)


def _ordered(records: Iterable[Record]) -> list[Record]:
    return sorted((r for r in records if r.scores and r.source != "paper"), key=lambda record: record.cell.sort_key)


def one_alignment(records: Sequence[Record]) -> list[Record]:
    """One record per model and method: the conventional alignment only where there is no other.

    Others' maps may come on the conventional grid alone; ours are shown on the true one.
    """
    others = {row_key(r) for r in records if r.cell.alignment != "conventional"}
    return [r for r in records if r.cell.alignment != "conventional" or row_key(r) not in others]


def board(records: Iterable[Record], dataset: str, images: int | None = None) -> list[Record]:
    """The records of the main table: one per model and method.

    Protocol ``locus``, scored on all boxed images, or on a part of so many ``images``; papers' numbers are none.
    """
    return one_alignment(of_protocol(records, dataset, MAIN_PROTOCOL, images))


def is_method(record: Record) -> bool:
    """Whether a record takes part in a ranking: run here, no baseline, not the limit.

    >>> from benchmark.records import Cell
    >>> [is_method(Record(cell=Cell(dataset="phantom", method=word))) for word in ("cam", "prior", "truth")]
    [True, False, False]
    """
    return record.source != "paper" and record.cell.method not in UNRANKED_METHODS


def main_score(record: Record, finding: str = "mean") -> Score | None:
    """The main column: hits at IoU .3 at the cross-fitted threshold.

    Of one finding, or the unweighted mean over findings; None where the record has none.
    """
    return record.find(MAIN, finding, "cross-fitted")


def main_value(record: Record, finding: str = "mean") -> float | None:
    """The main column's value, where it has one.

    Between 0 and 1: the share of cases (image x finding) whose scored box has IoU .3 or more with a truth box.
    """
    score = main_score(record, finding)
    return None if score is None else score.value


def variants(record: Record, metric: str) -> tuple[str, ...]:
    """What stands behind ``METRIC@`` in a check's record, in its order.

    >>> from benchmark.records import Cell
    >>> scores = [Score(finding="mean", metric=f"auroc@{name}", value=0.9) for name in ("drawn", "none")]
    >>> variants(Record(cell=Cell(dataset="phantom", method="classifier"), scores=tuple(scores)), "auroc")
    ('drawn', 'none')
    """
    start = f"{metric}@"
    return tuple(name.removeprefix(start) for name, _ in record.names(finding="mean") if name.startswith(start))


def value(record: Record, metric: str) -> float:
    """The mean of a metric over findings, to sort and compare by; -1, which no metric is below, where there is none."""
    return next(iter(defined_values([record.find(metric)])), -1.0)


def defined_values(scores: Iterable[Score | None]) -> list[float]:
    """The values of those scores that have one.

    >>> defined_values([Score(finding="mean", metric="auroc", value=0.9), None, Score(finding="mean", metric="auroc")])
    [0.9]
    """
    return [score.value for score in scores if score is not None and score.value is not None]


def mean(scores: Iterable[Score | None]) -> float | None:
    """The mean of the scores that have a value; None where none has.

    >>> mean(Score(finding="mean", metric="auroc", value=value) for value in (0.5, 1.0, None))
    0.75
    """
    values = defined_values(scores)
    return sum(values) / len(values) if values else None
