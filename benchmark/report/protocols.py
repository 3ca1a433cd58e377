"""The named protocols as wide tables, so that a reader can compare with what they read elsewhere."""

from collections.abc import Sequence

from benchmark.records.record import Origin, Record
from benchmark.report import select
from benchmark.report.rests import rests_on
from benchmark.report.table import NOTHING, Table, number, share, with_interval, with_n

IOU = (".1", ".2", ".3", ".4", ".5", ".6", ".7")
IOBB = (".1", ".25", ".5", ".75", ".9")
OVERLAPS = tuple(f"hit@{m}{t}" for m in ("iou", "iobb") for t in (".1", ".2", ".25", ".3", ".4", ".5"))
SEED = (*OVERLAPS, "no_overlap", "mean_iou", "mean_iobb")
WORDS = (*select.WORDS, "alignment")


def wang(records: Sequence[Record], dataset: str) -> list[Table]:
    """Acc and AFP at T(IoU) and at T(IoBB), mean over findings: one table each."""
    return [_wang(records, dataset, measure, levels) for measure, levels in (("iou", IOU), ("iobb", IOBB))]


def seed(records: Sequence[Record], dataset: str) -> list[Table]:
    """The adaptive rule as published and cross-fitted: one table each."""
    return [_seed(records, dataset, origin) for origin in ("fixed", "cross-fitted")]


def pointing(records: Sequence[Record], dataset: str) -> list[Table]:
    """The pointing game, strict and with tolerance."""
    every = _of(records, "pointing", dataset)
    metrics = ("pointing", "pointing@15")
    rows = [(*_words(r), *(with_interval(r.find(m)) for m in metrics), _n(r, metrics[0])) for r in every]
    intro = rests_on(every, "none: the maximum of the map") + "\nMean over findings; pointing@15 allows a distance of 15·W/224."
    return [Table(f"{dataset}: pointing game", intro, (*WORDS, *metrics, "n cases"), tuple(rows))]


def alignment(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the conventional placement of the map costs: the main column aligned and conventional, side by side."""
    pairs = _pairs(_of(records, "locus", dataset))
    rows = []
    for first, second in pairs:
        scores = [select.main_score(r) for r in (first, second)]
        values = [None if s is None else s.value for s in scores]
        change = None if None in values else values[0] - values[1]  # type: ignore[operator]
        rows.append((*select.words(first), *map(with_interval, scores), number(change), _n(first, select.MAIN)))
    header = (*select.WORDS, "aligned", "conventional", "aligned − conventional", "n cases")
    intro = rests_on([r for pair in pairs for r in pair], "cross-fitted by patient, per finding, each alignment for itself")
    return [Table(f"{dataset}: alignment ({select.MAIN})", intro, header, tuple(rows))]


def _wang(records: Sequence[Record], dataset: str, measure: str, levels: Sequence[str]) -> Table:
    every = _of(records, "wang", dataset)
    metrics = [f"{kind}@{measure}{level}" for level in levels for kind in ("acc", "afp")]
    header = [f"{kind} {level}" for level in levels for kind in ("Acc", "AFP")]
    rows = [(*_words(r), *(share(r.find(m)) for m in metrics), _n(r, metrics[0])) for r in every]
    intro = rests_on(every, "fixed: 60 and 180 of 255, both levels' boxes pooled")
    intro += "\nMean over findings. Acc: share of truth boxes localized; AFP: false boxes of a finding per truth box of all findings."
    title = f"{dataset}: wang, T({'IoU' if measure == 'iou' else 'IoBB'})"
    return Table(title, intro, (*WORDS, *header, "n boxes"), tuple(rows))


def _seed(records: Sequence[Record], dataset: str, origin: Origin) -> Table:
    every = _of(records, "seed", dataset)
    rows = [
        (*_words(r), *(share(r.find(m, origin=origin)) for m in SEED[:-1]), with_n(r.find(SEED[-1], origin=origin)), _n(r, SEED[0]))
        for r in every
    ]
    rule = (
        "fixed: min(1.95 · mean, .6)" if origin == "fixed" else "cross-fitted by patient, per finding, over a 7×7 grid of factor and high"
    )
    intro = rests_on(every, rule) + "\nMean over findings of the shares at ≥. mean_iobb rests on the cases that have a box."
    return Table(f"{dataset}: seed, {origin}", intro, (*WORDS, *SEED, "n cases"), tuple(rows))


def _of(records: Sequence[Record], protocol: str, dataset: str) -> list[Record]:
    return [r for r in select.scored(records, protocol) if r.cell.dataset == dataset]


def _pairs(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    placed = {(select.model_of(r), r.cell.method, r.cell.alignment): r for r in records}
    keys = [key for key in placed if key[2] == "aligned" and (*key[:2], "conventional") in placed]
    return [(placed[key], placed[(*key[:2], "conventional")]) for key in keys]


def _words(record: Record) -> tuple[str, ...]:
    return (*select.words(record), record.cell.alignment or NOTHING)


def _n(record: Record, metric: str) -> str:
    score = record.find(metric)
    return NOTHING if score is None else str(score.n)
