"""Layouts of the protocols on the surface, for comparison with published tables."""

from benchmark.records.record import Record
from benchmark.report.columns import TableColumn, count, score
from benchmark.report.leaderboard.layout import TableLayout
from benchmark.report.table import NOTHING, with_interval, with_n
from core.names import MAIN
from core.scores import Origin

IOU = (".1", ".2", ".3", ".4", ".5", ".6", ".7")
IOBB = (".1", ".25", ".5", ".75", ".9")
OVERLAPS = tuple(
    f"hit@{measure}{level}" for measure in ("iou", "iobb") for level in (".1", ".2", ".25", ".3", ".4", ".5")
)
GRID = "over a 7×7 grid of factor and high"


def _wang(measure: str, word: str, levels: tuple[str, ...]) -> TableLayout:
    pairs = [(f"{kind} {level}", f"{kind.lower()}@{measure}{level}") for level in levels for kind in ("Acc", "AFP")]
    return TableLayout(
        "wang",
        f"wang, T({word})",
        "fixed: 60 and 180 of 255, both levels' boxes pooled",
        "Mean over findings. Acc: share of truth boxes localized; AFP: false boxes of a finding per truth box of all "
        "findings.",
        (
            *(score(metric, heading=name, kind="optional") for name, metric in pairs),
            count("acc@iou.1", heading="n boxes"),
        ),
        (f"acc@{measure}{levels[2]}", "fixed"),
        needs=pairs[0][1],
    )


def _seed(origin: Origin, rule: str) -> TableLayout:
    means = (score("no_overlap", origin), score("mean_iou", origin), score("mean_iobb", origin, formatter=with_n))
    return TableLayout(
        "seed",
        f"seed, {origin}",
        f"{origin}: {rule}",
        "Mean over findings of the shares at ≥. mean_iobb covers the cases that have a box.",
        (*(score(metric, origin) for metric in OVERLAPS), *means, count(OVERLAPS[0], origin)),
        (MAIN, origin),
    )


def _without(record: Record) -> str:
    """Format the number of cases without energy, and of all cases."""
    rest, whole = record.find("energy"), record.find("no_energy")
    return NOTHING if rest is None or whole is None else f"{whole.n - rest.n} of {whole.n}"


WANG = (_wang("iou", "IoU", IOU), _wang("iobb", "IoBB", IOBB))
SEED = (_seed("fixed", "min(1.95 · mean, .6)"), _seed("cross-fitted", f"by patient, per finding, {GRID}"))
POINTING = TableLayout(
    "pointing",
    "pointing game",
    "none: the maximum of the map",
    "Mean over findings; pointing@15 allows a distance of 15·W/224.",
    (*(score(metric, formatter=with_interval) for metric in ("pointing", "pointing@15")), count("pointing")),
    ("pointing", None),
)
ENERGY = TableLayout(
    "energy",
    "energy",
    "none: the whole map",
    "energy: share of the rectified map's integral inside the truth, mean over findings. no energy: maps without "
    "positive values (0/0), left out of the share. in lungs: share inside the lungs, where the data set has their "
    "masks.",
    (
        score("energy", formatter=with_interval),
        count("energy"),
        TableColumn("no energy", _without),
        score("energy_in_lungs", heading="in lungs", formatter=with_interval, kind="optional"),
    ),
    ("energy", None),
)
LAYOUTS = (*WANG, *SEED, POINTING, ENERGY)
