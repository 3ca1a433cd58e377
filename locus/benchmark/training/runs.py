"""Run folders: names, flags, whether a run is finished, damaged files, and the finished runs in a folder.

``folder_for``, ``resumed``  find the run of ``--resume`` and check that its flags are the same
``stopped_early``, ``kept_epoch``  early stopping, and the epoch in best.ckpt

A run folder has best.ckpt, last.ckpt, config.yaml, metrics.csv, predictions.csv and metrics.json, which is written
last. torch is imported only to write a network that was not trained here (``write_network``) and to read a checkpoint
(``locus.benchmark.opening``).
"""

import contextlib
import dataclasses
import datetime
import io
import itertools
import json
import logging
import math
import os
import shutil
import zipfile
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from locus import backbones, datasets
from locus.config import (
    DATA,
    MACHINE,
    NEWER,
    WEIGHTS,
    NetworkFlags,
    RecipeFlags,
    TrainConfig,
    flags_with,
)
from locus.core.errors import BadValueError, DataError
from locus.core.files import (
    atomic,
    csv_value,
    file_hash,
    json_hash,
    safe_filename,
    write_json,
    write_text,
    writing,
)
from locus.core.names import augment_words, marker_words

if TYPE_CHECKING:
    import pandas as pd

    from locus.backbones import Classifier
    from locus.benchmark.opening import Checkpoint
    from locus.benchmark.records import Cell
    from locus.datasets.base import Dataset
    from locus.datasets.leaks import TrainingImages

log = logging.getLogger(__name__)
FOLDER_VARIABLE = "LOCUS_RUN_FOLDER"
"""Environment variable with the folder of a distributed run, set by its first process."""
TRAINED = "train"
"""Folder in ``runs`` for training runs of ``main.py``; suites use other folders."""
WEIGHTS_FOLDER = "weights"
"""Subfolder of a suite's results for published weights."""
EXTERNAL = "models"
"""Folder in ``runs`` for the runs of external networks."""
LENGTH_FLAGS = {"epochs", "early_stopping"}
"""Flags for the length of a run; a resumed run may change them."""
FIXED_LENGTH_SCHEDULERS = ("cosine", "onecycle")
"""Schedulers that depend on the length of the run, which is therefore fixed."""
DEFAULT_PATIENCE_EPOCHS = 5
"""Patience of ``--early_stopping True``, in epochs."""


def done(folder: Path) -> bool:
    """Whether a run is finished: it has ``metrics.json``, which is written last."""
    return (folder / "metrics.json").is_file()


def new(config: TrainConfig) -> Path:
    """Create and return a new folder for the run of ``config``, the same for all of its processes."""
    if os.environ.get("LOCAL_RANK", "0") == "0" or FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = str(_created(config))
    return Path(os.environ[FOLDER_VARIABLE])


def flags_dict(config: TrainConfig) -> dict[str, Any]:
    """Return the flags as JSON and YAML values, with ``resume`` set to False.

    >>> flags_dict(TrainConfig(lr=0.01))["lr"]
    0.01
    """
    flags = {**dataclasses.asdict(config), "resume": False}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()
    }


def identity(config: TrainConfig) -> dict[str, Any]:
    """Return the flags that determine the weights, newer ones only if not at their default.

    ``init_from`` is not among them: it is a path, and the plan of a suite has the run that writes it.

    >>> flags = identity(TrainConfig(lr=0.01, cache_dir="elsewhere"))
    >>> flags["lr"], "cache_dir" in flags
    (0.01, False)
    """
    names, newer = (flags_with(type(config), role) for role in (WEIGHTS, NEWER))
    fields = [field for field in dataclasses.fields(config) if field.name in names - {"init_from"}]
    values = {field.name: getattr(config, field.name) for field in fields}
    return {
        f.name: values[f.name] for f in fields if f.name not in newer or values[f.name] != f.default
    }


def recipe_of_weights(config: TrainConfig, digest: str, folds: Sequence[int]) -> dict[str, Any]:
    """Return the settings behind a network that is scored but not trained: the flags of its data, and its weights."""
    of_data = {
        n: value
        for n, value in identity(config).items()
        if n in flags_with(TrainConfig, DATA | MACHINE)
    }
    return {**of_data, "fold": [*folds], "weights": digest}


def shared_cell(config: TrainConfig, model_id: str, recipe: dict[str, Any], pooling: str) -> "Cell":
    """Return a cell with the fields that all cells of a network share."""
    from locus.benchmark.records import Cell  # slow to import, and not needed to train or explain

    return Cell(
        dataset=config.dataset.split(":")[0],
        partition=config.partition,
        split="test",
        backbone=config.backbone,
        global_pool=pooling,
        attention_map=config.attention_map or "none",
        img_size=config.img_size,
        seed=config.seed,
        model_id=model_id,
        alignment="aligned",
        data={"dataset": config.dataset, "findings": config.num_classes},
        recipe=recipe,
    )


