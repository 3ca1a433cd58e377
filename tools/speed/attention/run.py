"""Time attention methods, Finer-CAM and faithfulness in turn with their references."""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.training.machine import configure_torch
from core.errors import LocusError
from tools.speed import names
from tools.speed.attention import contenders
from tools.speed.attention.contenders import ALIKE, CONTENDERS
from tools.speed.attention.subject import AttentionSpeedConfig
from tools.speed.machine import measured
from tools.speed.methods.contenders import network
from tools.speed.record import On, Row, SpeedRecord
from tools.speed.timing import Task, interleaved, row

if TYPE_CHECKING:
    from backbones import Classifier

log = logging.getLogger(__name__)
PACKAGES = ("torch", "timm", "torchvision", "numpy", "grad-cam", "torchcam")
BARE = (names.BARE, names.UNFUSED)
TOLERANCE = 1e-3
"""Maximum difference of two maps, as a share of their maximum."""


def run(config: AttentionSpeedConfig) -> SpeedRecord:
    """Measure everything. Raises ``LocusError`` if maps differ."""
    configure_torch(config.threads)
    return measured(config, PACKAGES, rows(config), torch.get_num_threads(), note=config.note)


def rows(config: AttentionSpeedConfig) -> Iterator[Row]:
    """Yield all rows, network by network."""
    for name in config.transformers:
        yield from timed("attention", {"backbone": name, "batch": 1}, config)
        yield from timed("legrad", {"backbone": name, "batch": 1}, config)
    for group, batch in (("contrast", 2), ("faithfulness", 1)):
        yield from timed(group, {"backbone": config.network, "batch": batch}, config)


def timed(group: str, on: On, config: AttentionSpeedConfig) -> Iterator[Row]:
    """Yield the rows of a group, timed in turn, after a check that maps which should be the same are."""
    on |= {"size": config.size}
    log.info("%s: %s", group, on)
    model, images = _network(group, on, config.findings)
    counts = {word: 0 if word in BARE else config.findings for word in CONTENDERS[group]}
    calls = {Task(word, k): CONTENDERS[group][word](model, images, range(k)) for word, k in counts.items()}
    for task in calls:
        if task.contender in ALIKE:
            _require_alike(task.contender, calls[task], calls[Task(names.OURS[task.contender], task.amount)])
    for task, times in interleaved(calls, config.rounds, config.budget).items():
        count = contenders.pictures(task.amount) if task.contender == names.FAITHFULNESS else len(images)
        yield row(group, on | {"findings": task.amount}, task.contender, times, count)


def _network(group: str, on: On, findings: int) -> "tuple[Classifier, Tensor]":
    if group not in ("attention", "legrad"):
        return network(on, findings)
    make = contenders.of_timm if group == "attention" else contenders.of_torchvision
    size, random = int(on["size"]), torch.Generator().manual_seed(0)
    images = torch.randn(int(on["batch"]), 3, size, size, generator=random)
    return contenders.wrapped(make, str(on["backbone"]), size, findings), images


def _require_alike(name: str, theirs: Callable[[], object], ours: Callable[[], object]) -> None:
    """Raise ``LocusError`` if the two calls return different maps, because their times cannot be compared."""
    (maps,) = ours().values()  # type: ignore[attr-defined]
    other = torch.as_tensor(theirs()).detach().reshape(maps.shape)
    scale = maps.abs().amax()
    if not (difference := float((maps - other).abs().amax() / scale)) <= TOLERANCE:
        raise LocusError(
            f"the maps of {name} differ from those of Locus by {difference:.2g} of their maximum: not timed"
        )
