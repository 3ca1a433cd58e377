"""docs/scale.md: a pure function of committed measurements."""

from collections.abc import Iterable, Sequence
from typing import Any

from tools.scale import estimate as e
from tools.scale import nih

HEAD = """# What does a whole data set cost?

<!-- Generated from tools/scale/measured.json and tools/speed/records by `tools.scale --page`: do not edit. -->

**No GPU was measured.** What follows is arithmetic from figures that were measured on {machine}
([speed.md](speed.md)). A *device*
below is that machine, two threads at work. A GPU that trains k times as many images per second divides the
hours of training by about k; `python -m tools.speed training` on it says how many that is.
"""
WHAT = """
## What is counted

{models} models (half ResNet-18, half DenseNet-121, {size} px, 14 findings) × {seeds} seeds × 20 methods,
{epochs} epochs. Every published image is said to be seen in every epoch, which is a little too much. {boxed}
images with boxes are explained, as many as NIH has (880), rounded up, for each data set; slow methods explain
{slow} of them. A loader of MIMIC-CXR is not in the tree: its row says what as many images would cost.

| step | seconds per image | origin |
| --- | --- | --- |
{steps}

Extrapolated: 12 models from two networks; every slow method as if it were Score-CAM, and DenseNet-121's from
ResNet-18's by channels (×2) and forward pass; ten fast methods from seven; CheXpert and MIMIC-CXR from images of
the same size. Reading is not counted: the loader alone is 1,900 times as fast as the step
([speed.md](speed.md#training)).
"""
MEMORY = """
A process that explains needs the network and about 0.1 GiB above it ([speed.md](speed.md)), one that scores 0.7
GiB ([speed.md](speed.md#scoring)); the cache is memory-mapped and needs none of its own. The run
itself, which reads all records and writes the tables, is measured below. A checkpoint holds 4 bytes a weight,
`last.ckpt` 12 with the optimizer.
"""
FLAW = """
With 64 devices the {count} trainings have one each, so the longest decides, and most devices wait for it.
"""


def page(measured: dict[str, Any]) -> str:
    """The whole page."""
    counts = {"models": e.MODELS, "seeds": e.SEEDS, "size": e.SIZE, "epochs": e.EPOCHS, "boxed": e.BOXED}
    parts = [
        HEAD.format(machine=e.machine()),
        "\n## Time\n\nHours until all is done, and (in brackets) days.\n",
        _table(["images", *(f"{n} device{'s' * (n > 1)}" for n in e.DEVICES)], (_time(name) for name in e.IMAGES)),
        FLAW.format(count=e.MODELS * e.SEEDS),
        "\nHow many images per second one device must train for the trainings to end within a week:\n",
        _table(["images", *(f"{n} device{'s' * (n > 1)}" for n in e.DEVICES)], (_rates(name) for name in e.IMAGES)),
        "\n## Disk and memory\n\nGB.\n",
        _table(["images", "cache", "checkpoints", "maps", "records and rows"], (_disk(name) for name in e.IMAGES)),
        MEMORY,
        WHAT.format(**counts, slow=e.SLOW_IMAGES, steps="\n".join(_steps())),
        *nih.section(measured),
        *_measured(measured),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _name(name: str) -> str:
    return f"{name} ({e.IMAGES[name]:,})"


def _time(name: str) -> list[str]:
    hours = [e.hours(e.IMAGES[name], devices) for devices in e.DEVICES]
    return [_name(name), *(f"{value:,.0f} ({value / 24:,.1f})" for value in hours)]


def _rates(name: str) -> list[str]:
    return [_name(name), *(f"{e.rate_for(e.IMAGES[name], devices, 7):,.0f}" for devices in e.DEVICES)]


def _disk(name: str) -> list[str]:
    return [_name(name), *(f"{value:.1f}" for value in e.disk(e.IMAGES[name]).values())]


def _steps() -> list[str]:
    rows = []
    for network in e.NETWORKS:
        cost = e.costs(network, 1)
        rows.append((f"training, {network}, one epoch", cost.training / e.EPOCHS, "speed.md, no augmentation"))
    for network in e.NETWORKS:
        slow = "speed.md, Score-CAM" if network == "resnet18" else "extrapolated"
        rows.append((f"one slow method, {network}", e.slow(network), slow))
        rows.append((f"ten fast methods, {network}", e.fast(network), "speed.md, seven methods, × 10 / 7"))
    rows.append(("20 methods scored, all protocols of maps, 984 boxes in all", e.scoring(), "speed.md, scoring, × 2"))
    return [f"| {step} | {seconds:.3g} | {origin} |" for step, seconds, origin in rows]


def _measured(measured: dict[str, Any]) -> list[str]:
    """What this machine was asked: the scheduler, a dry run, the tables."""
    s, p, t = measured["scheduler"], measured["plan"], measured["tables"]
    rows = [
        [f"{r['jobs']}", f"{r['cpu_s']}", f"{1000 * r['cpu_s'] / s['cells']:.2f}", f"{100 * r['idle']:.1f} %"]
        for r in s["jobs"]
    ]
    kept_busy = f"load {s['load']}, {p['load']} and {t['load']} on two cores"
    planned, copies = p["said"].partition(": ")[2], f"{t['trainings']} trainings; copies of the committed phantom's"
    return [
        f"""
## Ten thousand cells

Seconds are of the processor ({kept_busy}): on an idle machine they are fewer.

The real scheduler and its view, all {s["steps"]:,} steps of {s["cells"]:,} cells of {s["trainings"]} trainings, in
simulated time (a training an hour, an explanation two minutes, a scoring half a minute). Idle: the share of the jobs'
time in which there was nothing to do, the end of the run among it.
""",
        _table(["jobs", "CPU seconds", "ms per cell", "idle"], rows),
        f"""
`--dry_run`: {planned}, {p["cpu_s"]} s, the start of Python and its imports among them.

Tables of {t["cells"]:,} cells with {t["cases"]:,} cases each ({copies}):
reading {t["read_s"]} s, tables and pictures {t["tables_s"]} s, memory at most {t["peak_gib"]} GiB (with making and
packing them), the page {t["page_mb"]} MB.

While a suite runs, its records are packed after a training once there are a tenth more of them. To pack those of
one more training with all others took {t["pack_s"]} s here; a run of {t["trainings"]} trainings packs
{t["packed_times"]} times as many records in all, {t["pack_s"] * t["packed_times"]:.0f} s.
A kill while they are packed loses none: what was at work stays until all is written.
""",
    ]
