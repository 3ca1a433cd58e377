"""Flags and tables of ``python -m tools.speed methods``."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast
from tools.speed import names
from tools.speed.page import Section, contender, in_words, measured, on, ours, rounds, times
from tools.speed.record import Row, SpeedRecord, figure
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class MethodsSpeedConfig(SpeedConfig):
    """Time the methods of Locus, grad-cam, torchcam and captum: ``python -m tools.speed methods``."""

    backbones: tuple[str, ...] = ("resnet18", "densenet121")
    """Networks to explain."""
    sizes: tuple[int, ...] = (224, 512)
    """Sides in pixels of the square images."""
    batches: tuple[int, ...] = (8, 2)
    """Images per call, one number for each of --sizes."""
    findings: Annotated[tuple[int, ...], AtLeast(1)] = (1, 8, 14)
    """Numbers of findings to explain."""
    images: Annotated[tuple[int, ...], AtLeast(1)] = (1, 4)
    """Images per call for the memory of Score-CAM."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device of the networks."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """Number of rounds. All contenders are timed in turn, and the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 5.0
    """Seconds after which a contender is not timed again. Each contender is timed at least once."""
    patience: Annotated[float, AtLeast(0)] = 50.0
    """Maximum seconds of a call, predicted from fewer findings. Slower calls are skipped and marked in the table."""
    memory: bool = True
    """Also measure the peak memory of each contender in a separate process."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """Number of CPU threads of torch. Default: all CPUs available to the process."""


AT = in_words("{backbone} at {size}")
TIMES = {
    "contender": contender,
    "findings": on("findings"),
    "ms per image": measured("wall_ms"),
    "CPU ms per image": measured("cpu_ms"),
    "× bare forward": times(names.BARE, findings=0),
    "× ours": ours("wall_ms"),
    "rounds": rounds,
}


def bare_ms(record: SpeedRecord, row: Row) -> float | None:
    """Show the milliseconds of the bare forward pass of the same network and images."""
    return figure(record.beside(row, names.BARE, findings=0), "wall_ms")


def tail(record: SpeedRecord, row: Row) -> float | None:
    """Show the milliseconds in addition to the bare forward pass."""
    whole, forward = figure(row, "wall_ms"), bare_ms(record, row)
    return None if whole is None or forward is None else whole - forward


SECTIONS = (
    Section("methods", "{backbone} at {size} px", "{batch} images per call.", TIMES),
    Section(
        "scorecam",
        "Score-CAM, {backbone} at {size}",
        "One image per call. Locus masks each channel once for all findings, grad-cam once per finding.",
        TIMES,
    ),
    Section(
        "layer",
        "Maps of another layer",
        "The last layer before the pooled map. The rest of the network is then the head, and its backward pass is "
        "added to the forward pass.",
        {
            "network": AT,
            "findings": on("findings"),
            "ms per image": measured("wall_ms"),
            "bare forward": bare_ms,
            "backward pass": tail,
        },
        (names.EARLIER,),
    ),
    Section(
        "memory",
        "Peak memory",
        "The peak of one call in a separate process, without packages, model and images. A loop over findings needs as "
        "much memory for eight findings as for one.",
        {
            "network": AT,
            "images per call": on("batch"),
            "contender": contender,
            "findings": on("findings"),
            "MiB": measured("mib"),
        },
    ),
)
SHORT = ("contender", "ms per image", "× bare forward", "× ours")
EIGHT = (names.SEVEN, names.GRADCAM, names.PACKAGE_SIX, names.CAPTUM, names.TORCHCAM)
SUBJECT = Subject(
    name="methods",
    config=MethodsSpeedConfig,
    tiny={
        "backbones": ("custom",),
        "sizes": (64,),
        "batches": (2,),
        "findings": (1, 2),
        "images": (1, 2),
        "rounds": 2,
    },
    title="Heat maps",
    about="""
The bare forward pass runs in inference mode on contiguous images, as in ordinary use. On a CPU, Locus uses the memory
format `channels last`, which is faster there. Its times can therefore be below those of the bare forward pass.

Each package is called as in its documentation, once per finding. Before it is timed, its Grad-CAM map must equal that
of Locus. Locus computes seven methods at once (cam, gradcam, gradcampp, xgradcam, hirescam, layercam, eigencam),
grad-cam six (without cam). grad-cam returns maps of the size of the image, the other packages of the size of the
feature map.""",
    sections=SECTIONS,
    highlights=(
        Section(
            "methods",
            "Eight findings at {size} px",
            "{batch} images per call.",
            {"network": in_words("{backbone}"), **{name: TIMES[name] for name in SHORT}},
            EIGHT,
            {"findings": 8, "size": 224},
        ),
    ),
)
