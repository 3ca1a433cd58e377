"""Write docs/scale.md from committed measurements."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.report.sentences import counted
from tools.scale import estimate as e
from tools.scale import nih

HEAD = """# What does a whole data set cost?

<!-- Generated from the records in tools/scale and tools/speed by `python -m tools.scale --page`: do not edit. -->

**No GPU was measured.** The figures are estimated from measurements on {machine} ([speed.md](speed.md)). A *device*
below is that machine with two threads. On a GPU that trains k times as many images per second, training takes about 1/k
of the hours. Measure the rate of your GPU with `python -m tools.speed training`.
"""
TIME = """
## Time

Hours until a hypothetical suite is finished, with days in brackets. The suite has {models} models, {seeds} seeds and
20 methods ([details](#how-the-figures-are-estimated)). It is not the suite `nih`, which is described
[below](#the-suite-nih).
"""
WHAT = """
## How the figures are estimated

The hypothetical suite has {models} models (half ResNet-18, half DenseNet-121, {size} px, 14 findings), {seeds} seeds,
20 methods and {epochs} epochs. All published images are counted as training images, which slightly overestimates the
time. In each data set, maps are computed for {boxed:,} images with boxes (NIH has 880). Slow methods compute them for
{slow} of these images. Locus has no loader for MIMIC-CXR. That row shows the cost of the same number of images.

Each source below is a SUBJECT: `python -m tools.speed SUBJECT --page` writes its measurements to
`runs/speed/SUBJECT.md`. Only a part of them is in [speed.md](speed.md).

| step | seconds per image | source |
| --- | --- | --- |
{steps}

Extrapolations:

- The 12 models are estimated from two networks.
- All slow methods are estimated from Score-CAM on ResNet-18. For DenseNet-121, this time is doubled for its channels
  (twice as many) and multiplied by the ratio of the forward passes.
- Ten fast methods are estimated from seven.
- Images of CheXpert and MIMIC-CXR are assumed to have the same size as those of NIH.

Reading is not counted, because the loader is at least 1,900 times as fast as a training step. The table *Stages* of
`python -m tools.speed training --page` shows this. Scoring with `chexlocalize` is not counted either
([speed.md](speed.md#scoring) shows the time for one method).
"""
MEMORY = """
A process that computes maps needs the memory of the network plus about 0.1 GiB ([speed.md](speed.md#heat-maps)). A
scoring process needs 0.7 GiB ([speed.md](speed.md#scoring)). The cache is memory-mapped and does not count. The main
process, which reads all records and writes the tables, is [measured below](#thousands-of-cells). `best.ckpt` has 4
bytes per weight, `last.ckpt` 12 with the state of the optimizer.
"""
FLAW = """
With 64 devices, each of the {count} training runs has its own device. Most devices wait for the longest run.
"""


def page(measured: dict[str, Any]) -> str:
    """Return the whole page."""
    counts = {"models": e.MODELS, "seeds": e.SEEDS, "size": e.SIZE, "epochs": e.EPOCHS, "boxed": e.BOXED}
    devices = [counted(count, "device") for count in e.DEVICES]
    parts = [
        HEAD.format(machine=e.machine()),
        TIME.format(**counts),
        _table(["images", *devices], (_time(name) for name in e.IMAGES)),
        FLAW.format(count=e.MODELS * e.SEEDS),
        "\nTraining rate, in images per second, that each device needs so that all training runs end within a week:\n",
        _table(["images", *devices], (_rates(name) for name in e.IMAGES)),
        "\n## Disk and memory\n\nDisk space in GB:\n",
        _table(["images", "cache", "checkpoints", "maps", "records"], (_disk(name) for name in e.IMAGES)),
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
    rows = [(f"training {name} for one epoch", e.rate(name), "`training`, no augmentation") for name in e.NETWORKS]
    for network in e.NETWORKS:
        slow = "`methods`, Score-CAM" if network == "resnet18" else "extrapolated"
        rows.append((f"one slow method, {network}", e.slow(network), slow))
        fast = "`methods`, seven methods, 14 findings, × 10 / 7"
        rows.append((f"ten fast methods, {network}", e.fast(network), fast))
    scored = "scoring 20 methods with the surface protocols, `maxbox` and `pxap`, 984 boxes (in total, not per image)"
    rows.append((scored, e.scoring(), "`scoring`, × 2"))
    return [f"| {step} | {seconds:.3g} | {origin} |" for step, seconds, origin in rows]


def _measured(measured: dict[str, Any]) -> list[str]:
    """Return the paragraphs about the scheduler, a dry run and the tables."""
    s, p, t = measured["scheduler"], measured["plan"], measured["tables"]
    rows = [
        [f"{r['jobs']}", f"{r['cpu_s']}", f"{1000 * r['cpu_s'] / s['cells']:.2f}", f"{100 * r['idle']:.1f}%"]
        for r in s["jobs"]
    ]
    cells, trainings = map(int, re.findall(r"\d+", p["said"]))
    copies = f"{t['trainings']} training runs, copied from the suite phantom"
    return [
        f"""
## Thousands of cells

All times are CPU seconds, measured on two cores of a busy machine. The load was {s["load"]} for the scheduler,
{p["load"]} for the dry run, and {t["load"]} for tables and packing. On an idle machine, the times are lower.

**Scheduler.** The scheduler ran all {s["steps"]:,} steps of a suite in simulated time. The suite has {s["cells"]:,}
cells of {s["trainings"]} training runs. In simulated time, a training run takes an hour, a step that computes maps two
minutes, and a scoring step half a minute. Idle is the share of the jobs' time without work, including the end of the
run.
""",
        _table(["jobs", "CPU seconds", "ms per cell", "idle"], rows),
        f"""
**Dry run.** `--dry_run` takes {p["cpu_s"]} s for {cells:,} cells of {trainings} training runs, including Python's
start-up and imports.

**Tables.** For {t["cells"]:,} cells with {t["cases"]:,} cases each ({copies}), reading takes {t["read_s"]} s and
writing tables and charts {t["tables_s"]} s. The peak memory is {t["peak_gib"]} GiB, and index.html has {t["page_mb"]}
MB.

**Packing.** While a suite runs, its records are packed into Parquet files whenever the number of records has grown by a
tenth. Packing them once takes {t["pack_s"]} s. In a suite with {t["trainings"]} training runs, each record is packed
{t["packed_times"]} times on average, which takes {t["pack_s"] * t["packed_times"]:.0f} s in total. If the run is
killed while it packs, no record is lost.
""",
    ]
