"""Time all tasks and measure the peak memory of all contenders."""

import logging
from collections.abc import Iterator, Sequence

import torch

from benchmark.training.machine import configure_torch, gpus
from core.errors import BadValueError
from tools.speed import names
from tools.speed.machine import measured
from tools.speed.methods import agreement, memory
from tools.speed.methods.contenders import CONTENDERS, network
from tools.speed.methods.subject import MethodsSpeedConfig
from tools.speed.record import On, Row, SpeedRecord
from tools.speed.timing import Task, interleaved, row, until_done

log = logging.getLogger(__name__)
PACKAGES = ("torch", "timm", "numpy", "grad-cam", "torchcam", "captum")
METHODS = (names.SEVEN, names.GRADCAM, names.PACKAGE_SIX, names.CAPTUM, names.TORCHCAM)
BARE = Task(names.BARE, 0)


def run(config: MethodsSpeedConfig) -> SpeedRecord:
    """Measure everything. Raises ``LocusError`` for a missing package and for maps that differ."""
    configure_torch(config.threads)
    return measured(config, PACKAGES, rows(config), torch.get_num_threads(), _gpu(config))


def rows(config: MethodsSpeedConfig) -> Iterator[Row]:
    """Yield all rows. Few findings are timed first, so that the time of many findings can be predicted."""
    settings, usual = networks(config), usual_findings(config)
    for on in settings:
        tasks = [Task(word, k) for k in sorted(config.findings) for word in METHODS]
        yield from timed("methods", on, [BARE, Task(names.CHANNELS_LAST, 0), *tasks], config)
    first = settings[0]
    scorecam = (BARE, Task(names.SCORECAM, 1), Task(names.SCORECAM, usual), Task(names.PACKAGE_SCORECAM, usual))
    yield from timed("scorecam", first | {"batch": 1}, scorecam, config)
    for on in (on for on in settings if on["size"] == first["size"]):
        earlier = (Task(names.EARLIER, k) for k in sorted({1, usual}))
        yield from timed("layer", on, (BARE, Task(names.GRADCAM, usual), *earlier), config)
    for on, task in memory_tasks(config) if config.memory else ():
        yield memory.peak(on, task, torch.get_num_threads(), config.device)


def networks(config: MethodsSpeedConfig) -> list[On]:
    """Return all backbones at all sizes. Raises ``BadValueError`` unless each size has a batch size."""
    if len(config.sizes) != len(config.batches):
        counts = f"--sizes has {len(config.sizes)} values, --batches {len(config.batches)}"
        raise BadValueError(f"{counts}: give one batch size for each size")
    pairs = list(zip(config.sizes, config.batches, strict=True))
    return [{"backbone": name, "size": size, "batch": batch} for name in config.backbones for size, batch in pairs]


def memory_tasks(config: MethodsSpeedConfig) -> Iterator[tuple[On, Task]]:
    """Yield the tasks whose memory is measured: loops with one finding, because more do not matter, Locus with all."""
    for on in networks(config):
        yield on, BARE
        yield from ((on, Task(word, 1 if word in names.LOOPS else max(config.findings))) for word in METHODS)
    for count in config.images:
        on = networks(config)[0] | {"batch": count}
        yield on, Task(names.SCORECAM, usual_findings(config))
        yield on, Task(names.PACKAGE_SCORECAM, 1)


def usual_findings(config: MethodsSpeedConfig) -> int:
    """Return the number of findings in all tables but the first: 8 if it is one of ``findings``, else the largest."""
    return 8 if 8 in config.findings else max(config.findings)


def timed(group: str, on: On, tasks: Sequence[Task], config: MethodsSpeedConfig) -> Iterator[Row]:
    """Yield the rows of ``tasks``, timed in turn, after a check that all packages give the same map."""
    log.info("%s: %s", group, on)
    model, images = network(on, max(*config.findings, *(task.amount for task in tasks)), config.device)
    if group == "methods":
        agreement.check(model, images)
    prepared = {task: CONTENDERS[task.contender](model, images, range(task.amount)) for task in tasks}
    calls = {task: until_done(call, config.device) for task, call in prepared.items()}
    for task, times in interleaved(calls, config.rounds, config.budget, config.patience).items():
        reason = "" if times.wall else f"one call would take more than {config.patience:g} s"
        yield row(group, on | {"findings": task.amount}, task.contender, times, len(images), reason)


def _gpu(config: MethodsSpeedConfig) -> str:
    """Return the name of the GPU if it is timed, else an empty string. Raises ``BadValueError`` if there is none."""
    if config.device == "cpu":
        return ""
    if not gpus():
        raise BadValueError("--device cuda requires a GPU, but there is none: use --device cpu")
    return torch.cuda.get_device_name()
