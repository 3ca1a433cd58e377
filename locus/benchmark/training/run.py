"""One training run, from its configuration to its metrics.

``prepare``     builds data, network and loss from the flags, and raises setup errors before training
``folder_for``, ``resumed``  find the run of ``--resume`` and check that its flags are the same
``fit``         trains and evaluates; ``train`` only trains, for a search
``build_trainer``  builds Lightning's trainer

Run folders are described in ``runs``, metrics are computed by ``evaluate``.
"""

import contextlib
import dataclasses
import logging
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Callback, Trainer

from locus import backbones
from locus.backbones import Classifier, weight_files
from locus.benchmark import opening
from locus.benchmark.training import data, hardware, losses, provenance, runs
from locus.benchmark.training import module as classifier_module
from locus.benchmark.training.data import Batch, Batches, PrefetchLoader, SplitImages, Splits, balanced_probabilities
from locus.benchmark.training.hardware import memory_format
from locus.benchmark.training.losses import Loss
from locus.benchmark.training.module import ClassifierModule, Interrupts, stopped_early
from locus.config import DATA, MACHINE, WEIGHTS, RecipeFlags, TrainConfig, flags_with
from locus.core.errors import BadValueError, DataError, LocusError, NotAvailableError, one_line
from locus.core.files import atomic
from locus.core.startup import INTERRUPTED
from locus.datasets.base import SPLITS
from locus.datasets.io import transforms
from locus.datasets.leaks import TrainingImages
from locus.datasets.splits import few_validation_images_warning

log = logging.getLogger(__name__)
LENGTH_FLAGS = {"epochs", "early_stopping"}
"""Flags for the length of a run; a resumed run may change them."""
FIXED_LENGTH_SCHEDULERS = ("cosine", "onecycle")
"""Schedulers that depend on the length of the run, which is therefore fixed."""
RUN_AGAIN = "run the same command again"
"""How to continue a stopped run of a suite or a search; one of ``main.py`` needs ``--resume``."""
ADVICE = (
    "lower --batch_size (half the size with --accumulate 2 is equivalent) or --img_size, or use --precision bf16-mixed"
)
"""Advice if memory runs out."""


def prepare(config: TrainConfig, folder: Path) -> tuple[ClassifierModule, dict[str, SplitImages]]:
    """Return the module to train and its images by split, without writing files. Raises ``locus.core.errors`` types.

    Images are decoded on first use.
    """
    hardware.check_flags(config)
    classifier_module.check_loggers(config.logger)
    processes = len(hardware.device_indices(config))
    hardware.configure_torch(config.threads, processes)
    log.info("%s", hardware.summary(config, config.num_workers))
    if transforms.is_mixed(config.augment) and (config.weighted_loss or config.loss != "bce"):
        raise BadValueError(f"--augment {config.augment} mixes labels, which requires --loss bce, not {config.loss}")
    loaded = {split: runs.load_split(config, split) for split in SPLITS}
    findings = loaded["train"].findings
    loss, model = _loss(config, len(findings)), _model(config, len(findings), folder)
    splits: dict[str, SplitImages] = {name: data.decode(config, split, processes) for name, split in loaded.items()}
    if config.keep == "best" and (warning := few_validation_images_warning(len(splits["val"]))):
        log.warning("%s", warning)
    labels = splits["train"].labels
    loss.prepare(labels)
    if hardware.precision_here(config) == "64":
        model.double()  # Lightning would convert after loading a checkpoint in 32 bits
    world_size, accumulate = hardware.world_size(config), config.accumulate
    steps = len(Batches(len(labels), config.batch_size, world_size=world_size, accumulate=accumulate)) // accumulate
    module = ClassifierModule(model, config, loss, findings, steps)
    start = folder / "last.ckpt" if (folder / "last.ckpt").exists() else config.init_from
    module.training_images = _training_images(loaded["train"].name, splits, start)
    return module, splits


