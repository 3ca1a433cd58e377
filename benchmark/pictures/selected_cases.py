"""Select the model, records and cases of a gallery from records and per-case rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.records import Record
from benchmark.report.entries.ranking import best, ranked
from benchmark.report.select import one_alignment
from core.errors import DataError, UnknownNameError
from core.names import MAIN_PROTOCOL, PEOPLE

RANKS = ("best", "median", "worst")


@dataclass(frozen=True)
class SelectedCase:
    """One image × finding of the gallery."""

    finding: str
    rank: str
    """best, median or worst case of the finding."""
    image: str
    iou: float
    """Mean over the methods, by which the cases are ordered."""


def of_model(records: Sequence[Record], suite: str, model_id: str, on_part: bool = True) -> list[Record]:
    """Return the records of a model in the main table, best method first; without ``model_id``, of the leading model.

    If slow methods were run on part of the images only, the records on these images are returned if ``on_part``, else
    the records on all images. Raises ``DataError`` for a suite without such records, ``UnknownNameError`` for an
    unknown model.
    """
    main = [
        r for r in records if r.cell.protocol == MAIN_PROTOCOL and r.source == "run" and r.cell.method not in PEOPLE
    ]
    aligned = [r for r in main if r.cell.alignment == "aligned"]
    leader = _leader(aligned)
    if leader is None:
        raise DataError(f"no method of the suite {suite!r} has a score by {MAIN_PROTOCOL}: run the suite first")
    model_ids = sorted({r.cell.model_id for r in aligned})
    if model_id and model_id not in model_ids:
        raise UnknownNameError(f"model of the suite {suite!r}:", model_id, model_ids)
    chosen = [r for r in aligned if r.cell.model_id == (model_id or leader.cell.model_id)]
    parts = {r.cell.images for r in chosen}
    part = max((images for images in parts if images is not None), default=None) if on_part else None
    return ranked(one_alignment([r for r in chosen if r.cell.images == part]))


def _leader(records: Sequence[Record]) -> Record | None:
    """Return the best record on all images, among the models with the most methods, because some seeds have fewer."""
    whole = [r for r in records if r.cell.images is None]
    counts = Counter(r.cell.model_id for r in records)
    return best(r for r in whole if counts[r.cell.model_id] == max(counts.values()))


def choose(tables: Mapping[str, pd.DataFrame], findings: Sequence[str]) -> list[SelectedCase]:
    """Choose the best, median and worst case of each finding by mean IoU over the methods.

    ``tables``: method -> per-case rows. Only cases that all methods have are used; ties are ordered by image. All cases
    are chosen for a finding with fewer than three.

    >>> rows = pd.DataFrame({"finding": "mass", "image": [*"abc"], "iou": [.1, .6, .3]})
    >>> [(case.rank, case.image) for case in choose({"cam": rows}, ["mass"])]
    [('best', 'b'), ('median', 'c'), ('worst', 'a')]
    """
    ious = [table.set_index(["finding", "image"])["iou"].astype("float64") for table in tables.values()]
    mean = pd.concat(ious, axis=1, join="inner").mean(axis=1).round(9).rename("iou").reset_index()
    choices = []
    for finding in findings:
        cases = mean[mean["finding"] == finding].sort_values(["iou", "image"], ascending=[False, True])
        numbers = dict.fromkeys((0, (len(cases) - 1) // 2, len(cases) - 1) if len(cases) else ())
        chosen = cases.iloc[list(numbers)][["image", "iou"]].to_numpy().tolist()
        named = zip(RANKS, chosen, strict=False)
        choices += [SelectedCase(finding, rank, str(image), float(iou)) for rank, (image, iou) in named]
    return choices
