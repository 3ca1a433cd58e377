"""Resume a training run: find the run of ``--resume``, and check that its flags are the same."""

import dataclasses
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locus.benchmark.training.epochs import stopped_early
from locus.benchmark.training.runs import done, flags_dict
from locus.config import DATA, MACHINE, WEIGHTS, RecipeFlags, TrainConfig, flags_with
from locus.core.errors import BadValueError, DataError

if TYPE_CHECKING:
    from locus.benchmark.opening import Checkpoint

LENGTH_FLAGS = {"epochs", "early_stopping"}
"""Flags for the length of a run; a resumed run may change them."""
FIXED_LENGTH_SCHEDULERS = ("cosine", "onecycle")
"""Schedulers that depend on the length of the run, which is therefore fixed."""


def folder_for(config: TrainConfig) -> Path:
    """Return the folder of the run of ``--resume``.

    Raises ``DataError`` if there is nothing to resume, ``BadValueError`` if the run has different flags.
    """
    if not isinstance(config.resume, str):
        return _newest_unfinished(config)
    last = _last_checkpoint(Path(config.resume))
    checkpoint = _checkpoint(last)
    _require_same(config, checkpoint.config, last)
    _require_length(config, checkpoint.config, last, len(checkpoint.content["history"]))
    return last.parent


def resumed(config: TrainConfig, explicit_flags: Set[str]) -> TrainConfig:
    """Return the flags of the run of ``--resume PATH``, overridden by its ``explicit_flags``."""
    last = _last_checkpoint(Path(str(config.resume)))
    begun = _checkpoint(last).config
    return dataclasses.replace(
        begun, **{name: getattr(config, name) for name in {*explicit_flags, "resume"}}
    )


def can_continue(config: TrainConfig, folder: Path) -> bool:
    """Whether ``config`` requests more epochs than a finished run has."""
    history = _checkpoint(folder / "last.ckpt").content["history"] if config.resume else []
    return (
        bool(history)
        and len(history) < config.epochs
        and not stopped_early(history, config.early_stopping)
    )


def _checkpoint(path: Path) -> "Checkpoint":
    from locus.benchmark import opening  # imports torch

    return opening.checkpoint(path)


def _last_checkpoint(path: Path) -> Path:
    last = path / "last.ckpt" if path.is_dir() else path
    if last.is_file() and last.name != "last.ckpt":
        instead = f"use --resume {path.parent}, or --init_from to start from these weights"
        raise DataError(f"--resume {path}: only a last.ckpt can be resumed: {instead}")
    if not last.is_file():
        raise DataError(
            f"--resume: {path} does not exist; pass a run folder, its last.ckpt, True or False"
        )
    return last


def _newest_unfinished(config: TrainConfig) -> Path:
    paths = sorted(
        Path(config.model_save_dir).glob("*/last.ckpt"),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in paths:
        begun = _checkpoint(path).config
        if not done(path.parent) and _identity(begun) == _identity(config):
            return path.parent
    reason = f"{config.model_save_dir} has no unfinished run with these flags"
    raise DataError(f"--resume True: {reason}: leave --resume out")


def _require_same(config: TrainConfig, begun: TrainConfig, last: Path) -> None:
    """Raise ``BadValueError`` if network, recipe or data set of ``config`` differ from those of the run, ``begun``."""
    requested = _identity(config)
    ran = _identity(begun)
    differing = {
        name: value
        for name, value in ran.items()
        if name not in LENGTH_FLAGS and value != requested[name]
    }
    if not Path(str(begun.data_root_dir)).exists():
        differing.pop("data_root_dir", None)  # the data have been moved
    if differing:
        differences = ", ".join(
            f"--{name} {value}, not {requested[name]}" for name, value in differing.items()
        )
        advice = "leave these flags out, or leave --resume out to start a new run"
        raise BadValueError(f"--resume {last}: the run has {differences}: {advice}")


def _require_length(recipe: RecipeFlags, begun: RecipeFlags, last: Path, trained: int) -> None:
    """Raise ``BadValueError`` if the run cannot have the number of epochs of ``recipe``."""
    if recipe.epochs != begun.epochs and begun.scheduler in FIXED_LENGTH_SCHEDULERS:
        raise BadValueError(
            f"--resume {last}: --scheduler {begun.scheduler} requires --epochs {begun.epochs}"
        )
    if recipe.epochs < trained:
        raise BadValueError(
            f"--resume {last}: the run already has {trained} epochs: use --epochs {trained} or more"
        )


def _identity(config: TrainConfig) -> dict[str, Any]:
    """Return the flags that identify the training of ``config``."""
    fixed = flags_with(TrainConfig, WEIGHTS | DATA) - flags_with(TrainConfig, MACHINE)
    return {name: value for name, value in flags_dict(config).items() if name in fixed}
