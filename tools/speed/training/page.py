"""The tables of ``docs/training_speed.md``: a pure function of a record."""

from collections.abc import Iterator

from benchmark.report.table import NOTHING, Table
from tools.speed.goals import ratio
from tools.speed.page import short
from tools.speed.training.goals import of_all_at_once, of_all_cores, share
from tools.speed.training.record import GPU, PURE, STEP, TRAINING, Long, Rate, TrainingRecord

USUAL = "--precision 32"
ALL_NIH = 112_120
"""Images of the whole data set."""
ABOUT = """Everything below was measured in one run; what stands in one table for one network was timed in turn, round
by round, and the minimum of the rounds counts, so ratios hold within a table. The images are drawn (the phantom), the
training is main.py's own."""


def tables(record: TrainingRecord) -> Iterator[Table]:
    """The page's tables, after the goals."""
    for part in (_epochs, _stages, _decoding, _flags):
        yield part(record)
    yield from _memory(record.long)


def devices(record: TrainingRecord) -> str:
    """What was trained on, and in what precision."""
    names = "; ".join(f"{device}: {name}" for device, name in record.devices.items())
    missing = "" if GPU in record.devices else " **No GPU was measured: there was none.**"
    return f"Devices: {names}.{missing}"


def _at(row: Rate) -> tuple[str, ...]:
    return row.place, row.setting.backbone, str(row.setting.size), str(row.setting.batch)


def _epochs(record: TrainingRecord) -> Table:
    intro = (
        "An epoch through Lightning, the loader, augmentation and all callbacks, from its start to the end of its last "
        "step, beside as many steps of the same network on one batch that stays on the device. Validation and "
        "checkpoints count for neither. The share of CPU time is the same of processor time, all threads together, "
        "which other users of the machine disturb less."
    )
    header = (
        "device",
        "network",
        "px",
        "batch",
        "--augment",
        "images",
        "network alone, images/s",
        "training, images/s",
        "share",
        "share of CPU time",
        "rounds",
    )
    rows = []
    for row in (row for row in record.of("epoch") if row.contender == TRAINING):
        alone = record.beside(row, PURE)
        times = (alone.per_second, row.per_second, share(record, row), ratio(alone.cpu_ms, row.cpu_ms)) if alone else ()
        rows.append((*_at(row), row.augment, str(row.images), *map(short, times), str(row.rounds)))
    if not any(row.place == GPU for row in record.rows):
        rows.append((GPU, *[NOTHING] * (len(header) - 2), "no GPU was measured"))
    return Table("A training epoch", intro, header, tuple(rows))


def _stages(record: TrainingRecord) -> Table:
    intro = (
        "Each stage alone. Reading and loading run in a thread while the network "
        "computes: they cost time only where they are slower."
    )
    rows = []
    for row in record.of("stages"):
        step = record.beside(row, STEP)
        times = ratio(step.wall_ms if step else None, row.wall_ms)
        figures = map(short, (row.per_second, row.cpu_ms, times))
        rows.append((*_at(row), row.contender, *figures, str(row.images), str(row.rounds)))
    header = (
        "device",
        "network",
        "px",
        "batch",
        "stage",
        "images/s",
        "CPU ms per image",
        "× step's rate",
        "images",
        "rounds",
    )
    return Table("Stages", intro, header, tuple(rows))


def _decoding(record: TrainingRecord) -> Table:
    side = record.settings.get("file_side", NOTHING)
    intro = (
        f"PNG files of {side}×{side} pixels, area-averaged. The first share is of {record.machine.cores} (the cores) "
        "times the rate of one process; the second row says what is left of that when all cores are busy, and the "
        "second share is of that."
    )
    rows = []
    for row in record.of("decoding"):
        figures = (row.per_second, of_all_cores(record, row), of_all_at_once(record, row))
        rows.append((row.contender, str(row.setting.size), *map(short, figures), str(row.images), str(row.rounds)))
    header = ("contender", "px", "images/s", "share of all cores", "share of all at once", "images", "rounds")
    return Table("Decoding", intro, header, tuple(rows))


def _flags(record: TrainingRecord) -> Table:
    intro = "Steps of the network alone; a rate above 1 is faster than single precision without the flag."
    rows = []
    for row in record.of("flags"):
        usual = record.beside(row, USUAL)
        figures = map(short, (row.per_second, ratio(usual.wall_ms if usual else None, row.wall_ms)))
        rows.append((*_at(row), row.contender, *figures, row.reason or str(row.rounds)))
    header = ("device", "network", "px", "batch", "flags", "images/s", "× the first", "rounds")
    return Table("What flags change", intro, header, tuple(rows))


def _memory(long: Long | None) -> Iterator[Table]:
    if long is None:
        return
    side, whole = long.setting.size, ALL_NIH * long.setting.size**2 / 1e9
    intro = (
        f"{long.images:,} images of {side}×{side} pixels, cached and trained for one epoch ({long.setting.backbone}, "
        f"batches of {long.setting.batch}) in a process of its own, {long.seconds:.0f} s. Counted is memory that is no "
        f"file's: the array of {short(long.array)} MiB is a file, its pages go when others need the room. All "
        f"{ALL_NIH:,} images of NIH, not measured here, would be a file of {whole:.1f} GB; what is counted here does "
        "not depend on it as long as these figures are flat."
    )
    parts = len(long.training)
    tenths = [
        (f"from {100 * n // parts} to {100 * (n + 1) // parts} % of the epoch", short(mib))
        for n, mib in enumerate(long.training)
    ]
    rows = [
        ("packages and network, one epoch of one batch done", short(long.loaded)),
        ("peak while caching, all processes together", short(long.caching)),
        *tenths,
        ("peak while training", short(long.peak)),
    ]
    yield Table("Memory of a long run", intro, ("when", "MiB"), tuple(rows))
