"""One run from its configuration to its metrics."""

import logging
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmark.training import callbacks, checkpoints, curves, devices, evaluate, machine, resume, runs
from benchmark.training.data import Batches, Side, loader
from benchmark.training.module import Module
from benchmark.training.prepare import prepare
from config import TrainConfig
from core.errors import LocusError, NotAvailableError

log = logging.getLogger(__name__)


def fit(config: TrainConfig, folder: Path | None = None) -> Path:
    """Train and evaluate; see ``benchmark.training.fit``."""
    folder = folder or (resume.folder_for(config) if config.resume else runs.new(config))
    if runs.done(folder) and not resume.goes_on(config, folder):
        log.info("%s is finished already", folder)
        return folder
    began = time.process_time()
    with machine.log_file(config, folder):
        module, sides = prepare(config, folder)
        _train(module, sides, folder)
        if module.global_rank > 0:
            sys.exit(0)  # a process beside the first has done its share
        _evaluate(module, sides, folder, began)
    return folder


def _train(module: Module, sides: dict[str, Side], folder: Path) -> None:
    """Train to the end, from ``last.ckpt`` where there is one; a run that fails before its first checkpoint leaves nothing."""
    config, last = module.config, folder / "last.ckpt"
    for part in folder.glob(".*"):
        part.unlink(missing_ok=True)  # of a run that was killed while it wrote
    history = checkpoints.read(last)["history"] if last.exists() else []
    if len(history) >= config.epochs or callbacks.stopped_early(history, config.early_stopping):
        module.history = history
        return
    fresh = not folder.exists()
    try:
        if history:
            (folder / "metrics.json").unlink(missing_ok=True)  # the run was finished and goes on
        runs.write_config(config, folder)
        _epochs(module, sides, folder, last if history else None)
    except (LocusError, KeyboardInterrupt):
        if fresh and not last.exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _epochs(module: Module, sides: dict[str, Side], folder: Path, last: Path | None) -> None:
    config = module.config
    trainer = machine.trainer(config, folder, callbacks.Keeper(module, folder))
    train = Batches(len(sides["train"]), config.batch_size, config.seed, trainer.global_rank, trainer.world_size)
    val = Batches(len(sides["val"]), config.batch_size)
    try:
        trainer.fit(module, loader(sides["train"], train), loader(sides["val"], val), ckpt_path=last, weights_only=True)
    except SystemExit as stop:
        raise KeyboardInterrupt from stop  # Lightning turns Ctrl-C into an exit of its own
    except torch.OutOfMemoryError as error:
        raise NotAvailableError("the GPU has too little memory for this: lower --batch_size or --img_size") from error


def _evaluate(module: Module, sides: dict[str, Side], folder: Path, began: float) -> None:
    model, _ = checkpoints.load(folder / "best.ckpt", devices.device(module.config, devices.gpus()))
    model.to(memory_format=torch.channels_last)
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
