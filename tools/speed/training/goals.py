"""What training promised about its speed, and whether a run's figures keep it."""

from collections.abc import Callable

from tools.speed.goals import Goal, ratio
from tools.speed.training.record import ALL, CACHE, CPU, GPU, ONE, PURE, TRAINING, Rate, TrainingRecord

Figures = dict[str, float | None]


def share(record: TrainingRecord, row: Rate) -> float | None:
    """The share of the network's own rate that a training epoch reaches."""
    alone = record.beside(row, PURE)
    return ratio(alone.wall_ms if alone else None, row.wall_ms)


def of_all_cores(record: TrainingRecord, row: Rate) -> float | None:
    """A row's rate as a share of the cores' number times the rate of one process."""
    one = record.beside(row, ONE)
    return ratio(one.wall_ms / record.machine.cores if one and one.wall_ms else None, row.wall_ms)


def of_all_at_once(record: TrainingRecord, row: Rate) -> float | None:
    """A row's rate as a share of what as many bare processes as cores decode at the same time."""
    all_at_once = record.beside(row, ALL)
    return ratio(all_at_once.wall_ms if all_at_once else None, row.wall_ms)


def grown(record: TrainingRecord) -> float | None:
    """MiB by which the memory in the last tenth of the long run exceeds that in its first."""
    return record.long.training[-1] - record.long.training[0] if record.long and len(record.long.training) > 1 else None


def _shares(device: str) -> Callable[[TrainingRecord], Figures]:
    def read(record: TrainingRecord) -> Figures:
        rows = [row for row in record.of("epoch") if (row.place, row.contender) == (device, TRAINING)]
        return {f"{row.setting.backbone}, --augment {row.augment}": share(record, row) for row in rows}

    return read


def _decoding(record: TrainingRecord) -> Figures:
    return {
        f"{record.machine.cores} cores": of_all_at_once(record, row)
        for row in record.of("decoding")
        if row.contender == CACHE
    }


def _growth(record: TrainingRecord) -> Figures:
    return {f"{record.long.images:,} images": grown(record)} if record.long else {}


GOALS: tuple[Goal[TrainingRecord], ...] = (
    Goal("a training epoch's rate against the network alone, on the CPU", 0.95, False, _shares(CPU)),
    Goal("the same on a GPU", 0.90, False, _shares(GPU)),
    Goal("the cache's decoding rate against all cores decoding at once, nothing kept", 0.9, False, _decoding),
    Goal("memory that a long epoch gains from its first tenth to its last", 50, True, _growth, " MiB"),
)
