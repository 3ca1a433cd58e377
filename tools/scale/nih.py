"""Section of docs/scale.md about the suite ``nih``: hours, disk space, and the measured start of a training run."""

from typing import Any

from tools.scale import estimate as e

TRAINED, MODELS, SUITE_EPOCHS = 86_524, 6, 10
"""Training and validation images of the official split; models and epochs of the suite."""
RATES = (200, 1000, 5000)
"""Images per second of other devices."""
PLAN = """
## The suite `nih`

`python -m benchmark.run --suite nih` trains {models} models (DenseNet-121 and ResNet-18, three pooling types each) for
{epochs} epochs on {trained:,} images (training and validation). See
[data_setup.md](data_setup.md#the-whole-suite) for the commands with one GPU, Slurm and Ray. Hours of
training, one model at a time:

| device | hours |
| --- | --- |
{hours}

With one device per model, the slowest model takes {longest:.0f} h on a machine like the measured one. The maps and
scores of all models take {rest:.1f} h on the measured machine. Disk space: {originals:.0f} GB for the published images,
{cache:.1f} GB for the cache and {checkpoints:.1f} GB for checkpoints.
"""
START = """
### The first minutes

Measured on folders in NIH's layout: {images:,} links to 1024x1024 files in twelve folders ({machine}, load {load},
{workers} decoding processes, {size} px, and a tiny network, so that reading takes most of the time). The plain loader
uses torchvision's transforms in torch's `DataLoader` with the same number of processes and the same network. It decodes
every file in every epoch. Both use all cores. `main.py` chooses the precision itself, bfloat16 on this machine; the
plain loop computes in fp32.

| quantity | measured |
| --- | --- |
| time to list all images of three splits | {listed_s:.1f} s |
| time from there to the first step, with an empty cache | {first_step_s:.1f} s |
| time to the first step after the process was killed | {restart_first_step_s:.1f} s |
| images decoded before the kill, and found in the cache afterwards | {killed_after:,} and {decoded_before_restart:,} |
| memory of the main process per listed image | {bytes_per_image} bytes |
| first epoch, {part:,} images: images per second divided by those of the plain loader | {first:.2f} |
| second epoch | {second:.2f} |

To measure your machine, run `python -m tools.scale --part nih --folder FOLDER`.
"""
ORIGINALS_GB = 45


def section(measured: dict[str, Any]) -> list[str]:
    """Return the paragraphs of the section."""
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
