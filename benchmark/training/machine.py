"""The machine a run uses: threads, precision, and a quiet Lightning."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.utilities import rank_zero_only

from benchmark.training import devices, loggers
from benchmark.training.progress import Bar
from config import TrainConfig
from core.errors import BadValueError
from core.files import writing
from datasets.io import limits

log = logging.getLogger(__name__)


def settle(threads: int | None, processes: int = 1) -> None:
    """Set torch's ``threads`` (by default the CPUs that may be used, shared by ``processes``) and silence what a user cannot act on.

    Of several processes of a run only the first one tells what it does.
    """
    torch.set_num_threads(limits.bearable(threads, "--threads") if threads else max(limits.cpus() // processes, 1))
    if getattr(rank_zero_only, "rank", 0):
        logging.getLogger().setLevel(logging.WARNING)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for kind in (PossibleUserWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=kind)


def precision(config: TrainConfig, fast_bfloat16: bool) -> str:
    """Lightning's precision; ``auto`` is bf16-mixed where bfloat16 is fast, else 32."""
    if config.precision != "auto":
        return config.precision
    return "bf16-mixed" if fast_bfloat16 else "32"


def precision_here(config: TrainConfig) -> str:
    """That precision on the device that ``config`` runs on."""
    return precision(config, has_fast_bfloat16(devices.device(config, devices.gpus())))


def has_fast_bfloat16(where: str) -> bool:
    """Whether ``cuda`` or ``cpu`` computes in bfloat16 by itself, not by emulation."""
    if where == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def told(config: TrainConfig) -> str:
    """What a run of ``config`` computes on and why, in one line: device, precision, threads, decoding processes."""
    place, count = devices.first(config, devices.gpus()), devices.world(config)
    fast = "fast bfloat16" if has_fast_bfloat16(place.type) else "no fast bfloat16"
    free = "the CPUs that may be used"
    parts = {
        "device": f"{devices.named(place)} ({devices.why(config, devices.gpus())})",
        "precision": f"{precision_here(config)} ({fast if config.precision == 'auto' else '--precision'})",
        "threads": f"{torch.get_num_threads()} ({'--threads' if config.threads else free})",
        "decoding processes": f"{devices.workers(config)} ({free if config.num_workers is None else '--num_workers'})",
    }
    several = {"processes": f"{count} (--devices, --num_nodes)"} if count > 1 else {}
    return "; ".join(f"{name}: {text}" for name, text in {**parts, **several}.items())


def trainer(config: TrainConfig, folder: Path, *callbacks: lightning.Callback) -> lightning.Trainer:
    """Lightning's trainer for ``config``; checkpoints and metrics are written by our own ``callbacks``.

    Raises ``BadValueError`` for flags that do not go together on this machine.
    """
    if config.num_nodes > 1:
        told = "waiting for %d machines: start this command on each, with MASTER_ADDR, MASTER_PORT and its own NODE_RANK (0 to %d) set"
        log.info(told, config.num_nodes, config.num_nodes - 1)
    try:
        return _trainer(config, folder, callbacks)
    except (MisconfigurationException, ImportError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise BadValueError(f"--strategy {config.strategy} does not work with these devices: {reason}; write --strategy auto") from error


def _trainer(config: TrainConfig, folder: Path, callbacks: Sequence[lightning.Callback]) -> lightning.Trainer:
    where = devices.device(config, devices.gpus())
    seen = sys.stderr.isatty()  # a bar in a log file is noise
    return lightning.Trainer(
        accelerator="gpu" if where == "cuda" else "cpu",
        devices=devices.devices(config, devices.gpus()),
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=precision_here(config),  # type: ignore[arg-type]
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
