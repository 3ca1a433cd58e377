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


def settle(threads: int | None) -> None:
    """Set torch's ``threads`` (by default as many as the process may run on) and silence what a user cannot act on."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for kind in (PossibleUserWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=kind)


def gpus() -> int:
    """How many GPUs torch can use here."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device(config: TrainConfig, there: int) -> str:
    """``cuda`` where ``there`` are GPUs and ``--num_GPU 0`` does not forbid them, else ``cpu``."""
    return "cuda" if there and config.num_GPU != 0 else "cpu"


def precision(config: TrainConfig, fast_bfloat16: bool) -> str:
    """Lightning's precision; ``auto`` is bf16-mixed where bfloat16 is fast, else 32."""
    if config.precision != "auto":
        return config.precision
    return "bf16-mixed" if fast_bfloat16 else "32"


def has_fast_bfloat16(where: str) -> bool:
    """Whether ``cuda`` or ``cpu`` computes in bfloat16 by itself, not by emulation."""
    if where == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def devices(config: TrainConfig, there: int) -> int | list[int]:
    """How many devices, or which of the GPUs that are ``there``; on the CPU it is one process, or ``--devices``.

    Raises ``BadValueError`` for words that are no numbers and ``NotAvailableError`` for more GPUs than there are.
    """
    on_cpu = device(config, there) == "cpu"
    chosen = config.device_ids or ("" if config.num_GPU is None else str(config.num_GPU)) or config.devices
    if chosen == "auto" or (on_cpu and chosen != config.devices):
        return 1
    numbers = chosen.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise BadValueError(f"{chosen!r} are no devices: write --devices 2 or --device_ids 0,1")
    which = [int(number) for number in numbers]
    wanted = max(which) + 1 if config.device_ids else which[0]
    if not on_cpu and wanted > there:
        raise NotAvailableError(f"{chosen!r} needs {wanted} GPUs, there are {there}: lower --devices or --device_ids")
    return which if config.device_ids else max(which[0], 1)


def world(config: TrainConfig) -> int:
    """How many processes share the training images."""
    count = devices(config, gpus())
    return config.num_nodes * (count if isinstance(count, int) else len(count))


def trainer(config: TrainConfig, folder: Path, keeper: lightning.Callback) -> lightning.Trainer:
    """Lightning's trainer for ``config``; checkpoints and metrics are written by our own callback."""
    where = device(config, gpus())
    seen = sys.stderr.isatty()  # a bar in a log file is noise
    return lightning.Trainer(
        accelerator="gpu" if where == "cuda" else "cpu",
        devices=devices(config, gpus()),
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=precision(config, has_fast_bfloat16(where)),  # type: ignore[arg-type]
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
