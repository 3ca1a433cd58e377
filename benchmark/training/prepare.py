"""From the flags to the parts of a run: data, network, loss.

Every error that can be known before training comes here.
"""

import logging
from pathlib import Path

import torch

import backbones
from backbones import Classifier, xray_weights
from benchmark.training import batch_size, checkpoints, data, devices, fitting, loggers, machine
from benchmark.training.data import Batches, Side
from benchmark.training.losses.base import Loss
from benchmark.training.module import Module, layout
from config import TrainConfig
from core.errors import BadValueError
from core.registry import Registry
from datasets import splits
from datasets.io import transforms

log = logging.getLogger(__name__)


def prepare(config: TrainConfig, folder: Path) -> tuple[Module, dict[str, Side]]:
    """The module to train and its three sides. Raises ``core.errors`` types; no file of the run is made here.

    What can be wrong is asked cheapest first: images are decoded last.
    """
    devices.check(config, devices.gpus())
    loggers.check(config)
    machine.configure_torch(config.threads, devices.processes(config))
    log.info("%s", machine.told(config))
    transforms.training(config.augment)
    loaded = {split: data.load(config, split) for split in ("train", "val", "test")}
    findings = loaded["train"].findings
    loss, model = _loss(config, len(findings)), _model(config, len(findings), folder)
    sides = {split: data.decode(config, part) for split, part in loaded.items()}
    if config.keep == "best" and (doubt := splits.doubt(len(sides["val"]))):
        log.warning("%s", doubt)
    loss.prepare(sides["train"].labels)
    config = batch_size.resolve_batch_size(
        config, machine.precision_here(config), folder, model, loss, sides["train"].labels
    )
    if machine.precision_here(config) == "64":
        model.double()  # Lightning would do it after it has read a checkpoint into 32 bits
    batches = Batches(len(sides["train"]), config.batch, world=devices.world(config), accumulate=config.accumulate)
    steps = len(batches) // config.accumulate
    return Module(model, config, loss, findings, steps), sides


def _loss(config: TrainConfig, findings: int) -> Loss:
    """The loss that the flags mean: softmax takes ce, ``--weighted_loss True`` is weighted_bce and goes with no other."""
    if config.weighted_loss and config.loss not in ("bce", "weighted_bce"):
        raise BadValueError(f"--weighted_loss True is --loss weighted_bce, not {config.loss}: leave one of the two out")
    exclusive = config.exclusive(findings)
    word = "weighted_bce" if config.weighted_loss else "ce" if exclusive and config.loss == "bce" else config.loss
    losses = Registry("benchmark.training.losses", "loss")
    loss: Loss = losses.build(word)
    if loss.exclusive != exclusive:
        task = "one class per image (--multi_label False)" if exclusive else "independent findings"
        suited = [name for name in losses.names() if losses.get(name).exclusive == exclusive]
        raise BadValueError(f"--loss {word} does not fit {task}: use {' or '.join(suited)}")
    return loss


def _model(config: TrainConfig, findings: int, folder: Path) -> Classifier:
    """The network with its first weights.

    Those of ``last.ckpt``, if there is one, must fit it and come with the trainer.
    """
    last = folder / "last.ckpt"
    torch.manual_seed(config.seed)
    log.info("network: %s, pooling %s, attention %s", config.backbone, pooling(config), config.attention_map)
    name, start = xray_weights.resolve(config.backbone, config.pretrained)
    start = start if not config.init_from and not last.exists() else False
    model = backbones.build(
        name, findings, pooling(config), config.attention_map, pretrained=start, dropout=config.dropout
    )
    if last.exists():
        fitting.fill(model, checkpoints.weights(last), last)
    elif config.init_from:
        fitting.start_from(model, checkpoints.weights(config.init_from), config.init_from)
    if config.compile:
        model.compile()
    return model.to(memory_format=layout(config))


def pooling(config: TrainConfig) -> str:
    """The pooling's word with ``--lse_gamma`` in it, where that pooling is LSE.

    Raises ``BadValueError`` when the word has its own.
    """
    name, _, options = config.global_pool.partition(":")
    if config.lse_gamma is None or name not in ("LSE", "AVG_MAX_LSE"):
        return config.global_pool
    if options:
        raise BadValueError(
            f"--lse_gamma {config.lse_gamma} and --global_pool "
            f"{config.global_pool} both say it: leave one of the two out"
        )
    return f"{name}:gamma={config.lse_gamma}"