def _training_images(name: str, splits: Splits, start: Path | str | None) -> TrainingImages:
    """Return the images of this run of the data set ``name``, and those of the checkpoint ``start``, if known."""
    train = splits["train"]
    images = TrainingImages.used(name, train.columns, train.rows.tolist(), splits["val"].columns)
    earlier = opening.checkpoint(start).training_images if start else None
    return images if earlier is None else images | earlier


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
    name, start = weight_files.resolve(config.backbone, config.pretrained)
    start = start if not config.init_from and not last.exists() else False
    model = backbones.build(name, findings, config.pooling, config.attention_map, start, config.dropout)
    try:
        model.grid((config.img_size, config.img_size))
    except NotAvailableError as error:
        no_maps = f"maps of {config.backbone!r} have no known positions at {config.img_size} px"
        raise NotAvailableError(f"{no_maps}: choose another --backbone or --img_size") from error
    if last.exists():
        weight_files.load(model, weight_files.weights(last), last)
    elif config.init_from:
        weight_files.load_initial(model, weight_files.weights(config.init_from), config.init_from)
    if config.compile:
        model.compile()
    return model.to(memory_format=memory_format(config.channels_last))


def folder_for(config: TrainConfig) -> Path:
    """Return the folder of the run of ``--resume``.

    Raises ``DataError`` if there is nothing to resume, ``BadValueError`` if the run has different flags.
    """
    if not isinstance(config.resume, str):
        return _newest_unfinished(config)
    last = _last_checkpoint(Path(config.resume))
    checkpoint = opening.checkpoint(last)
    _require_same(config, checkpoint.config, last)
    _require_length(config, checkpoint.config, last, len(checkpoint.content["history"]))
    return last.parent


def resumed(config: TrainConfig, explicit_flags: Set[str]) -> TrainConfig:
    """Return the flags of the run of ``--resume PATH``, overridden by its ``explicit_flags``."""
    last = _last_checkpoint(Path(str(config.resume)))
    begun = opening.checkpoint(last).config
    return dataclasses.replace(begun, **{name: getattr(config, name) for name in {*explicit_flags, "resume"}})


def can_continue(config: TrainConfig, folder: Path) -> bool:
    """Whether ``config`` requests more epochs than a finished run has."""
    history = opening.checkpoint(folder / "last.ckpt").content["history"] if config.resume else []
    return bool(history) and len(history) < config.epochs and not stopped_early(history, config.early_stopping)


def _last_checkpoint(path: Path) -> Path:
    last = path / "last.ckpt" if path.is_dir() else path
    if last.is_file() and last.name != "last.ckpt":
        instead = f"use --resume {path.parent}, or --init_from to start from these weights"
        raise DataError(f"--resume {path}: only a last.ckpt can be resumed: {instead}")
    if not last.is_file():
        raise DataError(f"--resume: {path} does not exist; pass a run folder, its last.ckpt, True or False")
    return last