def load_split(config: TrainConfig, split: str) -> "Dataset":
    """Return the samples of one split (train, val or test), not yet decoded.

    Preprocessing and partition come from the flags. Raises an error of ``locus.core.errors`` if data are missing.
    """
    from locus.datasets.io import preprocess  # imports NumPy

    named = {"img_size": config.img_size, "cache": config.cache_dir, **config.split_arguments()}
    return preprocess.of(
        datasets.load(config.dataset, config.data_root_dir, split, **named), config.preprocess
    )


def model_name(config: TrainConfig) -> str:
    """Return the name of a network: backbone, pooling, attention, augmentation for localization, marker, size and seed.

    >>> model_name(TrainConfig(backbone="resnet18:stride=8", global_pool="PCAM", img_size=128, augment="has"))
    'resnet18_stride=8-PCAM-HaS-128px-seed0'
    >>> model_name(TrainConfig(dataset="implanted:train=9,marker=Mass", backbone="custom"))
    'custom-AVG-marker=Mass-224px-seed0'
    """
    attention = config.attention_map if config.attention_map not in (None, "none") else ""
    marker = marker_words(config.dataset)
    words = [config.backbone, config.global_pool, attention, *augment_words(config.augment), marker]
    words += [f"{config.img_size}px", f"seed{config.seed}"]
    return "-".join(safe_filename(word) for word in words if word)


def weights_file(config: TrainConfig) -> str:
    """Return the name of the published file of a run's weights; one of several folds is numbered."""
    return f"{model_name(config)}{f'-fold{config.fold}' if config.partition == 'kfold' else ''}{backbones.SUFFIX}"


def write_config(config: TrainConfig, folder: Path, comments: str = "") -> None:
    """Write ``config.yaml`` (for ``--config``), starting with ``comments``."""
    write_text(
        folder / "config.yaml", comments + yaml.safe_dump(flags_dict(config), sort_keys=False)
    )


def stamp(
    config: TrainConfig,
    model: "Classifier",
    findings: tuple[str, ...],
    seen: "TrainingImages | None" = None,
) -> dict[str, Any]:
    """Return the metadata with which ``locus.benchmark.opening`` rebuilds the network, as JSON values.

    These are the configuration, the arguments of ``locus.backbones.build``, the findings, and the training images
    ``seen`` unless they are unknown.
    """
    about = {"config": flags_dict(config), "model": model.build_options, "findings": list(findings)}
    return about if seen is None else {**about, "training_images": seen.packed()}


def write_network(
    folder: Path,
    config: TrainConfig,
    model: "Classifier",
    stamped: dict[str, Any],
    history: Sequence[Any] = (),
) -> None:
    """Write ``config.yaml`` and ``best.ckpt`` of a network that was not trained here, with its metadata ``stamped``.

    ``history``: the epochs of its training, if they are known. Raises ``WriteError`` if a file cannot be written.
    """
    import torch

    from locus.backbones.weight_files import prefixed

    write_config(config, folder)
    with atomic(folder / "best.ckpt") as temporary:
        torch.save(
            {"state_dict": prefixed(model), "locus": stamped, "history": [*history]}, temporary
        )


def write_external(
    flags: NetworkFlags,
    runs_dir: Path,
    default_findings: Sequence[str] = (),
    default_img_size: int | None = None,
) -> Path:
    """Build the network of ``flags`` and write its run folder in ``runs_dir``; return the folder.

    The name of the folder includes a hash of the weights and layers, so the same network is written once.
    """
    from locus.backbones.weight_files import digest, prefixed
    from locus.benchmark import opening

    opened = opening.build(flags, default_findings, default_img_size)
    model, size = opened.model, opened.img_size
    config = TrainConfig(
        backbone=str(flags.model), pretrained=False, img_size=size, preprocess=flags.preprocess
    )
    declared = {"entry": flags.entry or flags.model, "trained_on": flags.trained_on or ""}
    stamped = {**stamp(config, model, model.findings), **declared}
    hashed = json_hash([stamped, digest(prefixed(model))])[:8]
    folder = runs_dir / EXTERNAL / f"{safe_filename(Path(str(declared['entry'])).name)}-{hashed}"
    if not (folder / "best.ckpt").is_file():
        write_network(folder, config, model, stamped)
    return folder


def read_predictions(file: Path | str | io.StringIO) -> "pd.DataFrame":
    """Return the table of ``predictions.csv``: names as text, logits and labels as numbers."""
    import pandas as pd  # not needed to list runs

    names = ("split", "image", "patient", "study")
    table = pd.read_csv(
        file, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=[""]
    )
    present = [name for name in names if name in table]
    return table.assign(**{name: table[name].map(csv_value) for name in present})


