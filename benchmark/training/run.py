"""One training run, from its configuration to its metrics."""

import logging
import shutil
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Callback, Trainer

from benchmark.training import callbacks, load, loggers, machine, memory, provenance, resume, runs
from benchmark.training.batches import Batches, PrefetchLoader, balanced_probabilities
from benchmark.training.data import Splits
from benchmark.training.module import ClassifierModule
from benchmark.training.prepare import prepare
from config import TrainConfig
from core.errors import BadValueError, LocusError, one_line
from core.interrupts import INTERRUPTED
from datasets.base import Dataset as DataSource

log = logging.getLogger(__name__)
ADVICE = (
    "lower --batch_size (half the size with --accumulate 2 is equivalent) or --img_size, or use --precision bf16-mixed"
)
"""Advice if memory runs out."""


def fit(config: TrainConfig, folder: Path | None = None, loaded: Mapping[str, DataSource] | None = None) -> Path:
    """Train and evaluate; see ``benchmark.training.fit``."""
    folder = folder or (resume.folder_for(config) if config.resume else runs.new(config))
    if runs.done(folder) and not resume.can_continue(config, folder):
        log.info("%s is already finished", folder)
        return folder
    cpu_time = callbacks.ProcessorTime(folder)
    with machine.log_file(config, folder), memory.oom_as_error(ADVICE):
        module, splits = prepare(config, folder, loaded)
        _train(module, splits, folder, cpu_time)
        if module.global_rank > 0:
            sys.exit(0)  # only the first process evaluates
        _evaluate(module, splits, folder, cpu_time)
    return folder


def train(config: TrainConfig, folder: Path, *extra: Callback) -> list[dict[str, float]]:
    """Train in ``folder``, resuming from its ``last.ckpt`` if there is one, and return the history, a row per epoch.

    Nothing is evaluated. ``extra``: more callbacks, which may stop the run with an error.
    """
    with memory.oom_as_error(ADVICE):
        module, splits = prepare(config, folder)
        _train(module, splits, folder, *extra)
    return module.history


def _train(module: ClassifierModule, splits: Splits, folder: Path, *extra: Callback) -> None:
    """Train to the end, resuming from ``last.ckpt`` if there is one.

    If a run fails before its first checkpoint, its folder is removed.
    """
    config, last = module.config, folder / "last.ckpt"
    for part in folder.glob(".*"):
        part.unlink(missing_ok=True)  # left by a run that was killed while writing
    content = load.checkpoint(last).content if last.exists() else {}
    history, losses = content.get("history", []), content.get("losses")
    if len(history) >= config.epochs or callbacks.stopped_early(history, config.early_stopping):
        module.history = history
        return
    fresh = not folder.exists()
    try:
        if history:
            (folder / "metrics.json").unlink(missing_ok=True)  # written again when the extended run ends
        provenance.write(config, folder, splits, provenance.read(folder) if last.exists() else None)
        with memory.oom_as_error(ADVICE):
            run_epochs(module, splits, folder, (len(history), 0 if losses is None else len(losses)), *extra)
    except (LocusError, KeyboardInterrupt):
        if fresh and not last.exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def run_epochs(
    module: ClassifierModule, splits: Splits, folder: Path, start: tuple[int, int], *extra: Callback
) -> None:
    """Train all epochs of a run, from its ``last.ckpt`` if there is one, with ``extra`` callbacks.

    ``start``: the epoch (from 0) of ``last.ckpt``, and the number of its finished batches.
    """
    config, last = module.config, folder / "last.ckpt"
    run_callbacks = callbacks.CheckpointWriter(module, folder), callbacks.Interrupts(folder)
    trainer = build_trainer(config, folder, *run_callbacks, *extra)
    labels, rank, world = splits["train"].labels, trainer.global_rank, trainer.world_size
    probabilities = balanced_probabilities(labels.numpy()) if config.sampler == "weighted" else None
    terms = module.loss.counted(labels).numpy()
    size, parts = config.batch_size, config.accumulate
    train = Batches(len(labels), size, config.seed, rank, world, start, parts, probabilities, loss_terms=terms)
    val = Batches(len(splits["val"]), size, rank=rank, world_size=world)
    train.set_epoch(start[0])
    splits["train"].decode_in_order(np.concatenate([*train]))
    try:
        train_loader = PrefetchLoader(splits["train"], sampler=train, batch_size=None)
        val_loader = PrefetchLoader(splits["val"], sampler=val, batch_size=None)
        trainer.fit(module, train_loader, val_loader, ckpt_path=last if last.exists() else None, weights_only=True)
    except SystemExit as stop:  # of callbacks.Interrupts, or of Lightning (status 1) after a second Ctrl-C
        if stop.code != 1 and (trainer.global_rank > 0 or stop.code != INTERRUPTED):
            raise
        raise KeyboardInterrupt from stop
    finally:
        for split in splits.values():
            split.pixels.close()


def build_trainer(config: TrainConfig, folder: Path, *run_callbacks: Callback) -> Trainer:
    """Build Lightning's trainer for ``config``; the ``run_callbacks`` write checkpoints and metrics.

    Raises ``BadValueError`` for flags that do not work together on this machine.
    """
    if config.num_nodes > 1:
        variables = "MASTER_ADDR, MASTER_PORT and NODE_RANK (0 to %d) set"
        message = f"waiting for %d machines: start this command on each of them, with {variables}"
        log.info(message, config.num_nodes, config.num_nodes - 1)
    warnings.filterwarnings("ignore", category=PossibleUserWarning)
    device_type, indices = machine.device_type(config), machine.device_indices(config)
    on_terminal = sys.stderr.isatty()
    try:
        return Trainer(
            accelerator="gpu" if device_type == "cuda" else "cpu",
            devices=indices if device_type == "cuda" else len(indices),
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=machine.precision_here(config),  # type: ignore[arg-type]
            max_epochs=config.epochs,
            gradient_clip_val=config.gradient_clip or None,
            accumulate_grad_batches=config.accumulate,
            sync_batchnorm=device_type == "cuda",  # statistics of the whole batch, as on one device
            logger=loggers.build(config, folder),
            callbacks=[*run_callbacks, callbacks.Bar()] if on_terminal else [*run_callbacks],
            default_root_dir=str(folder),
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=on_terminal,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            log_every_n_steps=1,
        )
    except (MisconfigurationException, ImportError, ValueError) as error:
        reason = one_line(error)
        refused = f"--strategy {config.strategy} does not work with these devices ({reason})"
        raise BadValueError(f"{refused}: use --strategy auto") from error


def _evaluate(module: ClassifierModule, splits: Splits, folder: Path, cpu_time: callbacks.ProcessorTime) -> None:
    """Draw the training curves and evaluate the kept epoch on all splits."""
    from benchmark.training import evaluate  # slow imports, not needed before the first step

    best = callbacks.kept_epoch(module.history, module.config.keep)
    trained = splits["train"].readable()
    facts: dict[str, Any] = {"best_epoch": best, "epochs": len(module.history)}
    facts |= {"train": {"n": len(trained), "data": trained.describe}, "process_seconds": cpu_time.seconds}
    if module.config.plots:
        from benchmark.training import plots

        plots.draw_curves(module.history, best, folder / "curves.png")
    evaluate.evaluate(folder, module.config, splits, facts)
    cpu_time.file.unlink(missing_ok=True)
