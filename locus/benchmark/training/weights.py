"""Weights of finished runs as small files, which are published beside a suite's results.

``publish``     write the weights of a run to such a file; ``publish_all`` those of all runs in a folder
``restore``     write the run again from its file
``write_card``  write a table of all files in a folder

A run with ``--weights_dtype float16`` rounds its weights before they are tested, so its file has half the size and the
weights that were scored. Other files have the weights as they were trained. Each is a checkpoint like any other:
``locus.load`` and ``--checkpoint`` accept it. Its name is that of ``runs.weights_file``.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from locus import backbones, datasets
from locus.backbones import SUFFIX, weight_files
from locus.benchmark import opening
from locus.benchmark.training import hardware, runs
from locus.benchmark.training.evaluate import FACTS, decode_held_out, evaluate
from locus.benchmark.training.external import write_network
from locus.config import DATA, MAPS, WEIGHTS, TrainConfig, flags_with
from locus.core.errors import DataError
from locus.core.files import atomic, json_hash, write_json, write_text
from locus.core.names import backbone_words
from locus.core.types import Echo

CARD = "README.md"
COLUMNS = (
    "file",
    "network",
    "pooling",
    "data",
    "seed",
    "fold",
    "training images",
    "epochs",
    "AUROC",
)


def publish(run: Path, file: Path, settings: str, pretrained_on: str = "") -> None:
    """Write the weights of a finished run to a file, unless it has them; as float16 if they were rounded.

    Args:
        run: the run folder.
        file: the file of weights.
        settings: hash of the flags that determine the weights.
        pretrained_on: data of the run for initial weights; empty: none.
    """
    checkpoint = opening.checkpoint(run)
    is_published = file.is_file() and backbones.described(file).get("settings") == settings
    if is_published and opening.checkpoint(file).digest == checkpoint.digest:
        return
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    flag_names = flags_with(TrainConfig, WEIGHTS | MAPS | DATA) - {
        "data_root_dir",
        "cache_dir",
        "init_from",
    }
    flags = {
        name: value for name, value in checkpoint.stamp["config"].items() if name in flag_names
    }
    facts = {name: metrics[name] for name in FACTS if name in metrics}
    auroc = metrics["test"]["mean_auroc"]
    if checkpoint.config.partition == "all":
        auroc = None  # all images were seen in training
    about = {
        "locus": {**checkpoint.stamp, "config": flags},
        "history": checkpoint.content["history"],
        "settings": settings,
        "pretrained_on": pretrained_on,
        "facts": facts,
        "auroc": auroc,
    }
    about["digest"] = json_hash([about, checkpoint.digest])
    dtype = getattr(torch, checkpoint.config.weights_dtype)
    state = {
        name: value.contiguous()
        for name, value in weight_files.cast(checkpoint.weights, dtype).items()
    }
    with atomic(file) as temporary:
        safetensors.torch.save_file(state, temporary, {backbones.METADATA: json.dumps(about)})


def publish_all(folder: Path, output: Path, echo: Echo) -> None:
    """Write the weights of all finished runs in ``folder`` that were rounded to float16 to ``output``, and their card.

    Raises ``DataError`` if there is none, or if two runs have the same name.
    """
    run_of_file: dict[str, Path] = {}
    for checkpoint_file in runs.finished(folder):
        config = opening.checkpoint(checkpoint_file).config
        if config.weights_dtype == "float16":
            name = runs.weights_file(config)
            if name in run_of_file:
                raise DataError(
                    f"{checkpoint_file.parent} and {run_of_file[name]} would both be {name}: move one of them"
                )
            run_of_file[name] = checkpoint_file.parent
    if not run_of_file:
        raise DataError(
            f"{folder} has no finished run with float16 weights: train with --weights_dtype float16"
        )
    for name, run in run_of_file.items():
        start = opening.checkpoint(run).config.init_from
        pretrained_on = _data_of(start) if start else ""
        publish(run, output / name, settings="", pretrained_on=pretrained_on)
    write_card(output)
    echo(f"{len(run_of_file)} files of weights and {CARD} in {output}")


def _data_of(start: str) -> str:
    """Return the data set on which initial weights were trained, or the name of a file of another project."""
    stamp = opening.checkpoint(start).content.get("locus")
    return str(stamp["config"]["dataset"]) if isinstance(stamp, dict) else Path(start).name


def restore(file: Path, config: TrainConfig, folder: Path) -> None:
    """Write the run of ``file`` to ``folder``, as training with ``config`` would, once.

    Raises ``DataError`` if it was trained on other images than those of ``config``.
    """
    runs.clear_damaged(folder)
    if runs.done(folder):
        return
    checkpoint = opening.checkpoint(file)
    facts = checkpoint.content["facts"]
    described_then = facts["train"]["data"]
    described_now = datasets.load_split(config, "train").describe
    differing = [name for name, value in described_now.items() if described_then.get(name) != value]
    if differing:
        reason = f"was trained on other images ({', '.join(differing)} differ)"
        raise DataError(f"{file} {reason}: train with --published_weights never")
    hardware.configure_torch(config.threads)
    stamp = {**checkpoint.stamp, "config": runs.flags_dict(config)}
    write_network(
        folder,
        config=config,
        model=checkpoint.network(),
        stamped=stamp,
        history=checkpoint.content["history"],
    )
    if "provenance" in facts:
        write_json(folder / "provenance.json", facts["provenance"])
    evaluate(
        folder,
        config,
        decode_held_out(config, lambda split: datasets.load_split(config, split)),
        facts,
    )


def write_card(folder: Path) -> None:
    """Write ``README.md`` with a row for each file of weights in ``folder``."""
    from tabulate import tabulate  # not needed to read files

    about = {file.name: backbones.described(file) for file in sorted(folder.glob(f"*{SUFFIX}"))}
    rows = [_row(name, of_file) for name, of_file in about.items()]
    configs = [of_file["locus"]["config"] for of_file in about.values()]
    recipes = sorted(
        {_recipe(config) for config in configs if config["weights_dtype"] == "float16"}
    )
    unrounded = [
        name
        for name, config in zip(about, configs, strict=True)
        if config["weights_dtype"] != "float16"
    ]
    has_first_training = any(of_file["pretrained_on"] for of_file in about.values())
    lines = [
        "# Weights",
        "<!-- Generated from the files: do not edit. -->",
        "Networks that were trained for this project from random weights, rounded to float16. `locus.load(FILE)` and "
        "`--checkpoint FILE` accept each file.",
    ]
    label = "Recipe of the last training" if has_first_training else "Recipe"
    lines += [f"{label}: {recipe}." for recipe in recipes]
    if has_first_training:
        lines.append("`configs` has the recipe of the first training.")
    if unrounded:
        names = ", ".join(f"`{name}`" for name in unrounded)
        lines.append(f"Initial weights, not rounded: {names}.")
    lines += [
        tabulate(rows, headers=COLUMNS, tablefmt="github", disable_numparse=True),
        "AUROC: mean over findings, on the test images (of the fold, if there are folds), after rounding. "
        "–: trained on all images, so score it on others.",
    ]
    write_text(folder / CARD, "\n\n".join(lines) + "\n")


def _row(name: str, about: dict[str, Any]) -> Iterable[str]:
    flags = about["locus"]["config"]
    facts = about["facts"]
    data = ", then ".join(filter(None, (about["pretrained_on"], flags["dataset"])))
    fold = str(flags["fold"]) if flags["partition"] == "kfold" else "–"
    auroc = "–" if about["auroc"] is None else f"{about['auroc']:.3f}"
    return (
        f"`{name}`",
        backbone_words(flags["backbone"]),
        flags["global_pool"],
        data,
        str(flags["seed"]),
        fold,
        str(facts["train"]["n"]),
        str(facts["epochs"]),
        auroc,
    )


def _recipe(flags: dict[str, Any]) -> str:
    """Describe how a network was trained."""
    size = f"{flags['img_size']} px"
    optimizer = f"{flags['optimizer']}, learning rate {flags['lr']}"
    settings = [size, optimizer, flags["scheduler"], f"batches of {flags['batch_size']}"]
    settings += [f"gradient clipping {flags['gradient_clip']:g}"] if flags["gradient_clip"] else []
    settings += [f"moving average of weights {flags['ema']:g}"] if flags["ema"] else []
    settings += [f"augmentation {flags['augment']}", f"training images: {flags['train_on']}"]
    return ", ".join(settings)
