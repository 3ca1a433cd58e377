"""One training run, from its configuration to its metrics.

``prepare``     builds data, network and loss from the flags, and raises setup errors before training
``fit``         trains and evaluates; ``train`` only trains, for a search
``build_trainer``  builds Lightning's trainer

Run folders are described in ``runs``, which also finds the run of ``--resume``; metrics are computed by ``evaluate``.
"""

import contextlib
import logging
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Callback, Trainer

from locus import backbones, datasets
from locus.backbones import Classifier, weight_files
from locus.benchmark import opening
from locus.benchmark.training import data, epochs, hardware, losses, provenance, resume, runs
from locus.benchmark.training import module as classifier_module
from locus.benchmark.training.data import Splits
from locus.benchmark.training.hardware import memory_format
from locus.benchmark.training.module import ClassifierModule, Interrupts
from locus.config import TrainConfig
from locus.core.errors import BadValueError, LocusError, NotAvailableError, Terminated, one_line
from locus.core.startup import INTERRUPTED
from locus.datasets.base import SPLITS
from locus.datasets.leaks import TrainingImages
from locus.datasets.splits import few_validation_images_warning

log = logging.getLogger(__name__)
RUN_AGAIN = "run the same command again"
"""How to continue a stopped run of a suite or a search; one of ``main.py`` needs ``--resume``."""
ADVICE = (
    "lower --batch_size (half the size with --accumulate 2 is equivalent) or --img_size, or use "
    "--precision bf16-mixed"
)
"""Advice if memory runs out."""


def prepare(config: TrainConfig, folder: Path) -> tuple[ClassifierModule, Splits]:
    """Return the module to train and its images by split, without writing files. Raises ``locus.core.errors`` types.

    Weights and history are those of ``last.ckpt`` if there is one, else the weights are those of the flags. Images are
    decoded on first use.
    """
    processes = hardware.set_up(config, config.num_workers)
    classifier_module.check_loggers(config.logger)
    losses.check_flags(config)
    loaded = {split: datasets.load_split(config, split) for split in SPLITS}
    findings = loaded["train"].findings
    last = folder / "last.ckpt"
    loss = losses.of_recipe(config, len(findings))
    start: Path | str | None = last if last.exists() else config.init_from
    model = _model(config, len(findings), use_pretrained=not start)
    before = opening.checkpoint(start) if start else None
    if before:
        load = weight_files.load if last.exists() else weight_files.load_initial
        load(model, before.weights, str(start))
    if config.precision == "64":
        model.double()  # Lightning would convert after loading a checkpoint in 32 bits
    module = ClassifierModule(
        model,
        config=config,
        loss=loss,
        findings=findings,
        earlier=before.content if before and last.exists() else {},
    )
    splits: Splits = {name: data.decode(config, split, processes) for name, split in loaded.items()}
    train = splits["train"]
    val = splits["val"]
    warning = few_validation_images_warning(len(val)) if config.keep == "best" else ""
    if warning:
        log.warning("%s", warning)
    loss.prepare(train.labels)
    used = TrainingImages.used(
        loaded["train"].name, train.columns, train.rows.tolist(), val.columns
    )
    module.training_images = used | ((before and before.training_images) or TrainingImages())
    return module, splits


def _model(config: TrainConfig, findings: int, use_pretrained: bool) -> Classifier:
    """Build the network of the flags. Raises ``NotAvailableError`` if the positions of its maps are unknown."""
    torch.manual_seed(config.seed)
    log.info(
        "network: %s, pooling %s, attention %s",
        config.backbone,
        config.pooling,
        config.attention_map,
    )
    name, weights = weight_files.resolve(config.backbone, config.pretrained)
    weights = use_pretrained and weights
    model = backbones.build(
        name, findings, config.pooling, config.attention_map, weights, config.dropout
    )
    try:
        model.grid((config.img_size, config.img_size))
    except NotAvailableError as error:
        no_maps = f"maps of {config.backbone!r} have no known positions at {config.img_size} px"
        raise NotAvailableError(f"{no_maps}: choose another --backbone or --img_size") from error
    if config.compile:
        model.compile()
    return model.to(memory_format=memory_format(config.channels_last))


def fit(config: TrainConfig, folder: Path | None = None) -> Path:
    """Train and evaluate; see ``locus.benchmark.training.fit``."""
    is_step = folder is not None  # of a suite, whose command continues it
    folder = folder or (resume.folder_for(config) if config.resume else runs.new(config))
    if runs.done(folder) and not resume.can_continue(config, folder):
        log.info("%s is already finished", folder)
        return folder
    interrupts = Interrupts(RUN_AGAIN if is_step else f"use --resume {folder}")
    with (
        _removed_on_failure(folder),
        hardware.log_file(config, folder),
        hardware.oom_as_error(ADVICE),
    ):
        module, splits = _train(config, folder, interrupts)
        if module.global_rank > 0:
            sys.exit(0)  # only the first process evaluates
        from locus.benchmark.training import (
            evaluate,
        )  # slow imports, not needed before the first step

        evaluate.evaluate_trained(folder, config, splits, module.history)
    return folder


