"""A run: every course timed, every contender weighed, one record."""

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
from tools.speed.methods.plan import Course
from tools.speed.methods.record import Peak, Row, SpeedRecord
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
    rows = [row for course in plan.courses(config) for row in timed(course, config)]
    peaks = weighed(config) if config.memory else []
    return SpeedRecord(**subject.stated(config, MEASURED, where, begun), rows=tuple(rows), peaks=tuple(peaks))


def timed(course: Course, config: SpeedConfig) -> list[Row]:
    """The rows of one course, after a check that packages which make the same map do."""
    log.info("%s: %s", course.group, _words(course))
    model, images = network(
        course.setting, max(max(config.findings), *(task.amount for task in course.tasks)), config.device
    )
    if course.group == "methods":
        agreement.check(model, images)
    calls = {
        task: finished(CONTENDERS[task.contender](model, images, range(task.amount)), config.device)
        for task in course.tasks
    }
    found = interleaved(calls, config.rounds, config.budget, config.patience)
    return [row(course, task.contender, task.amount, times, config) for task, times in found.items()]


def row(course: Course, contender: str, findings: int, times: Times, config: SpeedConfig) -> Row:
    """The times of one task as a row of the record; says why where there are none."""
    wall, cpu = ([round(1000 * min(t) / course.setting.batch, 3)] if t else [None] for t in (times.wall, times.cpu))
    log.info("  %s (findings: %d): %s ms per image, %d rounds", contender, findings, wall[0], len(times.wall))
    return Row(
        group=course.group,
        setting=course.setting,
        contender=contender,
        findings=findings,
        wall_ms=wall[0],
        cpu_ms=cpu[0],
        rounds=len(times.wall),
        reason="" if times.wall else f"one call would take more than {config.patience:g} s",
    )


def weighed(config: SpeedConfig) -> list[Peak]:
    """The peak memory of every contender, each in a process of its own."""
    peaks = []
    for setting, task in plan.weighed(config):
        peaks.append(memory.peak(setting, task, torch.get_num_threads(), config.device))
        log.info(
            "memory, %s %d px x %d: %s: %s MiB",
            setting.backbone,
            setting.size,
            setting.batch,
            task.contender,
            peaks[-1].mib,
        )
    return peaks


def _gpu(config: SpeedConfig) -> str:
    """The GPU's name where it is timed. Raises ``BadValueError`` where there is none."""
    if config.device == "cpu":
        return ""
    if not devices.gpus():
        raise BadValueError("--device cuda, but there is no GPU here: leave it out, or run it where there is one")
    return torch.cuda.get_device_name()


def _words(course: Course) -> str:
    return f"{course.setting.backbone}, {course.setting.size} px, {course.setting.batch} images per call"
