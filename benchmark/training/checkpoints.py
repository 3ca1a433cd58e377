"""Write checkpoints atomically: weights and everything needed to rebuild the model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from backbones import Classifier
from benchmark.training import load_weights, runs
from config import TrainConfig
from core.files import atomic, writing

if TYPE_CHECKING:
    import lightning.pytorch as lightning


def save(trainer: "lightning.Trainer", path: Path, weights_only: bool) -> None:
    """Write the run's state (``weights_only``: without the optimizer's) to ``path`` atomically, in all processes.

    Raises ``DataError`` if the file cannot be written; an older file at ``path`` stays unchanged.
    """
    temporary = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            trainer.save_checkpoint(temporary, weights_only=weights_only)
            if trainer.is_global_zero:
                temporary.replace(path)
        finally:
            if trainer.is_global_zero:
                temporary.unlink(missing_ok=True)


def stamp(config: TrainConfig, model: Classifier, findings: tuple[str, ...]) -> dict[str, Any]:
    """Metadata of a checkpoint, JSON-able: configuration, the arguments of ``backbones.build``, findings.

    ``benchmark.training.load`` needs nothing else to rebuild the network.
    """
    return {"config": runs.flags_dict(config), "model": model.config, "findings": list(findings)}


def write_run(folder: Path, config: TrainConfig, model: Classifier, stamped: dict[str, Any]) -> None:
    """Write ``config.yaml`` and ``best.ckpt`` of a network that was not trained here, with its ``stamp``.

    Raises ``WriteError`` if a file cannot be written.
    """
    runs.write_config(config, folder)
    with atomic(folder / "best.ckpt") as temporary:
        torch.save({"state_dict": prefixed(model), "locus": stamped, "history": []}, temporary)


def prefixed(model: Classifier) -> dict[str, torch.Tensor]:
    """Return the weights of ``model`` by the names that Lightning gives them."""
    return {load_weights.PREFIX + name: value for name, value in model.state_dict().items()}
