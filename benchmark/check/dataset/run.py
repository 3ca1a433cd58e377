"""Examine a data set, tell the tables, write the page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmark.check.dataset import pictures
from benchmark.check.dataset.checks import Answer, answers
from benchmark.check.dataset.scan import Look, Read, read
from config import DoctorConfig
from core.files import stem, write_text

COUNTS = ("split", "finding", "present", "absent", "unknown", "boxes", "images with boxes")
SPLITS = ("split", "images", "patients", "opened")


def run(config: DoctorConfig, tell: Callable[[str], None]) -> list[str]:
    """Examine the data set that ``config`` names; gives the questions whose answer is wrong.

    Writes ``report.md`` and ``samples.png`` below ``config.output``. Raises ``LocusError`` for data that cannot be
    loaded.
    """
    found = read(config)
    told = answers(found)
    folder = Path(config.output) / stem(config.name)
    shown = pictures.save(found, folder / "samples.png")
    write_text(folder / "report.md", page(config.name, found, told))
    wrong = [answer.question for answer in told if answer.verdict == "wrong"]
    tell("\n\n".join(_tables(found, told, "simple")))
    tell(f"\n{shown} pictures with their boxes: {folder / 'samples.png'}; report.md beside it")
    verdict = f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong"
    tell(f"\n{config.name}: {verdict}")
    return wrong


def page(name: str, found: Read, told: list[Answer]) -> str:
    """Markdown: answers, counts and the sheet of pictures."""
    return (
        "\n\n".join([f"# {name}", *_tables(found, told, "github"), "![sample pictures with their boxes](samples.png)"])
        + "\n"
    )


def _tables(found: Read, told: list[Answer], style: str) -> list[str]:
    widths = [None, None, 90] if style == "simple" else None
    return [
        tabulate(list(_sizes(found)), headers=SPLITS, tablefmt=style),
        tabulate(list(counts(found)), headers=COUNTS, tablefmt=style),
        tabulate(told, headers=("question", "verdict", "seen"), tablefmt=style, maxcolwidths=widths),
    ]


def _sizes(found: Read) -> Iterator[tuple[str, int, int, int]]:
    for split in found.labels:
        looks = _of(found, split)
        yield (
            split,
            len(looks),
            len({look.sample.patient_id for look in looks}),
            sum(bool(look.shape or look.reason) for look in looks),
        )


def counts(found: Read) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    """A row per split and finding, in the order of ``COUNTS``."""
    for split, labels in found.labels.items():
        for k, finding in enumerate(found.findings):
            boxes = [len(look.sample.boxes[finding]) for look in _of(found, split) if finding in look.sample.boxes]
            present, absent, unknown = (
                int(seen.sum()) for seen in (labels[:, k] == 1, labels[:, k] == 0, np.isnan(labels[:, k]))
            )
            yield split, finding, present, absent, unknown, sum(boxes), len(boxes)


def _of(found: Read, split: str) -> list[Look]:
    return [look for look in found.looks if look.split == split]
