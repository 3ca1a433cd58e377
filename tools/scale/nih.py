"""The part of docs/scale.md about the suite ``nih``: its hours and disk, and the measured start of a training."""

from typing import Any

from tools.scale import estimate as e

TRAINED, MODELS, SUITE_EPOCHS = 78_000, 6, 10
"""About the training images of the official split, without its validation patients; models and epochs of the suite."""
RATES = (200, 1000, 5000)
"""Images per second of a device that is not measured here."""
PLAN = """
## The suite `nih`

`python -m benchmark.run --suite nih` trains {models} models (DenseNet-121 and ResNet-18, three poolings each) for
{epochs} epochs on about {trained:,} images. Commands for one GPU, Slurm and Ray:
[data_setup.md](data_setup.md#the-whole-suite). Hours of training, one model at a time:

| device | hours |
| --- | --- |
{hours}

With one device per model the slowest model decides: {longest:.0f} h on machines like the measured one. Maps and scores
of all models take {rest:.1f} h on the measured machine. Disk: {originals:.0f} GB of images as published, {cache:.1f} GB
of cache, {checkpoints:.1f} GB of checkpoints.
"""
START = """
### The first minutes

Measured on a tree of NIH's layout: {images:,} links to 1024x1024 files in twelve folders ({machine}, load {load},
{workers} decoding processes, {size} px, a tiny network, so that reading decides). The plain loader is torchvision's
transforms in torch's `DataLoader` with as many processes and the same network. It decodes every file in every epoch.

| what | measured |
| --- | --- |
| listing all images, three splits | {listed_s:.1f} s |
| first step after the listing, nothing decoded before | {first_step_s:.1f} s |
| first step of a start after a kill | {restart_first_step_s:.1f} s |
| images decoded when it was killed, and found by the next start | {killed_after:,} and {decoded_before_restart:,} |
| memory of the main process per listed image | {bytes_per_image} bytes |
| first epoch, {part:,} images: images per second over the plain loader's | {first:.2f} |
| second epoch | {second:.2f} |

The figures change with the machine. Measure yours with `python -m tools.scale --part nih --folder FOLDER`.
"""
ORIGINALS_GB = 45


def section(measured: dict[str, Any]) -> list[str]:
    """Return the parts of the page."""
    hours = {name: MODELS / len(e.NETWORKS) * SUITE_EPOCHS * TRAINED * e.rate(name) / e.HOUR for name in e.NETWORKS}
    rows = [f"| the measured machine | {sum(hours.values()):.0f} |"]
    rows += [
        f"| {rate:,} images per second | {MODELS * SUITE_EPOCHS * TRAINED / rate / e.HOUR:.1f} |" for rate in RATES
    ]
    longest = max(hours.values()) * len(e.NETWORKS) / MODELS
    rest = MODELS * (e.BOXED * sum(map(e.fast, e.NETWORKS)) / len(e.NETWORKS) + e.scoring()) / e.HOUR
    weights = sum(e.NETWORKS.values()) / len(e.NETWORKS) * MODELS * e.CHECKPOINT_BYTES / 1e9
    plan = PLAN.format(
        models=MODELS, epochs=SUITE_EPOCHS, trained=TRAINED, hours="\n".join(rows), rest=rest, longest=longest,
        originals=ORIGINALS_GB, cache=e.IMAGES["NIH"] * e.SIZE**2 / 1e9, checkpoints=weights,
    )  # fmt: skip
    if "nih" not in measured:
        return [plan]
    m = measured["nih"]
    first, second = m["first_epoch_ratio"]["seconds"], m["second_epoch_ratio"]["seconds"]
    return [plan, START.format(**m, part=m["plain"]["images"], first=first, second=second)]
