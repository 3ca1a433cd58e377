"""A run: every task timed, the peak memory of every contender, one record."""

import logging
import time

import torch

from benchmark.training import devices
from benchmark.training.machine import configure_torch
from core.errors import BadValueError
from tools.speed import machine, subject
from tools.speed.methods import agreement, memory, plan
from tools.speed.methods.config import SpeedConfig
from tools.speed.methods.contenders import CONTENDERS
from tools.speed.methods.network import network
from tools.speed.methods.plan import TaskSet
from tools.speed.methods.record import MethodRow, Peak, SpeedRecord
from tools.speed.timing import Times, finished, interleaved

log = logging.getLogger(__name__)
MEASURED = ("backbones", "sizes", "batches", "findings", "sweep", "images", "rounds", "budget", "patience")
"""Flags that decide what is measured."""
PACKAGES = ("torch", "timm", "numpy", "grad-cam", "torchcam", "captum")


def run(config: SpeedConfig) -> SpeedRecord:
    """Measure all that the flags ask for. Raises ``core.errors`` types: a missing package, maps that do not agree."""
    begun = time.perf_counter()
    configure_torch(config.threads)
    where = machine.describe(torch.get_num_threads(), PACKAGES, _gpu(config))
    rows = [row for task_set in plan.task_sets(config) for row in timed(task_set, config)]
    peaks = measured_peaks(config) if config.memory else []
    return SpeedRecord(**subject.stated(config, MEASURED, where, begun), rows=tuple(rows), peaks=tuple(peaks))


def timed(task_set: TaskSet, config: SpeedConfig) -> list[MethodRow]:
    """The rows of one course, after a check that packages which make the same map do."""
    log.info("%s: %s", task_set.group, _words(task_set))
    findings = max(*config.findings, *(task.amount for task in task_set.tasks))
    model, images = network(task_set.setting, findings, config.device)
    if task_set.group == "methods":
        agreement.check(model, images)
    calls = {
        task: finished(CONTENDERS[task.contender](model, images, range(task.amount)), config.device)
        for task in task_set.tasks
    }
    measured = interleaved(calls, config.rounds, config.budget, config.patience)
    return [row(task_set, task.contender, task.amount, times, config) for task, times in measured.items()]


def row(task_set: TaskSet, contender: str, findings: int, times: Times, config: SpeedConfig) -> MethodRow:
    """The times of one task as a row of the record; says why where there are none."""
    wall, cpu = ([round(1000 * min(t) / task_set.setting.batch, 3)] if t else [None] for t in (times.wall, times.cpu))
    log.info("  %s (findings: %d): %s ms per image, %d rounds", contender, findings, wall[0], len(times.wall))
    return MethodRow(
        group=task_set.group,
        setting=task_set.setting,
        contender=contender,
        findings=findings,
        wall_ms=wall[0],
        cpu_ms=cpu[0],
        rounds=len(times.wall),
        reason="" if times.wall else f"one call would take more than {config.patience:g} s",
    )


def measured_peaks(config: SpeedConfig) -> list[Peak]:
    """The peak memory of every contender, each in a process of its own."""
    peaks = []
    for setting, task in plan.memory_tasks(config):
        peaks.append(memory.peak(setting, task, torch.get_num_threads(), config.device))
        where = f"{setting.backbone} {setting.size} px x {setting.batch}"
        log.info("memory, %s: %s: %s MiB", where, task.contender, peaks[-1].mib)
    return peaks


def _gpu(config: SpeedConfig) -> str:
    """The GPU's name where it is timed. Raises ``BadValueError`` where there is none."""
    if config.device == "cpu":
        return ""
    if not devices.gpus():
        raise BadValueError("--device cuda, but there is no GPU here: leave it out, or run it where there is one")
    return torch.cuda.get_device_name()


def _words(task_set: TaskSet) -> str:
    return f"{task_set.setting.backbone}, {task_set.setting.size} px, {task_set.setting.batch} images per call"
