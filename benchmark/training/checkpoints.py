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
    """Write the state of the run (``weights_only``: without the optimizer) to ``path`` atomically.

    All processes must call it. Raises ``DataError`` if the file cannot be written; an older file stays unchanged.
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
    """Return the metadata with which ``benchmark.training.load`` rebuilds the network, as JSON values.

    These are the configuration, the arguments of ``backbones.build`` and the findings.
    """
    return {"config": runs.flags_dict(config), "model": model.build_options, "findings": list(findings)}


def write_run(folder: Path, config: TrainConfig, model: Classifier, stamped: dict[str, Any]) -> None:
    """Write ``config.yaml`` and ``best.ckpt`` of a network that was not trained here, with its metadata ``stamped``.

    Raises ``WriteError`` if a file cannot be written.
    """
    runs.write_config(config, folder)
    with atomic(folder / "best.ckpt") as temporary:
        torch.save({"state_dict": prefixed(model), "locus": stamped, "history": []}, temporary)


def prefixed(model: Classifier) -> dict[str, torch.Tensor]:
    """Return the weights of ``model`` with the prefix that Lightning gives their names."""
    return {load_weights.PREFIX + name: value for name, value in model.state_dict().items()}
