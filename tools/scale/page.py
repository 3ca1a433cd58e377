"""Write docs/scale.md from committed measurements."""

from collections.abc import Iterable, Sequence
from typing import Any

from tools.scale import estimate as e
from tools.scale import nih

HEAD = """# What does a whole data set cost?

<!-- Generated from tools/scale/measured.json and tools/speed/records by `tools.scale --page`: do not edit. -->

**No GPU was measured.** The figures are estimated from measurements on {machine} ([speed.md](speed.md)). A *device*
below is that machine with two threads. On a GPU that trains k times as many images per second, training takes about 1/k
of the hours. Measure the rate of your GPU with `python -m tools.speed training`.
"""
WHAT = """
## How the figures are estimated

The suite has {models} models (half ResNet-18, half DenseNet-121, {size} px, 14 findings), {seeds} seeds, 20 methods and
{epochs} epochs. All published images are counted as training images, which slightly overestimates the time. {boxed}
images with boxes are explained in each data set (NIH has 880); slow methods explain {slow} of them. Locus has no loader
for MIMIC-CXR; its row shows the cost of as many images.

| step | seconds per image | source |
| --- | --- | --- |
{steps}

Extrapolations:

- The 12 models are estimated from two networks.
- All slow methods are estimated from Score-CAM on ResNet-18; DenseNet-121 has twice the channels and its own forward
  pass.
- Ten fast methods are estimated from seven.
- Images of CheXpert and MIMIC-CXR are assumed to have the same size as those of NIH.

Reading is not counted, because the loader is 1,900 times as fast as a training step ([speed.md](speed.md#training)).
"""
MEMORY = """
An explaining process needs the memory of the network and about 0.1 GiB ([speed.md](speed.md)), a scoring process 0.7
GiB ([speed.md](speed.md#scoring)). The cache is memory-mapped and does not count. The main process, which reads all
records and writes the tables, is measured below. `best.ckpt` has 4 bytes per weight, `last.ckpt` 12 with the state of
the optimizer.
"""
FLAW = """
With 64 devices, each of the {count} training runs has its own device. Most devices wait for the longest run.
"""


def page(measured: dict[str, Any]) -> str:
    """Return the whole page."""
    counts = {"models": e.MODELS, "seeds": e.SEEDS, "size": e.SIZE, "epochs": e.EPOCHS, "boxed": e.BOXED}
    parts = [
        HEAD.format(machine=e.machine()),
        "\n## Time\n\nHours until the suite is finished, with days in brackets.\n",
        _table(["images", *(f"{n} device{'s' * (n > 1)}" for n in e.DEVICES)], (_time(name) for name in e.IMAGES)),
        FLAW.format(count=e.MODELS * e.SEEDS),
        "\nImages per second that one device must train for all training runs to end within a week:\n",
        _table(["images", *(f"{n} device{'s' * (n > 1)}" for n in e.DEVICES)], (_rates(name) for name in e.IMAGES)),
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
    rows = [(f"training {name} for one epoch", e.rate(name), "speed.md, no augmentation") for name in e.NETWORKS]
    for network in e.NETWORKS:
        slow = "speed.md, Score-CAM" if network == "resnet18" else "extrapolated"
        rows.append((f"one slow method, {network}", e.slow(network), slow))
        rows.append((f"ten fast methods, {network}", e.fast(network), "speed.md, seven methods, × 10 / 7"))
    rows.append(("scoring 20 methods, all protocols, 984 boxes (in total)", e.scoring(), "speed.md, scoring, × 2"))
    return [f"| {step} | {seconds:.3g} | {origin} |" for step, seconds, origin in rows]


def _measured(measured: dict[str, Any]) -> list[str]:
    """Return the paragraphs about the scheduler, a dry run and the tables."""
    s, p, t = measured["scheduler"], measured["plan"], measured["tables"]
    rows = [
        [f"{r['jobs']}", f"{r['cpu_s']}", f"{1000 * r['cpu_s'] / s['cells']:.2f}", f"{100 * r['idle']:.1f}%"]
        for r in s["jobs"]
    ]
    load = f"load {s['load']}, {p['load']} and {t['load']} on two cores"
    planned, copies = p["said"].partition(": ")[2], f"{t['trainings']} training runs, copied from the suite phantom"
    return [
        f"""
## Ten thousand cells

All times are CPU seconds, measured on a busy machine ({load}); on an idle machine they are lower.

**Scheduler.** The scheduler ran all {s["steps"]:,} steps of {s["cells"]:,} cells of {s["trainings"]} training runs in
simulated time (training takes an hour, explaining two minutes, scoring half a minute). Idle is the share of the jobs'
time without work, including the end of the run.
""",
        _table(["jobs", "CPU seconds", "ms per cell", "idle"], rows),
        f"""
**Dry run.** `--dry_run` ({planned}) takes {p["cpu_s"]} s, including the start and the imports of Python.

**Tables.** For {t["cells"]:,} cells with {t["cases"]:,} cases each ({copies}), reading takes {t["read_s"]} s and
writing tables and charts {t["tables_s"]} s. The peak memory is {t["peak_gib"]} GiB, and index.html has {t["page_mb"]}
MB.

**Packing.** While a suite runs, its records are packed into Parquet files whenever their number has grown by a tenth.
Packing them once takes {t["pack_s"]} s. In a run of {t["trainings"]} training runs each record is packed
{t["packed_times"]} times, which takes {t["pack_s"] * t["packed_times"]:.0f} s in total. If the run is killed while it
packs, no record is lost.
""",
    ]
