"""Run folders of other networks, in the form that heatmap.py, suites and checks expect."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmark.models.load import LoadedNetwork, load
from benchmark.training import checkpoints, load_weights, runs
from config import HeatmapConfig, TrainConfig
from core.errors import BadValueError
from core.files import atomic, key, safe_filename
from core.flags.network import NetworkFlags

FOLDER = "models"
"""The folder of such runs, below ``runs``."""


def enter(
    flags: NetworkFlags, runs_dir: Path, default_findings: Sequence[str] = (), default_img_size: int | None = None
) -> Path:
    """Write the run folder of the network of ``flags`` below ``runs_dir``: see ``benchmark.models.load.load``.

    The folder depends on the network, its weights and its wiring; the same network has the same folder.
    """
    return write(load(flags, default_findings, default_img_size), flags, runs_dir)


def of_pictures(config: HeatmapConfig, network: NetworkFlags) -> HeatmapConfig:
    """Replace ``network`` in the flags of heatmap.py by its run folder as checkpoint.

    Raises ``BadValueError`` without an image: the network has no data set.
    """
    if config.checkpoint is not None or not (config.image or config.image_path):
        reason = "it has no data set"
        raise BadValueError(f"--model {network.model} takes --image or --image_path, and no --checkpoint: {reason}")
    folder = enter(network, Path(config.runs))
    return replace(config, checkpoint=str(folder), model=None, findings=(), trust=True)  # the user typed its word


def write(loaded: LoadedNetwork, flags: NetworkFlags, runs_dir: Path) -> Path:
    """Write ``best.ckpt`` and ``config.yaml`` of a network. Raises ``WriteError`` if a file cannot be written.

    The folder's name includes a hash of weights and wiring, so the same network is written once.
    """
    state = {load_weights.PREFIX + name: value for name, value in loaded.model.state_dict().items()}
    config = TrainConfig(backbone=str(flags.model), pretrained=False, img_size=loaded.img_size)
    declared = {"entry": flags.entry or flags.model, "trained_on": flags.trained_on or ""}
    stamp = {**checkpoints.stamp(config, loaded.model, loaded.findings), **declared}
    name = f"{safe_filename(Path(str(declared['entry'])).name)}-{key([stamp, checkpoints.digest(state)])[:8]}"
    folder = runs_dir / FOLDER / name
    if not (folder / "best.ckpt").is_file():
        runs.write_config(config, folder)
        with atomic(folder / "best.ckpt") as temporary:
            torch.save({"state_dict": state, "locus": stamp, "history": []}, temporary)
    return folder
