"""Flags and tables of ``python -m tools.speed training``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed import names
from tools.speed.page import Section, contender, measured, on, per_second, rate_of, rounds
from tools.speed.record import Row, SpeedRecord
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class TrainingSpeedConfig(SpeedConfig):
    """Time the stages and epochs of training, and the network alone: ``python -m tools.speed training``."""

    backbones: tuple[str, ...] = ("resnet18", "densenet121")
    """Networks to train."""
    size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square images."""
    batch: Annotated[int, AtLeast(2)] = 16
    """Images per step on the CPU."""
    gpu_batch: Annotated[int, AtLeast(2)] = 64
    """Images per step on a GPU."""
    steps: Annotated[int, AtLeast(1)] = 4
    """Number of steps per epoch."""
    augments: tuple[str, ...] = ("none", "light")
    """Augmentations of the timed epochs."""
    files: Annotated[int, AtLeast(1)] = 24
    """Number of image files to decode repeatedly."""
    file_side: Annotated[int, AtLeast(32)] = 1024
    """Side in pixels of the image files."""
    decoded: Annotated[int, AtLeast(1)] = 400
    """Minimum number of images to decode into the cache. It grows with the number of cores."""
    long: Annotated[int, AtLeast(0)] = 20_000
    """Number of images of the long run whose memory is measured. 0 skips it."""
    long_backbone: str = "lcnet_035"
    """Network of the long run."""
    long_batch: Annotated[int, AtLeast(1)] = 32
    """Images per step of the long run."""
    rounds: Annotated[int, AtLeast(1)] = 4
    """Number of rounds. All contenders are timed in turn, and the minimum counts."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """Number of CPU threads of torch. Default: all CPUs available to the process."""


NETWORK = {"device": on("device"), "network": on("backbone"), "px": on("size"), "batch": on("batch")}
COUNTS = {"images": measured("images"), "rounds": rounds}
ALL_NIH = 112_120
"""Number of images of the whole data set."""


def of_all_cores(record: SpeedRecord, row: Row) -> float | None:
    """Show the rate divided by the number of cores times the rate of one process."""
    share = rate_of(names.ONE_PROCESS)(record, row)
    return share / record.machine.cores if isinstance(share, float) else None


SHARE = "Share is the rate of training divided by that of the network alone."
EPOCH = Section(
    "epoch",
    "A training epoch",
    f"{SHARE} The share of CPU time depends less on other programs on the machine.",
    {
        **NETWORK,
        "--augment": on("augment"),
        "images": measured("images"),
        "network alone, images/s": lambda record, row: per_second(record, record.beside(row, names.ALONE)),
        "training, images/s": per_second,
        "share": rate_of(names.ALONE),
        "share of CPU time": rate_of(names.ALONE, "cpu_ms"),
        "rounds": rounds,
    },
    (names.TRAINING,),
)
SHORT = ("network", "--augment", "network alone, images/s", "training, images/s", "share")
SECTIONS = (
    EPOCH,
    Section(
        "stages",
        "Stages",
        "Each stage alone. Reading and loading run in a thread while the network computes: they cost time only if they "
        "are slower.",
        {
            **NETWORK,
            "stage": contender,
            "images/s": per_second,
            "CPU ms per image": measured("cpu_ms"),
            "× step's rate": rate_of(names.STEP),
            **COUNTS,
        },
    ),
    Section(
        "decoding",
        "Decoding",
        "PNG files of {file_side}×{file_side} pixels, area-averaged. The first share is relative to {cores} (cores) "
        "times the rate of one process, the second to all cores decoding at once.",
        {
            "contender": contender,
            "px": on("size"),
            "images/s": per_second,
            "share of all cores": of_all_cores,
            "share of all at once": rate_of(names.ALL_CORES),
            **COUNTS,
        },
    ),
    Section(
        "long",
        "Memory of a long run",
        "{images:,} images of {size}×{size} pixels, cached and trained for one epoch ({backbone}, batches of {batch}) "
        "in a separate process, {seconds:.0f} s. Memory of files is not counted, because the system drops the pages of "
        "the array ({array:.0f} MiB) if other programs need the memory. A cache of all "
        f"{ALL_NIH:,} images of NIH has {ALL_NIH * 224**2 / 1e9:.1f} GB at 224 px (not measured).",
        {"when": contender, "MiB": measured("mib")},
    ),
)
SUBJECT = Subject(
    name="training",
    config=TrainingSpeedConfig,
    tiny={
        "backbones": ("custom",),
        "size": 64,
        "batch": 4,
        "steps": 2,
        "augments": ("light",),
        "files": 2,
        "file_side": 128,
        "decoded": 8,
        "long": 80,
        "long_batch": 8,
        "long_backbone": "custom",
        "rounds": 1,
    },
    title="Training",
    about="""
An epoch is trained with Lightning, including loader, augmentation and callbacks. It is compared with as many steps of
the network alone, on one batch that stays on the device. Validation and checkpoints are not timed. The images are
generated.""",
    sections=SECTIONS,
    highlights=(EPOCH._replace(intro=SHARE, columns={name: EPOCH.columns[name] for name in SHORT}),),
)