def _newest_unfinished(config: TrainConfig) -> Path:
    paths = sorted(Path(config.model_save_dir).glob("*/last.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths:
        begun = opening.checkpoint(path).config
        if not runs.done(path.parent) and _identity(begun) == _identity(config):
            return path.parent
    reason = f"{config.model_save_dir} has no unfinished run with these flags"
    raise DataError(f"--resume True: {reason}: leave --resume out")


def _require_same(config: TrainConfig, begun: TrainConfig, last: Path) -> None:
    """Raise ``BadValueError`` if network, recipe or data set of ``config`` differ from those of the run, ``begun``."""
    requested, ran = _identity(config), _identity(begun)
    other = {name: value for name, value in ran.items() if name not in LENGTH_FLAGS and value != requested[name]}
    if not Path(str(begun.data_root_dir)).exists():
        other.pop("data_root_dir", None)  # the data have been moved
    if other:
        others = ", ".join(f"--{name} {value}, not {requested[name]}" for name, value in other.items())
        advice = "leave these flags out, or leave --resume out to start a new run"
        raise BadValueError(f"--resume {last}: the run has {others}: {advice}")


def _require_length(recipe: RecipeFlags, begun: RecipeFlags, last: Path, trained: int) -> None:
    """Raise ``BadValueError`` if the run cannot have the number of epochs of ``recipe``."""
    if recipe.epochs != begun.epochs and begun.scheduler in FIXED_LENGTH_SCHEDULERS:
        raise BadValueError(f"--resume {last}: --scheduler {begun.scheduler} requires --epochs {begun.epochs}")
    if recipe.epochs < trained:
        raise BadValueError(f"--resume {last}: the run already has {trained} epochs: use --epochs {trained} or more")


def _identity(config: TrainConfig) -> dict[str, Any]:
    """Return the flags that identify the training of ``config``."""
    fixed = flags_with(TrainConfig, WEIGHTS | DATA) - flags_with(TrainConfig, MACHINE)
    return {name: value for name, value in runs.flags_dict(config).items() if name in fixed}


def fit(config: TrainConfig, folder: Path | None = None) -> Path:
    """Train and evaluate; see ``locus.benchmark.training.fit``."""
    is_step = folder is not None  # of a suite, whose command continues it
    folder = folder or (folder_for(config) if config.resume else runs.new(config))
    if runs.done(folder) and not can_continue(config, folder):
        log.info("%s is already finished", folder)
        return folder
    interrupts = Interrupts(RUN_AGAIN if is_step else f"use --resume {folder}")
    with _removed_on_failure(folder), hardware.log_file(config, folder), hardware.oom_as_error(ADVICE):
        module, splits = prepare(config, folder)
        _train(config, module, splits, folder, interrupts)
        if module.global_rank > 0:
            sys.exit(0)  # only the first process evaluates
        _evaluate(config, module.history, splits, folder)
    return folder


def train(config: TrainConfig, folder: Path, *extra: Callback) -> list[dict[str, float]]:
    """Train in ``folder``, resuming from its ``last.ckpt`` if there is one, and return the history, a row per epoch.

    Nothing is evaluated. ``extra``: more callbacks, which may stop the run with an error.
    """
    with _removed_on_failure(folder), hardware.oom_as_error(ADVICE):
        module, splits = prepare(config, folder)
        _train(config, module, splits, folder, Interrupts(RUN_AGAIN), *extra)
    return module.history


@contextlib.contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Remove a new run's ``folder`` if the block fails before the first checkpoint."""
    fresh = not any(folder.glob("*"))
    try:
        yield
    except (LocusError, KeyboardInterrupt, SystemExit):
        if fresh and not (folder / "last.ckpt").exists():
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()  # if it is empty
        raise


def _train(
    config: TrainConfig,
    module: ClassifierModule,
    splits: Splits,
    folder: Path,
    interrupts: Interrupts,
    *extra: Callback,
) -> None:
    """Train to the end, resuming from ``last.ckpt`` if there is one."""
    last = folder / "last.ckpt"
    for part in folder.glob(".*"):
        part.unlink(missing_ok=True)  # left by a run that was killed while writing
    content = opening.checkpoint(last).content if last.exists() else {}
    history = content.get("history", [])
    if len(history) >= config.epochs or stopped_early(history, config.early_stopping):
        module.history = history
        return
    if history:
        (folder / "metrics.json").unlink(missing_ok=True)  # written again when the extended run ends
    provenance.write(config, folder, splits, provenance.read(folder) if last.exists() else None)
    writer = classifier_module.CheckpointWriter(module, folder, config.keep, config.early_stopping)
    trainer = build_trainer(config, folder, writer, interrupts, *extra)
    terms = module.loss.counted(splits["train"].labels)
    train_loader, val_loader = _loaders(config, splits, terms, trainer, len(history))
    try:
        trainer.fit(module, train_loader, val_loader, ckpt_path=last if last.exists() else None, weights_only=True)
    except SystemExit:  # of Lightning, after Ctrl-C
        _stop(folder, trainer, interrupts)
    finally:
        for split in splits.values():
            split.pixels.close()


def _loaders(
    recipe: RecipeFlags, splits: Splits, loss_terms: torch.Tensor, trainer: Trainer, epoch: int
) -> tuple[PrefetchLoader[Batch], PrefetchLoader[Batch]]:
    """Return the loaders of training and validation images; the first one decodes in the order of ``epoch``."""
    images, labels = splits["train"], splits["train"].labels
    rank, processes, size = trainer.global_rank, trainer.world_size, recipe.batch_size
    probabilities = balanced_probabilities(labels.numpy()) if recipe.sampler == "weighted" else None
    drawn = recipe.accumulate, probabilities, loss_terms.numpy()
    train = Batches(len(images), size, recipe.seed, rank, processes, *drawn)
    train.set_epoch(epoch)
    images.decode_in_order(np.concatenate([*train]))
    val = Batches(len(splits["val"]), size, rank=rank, world_size=processes)
    train_loader = PrefetchLoader(images, sampler=train, batch_size=None)
    return train_loader, PrefetchLoader(splits["val"], sampler=val, batch_size=None)


def _stop(folder: Path, trainer: Trainer, interrupts: Interrupts) -> NoReturn:
    """Say how an interrupted run continues, and end this process with the status of its signal."""
    status = 128 + (interrupts.received or signal.SIGINT)
    if trainer.global_rank == 0:
        saved = (folder / "last.ckpt").exists()
        again = f"{interrupts.advice} to continue" if saved else "no epoch is complete, so nothing is saved"
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
    device_type, indices = hardware.device_type(config), hardware.device_indices(config)
    try:
        return Trainer(
            accelerator="gpu" if device_type == "cuda" else "cpu",
            devices=indices if device_type == "cuda" else len(indices),
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=hardware.precision_here(config),  # type: ignore[arg-type]
            max_epochs=config.epochs,
            gradient_clip_val=config.gradient_clip or None,
            accumulate_grad_batches=config.accumulate,
            sync_batchnorm=device_type == "cuda",  # statistics of the whole batch, as on one device
            logger=classifier_module.build_loggers(config.logger, config.log_dir, folder.name),
            callbacks=[*run_callbacks],
            default_root_dir=str(folder),
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=sys.stderr.isatty(),
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            log_every_n_steps=1,
        )
    except (MisconfigurationException, ImportError, ValueError) as error:
        reason = one_line(error)
        refused = f"--strategy {config.strategy} does not work with these devices ({reason})"
        raise BadValueError(f"{refused}: use --strategy auto") from error


def _evaluate(config: TrainConfig, history: list[dict[str, float]], splits: Splits, folder: Path) -> None:
    """Draw the training curves and evaluate the kept epoch on all splits."""
    from locus.benchmark.training import evaluate  # slow imports, not needed before the first step

    best = classifier_module.kept_epoch(history, config.keep)
    trained = splits["train"].readable()
    facts: dict[str, Any] = {"best_epoch": best, "epochs": len(history)}
    facts |= {"train": {"n": len(trained), "data": trained.describe}}
    if (used := provenance.read(folder)) is not None:
        facts["provenance"] = used.model_dump()  # a copy
    if config.plots:
        from locus.benchmark.training import plots

        plots.draw_curves(history, best, folder / "curves.png")
    if config.weights_dtype == "float16":
        _round_weights(folder / "best.ckpt")
    evaluate.evaluate(folder, config, splits, facts)


def _round_weights(path: Path) -> None:
    """Round the weights of a checkpoint of a run to float16; they stay in its file as float32."""
    content = weight_files.read(path)
    half = weight_files.cast(content["state_dict"], torch.float16)
    content["state_dict"] = weight_files.cast(half, torch.float32)
    with atomic(path) as temporary:
        torch.save(content, temporary)
