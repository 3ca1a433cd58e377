"""The machine a run uses: threads, precision, and a quiet Lightning."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning

from benchmark.training import devices
from benchmark.training.callbacks import Bar
from benchmark.training.events import Events
from config import TrainConfig
from core.errors import BadValueError
from core.files import writing

log = logging.getLogger(__name__)


def settle(threads: int | None) -> None:
    """Set torch's ``threads`` (by default as many as the process may run on) and silence what a user cannot act on."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for kind in (PossibleUserWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=kind)


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


def trainer(config: TrainConfig, folder: Path, keeper: lightning.Callback) -> lightning.Trainer:
    """Lightning's trainer for ``config``; checkpoints and metrics are written by our own callback.

    Raises ``BadValueError`` for flags that do not go together on this machine.
    """
    if config.num_nodes > 1:
        told = "waiting for %d machines: start this command on each, with MASTER_ADDR, MASTER_PORT and its own NODE_RANK (0 to %d) set"
        log.info(told, config.num_nodes, config.num_nodes - 1)
    try:
        return _trainer(config, folder, keeper)
    except (MisconfigurationException, ImportError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise BadValueError(f"--strategy {config.strategy} does not work with these devices: {reason}; write --strategy auto") from error


def _trainer(config: TrainConfig, folder: Path, keeper: lightning.Callback) -> lightning.Trainer:
    where = devices.device(config, devices.gpus())
    seen = sys.stderr.isatty()  # a bar in a log file is noise
    return lightning.Trainer(
        accelerator="gpu" if where == "cuda" else "cpu",
        devices=devices.devices(config, devices.gpus()),
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=precision(config, has_fast_bfloat16(where)),  # type: ignore[arg-type]
        max_epochs=config.epochs,
        gradient_clip_val=config.gradient_clip or None,
        logger=[Events(Path(config.log_dir) / folder.name)] if "tensorboard" in config.logger else [],
        callbacks=[keeper, Bar()] if seen else [keeper],
        default_root_dir=str(folder),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=seen,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
    )


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
