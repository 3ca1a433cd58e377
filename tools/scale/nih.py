"""Section of docs/scale.md about the suite ``nih``: hours, disk space, and the measured start of a training run."""

from typing import Any

from tools.scale import estimate as e

TRAINED, MODELS, SUITE_EPOCHS = 86_524, 6, 10
"""Training and validation images of the official split; models and epochs of the suite."""
MAPS = 880 * 8
"""Maps of a method and model: images with boxes, times findings."""
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

With one device per model, the slowest model takes {longest:.0f} h on a machine like the measured one. The maps of the
fast methods and the scores of all models take {rest:.1f} h on the measured machine. The maps of
`integrated_gradients` take {gradients:.0f} h ({models} models × {per_model:,} maps; seconds per map: {each}).
Scores by `chexlocalize` are not included ([speed.md](speed.md#scoring) shows the time for one method).

The published images take {originals:.0f} GB of disk space, the cache {cache:.1f} GB, the checkpoints
{checkpoints:.1f} GB and the maps of `integrated_gradients` {maps:.1f} GB.
"""
START = """
### The first minutes

The start was measured on a folder in NIH's layout, with {images:,} links to 1024×1024 files in twelve subfolders. The
epochs were measured on a smaller folder, with {epoch_images:,} links. The machine was {machine}, with load {load}.
Locus used {workers} decoding processes. The network was tiny and its input had {size} px, so reading took most of the
time.

For comparison, a plain loader uses torchvision's transforms in torch's `DataLoader`. It has the same number of
processes, trains the same network, and decodes every file in every epoch. Both loaders use all cores. `main.py` chooses
the precision itself, which is bfloat16 on this machine. With the plain loader, the network computes in fp32.

| quantity | measured |
| --- | --- |
| time to list all images of three splits | {listed_s:.1f} s |
| time from the end of the listing to the first step, with an empty cache | {first_step_s:.1f} s |
| the same when restarted after the process was killed | {restart_first_step_s:.1f} s |
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
    gradients = measured["integrated_gradients"]["seconds"]
    per_network = MODELS / len(gradients) * MAPS
    plan = PLAN.format(
        gradients=per_network * sum(gradients.values()) / e.HOUR, maps=MODELS * MAPS * e.SIZE**2 * 2 / 1e9,
        per_model=MAPS, each=", ".join(f"{seconds:.2f} for {name}" for name, seconds in gradients.items()),
        models=MODELS, epochs=SUITE_EPOCHS, trained=TRAINED, hours="\n".join(rows), rest=rest, longest=longest,
        originals=ORIGINALS_GB, cache=e.IMAGES["NIH"] * e.SIZE**2 / 1e9, checkpoints=weights,
    )  # fmt: skip
    if "nih" not in measured:
        return [plan]
    m = measured["nih"]
    first, second = m["first_epoch_ratio"]["seconds"], m["second_epoch_ratio"]["seconds"]
    return [plan, START.format(**m, part=m["plain"]["images"], first=first, second=second)]
