"""The tables of ``docs/speed.md``: a pure function of a record."""

from collections.abc import Iterator

from benchmark.report.table import NOTHING, Table
from tools.speed.goals import ratio
from tools.speed.methods.goals import at
from tools.speed.methods.plan import LOOPS
from tools.speed.methods.record import (
    ALONE,
    CAPTUM,
    FORWARD,
    LAYER,
    PACKAGE_SCORE,
    PACKAGE_SIX,
    SCORE,
    SEVEN,
    TORCHCAM,
    Group,
    SpeedRecord,
)
from tools.speed.page import short
from tools.speed.record import Setting

OURS = {PACKAGE_SIX: SEVEN, CAPTUM: ALONE, TORCHCAM: ALONE, PACKAGE_SCORE: SCORE}
"""What of ours a package's row is compared with."""
ABOUT = """Everything below was timed in one run, each contender in turn with all others, the minimum of several rounds.
The limit is the bare forward pass of the same images as a user makes it, in inference mode; the same pass for images
laid out by channels, which has faster convolutions on a CPU, stands beside it. Each package is called as its
documentation calls it, in a loop over the findings; before it is timed, its Grad-CAM is held against ours. This engine
makes seven methods at once (cam, gradcam, gradcampp, xgradcam, hirescam, layercam, eigencam), grad-cam six (GradCAM,
GradCAMPlusPlus, XGradCAM, HiResCAM, LayerCAM, EigenCAM); ours, captum's and torchcam's maps are of the feature map's
size, grad-cam's of the image's. How long scoring takes is in [scoring_speed.md](scoring_speed.md)."""


def tables(record: SpeedRecord) -> Iterator[Table]:
    """The page's tables, after the goals."""
    for part in (_methods, _scorecam, _layers, _batches, _memory):
        yield from part(record)


HEADER = ("contender", "findings", "ms per image", "CPU ms per image", "× bare forward", "× ours", "rounds")


def _methods(record: SpeedRecord) -> Iterator[Table]:
    for setting in record.of("methods"):
        rows = [row for row in record.rows if row.setting == setting and row.reason]
        left = {f"{row.contender}, {row.findings} findings: {row.reason}" for row in rows}
        intro = " ".join([f"{setting.batch} images per call.", *(f"Left out: {text}." for text in sorted(left))])
        yield Table(f"{setting.backbone} at {setting.size} px", intro, HEADER, _rows(record, "methods", setting))


def _scorecam(record: SpeedRecord) -> Iterator[Table]:
    for setting in record.of("scorecam"):
        intro = (
            "One image per call; a masked forward pass per channel, shared by all findings here, made for each of them "
            "there."
        )
        yield Table(f"Score-CAM, {at(setting)}", intro, HEADER, _rows(record, "scorecam", setting))


def _layers(record: SpeedRecord) -> Iterator[Table]:
    settings = record.of("layer")
    rows = [cells for s in settings for cells in _layer(record, s)]
    intro = (
        "One level before the pooled map the network's tail is the head: what "
        "comes on top of the forward pass is its backward pass."
    )
    if rows:
        header = ("network", "findings", "ms per image", "bare forward", "backward of the tail")
        yield Table("Maps of another layer", intro, header, tuple(rows))


def _layer(record: SpeedRecord, setting: Setting) -> Iterator[tuple[str, ...]]:
    bare = record.wall("layer", setting, FORWARD)
    for row in (r for r in record.rows if (r.group, r.setting, r.contender) == ("layer", setting, LAYER)):
        above = None if row.wall_ms is None or bare is None else row.wall_ms - bare
        yield at(setting), str(row.findings), short(row.wall_ms), short(bare), short(above)


def _batches(record: SpeedRecord) -> Iterator[Table]:
    rows = []
    for row in (r for r in record.rows if (r.group, r.contender) == ("batch", SEVEN)):
        bare = record.wall("batch", row.setting, FORWARD)
        times = map(short, (row.wall_ms, bare, ratio(row.wall_ms, bare)))
        rows.append((at(row.setting), str(row.setting.batch), *times))
    if rows:
        intro = (
            "Seven methods; where the milliseconds of the bare forward pass rise, its "
            "intermediate maps have left the processor's cache."
        )
        header = ("network", "images per call", "ms per image", "bare forward", "× bare forward")
        yield Table("Batch size", intro, header, tuple(rows))


def _memory(record: SpeedRecord) -> Iterator[Table]:
    rows = [
        (at(p.setting), str(p.setting.batch), p.contender, str(p.findings or NOTHING), short(p.mib))
        for p in record.peaks
    ]
    intro = (
        "The peak of one call in a process of its own, above what the process held with packages, model and images "
        "loaded. A loop over findings needs no more for eight than for one."
    )
    if rows:
        yield Table("Peak memory", intro, ("network", "images per call", "contender", "findings", "MiB"), tuple(rows))


def _rows(record: SpeedRecord, group: Group, setting: Setting) -> tuple[tuple[str, ...], ...]:
    """The rows of one group and setting, against the bare forward pass and against ours with as many findings."""
    bare = record.wall(group, setting, FORWARD)
    rows = []
    for row in (r for r in record.rows if (r.group, r.setting) == (group, setting)):
        ours = record.wall(group, setting, OURS[row.contender], row.findings) if row.contender in LOOPS else None
        times = (row.wall_ms, row.cpu_ms, ratio(row.wall_ms, bare), ratio(row.wall_ms, ours))
        rows.append((row.contender, str(row.findings or NOTHING), *map(short, times), str(row.rounds or NOTHING)))
    return tuple(rows)
