"""Goals of each subject, and whether the measurements meet them. The worst figure counts."""

from collections.abc import Callable, Mapping
from functools import partial
from math import exp, log
from typing import NamedTuple

from tools.speed import names
from tools.speed.record import SpeedRecord, figure, quotient

Figures = dict[str, float | None]
Read = Callable[[SpeedRecord], Figures]


class Goal(NamedTuple):
    """Limit of a figure, and a function that reads the figure from a record."""

    limit: float
    read: Read
    """Returns label of a row -> figure; None if it was not measured."""
    unit: str = "×"
    at_most: bool = False
    """True: the limit is a maximum. False: it is a minimum."""


class GoalVerdict(NamedTuple):
    """Result of a goal for a record."""

    text: str
    goal: Goal
    worst: float | None = None
    where: str = ""
    met: bool | None = None
    """None if no figure fails, but not all were measured."""


def judge(text: str, goal: Goal, record: SpeedRecord) -> GoalVerdict:
    """Compare the worst figure with the limit. A missing figure means that the goal cannot be met."""
    all_figures = goal.read(record)
    measured = {label: value for label, value in all_figures.items() if value is not None}
    if not measured:
        return GoalVerdict(text, goal)
    label = (max if goal.at_most else min)(measured, key=measured.__getitem__)
    met = measured[label] <= goal.limit if goal.at_most else measured[label] >= goal.limit
    return GoalVerdict(text, goal, measured[label], label, None if met and len(measured) < len(all_figures) else met)


def verdicts(subject: str, record: SpeedRecord) -> list[GoalVerdict]:
    """Return the verdicts on all goals of a subject, in order."""
    return [judge(text, goal, record) for text, goal in GOALS[subject].items()]


def times(
    group: str,
    *contenders: str,
    below: str = "",
    changed: Mapping[str, int] | None = None,
    name: str = "wall_ms",
    label: str = "{backbone} at {size}",
    **on: str | int,
) -> Read:
    """Return a function that reads the times of ``contenders`` divided by that of ``below`` (default: that of Locus).

    ``on``: conditions of the rows. ``changed``: conditions that differ for ``below``. ``label``: template of the label.
    """

    def read(record: SpeedRecord) -> Figures:
        rows = record.of(group, *contenders, **on)
        others = [record.beside(row, below or names.OURS[row.contender], **(changed or {})) for row in rows]
        return {record.words(label, row): quotient(row, other, name) for row, other in zip(rows, others, strict=True)}

    return read


def on_map(side: int, *contenders: str) -> Read:
    """Read the times of other packages on a small map, divided by that of the surface."""
    return times("surface", *contenders, name="least_ms", label="{contender}, {thresholds} thresholds", side=side)


def original(**on: str) -> Read:
    """Read the times of the original evaluator's algorithm, divided by that of Locus."""
    conditions = {"name": "least_ms", "label": "{map}", "side": 224, "thresholds": 1000}
    return times("original", names.ORIGINAL_LARGEST, **conditions, **on)  # type: ignore[arg-type]


def geometric_mean(read: Read) -> Read:
    """Read the geometric mean of the measured figures."""

    def mean(record: SpeedRecord) -> Figures:
        ratios = [value for value in read(record).values() if value]
        return {f"geometric mean over {len(ratios)} maps": exp(sum(map(log, ratios)) / len(ratios))} if ratios else {}

    return mean


def share(device: str) -> Read:
    """Read the rate of training epochs, divided by that of the network alone."""
    return times("epoch", names.ALONE, below=names.TRAINING, label="{backbone}, --augment {augment}", device=device)


def figures(group: str, *contenders: str, name: str, label: str, **on: str | int) -> Read:
    """Read a figure without dividing it."""
    return lambda record: {record.words(label, row): figure(row, name) for row in record.of(group, *contenders, **on)}


def growth(record: SpeedRecord) -> Figures:
    """Read the memory in the last tenth of the long run minus that in the first tenth, in MiB."""
    ends = figures("long", names.FIRST_TENTH, names.LAST_TENTH, name="mib", label="{contender}")(record).values()
    mib = [value for value in ends if value is not None]
    return {f"{record.settings['long']:,} images": mib[1] - mib[0] if len(mib) > 1 else None}


def jobs(record: SpeedRecord) -> Figures:
    """Read the time of one job divided by that of two jobs."""
    one, two = (next(iter(record.of("jobs", jobs=count)), None) for count in (1, 2))
    return {"2 jobs": quotient(one, two, "wall_s")}


def start(until: str) -> Read:
    """Return a function for the times of the commands timed ``until`` that moment, as multiples of ``import torch``."""

    def read(record: SpeedRecord) -> Figures:
        torch = next(iter(record.of("start", names.IMPORT_TORCH)), None)
        rows = (row for row in record.of("start", until=until) if row.contender != names.IMPORT_TORCH)
        return {row.contender: quotient(row, torch, "wall_s") for row in rows}

    return read


