"""From times to rows, and when a device is done."""

import logging

import torch

from tools.speed.record import Setting
from tools.speed.timing import Times
from tools.speed.training.record import CPU, Group, Rate

log = logging.getLogger(__name__)


def row(
    group: Group, where: str, setting: Setting, contender: str, images: int, times: Times, *, augment: str = ""
) -> Rate:
    """The minimum of the ``times`` of rounds with so many ``images`` each."""
    wall, cpu = (round(1000 * min(seconds) / images, 5) for seconds in (times.wall, times.cpu))
    log.info("  %s: %.1f images/s, %d rounds", contender, 1000 / wall, len(times.wall))
    known = {"group": group, "place": where, "setting": setting, "contender": contender}
    return Rate(**known, augment=augment, images=images, wall_ms=wall, cpu_ms=cpu, rounds=len(times.wall))


def finish(where: str) -> None:
    """Wait until the device has done what it was told; the CPU has."""
    if where != CPU:
        torch.cuda.synchronize()
