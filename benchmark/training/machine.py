"""The machine a run uses: threads, precision, devices, and a quiet Lightning."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from benchmark.training.callbacks import Bar
from config import TrainConfig
from core.errors import BadValueError, NotAvailableError
from core.files import writing


def settle(config: TrainConfig) -> None:
    """Set torch's threads (by default as many as the process may run on) and silence what a user cannot act on."""
    torch.set_num_threads(config.threads or len(os.sched_getaffinity(0)))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for kind in (PossibleUserWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=kind)


def device(config: TrainConfig) -> str:
    """``cuda`` where a GPU can be used and ``--num_GPU 0`` does not forbid it, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() and config.num_GPU != 0 else "cpu"


def precision(config: TrainConfig) -> str:
    """Lightning's precision; ``auto`` is bf16-mixed where bfloat16 is fast, else 32."""
    if config.precision != "auto":
        return config.precision
    if device(config) == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    able = torch.cpu.get_capabilities()
    return "bf16-mixed" if able.get("avx512_bf16") or able.get("amx_bf16") else "32"


def devices(config: TrainConfig) -> int | list[int]:
    """How many devices, or which GPUs; on a machine without a GPU all of it means one CPU process, or ``--devices``.

    Raises ``BadValueError`` for words that are no numbers and ``NotAvailableError`` for more GPUs than there are.
    """
    chosen = config.device_ids or ("" if config.num_GPU is None else str(config.num_GPU)) or config.devices
    if chosen == "auto" or (device(config) == "cpu" and chosen != config.devices):
        return 1
    numbers = chosen.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise BadValueError(f"{chosen!r} are no devices: write --devices 2 or --device_ids 0,1")
    which = [int(number) for number in numbers]
    there, wanted = torch.cuda.device_count(), max(which) + 1 if config.device_ids else which[0]
    if device(config) == "cuda" and wanted > there:
        raise NotAvailableError(f"{chosen!r} needs {wanted} GPUs, there are {there}: lower --devices or --device_ids")
    return which if config.device_ids else max(which[0], 1)


def world(config: TrainConfig) -> int:
    """How many processes share the training images."""
    count = devices(config)
    return config.num_nodes * (count if isinstance(count, int) else len(count))


def trainer(config: TrainConfig, folder: Path, keeper: lightning.Callback) -> lightning.Trainer:
    """Lightning's trainer for ``config``; checkpoints and metrics are written by our own callback."""
    seen = sys.stderr.isatty()  # a bar in a log file is noise
    return lightning.Trainer(
        accelerator="gpu" if device(config) == "cuda" else "cpu",
        devices=devices(config),
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=precision(config),  # type: ignore[arg-type]
        max_epochs=config.epochs,
        gradient_clip_val=config.gradient_clip or None,
        logger=_loggers(config, folder),
        callbacks=[keeper, Bar()] if seen else [keeper],
        default_root_dir=str(folder),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=seen,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
    )


def _loggers(config: TrainConfig, folder: Path) -> list[Logger]:
    if "tensorboard" not in config.logger:
        return []
    return [TensorBoardLogger(config.log_dir, name=folder.name, version="")]


@contextlib.contextmanager
def log_file(config: TrainConfig, folder: Path) -> Iterator[None]:
    """Inside the block the log also goes to ``<log_dir>/<run>.log``, where ``--logtofile`` asks for it."""
    if not config.logtofile:
        yield
        return
    path = Path(config.log_dir) / f"{folder.name}.log"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
