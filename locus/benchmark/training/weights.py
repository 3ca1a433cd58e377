"""Weights of finished runs as files of half size, which are published beside a suite's results.

``file_name``   the name of the file of a training run
``write_card``  write a table of all files in a folder

A file has the weights as float16 (``--weights_dtype float16``), so it is exact. It is a checkpoint like any other:
``locus.load`` and ``--checkpoint`` accept it. Files are written and restored by ``locus.benchmark.training.evaluate``;
nothing here imports torch.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from locus.backbones import SUFFIX, described
from locus.config import TrainConfig
from locus.core.files import write_text
from locus.core.names import backbone_words

FOLDER = "weights"
"""Subfolder of a suite's results."""
CARD = "README.md"
COLUMNS = ("file", "network", "pooling", "data", "seed", "fold", "training images", "epochs", "AUROC")


def model_name(config: TrainConfig) -> str:
    """Return the name of a network: backbone, pooling, attention, image size and seed.

    >>> model_name(TrainConfig(backbone="resnet18:stride=8", global_pool="PCAM", img_size=128))
    'resnet18_stride=8-PCAM-128px-seed0'
    """
    attention = config.attention_map if config.attention_map not in (None, "none") else ""
    words = [config.backbone, config.global_pool, attention, f"{config.img_size}px", f"seed{config.seed}"]
    return "-".join(word.replace(":", "_") for word in words if word)


def file_name(config: TrainConfig) -> str:
    """Return the name of the file of a training run; one of several folds is numbered."""
    return f"{model_name(config)}{f'-fold{config.fold}' if config.partition == 'kfold' else ''}{SUFFIX}"


def write_card(folder: Path) -> None:
    """Write ``README.md`` with a row for each file of weights in ``folder``."""
    from tabulate import tabulate  # not needed to read files

    about = {file.name: described(file) for file in sorted(folder.glob(f"*{SUFFIX}"))}
    rows = [_row(name, of_file) for name, of_file in about.items()]
    recipes = sorted({_recipe(of_file["locus"]["config"]) for of_file in about.values()})
    twice = any(of_file["pretrained_on"] for of_file in about.values())
    lines = [
        "# Weights",
        "<!-- Generated from the files: do not edit. -->",
        "Networks that were trained for this project from random weights, rounded to float16. `locus.load(FILE)` and "
        "`--checkpoint FILE` accept each file.",
        *[f"Recipe{' of the last training' if twice else ''}: {recipe}." for recipe in recipes],
        *(["`configs` has the recipe of the first training."] if twice else []),
        tabulate(rows, headers=COLUMNS, tablefmt="github", disable_numparse=True),
        "AUROC: mean over findings, on the test images (of the fold, if there are folds), after rounding. "
        "–: trained on all images, so score it on others.",
    ]
    write_text(folder / CARD, "\n\n".join(lines) + "\n")


def _row(name: str, about: dict[str, Any]) -> Iterable[str]:
    flags, facts = about["locus"]["config"], about["facts"]
    data = ", then ".join(filter(None, (about["pretrained_on"], flags["dataset"])))
    fold = str(flags["fold"]) if flags["partition"] == "kfold" else "–"
    auroc = "–" if about["auroc"] is None else f"{about['auroc']:.3f}"
    numbers = (str(facts["train"]["n"]), str(facts["epochs"]), auroc)
    return (
        f"`{name}`",
        backbone_words(flags["backbone"]),
        flags["global_pool"],
        data,
        str(flags["seed"]),
        fold,
        *numbers,
    )


def _recipe(flags: dict[str, Any]) -> str:
    """Describe how a network was trained."""
    size, optimizer = f"{flags['img_size']} px", f"{flags['optimizer']}, learning rate {flags['lr']}"
    words = [size, optimizer, flags["scheduler"], f"batches of {flags['batch_size']}"]
    words += [f"gradient clipping {flags['gradient_clip']:g}"] if flags["gradient_clip"] else []
    words += [f"moving average of weights {flags['ema']:g}"] if flags["ema"] else []
    words += [f"augmentation {flags['augment']}", f"training images: {flags['train_on']}"]
    return ", ".join(words)
