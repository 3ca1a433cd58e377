"""Flags of the machine."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast
from core.flags import MACHINE, NEWER, WEIGHTS


@dataclass(frozen=True)
class ThreadFlags:
    """CPU."""

    threads: Annotated[int | None, AtLeast(1), WEIGHTS | MACHINE | NEWER] = None
    """Number of CPU threads for torch. Default: all CPUs available to the process (in a suite: the value in its
    YAML file, if set)."""


@dataclass(frozen=True)
class MachineFlags(ThreadFlags):
    """Hardware."""

    role = MACHINE
    devices: str = "auto"
    """GPUs to use, as in Lightning: a number, or auto (one GPU if available)."""
    device_ids: str | None = None
    """Indices of the GPUs to use: 0,1."""
    num_GPU: Annotated[int | None, AtLeast(0)] = None  # noqa: N815 - the name that earlier command lines use
    """Older name for --devices. 0 means the CPU."""
    num_nodes: Annotated[int, AtLeast(1)] = 1
    """Number of machines that train together, as in Lightning."""
    strategy: str = "auto"
    """Strategy for several devices, as in Lightning (auto, ddp …)."""
    precision: Annotated[Literal["auto", "32", "64", "16-mixed", "bf16-mixed"], WEIGHTS | MACHINE] = "auto"
    """Numerical precision, as in Lightning. auto: bf16-mixed if the GPU or CPU supports fast bfloat16, else 32."""
    compile: bool = False
    """Compile the network with torch.compile (slower start, faster steps)."""
    channels_last: bool = True
    """Store images and weights in the channels-last format (faster convolutions, the same logits up to rounding)."""


@dataclass(frozen=True)
class EngineFlags:
    """Computation of heat maps."""

    memory_gib: Annotated[float, AtLeast(0.001)] = 2.0
    """Memory limit in GiB for the gradients and forward passes of an explanation. The batch size is chosen to fit."""
    channels_last: bool = False
    """Store the weights in the channels-last format (faster convolutions on some machines, the same maps)."""
    compile: bool = False
    """Compile the network with torch.compile (slower start, then faster; the same maps)."""