AtMost = partial(Goal, at_most=True)
"""Goal whose limit is a maximum."""
LIKE_NIH = "as many boxes as in NIH, 10 methods"
LABELS = (names.SKIMAGE, names.SCIPY)
SEVEN = partial(times, "methods", names.SEVEN)
WHOLE = partial(figures, "whole", label="{side}×{side} maps", name="seconds", methods=10)
_peaks = partial(figures, name="mib", label="{map}, {side}×{side}, {cases} cases")
IN_CPU = partial(times, "attention", below=names.UNFUSED, changed={"findings": 0}, name="cpu_ms")
GOALS: Mapping[str, Mapping[str, Goal]] = {
    "methods": {
        "seven methods for 8 findings, compared with the bare forward pass": AtMost(
            1.15, SEVEN(below=names.BARE, changed={"findings": 0}, findings=8)
        ),
        "the same, compared with the bare forward pass, channels last": AtMost(
            1.25, SEVEN(below=names.CHANNELS_LAST, changed={"findings": 0}, findings=8)
        ),
        "grad-cam's six methods, compared with our seven, 1 finding": Goal(
            10, times("methods", names.PACKAGE_SIX, findings=1)
        ),
        "grad-cam's six methods, 8 findings": Goal(80, times("methods", names.PACKAGE_SIX, findings=8)),
        "captum's Grad-CAM, compared with ours, 8 findings": Goal(8, times("methods", names.CAPTUM, findings=8)),
        "torchcam's Grad-CAM, compared with ours, 8 findings": Goal(8, times("methods", names.TORCHCAM, findings=8)),
        "seven methods for 14 findings, compared with one finding": AtMost(
            1.3, SEVEN(below=names.SEVEN, changed={"findings": 1}, findings=14)
        ),
        "grad-cam's Score-CAM, compared with ours, 8 findings": Goal(
            8, times("scorecam", names.PACKAGE_SCORECAM, findings=8)
        ),
        "peak memory of Score-CAM, 8 findings": AtMost(
            300, figures("memory", names.SCORECAM, name="mib", label="{backbone} at {size}, {batch} images"), " MiB"
        ),
    },
    "scoring": {
        "contour search per threshold, compared with ours, 7×7": Goal(300, on_map(7, names.CONTOURS)),
        "contour search, 14×14": Goal(80, on_map(14, names.CONTOURS)),
        "contour search, 32×32": Goal(20, on_map(32, names.CONTOURS)),
        "component labelling per threshold, compared with ours, 7×7": Goal(5000, on_map(7, *LABELS)),
        "component labelling, 14×14": Goal(2000, on_map(14, *LABELS)),
        "component labelling, 32×32": Goal(500, on_map(32, *LABELS)),
        "MaxBoxAcc's original evaluator, compared with ours, 224 px, 1000 thresholds": Goal(
            60, geometric_mean(original())
        ),
        "MaxBoxAcc's original evaluator, pixel noise": Goal(100, original(map=names.NOISE)),
        "contour search once per distinct integer level of the thresholds, compared with ours, any size": Goal(
            1, times("levels", *names.LEVELS, name="least_ms", label="{map}, {side} px, {thresholds} thresholds")
        ),
        f"{LIKE_NIH}, all surface protocols, thresholds of all origins": AtMost(20, WHOLE("surface"), " s"),
        f"{LIKE_NIH}, with maxbox and pxap": AtMost(180, WHOLE("surface, maxbox and pxap"), " s"),
        "peak memory of these processes": AtMost(
            2048, figures("whole", name="mib", label="{contender}, {side}×{side} maps"), " MiB"
        ),
    },
    "training": {
        "rate of a training epoch, compared with the network alone": Goal(0.95, share(names.CPU)),
        "rate of a training epoch on a GPU": Goal(0.9, share(names.GPU)),
        "decoding rate when the cache is filled, compared with decoding on all cores at once": Goal(
            0.9, times("decoding", names.ALL_CORES, below=names.CACHE, label="{cores} cores")
        ),
        "memory growth during a long epoch": AtMost(50, growth, " MiB"),
    },
    "attention": {
        "rollout, compared with the bare forward pass without fused attention": AtMost(1.2, IN_CPU(names.ROLLOUT)),
        "chefer for 8 findings, compared with that forward pass": AtMost(10.6, IN_CPU(names.CHEFER)),
        "chefer in a loop over 8 findings, compared with ours": Goal(
            2, times("attention", names.CHEFER_LOOP, name="cpu_ms")
        ),
    },
    "external": {
        "CPU time of `locus` for a smooth map of 1024×1024": AtMost(
            100, figures("large", name="cpu_ms", label="{map}, {cases} cases", side=1024), " ms"
        ),
        "peak memory of these processes": AtMost(
            2048, lambda r: {w: m for g in ("large", "many") for w, m in _peaks(g)(r).items()}, " MiB"
        ),
    },
    "start": {
        "an error, compared with `import torch`": AtMost(0.3, start("error")),
        "the first line of a command": AtMost(1, start("first line")),
        "the first training step on cached data": AtMost(3, start("exit")),
    },
    "jobs": {"speed of two jobs, compared with one": Goal(1.8, jobs)},
}
