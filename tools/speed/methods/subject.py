"""What ``python -m tools.speed methods`` measures and shows."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast
from tools.speed import names
from tools.speed.page import Section, contender, in_words, measured, on, ours, rounds
from tools.speed.record import Row, SpeedRecord, figure, quotient
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class MethodsSpeedConfig(SpeedConfig):
    """Time all methods beside grad-cam, torchcam and captum, on one machine in one run.

    ``python -m tools.speed methods``.
    """

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
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


def bare(record: SpeedRecord, row: Row) -> Row | None:
    """The bare forward pass of the same network and images."""
    return record.beside(row, names.BARE, findings=0)


AT = in_words("{backbone} at {size}")
TIMES = {
    "contender": contender,
    "findings": on("findings"),
    "ms per image": measured("wall_ms"),
    "CPU ms per image": measured("cpu_ms"),
    "× bare forward": lambda record, row: quotient(row, bare(record, row)),
    "× ours": ours("wall_ms"),
    "rounds": rounds,
}
BESIDE_BARE = {
    "ms per image": measured("wall_ms"),
    "bare forward": lambda record, row: figure(bare(record, row), "wall_ms"),
}


def tail(record: SpeedRecord, row: Row) -> float | None:
    """Milliseconds above the bare forward pass."""
    whole, forward = figure(row, "wall_ms"), figure(bare(record, row), "wall_ms")
    return None if whole is None or forward is None else whole - forward


SECTIONS = (
    Section("methods", "{backbone} at {size} px", "{batch} images per call.", TIMES),
    Section(
        "scorecam",
        "Score-CAM, {backbone} at {size}",
        "One image per call; a masked forward pass per channel, shared by all findings here, made for each of them "
        "there.",
        TIMES,
    ),
    Section(
        "gradients",
        "Integrated gradients, {backbone} at {size}",
        "One image per call, 20 steps; forward passes are shared by all findings here, made for each of them there.",
        TIMES,
    ),
    Section(
        "layer",
        "Maps of another layer",
        "One level before the pooled map the network's tail is the head: what "
        "comes on top of the forward pass is its backward pass.",
        {"network": AT, "findings": on("findings"), **BESIDE_BARE, "backward of the tail": tail},
        (names.EARLIER,),
    ),
    Section(
        "batch",
        "Batch size",
        "Seven methods; where the milliseconds of the bare forward pass rise, its "
        "intermediate maps have left the processor's cache.",
        {"network": AT, "images per call": on("batch"), **BESIDE_BARE, "× bare forward": TIMES["× bare forward"]},
        (names.SEVEN,),
    ),
    Section(
        "memory",
        "Peak memory",
        "The peak of one call in a process of its own, above what the process held with packages, model and images "
        "loaded. A loop over findings needs no more for eight than for one.",
        {
            "network": AT,
            "images per call": on("batch"),
            "contender": contender,
            "findings": on("findings"),
            "MiB": measured("mib"),
        },
    ),
)
SUBJECT = Subject(
    name="methods",
    config=MethodsSpeedConfig,
    tiny={
        "backbones": ("custom",),
        "sizes": (64,),
        "batches": (2,),
        "findings": (1, 2),
        "sweep": (1, 2),
        "images": (1, 2),
        "rounds": 2,
    },
    file="speed.md",
    title="How fast is it?",
    about="""
Everything below was timed in one run, each contender in turn with all others, the minimum of several rounds.
The limit is the bare forward pass of the same images as a user makes it, in inference mode; the same pass for images
laid out by channels, which has faster convolutions on a CPU, stands beside it. Each package is called as its
documentation calls it, in a loop over the findings; before it is timed, its Grad-CAM is held against ours. This engine
makes seven methods at once (cam, gradcam, gradcampp, xgradcam, hirescam, layercam, eigencam), grad-cam six (GradCAM,
GradCAMPlusPlus, XGradCAM, HiResCAM, LayerCAM, EigenCAM); ours, captum's and torchcam's maps are of the feature map's
size, grad-cam's of the image's. How long scoring takes is in [scoring_speed.md](scoring_speed.md).""",
    worst="networks and sizes",
    sections=SECTIONS,
)