def train(config: TrainConfig, folder: Path, *extra: Callback) -> list[dict[str, float]]:
    """Train in ``folder``, resuming from its ``last.ckpt`` if there is one, and return the history, a row per epoch.

    Nothing is evaluated. ``extra``: more callbacks, which may stop the run with an error.
    """
    with _removed_on_failure(folder), hardware.oom_as_error(ADVICE):
        return _train(config, folder, Interrupts(RUN_AGAIN), *extra)[0].history


@contextlib.contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Remove a new run's ``folder`` if the block fails before the first checkpoint."""
    fresh = not any(folder.glob("*"))
    try:
        yield
    except (LocusError, KeyboardInterrupt, SystemExit, Terminated):
        if fresh and not (folder / "last.ckpt").exists():
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()  # if it is empty
        raise


def _train(
    config: TrainConfig, folder: Path, interrupts: Interrupts, *extra: Callback
) -> tuple[ClassifierModule, Splits]:
    """Train to the end, resuming from ``last.ckpt`` if there is one; return the module and the images."""
    module, splits = prepare(config, folder)
    for leftover in folder.glob(".*"):
        leftover.unlink(missing_ok=True)  # left by a run that was killed while writing
    epoch = len(module.history)
    last = folder / "last.ckpt"
    if epoch >= config.epochs or epochs.stopped_early(module.history, config.early_stopping):
        return module, splits
    if epoch:
        (folder / "metrics.json").unlink(
            missing_ok=True
        )  # written again when the extended run ends
    provenance.write(config, folder, splits)
    writer = classifier_module.CheckpointWriter(module, folder, config.keep, config.early_stopping)
    trainer = build_trainer(config, folder, writer, interrupts, *extra)
    terms = module.loss.counted(splits["train"].labels)
    train_loader, val_loader = data.loaders(
        config,
        splits=splits,
        loss_terms=terms,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        epoch=epoch,
    )
    module.steps = len(train_loader) // config.accumulate
    try:
        trainer.fit(
            module, train_loader, val_loader, ckpt_path=last if epoch else None, weights_only=True
        )
    except SystemExit:  # of Lightning, after Ctrl-C
        _stop(folder, trainer, interrupts)
    finally:
        for split in splits.values():
            split.pixels.close()
    return module, splits


def _stop(folder: Path, trainer: Trainer, interrupts: Interrupts) -> NoReturn:
    """Say how an interrupted run continues, and end this process with the status of its signal."""
    status = 128 + (interrupts.received or signal.SIGINT)
    if trainer.global_rank == 0:
        saved = (folder / "last.ckpt").exists()
        again = (
            f"{interrupts.advice} to continue"
            if saved
            else "no epoch is complete, so nothing is saved"
        )
        log.info("stopped in epoch %d: %s", trainer.current_epoch + 1, again)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
    sys.exit(status)


def build_trainer(config: TrainConfig, folder: Path, *run_callbacks: Callback) -> Trainer:
    """Build Lightning's trainer for ``config``; the ``run_callbacks`` write checkpoints and metrics.

    Raises ``BadValueError`` for flags that do not work together on this machine.
    """
    if config.num_nodes > 1:
        variables = "MASTER_ADDR, MASTER_PORT and NODE_RANK (0 to %d) set"
        message = f"waiting for %d machines: start this command on each of them, with {variables}"
        log.info(message, config.num_nodes, config.num_nodes - 1)
    warnings.filterwarnings("ignore", category=PossibleUserWarning)
    machine = hardware.trainer_options(config)
    has_terminal = sys.stderr.isatty()
    try:
        loggers = classifier_module.build_loggers(config.logger, config.log_dir, folder.name)
        return Trainer(
            **machine,
            max_epochs=config.epochs,
            gradient_clip_val=config.gradient_clip or None,
            accumulate_grad_batches=config.accumulate,
            logger=loggers,
            callbacks=[*run_callbacks],
            default_root_dir=str(folder),
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=has_terminal,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            log_every_n_steps=1,
        )
    except (MisconfigurationException, ImportError, ValueError) as error:
        reason = one_line(error)
        refused = f"--strategy {config.strategy} does not work with these devices ({reason})"
        raise BadValueError(f"{refused}: use --strategy auto") from error
