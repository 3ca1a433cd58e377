"""Time training steps and heat maps on the GPU of this machine, or on its CPU."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from locus import backbones
from locus.benchmark.explain import explain
from locus.benchmark.training.machine import device_name
from tools.speed import timing

FINDINGS, BATCH = 8, 32
SIZES, IMAGES = {"resnet18": 224, "densenet121": 320}, {"gradcam": 32, "rise": 2}
"""Side in pixels of a network's images (128 for others); images per call of a method (8 for others)."""


@dataclass(frozen=True)
class TrainingConfig:
    """Time training steps and heat maps: ``python -m tools.speed training``."""

    backbones: tuple[str, ...] = ("resnet18", "densenet121")
    """Networks, with PCAM pooling."""
    methods: tuple[str, ...] = ("gradcam", "fullgrad", "rise")
    """Methods to time, with float32 and eight findings."""
    seconds: float = 2.0
    """Time for each measurement, after two calls that are not timed."""


def report(config: TrainingConfig) -> Iterator[str]:
    """Yield the machine and a table with a row per network."""
    yield timing.machine(torch.get_num_threads(), "torch", "timm")
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    yield f"Device: {device_name(device)}. Batches of {BATCH} images in training. MiB: peak memory on the GPU."
    rows = {name: measured(name, device, config) for name in config.backbones}
    header = ["network", *next(iter(rows.values()))]
    yield timing.table(header, [[name, *map(timing.short, row.values())] for name, row in rows.items()])


def measured(backbone: str, device: torch.device, config: TrainingConfig) -> dict[str, float | None]:
    """Return the image size, images per second and peak memory in training, and milliseconds per image of methods."""
    size, gpu = SIZES.get(backbone, 128), device.type == "cuda"
    model = backbones.build(backbone, FINDINGS, "PCAM").to(device).to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = (torch.rand(BATCH, FINDINGS, device=device) < 0.2).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step(mixed: bool) -> None:
        with torch.autocast(device.type, torch.bfloat16) if mixed else contextlib.nullcontext():
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def seconds(call: Callable[[], object]) -> float:
        finish, start, calls = torch.cuda.synchronize if gpu else time.perf_counter, 0.0, -2
        while calls < 1 or time.perf_counter() - start < config.seconds:
            start, calls = start if calls else time.perf_counter(), calls + 1
            call()
            finish()
        return (time.perf_counter() - start) / calls

    row: dict[str, float | None] = {"px": size}
    for name, mixed in (("float32", False), ("bf16-mixed", True)):
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        row[f"images/s, {name}"] = BATCH / seconds(lambda mixed=mixed: step(mixed))  # type: ignore[misc]
        row[f"MiB, {name}"] = torch.cuda.max_memory_allocated() / 2**20 if gpu else None
    model.eval()
    for name in config.methods:
        few = images[: IMAGES.get(name, 8)].contiguous()
        each = seconds(lambda name=name, few=few: explain(model, few, name))  # type: ignore[misc]
        row[f"ms/image, {name}"] = 1000 * each / len(few)
    return row
