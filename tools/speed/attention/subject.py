"""Flags and tables of ``python -m tools.speed attention``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed import names
from tools.speed.page import Section, contender, measured, on, ours, rounds, times
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class AttentionSpeedConfig(SpeedConfig):
    """Time attention methods, Finer-CAM and faithfulness: ``python -m tools.speed attention``."""

    transformers: tuple[str, ...] = ("small ViT", "base ViT")
    """Transformers: tiny ViT, small ViT, base ViT, with patches of 16 px."""
    network: str = "resnet18"
    """Network for Finer-CAM and faithfulness."""
    size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square images."""
    findings: Annotated[int, AtLeast(2)] = 8
    """Number of findings to explain."""
    rounds: Annotated[int, AtLeast(1)] = 5
    """Number of rounds. All contenders are timed in turn, and the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 60.0
    """Seconds after which a contender is not timed again. Each contender is timed at least once."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """Number of CPU threads of torch. Default: all CPUs available to the process."""
    note: str = ""
    """Remark about the machine for the page."""


TIMES = {
    "contender": contender,
    "findings": on("findings"),
    "CPU ms per image": measured("cpu_ms"),
    "ms per image": measured("wall_ms"),
    "× bare forward": times(names.BARE, "cpu_ms", findings=0),
    "× ours": ours("cpu_ms"),
    "rounds": rounds,
}
UNFUSED = {**TIMES, "× bare forward": times(names.UNFUSED, "cpu_ms", findings=0)}
SECTIONS = (
    Section(
        "attention",
        "Rollout and Chefer's relevance, {backbone} at {size} px",
        "timm's network. The reference is the bare forward pass without fused attention.",
        UNFUSED,
    ),
    Section(
        "legrad", "LeGrad, {backbone} at {size} px", "torchvision's network, which torchcam's LeGrad requires.", TIMES
    ),
    Section("contrast", "Finer-CAM, {backbone} at {size} px", "{batch} images per call.", TIMES),
    Section(
        "faithfulness",
        "Faithfulness, {backbone} at {size} px",
        "Per picture that the network classifies: 24 for each finding's random map, and 3 that all share. Sorting and "
        "ROAD's equations add to the forward pass.",
        TIMES,
    ),
)
SUBJECT = Subject(
    name="attention",
    config=AttentionSpeedConfig,
    tiny={"transformers": ("tiny ViT",), "network": "custom", "size": 64, "findings": 2, "rounds": 1},
    title="Attention methods",
    about="""
Times are CPU times of all threads. The networks have random weights. If another package makes the same map, the two are
compared first. The loop over `chefer` works like its authors' code: with a forward and a backward pass per finding.
LeGrad, Finer-CAM and faithfulness were also timed, but have no goals.""",
    sections=SECTIONS,
)
