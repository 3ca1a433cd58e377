"""Lightning's trainer for a run, kept quiet about what a user cannot act on."""

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning

from benchmark.training import devices, loggers, machine
from benchmark.training.progress import Bar
from config import TrainConfig
from core.errors import BadValueError

log = logging.getLogger(__name__)


def trainer(config: TrainConfig, folder: Path, *callbacks: lightning.Callback) -> lightning.Trainer:
    """Lightning's trainer for ``config``; checkpoints and metrics are written by our own ``callbacks``.

    Raises ``BadValueError`` for flags that do not go together on this machine.
    """
    if config.num_nodes > 1:
        variables = "MASTER_ADDR, MASTER_PORT and its own NODE_RANK (0 to %d) set"
        message = f"waiting for %d machines: start this command on each, with {variables}"
        log.info(message, config.num_nodes, config.num_nodes - 1)
    try:
        return _trainer(config, folder, callbacks)
    except (MisconfigurationException, ImportError, ValueError) as error:
        reason = " ".join(str(error).split())
        refused = f"--strategy {config.strategy} does not work with these devices: {reason}"
        raise BadValueError(f"{refused}; write --strategy auto") from error


def _trainer(config: TrainConfig, folder: Path, callbacks: Sequence[lightning.Callback]) -> lightning.Trainer:
    warnings.filterwarnings("ignore", category=PossibleUserWarning)
    where = devices.device(config, devices.gpus())
    seen = sys.stderr.isatty()  # a bar in a log file is noise
    return lightning.Trainer(
        accelerator="gpu" if where == "cuda" else "cpu",
        devices=devices.devices(config, devices.gpus()),
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=machine.precision_here(config),  # type: ignore[arg-type]
        max_epochs=config.epochs,
        gradient_clip_val=config.gradient_clip or None,
        accumulate_grad_batches=config.accumulate,
        sync_batchnorm=where == "cuda",  # several devices learn what one would: a statistic is of the whole batch
        logger=loggers.build(config, folder),
        callbacks=[*callbacks, Bar()] if seen else [*callbacks],
        default_root_dir=str(folder),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=seen,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
    )
