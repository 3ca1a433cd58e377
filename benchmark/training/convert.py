"""Convert the weights of another project into a run, after comparing them with the network that the flags describe."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import backbones
from benchmark.training import load, load_weights, machine, runs
from benchmark.training.listing import load_split
from config import ConvertConfig, TrainConfig
from core.errors import BadValueError, DataError, NotAvailableError


def run(config: ConvertConfig) -> Path:
    """Write ``best.ckpt`` and ``config.yaml`` for the weights in ``config.checkpoint``; return ``config.output_dir``.

    Raises ``DataError`` if the weights do not belong to the network, with the numbers of missing and unexpected
    weights.
    """
    if config.checkpoint is None or config.output_dir is None:
        raise BadValueError("--checkpoint FILE (the weights) and --output_dir FOLDER (the new run) are required")
    folder = Path(config.output_dir)
    if any((folder / name).exists() for name in ("best.ckpt", "last.ckpt")):
        raise BadValueError(f"--output_dir {folder} already contains a run: choose another folder")
    machine.configure_torch(config.threads)
    flags: dict[str, Any] = {field.name: getattr(config, field.name) for field in fields(TrainConfig)}
    recipe = TrainConfig(**flags)
    findings = _findings(config.findings, recipe)
    parts = recipe.backbone, len(findings), recipe.pooling, recipe.attention_map
    model = backbones.build(*parts, dropout=recipe.dropout, findings=findings)
    load_weights.load(model, load.weights(config.checkpoint), config.checkpoint)
    runs.write_network(folder, recipe, model, runs.stamp(recipe, model, findings))
    return folder


def _findings(named: tuple[str, ...], recipe: TrainConfig) -> tuple[str, ...]:
    """Return the names of the outputs: from the flags, else from the data set."""
    if named:
        if recipe.num_classes not in (None, len(named)):
            counts = f"--findings has {len(named)} names, but --num_classes is {recipe.num_classes}"
            raise BadValueError(f"{counts}: leave one of them out")
        return named
    try:
        return load_split(recipe, "test").findings
    except (DataError, NotAvailableError) as error:
        raise BadValueError(f"the names of the outputs are unknown ({error}): pass --findings") from error