def clear_damaged(folder: Path) -> None:
    """Repair the ``folder`` of a run: remove damaged files, so that they are written again.

    Metrics and predictions are computed from ``best.ckpt``. If this file is damaged or missing, or ``last.ckpt`` of an
    unfinished run is damaged, the whole folder is removed. Raises ``WriteError``.
    """
    metrics, provenance, best = (
        folder / "metrics.json",
        folder / "provenance.json",
        folder / "best.ckpt",
    )
    with writing(folder):
        if done(folder):
            try:
                content = dict(json.loads(metrics.read_text(encoding="utf-8")))
                evaluated = content.get("predictions") in (
                    None,
                    file_hash(folder / "predictions.csv"),
                )
            except (OSError, ValueError):
                content, evaluated = {}, False
            if content.get("provenance") and not provenance.is_file():
                write_json(provenance, content["provenance"])
            if not evaluated:
                log.warning(
                    "%s or its predictions.csv is damaged: the run is evaluated again", metrics
                )
                metrics.unlink()
        checked = ("best.ckpt",) if done(folder) else ("best.ckpt", "last.ckpt")
        damaged = [folder / name for name in checked if (folder / name).is_file()]
        damaged = [file for file in damaged if not zipfile.is_zipfile(file)]
        if not best.is_file() and any(
            (folder / name).is_file() for name in ("metrics.json", "metrics.csv")
        ):
            damaged.append(best)
        if damaged:
            log.warning("%s is damaged or missing: the run is trained again", damaged[0])
            shutil.rmtree(folder)


def _created(config: TrainConfig) -> Path:
    """Create the folder ``<dataset>-<backbone>-<pooling>[-<attention>]-seed<seed>-<time>[-<number>]``."""
    words = [
        config.dataset,
        config.backbone,
        config.global_pool,
        config.attention_map,
        f"seed{config.seed}",
    ]
    bare = [word.split(":")[0].replace("/", "_") for word in words if word != "none"]
    first = Path(config.model_save_dir) / "-".join(
        [*bare, datetime.datetime.now().strftime("%Y%m%d-%H%M%S")]
    )
    with writing(first):
        for number in itertools.count(1):
            folder = first.with_name(f"{first.name}-{number}") if number > 1 else first
            with contextlib.suppress(FileExistsError):  # of a run that started in the same second
                folder.mkdir(parents=True)
                break
    return folder


def finished(runs: Path) -> list[Path]:
    """Return the best checkpoints of the finished runs in ``runs``: those in ``runs/train`` first, then newest first.

    A run is finished if it has ``metrics.json``.
    """
    ends = {path: path.parent / "metrics.json" for path in runs.rglob("best.ckpt")}
    done = (path for path, end in ends.items() if end.exists())
    return sorted(
        done,
        key=lambda path: (runs / TRAINED in path.parents, ends[path].stat().st_mtime),
        reverse=True,
    )


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
    requested, ran = _identity(config), _identity(begun)
    other = {
        name: value
        for name, value in ran.items()
        if name not in LENGTH_FLAGS and value != requested[name]
    }
    if not Path(str(begun.data_root_dir)).exists():
        other.pop("data_root_dir", None)  # the data have been moved
    if other:
        others = ", ".join(
            f"--{name} {value}, not {requested[name]}" for name, value in other.items()
        )
        advice = "leave these flags out, or leave --resume out to start a new run"
        raise BadValueError(f"--resume {last}: the run has {others}: {advice}")


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


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the number (from 1) of the epoch with the highest mean validation AUROC, the first if tied.

    If no finding has both classes, it is the epoch with the lowest validation loss.

    >>> best_epoch([{"epoch": 1, "val_auroc": .7, "val_loss": .2}, {"epoch": 2, "val_auroc": .8, "val_loss": .3}])
    2
    """
    return int(max(history, key=_merit)["epoch"])


def kept_epoch(history: list[dict[str, float]], keep: str) -> int:
    """Return the number (from 1) of the epoch in ``best.ckpt``: the last or the best one, according to ``keep``.

    >>> kept_epoch([{"epoch": 1.0}, {"epoch": 2.0}], "last")
    2
    """
    return len(history) if keep == "last" else best_epoch(history)


def stopped_early(history: list[dict[str, float]], early_stopping: bool | int) -> bool:
    """Whether the run stops because the last best epoch is too long ago.

    ``early_stopping``: patience in epochs; True for ``DEFAULT_PATIENCE_EPOCHS``, False for never.
    """
    patience = DEFAULT_PATIENCE_EPOCHS if early_stopping is True else int(early_stopping)
    return patience > 0 and bool(history) and len(history) - best_epoch(history) >= patience


def _merit(row: dict[str, float]) -> float:
    return -row["val_loss"] if math.isnan(row["val_auroc"]) else row["val_auroc"]
