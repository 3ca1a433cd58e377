"""What a run of the training benchmark leaves behind: the machine, a row per thing timed, a long run's memory."""

from typing import Literal

from tools.speed.record import Frozen, Run, Setting

ONE = "one process, images decoded and resized, nothing kept"
ALL = "the same in as many processes as cores, each alone"
CACHE = "the cache: all cores, into the array on disk"
READ = "cache read: batches gathered from the array"
LOADER = "loader: the same, by the thread that reads ahead"
PLAIN = "normalised: uint8 to the network's input"
AUGMENT = "augmented (light) and normalised"
FORWARD = "forward"
STEP = "step: forward, backward, optimizer"
PURE = "the network alone, on one batch that stays on the device"
TRAINING = "training epoch"
CPU, GPU = "cpu", "cuda"

Group = Literal["decoding", "stages", "epoch", "flags"]


class Rate(Frozen):
    """The time of one contender; what shares a group, place, setting and augmentation was timed in turn."""

    group: Group
    place: str
    """``cpu`` or ``cuda``."""
    setting: Setting
    contender: str
    augment: str = ""
    """``--augment`` of a training epoch."""
    images: int
    """Images of each round."""
    wall_ms: float | None
    """Milliseconds per image, the minimum over ``rounds``; None where it was left out."""
    cpu_ms: float | None
    """Milliseconds of processor time of this process per image, all its threads together, the minimum over
    ``rounds``."""
    rounds: int
    reason: str = ""
    """Why it was left out."""

    @property
    def per_second(self) -> float | None:
        """Images per second."""
        return None if self.wall_ms is None else 1000 / self.wall_ms


class Long(Frozen):
    """The memory of a process of its own that caches and trains many images: MiB that are no file's pages."""

    setting: Setting
    images: int
    array: float
    """Of the array file, which lies in the page cache and is not counted here."""
    loaded: float | None
    """With packages and network loaded, before caching; None where the system does not tell."""
    caching: float | None
    """The peak while caching, of all its processes together; pages that they share count once."""
    training: tuple[float, ...]
    """In each tenth of the epoch, the median of looks after each step."""
    peak: float | None
    """While training."""
    seconds: float
    """Of caching and training."""


class TrainingRecord(Run):
    """One run of ``tools.speed.training``."""

    devices: dict[str, str]
    """Place -> the device's name and the precision that ``--precision auto`` takes there."""
    rows: tuple[Rate, ...]
    long: Long | None

    def beside(self, like: Rate, contender: str) -> Rate | None:
        """Another contender, timed in turn with this one."""
        return next(
            (row for row in self.rows if conditions(row) == conditions(like) and row.contender == contender), None
        )

    def of(self, group: Group) -> list[Rate]:
        """The rows of a group, in the order in which they were measured."""
        return [row for row in self.rows if row.group == group]


def conditions(row: Rate) -> tuple[Group, str, Setting, str]:
    """What a row's contender was timed on."""
    return row.group, row.place, row.setting, row.augment
