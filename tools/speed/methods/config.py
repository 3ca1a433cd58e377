"""The flags of ``python -m tools.speed methods``."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast
from tools.speed.record import RECORDS


@dataclass(frozen=True)
class SpeedConfig:
    """Time all methods beside grad-cam, torchcam and captum, on one machine in one run.

    ``python -m tools.speed methods``.
    """

    page: bool = False
    """Measure nothing: write the page again from the record."""
    quick: bool = False
    """A tiny network in a minute, written below runs/speed: shows that everything works, its figures say nothing."""
    backbones: tuple[str, ...] = ("resnet18", "densenet121")
    """Networks to explain."""
    sizes: tuple[int, ...] = (224, 512)
    """Sides in pixels of the square images."""
    batches: tuple[int, ...] = (8, 2)
    """Images per call, one number for each of --sizes; the same for all contenders."""
    findings: Annotated[tuple[int, ...], AtLeast(1)] = (1, 8, 14)
    """How many findings are explained."""
    sweep: Annotated[tuple[int, ...], AtLeast(1)] = (1, 2, 4, 8, 16, 32)
    """Batch sizes of the table that shows what they cost."""
    images: Annotated[tuple[int, ...], AtLeast(1)] = (1, 4)
    """Images per call for which the memory of Score-CAM is measured."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks compute."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """How often each contender is timed, in turn with the others; the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 5.0
    """Seconds after which a contender has no further round; everyone has one."""
    patience: Annotated[float, AtLeast(0)] = 50.0
    """Seconds that one call may take, judged by fewer findings; slower ones are left out, and the page says so."""
    memory: bool = True
    """Also measure peak memory, each contender in a process of its own."""
    records: str = RECORDS
    """The folder of the records: a file for each subject and machine; the page shows all of them."""
    output: str = "docs/speed.md"
    """The page."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""
