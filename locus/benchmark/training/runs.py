"""Run folders: names, flags, whether a run is finished, damaged files, and the finished runs in a folder.

A run folder has best.ckpt, last.ckpt, config.yaml, metrics.csv, predictions.csv and metrics.json, which is written
last. ``resume`` continues a run, ``external`` writes that of a network that was not trained here. Nothing here imports
torch.
"""

import contextlib
import dataclasses
import datetime
import itertools
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from locus import backbones
from locus.config import DATA, MACHINE, NEWER, WEIGHTS, TrainConfig, flags_with
from locus.core.files import file_hash, safe_filename, write_json, write_text, writing
from locus.core.names import augment_words, marker_words

if TYPE_CHECKING:
    from locus.backbones import Classifier
    from locus.datasets.leaks import TrainingImages

log = logging.getLogger(__name__)
FOLDER_VARIABLE = "LOCUS_RUN_FOLDER"
"""Environment variable with the folder of a distributed run, set by its first process."""
TRAINED = "train"
"""Folder in ``runs`` for training runs of ``main.py``; suites use other folders."""
WEIGHTS_FOLDER = "weights"
"""Subfolder of a suite's results for published weights."""


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
    names = flags_with(type(config), WEIGHTS) - {"init_from"}
    newer = flags_with(type(config), NEWER)
    flags = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in names and (field.name not in newer or value != field.default):
            flags[field.name] = value
    return flags


def recipe_of_weights(config: TrainConfig, digest: str, folds: Sequence[int]) -> dict[str, Any]:
    """Return the settings behind a network that is scored but not trained: the flags of its data, and its weights."""
    names = flags_with(TrainConfig, DATA | MACHINE)
    data_flags = {name: value for name, value in identity(config).items() if name in names}
    return {**data_flags, "fold": [*folds], "weights": digest}


def model_name(config: TrainConfig) -> str:
    """Return the name of a network: backbone, pooling, attention, augmentation for localization, marker, size and seed.

    >>> model_name(TrainConfig(backbone="resnet18:stride=8", global_pool="PCAM", img_size=128, augment="has"))
    'resnet18_stride=8-PCAM-HaS-128px-seed0'
    >>> model_name(TrainConfig(dataset="implanted:train=9,marker=Mass", backbone="custom"))
    'custom-AVG-marker=Mass-224px-seed0'
    """
    attention = config.attention_map if config.attention_map not in (None, "none") else ""
    marker = marker_words(config.dataset)
    texts = [config.backbone, config.global_pool, attention, *augment_words(config.augment)]
    texts += [marker, f"{config.img_size}px", f"seed{config.seed}"]
    return "-".join(safe_filename(text) for text in texts if text)


def weights_file(config: TrainConfig) -> str:
    """Return the name of the published file of a run's weights; one of several folds is numbered."""
    fold = f"-fold{config.fold}" if config.partition == "kfold" else ""
    return f"{model_name(config)}{fold}{backbones.SUFFIX}"


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
    """Return the metadata with which ``locus.benchmark.opening`` rebuilds a network, as JSON values.

    Args:
        config: the flags of the training.
        model: the network, which has the arguments of ``locus.backbones.build``.
        findings: names of the outputs.
        seen: the training images; None if they are unknown.
    """
    about = {"config": flags_dict(config), "model": model.build_options, "findings": list(findings)}
    return about if seen is None else {**about, "training_images": seen.packed()}


def clear_damaged(folder: Path) -> None:
    """Repair the ``folder`` of a run: remove damaged files, so that they are written again.

    Metrics and predictions are computed from ``best.ckpt``. If this file is damaged or missing, or ``last.ckpt`` of an
    unfinished run is damaged, the whole folder is removed. Raises ``WriteError``.
    """
    metrics = folder / "metrics.json"
    provenance = folder / "provenance.json"
    best = folder / "best.ckpt"
    with writing(folder):
        if done(folder):
            try:
                content = dict(json.loads(metrics.read_text(encoding="utf-8")))
                evaluated = content.get("predictions") in (
                    None,
                    file_hash(folder / "predictions.csv"),
                )
            except (OSError, ValueError):
                content = {}
                evaluated = False
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
    texts = [
        config.dataset,
        config.backbone,
        config.global_pool,
        config.attention_map,
        f"seed{config.seed}",
    ]
    bare = [text.split(":")[0].replace("/", "_") for text in texts if text != "none"]
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
