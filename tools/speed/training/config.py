"""The flags of ``python -m tools.speed training``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed.record import RECORDS


@dataclass(frozen=True)
class TrainingSpeedConfig:
    """Time training stage by stage, beside its network alone, on one machine in one run.

    ``python -m tools.speed training``.
    """

    page: bool = False
    """Measure nothing: write the page again from the record."""
    quick: bool = False
    """Very little of everything in a minute, written below runs/speed: shows that it works, its figures say nothing."""
    backbones: tuple[str, ...] = ("resnet18", "densenet121")
    """Networks to train; what flags change is measured with the first."""
    size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square images."""
    batch: Annotated[int, AtLeast(2)] = 16
    """Images per step on the CPU."""
    gpu_batch: Annotated[int, AtLeast(2)] = 64
    """Images per step on a GPU."""
    steps: Annotated[int, AtLeast(1)] = 4
    """Steps of an epoch."""
    augments: tuple[str, ...] = ("none", "light")
    """Augmentations with which whole epochs are timed."""
    files: Annotated[int, AtLeast(1)] = 24
    """Image files that are decoded, again and again."""
    file_side: Annotated[int, AtLeast(32)] = 1024
    """Their side in pixels."""
    decoded: Annotated[int, AtLeast(1)] = 400
    """How many images the cache is given; more where there are many cores."""
    long: Annotated[int, AtLeast(0)] = 20_000
    """Images of the run whose memory is watched; 0: none."""
    long_backbone: str = "lcnet_035"
    """Its network: a fast one, since memory is what is asked."""
    long_batch: Annotated[int, AtLeast(1)] = 32
    """Its images per step."""
    compiled: bool = True
    """Also time --compile, which takes a minute before its first step."""
    rounds: Annotated[int, AtLeast(1)] = 4
    """How often each contender is timed, in turn with the others; the minimum counts."""
    records: str = RECORDS
    """The folder of the records: a file for each subject and machine; the page shows all of them."""
    output: str = "docs/training_speed.md"
    """The page."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""
