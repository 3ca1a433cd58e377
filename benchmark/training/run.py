"""One run from its configuration to its metrics; every error that can be known before training comes before any file."""

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import torch

import backbones
from backbones import Classifier
from benchmark.training import callbacks, checkpoints, curves, data, evaluate, machine, runs
from benchmark.training.data import Batches, Side, loader
from benchmark.training.losses.base import Loss
from benchmark.training.module import Module
from config import TrainConfig
from core.errors import BadValueError, LocusError, NotAvailableError
from core.registry import Registry
from datasets import transforms

log = logging.getLogger(__name__)


def fit(config: TrainConfig, folder: Path | None = None) -> Path:
    """Train and evaluate; see ``benchmark.training.fit``."""
    folder = runs.folder_for(config) if folder is None else Path(folder)
    if runs.done(folder):
        log.info("%s is finished already", folder)
        return folder
    began = time.process_time()
    module, sides = _prepare(config, folder)
    fresh = not folder.exists()
    try:
        _train(module, sides, folder)
    except LocusError:
        if fresh and not (folder / "last.ckpt").exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if module.global_rank == 0:
        _evaluate(module, sides, folder, began)
    return folder


def _prepare(config: TrainConfig, folder: Path) -> tuple[Module, dict[str, Side]]:
    """Everything that can be wrong with the flags, cheapest first: images are decoded last."""
    machine.settle(config)
    transforms.training(config.augment)
    loaded = {split: data.load(config, split) for split in ("train", "val", "test")}
    findings = loaded["train"].findings
    loss, model = _loss(config, len(findings)), _model(config, len(findings), folder)
    sides = {split: data.decode(config, part) for split, part in loaded.items()}
    loss.prepare(sides["train"].labels)
    steps = len(Batches(len(sides["train"]), config.batch_size, world=machine.world(config)))
    return Module(model, config, loss, findings, steps), sides


def _loss(config: TrainConfig, findings: int) -> Loss:
    """The loss that the flags mean: softmax takes ce, ``--weighted_loss True`` is weighted_bce."""
    exclusive = not config.multi_label and findings > 1
    word = "weighted_bce" if config.weighted_loss else "ce" if exclusive and config.loss == "bce" else config.loss
    loss: Loss = Registry("benchmark.training.losses", "loss").build(word)
    if loss.exclusive != exclusive:
        task = "one class per image (--multi_label False)" if exclusive else "independent findings"
        raise BadValueError(f"--loss {word} does not fit {task}: use {'ce' if exclusive else 'bce, weighted_bce or pos_weight'}")
    return loss


def _model(config: TrainConfig, findings: int, folder: Path) -> Classifier:
    """The network with its first weights; those of ``last.ckpt``, if there is one, must fit it and come with the trainer."""
    last = folder / "last.ckpt"
    torch.manual_seed(config.seed)
    start = config.pretrained and not config.init_from and not last.exists()
    model = backbones.build(config.backbone, findings, pooling(config), config.attention_map, pretrained=start, dropout=config.dropout)
    if last.exists():
        checkpoints.fill(model, checkpoints.weights(checkpoints.read(last)), last)
    elif config.init_from:
        checkpoints.start_from(model, config.init_from)
    if config.compile:
        model.compile()
    return model.to(memory_format=torch.channels_last)


def pooling(config: TrainConfig) -> str:
    """The pooling's word with ``--lse_gamma`` in it, where that pooling is LSE and has no options of its own."""
    takes = config.lse_gamma is not None and config.global_pool in ("LSE", "AVG_MAX_LSE")
    return f"{config.global_pool}:gamma={config.lse_gamma}" if takes else config.global_pool


def _train(module: Module, sides: dict[str, Side], folder: Path) -> None:
    config, last = module.config, folder / "last.ckpt"
    trainer = machine.trainer(config, folder, callbacks.Keeper(module, folder))
    if last.exists() and _finished(checkpoints.read(last)["history"], config):
        module.history = checkpoints.read(last)["history"]
        return
    runs.write_config(config, folder)
    train = Batches(len(sides["train"]), config.batch_size, config.seed, trainer.global_rank, trainer.world_size)
    val = Batches(len(sides["val"]), config.batch_size)
    try:
        trainer.fit(
            module, loader(sides["train"], train), loader(sides["val"], val), ckpt_path=last if last.exists() else None, weights_only=True
        )
    except torch.OutOfMemoryError as error:
        raise NotAvailableError("the GPU has too little memory for this: lower --batch_size or --img_size") from error


def _finished(history: list[dict[str, float]], config: TrainConfig) -> bool:
    return len(history) >= config.epochs or callbacks.stopped_early(history, config.early_stopping)


def _evaluate(module: Module, sides: dict[str, Side], folder: Path, began: float) -> None:
    model, _ = checkpoints.load(folder / "best.ckpt", machine.device())
    held_out = {split: sides[split] for split in ("val", "test")}
    logits = {split: evaluate.predict(model, part, module.config.batch_size) for split, part in held_out.items()}
    curves.draw(module.history, folder / "curves.png")
    facts: dict[str, Any] = {
        "best_epoch": callbacks.best_epoch(module.history),
        "epochs": len(module.history),
        "train": {"n": len(sides["train"]), "data": sides["train"].describe},
        "process_seconds": round(time.process_time() - began, 1),
    }
    evaluate.write(folder, held_out, logits, module.loss.exclusive, facts)
