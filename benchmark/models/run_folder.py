"""A run folder of somebody else's network: what heatmap.py, a suite and a check take as they take our own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmark.models.load import LoadedNetwork, load
from benchmark.training import checkpoints, load_weights, runs
from config import HeatmapConfig, TrainConfig
from core.errors import BadValueError
from core.files import atomic, key, stem
from core.flags.network import NetworkFlags

FOLDER = "models"
"""The folder of such runs below ``runs``."""


def enter(
    flags: NetworkFlags, runs_dir: Path, default_findings: Sequence[str] = (), default_img_size: int | None = None
) -> Path:
    """The run folder below ``runs_dir`` of the network of ``flags``: see ``benchmark.models.load.load``.

    Another network, other weights or another reading of it have another folder; the same have the same.
    """
    return write(load(flags, default_findings, default_img_size), flags, runs_dir)


def of_pictures(config: HeatmapConfig, network: NetworkFlags) -> HeatmapConfig:
    """The flags of pictures with the run folder of ``network`` as their checkpoint.

    Raises ``BadValueError`` without an image: the network belongs to no data set of ours.
    """
    if config.checkpoint is not None or not (config.image or config.image_path):
        reason = "it has no images of its own"
        raise BadValueError(f"--model {network.model} takes --image or --image_path, and no --checkpoint: {reason}")
    folder = enter(network, Path(config.runs))
    return replace(config, checkpoint=str(folder), model=None, findings=(), trust=True)  # its word was typed


def write(loaded: LoadedNetwork, flags: NetworkFlags, runs_dir: Path) -> Path:
    """Write ``best.ckpt`` and ``config.yaml`` of a network. Raises ``WriteError`` when the disk refuses.

    The folder's name has a hash of weights and wiring: the same network is written once.
    """
    state = {load_weights.PREFIX + name: value for name, value in loaded.model.state_dict().items()}
    config = TrainConfig(backbone=str(flags.model), pretrained=False, img_size=loaded.img_size)
    stated = {"entry": flags.entry or flags.model, "trained_on": flags.trained_on or ""}
    stamp = {**checkpoints.stamp(config, loaded.model, loaded.findings), **stated}
    name = f"{stem(Path(str(stated['entry'])).name)}-{key([stamp, checkpoints.digest(state)])[:8]}"
    folder = runs_dir / FOLDER / name
    if not (folder / "best.ckpt").is_file():
        runs.write_config(config, folder)
        with atomic(folder / "best.ckpt") as temporary:
            torch.save({"state_dict": state, "locus": stamp, "history": []}, temporary)
    return folder
