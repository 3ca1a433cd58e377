"""Flags of the machine."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast


@dataclass(frozen=True)
class ThreadFlags:
    """Processor."""

    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on; a suite that pins a number keeps to it."""


@dataclass(frozen=True)
class MachineFlags(ThreadFlags):
    """Machine."""

    devices: str = "auto"
    """GPUs to use, as in Lightning: auto (one, where there is one) or a number."""
    device_ids: str | None = None
    """Which GPUs, by number: 0,1."""
    num_GPU: Annotated[int | None, AtLeast(0)] = None  # noqa: N815 - the name that earlier command lines use
    """The same as --devices; 0 is the CPU."""
    num_nodes: Annotated[int, AtLeast(1)] = 1
    """Machines that train together, as in Lightning."""
    strategy: str = "auto"
    """How devices share the work, as in Lightning (auto, ddp …)."""
    precision: Literal["auto", "32", "64", "16-mixed", "bf16-mixed"] = "auto"
    """Lightning's precision; auto is bf16-mixed where the GPU or the CPU has fast bfloat16, else 32."""
    compile: bool = False
    """Compile the network with torch.compile (slow start, faster steps)."""
    channels_last: bool = True
    """Lay images and weights out by channels: faster convolutions, the same logits up to rounding."""


@dataclass(frozen=True)
class EngineFlags:
    """Engine."""

    memory_gib: Annotated[float, AtLeast(0.001)] = 2.0
    """GiB that gradients and forward passes of an explanation may take at once; more than that is done in parts."""
    channels_last: bool = False
    """Lay the network's weights out by channels (faster convolutions on some machines, the same maps)."""
    compile: bool = False
    """Compile the network with torch.compile (slow start, the same maps)."""
