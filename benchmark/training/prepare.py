"""Build data, network and loss of a run from its flags; raises setup errors before training."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch

import backbones
from backbones import Classifier, xray_weights
from benchmark.training import data, load, load_weights, loggers, losses, machine
from benchmark.training.batches import Batches
from benchmark.training.data import SplitImages
from benchmark.training.listing import load_splits, release
from benchmark.training.losses.base import Loss
from benchmark.training.machine import memory_format
from benchmark.training.module import ClassifierModule
from config import TrainConfig
from core.errors import BadValueError
from core.flags.training import RecipeFlags
from datasets.base import Dataset as DataSource
from datasets.io import transforms
from datasets.splits import few_validation_images_warning

log = logging.getLogger(__name__)


def prepare(
    config: TrainConfig, folder: Path, loaded: Mapping[str, DataSource] | None = None
) -> tuple[ClassifierModule, dict[str, SplitImages]]:
    """Return the module to train and its images by split, without writing files. Raises ``core.errors`` types.

    ``loaded``: the samples by split, if they are already listed. Images are decoded on first use.
    """
    machine.check_flags(config)
    loggers.check(config.logger)
    processes = len(machine.device_indices(config))
    machine.configure_torch(config.threads, processes)
    log.info("%s", machine.summary(config, config.num_workers))
    transforms.training(config.augment)
    loaded = loaded or load_splits(config)
    findings = loaded["train"].findings
    loss, model = _loss(config, len(findings)), _model(config, len(findings), folder)
    splits = {name: data.decode(config, split, processes) for name, split in loaded.items()}
    release()  # after reading the tables of all images
    if config.keep == "best" and (warning := few_validation_images_warning(len(splits["val"]))):
        log.warning("%s", warning)
    labels = splits["train"].labels
    loss.prepare(labels)
    if machine.precision_here(config) == "64":
        model.double()  # Lightning would convert after loading a checkpoint in 32 bits
    batches = Batches(
        len(labels), config.batch_size, world_size=machine.world_size(config), accumulate=config.accumulate
    )
    steps = len(batches) // config.accumulate
    return ClassifierModule(model, config, loss, findings, steps), splits


def _loss(recipe: RecipeFlags, findings: int) -> Loss:
    """Build the loss of the flags; exclusive classes use ce, and ``--weighted_loss True`` means weighted_bce."""
    if recipe.weighted_loss and recipe.loss not in ("bce", "weighted_bce"):
        raise BadValueError(f"--weighted_loss True cannot be combined with --loss {recipe.loss}: leave one of them out")
    exclusive = recipe.exclusive(findings)
    word = "weighted_bce" if recipe.weighted_loss else "ce" if exclusive and recipe.loss == "bce" else recipe.loss
    loss = losses.build(word)
    if loss.exclusive != exclusive:
        task = "one class per image (--multi_label False)" if exclusive else "independent findings"
        suited = [name for name, part in losses.LOSSES.items() if part.exclusive == exclusive]
        raise BadValueError(f"--loss {word} does not fit {task}: use one of {', '.join(suited)}")
    return loss


def _model(config: TrainConfig, findings: int, folder: Path) -> Classifier:
    """Build the network with weights from ``last.ckpt`` if there is one, else with the initial weights of the flags."""
    last = folder / "last.ckpt"
    torch.manual_seed(config.seed)
    log.info("network: %s, pooling %s, attention %s", config.backbone, config.pooling, config.attention_map)
    name, start = xray_weights.resolve(config.backbone, config.pretrained)
    start = start if not config.init_from and not last.exists() else False
    model = backbones.build(name, findings, config.pooling, config.attention_map, start, config.dropout)
    if last.exists():
        load_weights.load(model, load.weights(last), last)
    elif config.init_from:
        load_weights.load(model, load.weights(config.init_from), config.init_from, initial=True)
    if config.compile:
        model.compile()
    return model.to(memory_format=memory_format(config.channels_last))
