"""The questions that the doctor asks of what was read; each answer is one row with a verdict, a count and examples."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from benchmark.check.dataset.scan import Look, Read
from core.boxes import clip
from core.errors import examples
from datasets import splits

Verdict = Literal["ok", "note", "wrong"]
STRETCH = 0.02
"""By how much an image may be wider or narrower than the frame of its boxes, as a share."""


class Answer(NamedTuple):
    """One row of the table."""

    question: str
    verdict: Verdict
    seen: str


def answers(read: Read) -> list[Answer]:
    """All questions in order."""
    return [ask(read) for ask in QUESTIONS]


def _splits(read: Read) -> Answer:
    """A split that the data set refuses, in its own words."""
    return _told(
        "splits that load", [f"{split}: {sentence}" for split, sentence in read.refused.items()], "wrong", "all three"
    )


def _patients(read: Read) -> Answer:
    seen: dict[str, set[str]] = defaultdict(set)
    for look in read.looks:
        seen[look.sample.patient_id].add(look.split)
    both = [f"{patient} ({', '.join(sorted(splits))})" for patient, splits in seen.items() if len(splits) > 1]
    return _told("patients on both sides", both, "wrong")


def _unreadable(read: Read) -> Answer:
    bad = [look.reason for look in read.looks if look.reason]
    if read.left_out:
        told = "left out while loading, see the warnings" + (f"; {examples(bad)}" if bad else "")
        return Answer("unreadable files", "wrong", f"{len(bad) + read.left_out}: {read.left_out} {told}")
    return _told("unreadable files", bad, "wrong")


def _missing(read: Read) -> Answer:
    """Images that the tables list and that lie nowhere."""
    return _told(
        "listed images without a file", [f"{split} {count}" for split, count in read.missing.items() if count], "wrong"
    )


def _few(read: Read) -> Answer:
    """Validation images by which a training chooses its checkpoint; a data set to test on only has none."""
    count = len(read.labels.get("val", ()))
    sentence = splits.doubt(count) if count else ""
    return Answer("validation images", "note" if sentence else "ok", sentence or str(count))


def _duplicates(read: Read) -> Answer:
    """The same pixels under two names: across splits a leak, within one a note."""
    groups = _same(read.looks)
    across = [group for group in groups if len({look.split for look in group}) > 1]
    where = "across splits" if across else "within a split"
    return _told(
        "duplicate images", [f"{where}: {_equal(group)}" for group in across or groups], "wrong" if across else "note"
    )


def _outside(read: Read) -> Answer:
    """Boxes that are not wholly inside their frame, or narrower than a pixel of it.

    Such are given in shares of the image.
    """
    wrong = [
        f"{look.sample.image_id} {finding}"
        for look in read.looks
        for finding in look.sample.boxes
        if not _fits(look, finding)
    ]
    return _told("boxes outside or narrower than a pixel", wrong, "wrong")


def _fits(look: Look, finding: str) -> bool:
    boxes = look.sample.boxes[finding]
    return bool((boxes[:, 2:] - boxes[:, :2] >= 1).all() and (clip(boxes, look.sample.frame) == boxes).all())


def _frames(read: Read) -> Answer:
    """Images that have another shape than the frame of their boxes: the boxes would be stretched."""
    wrong = [
        (
            f"{look.sample.image_id} is {look.shape[1]}x{look.shape[0]}, its "
            f"frame {look.sample.frame[1]}x{look.sample.frame[0]}"
        )
        for look in read.looks
        if look.shape and look.sample.boxes and abs(_ratio(look.shape) / _ratio(look.sample.frame) - 1) > STRETCH
    ]
    return _told("shape of image and frame", wrong, "wrong", "the same")


def _ratio(size: tuple[int, int]) -> float:
    return size[1] / max(size[0], 1)


def _boxes_and_labels(read: Read) -> Answer:
    known = {finding: k for k, finding in enumerate(read.findings)}
    wrong = [
        f"{look.sample.image_id} {finding}"
        for look in read.looks
        for finding in look.sample.boxes
        if len(look.sample.boxes[finding]) and look.sample.labels[known[finding]] != 1
    ]
    return _told("boxes of a finding whose label is not 1", wrong, "note")


def _labels(read: Read) -> Answer:
    """The same pixels, or the same name, with labels that contradict each other."""
    wrong = []
    for group in _same(read.looks):
        labels = np.stack([look.sample.labels for look in group])
        present, absent = (labels == 1).any(axis=0), (labels == 0).any(axis=0)
        names = [finding for finding, both in zip(read.findings, present & absent, strict=True) if both]
        wrong += [f"{_equal(group)}: {examples(names)}"] if names else []
    return _told("duplicates whose labels differ", wrong, "wrong")


def _same(looks: Iterable[Look]) -> list[list[Look]]:
    """Groups of two or more images with the same pixels."""
    groups: dict[str, list[Look]] = defaultdict(list)
    for look in looks:
        if look.print:
            groups[look.print].append(look)
    return [group for group in groups.values() if len(group) > 1]


def _equal(group: Sequence[Look], most: int = 4) -> str:
    """A group in words, one image of each split first; it may hold thousands, as of black pictures."""
    firsts = list({look.split: look for look in reversed(group)}.values())[::-1]
    order = [*firsts, *(look for look in group if look not in firsts)]
    rest = f" and {len(order) - most} more" if len(order) > most else ""
    return " = ".join(f"{look.sample.image_id} ({look.split})" for look in order[:most]) + rest


def _told(question: str, wrong: Sequence[str], verdict: Verdict, none: str = "none") -> Answer:
    return Answer(question, verdict, f"{len(wrong)}: {examples(wrong)}") if wrong else Answer(question, "ok", none)


def _said(read: Read) -> Answer:
    """What the data set itself warned of: files that are not there, what was left out or clipped."""
    return _told("warnings while loading", read.said, "note")


QUESTIONS: tuple[Callable[[Read], Answer], ...] = (
    _splits,
    _patients,
    _duplicates,
    _labels,
    _unreadable,
    _missing,
    _few,
    _outside,
    _frames,
    _boxes_and_labels,
    _said,
)
