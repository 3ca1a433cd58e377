"""Evaluate a finished run: predictions, metrics and plots of ``best.ckpt``."""

import copy
import dataclasses
import io
import json
import logging
import math
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from locus import datasets
from locus.backbones import Classifier, weight_files
from locus.backbones.find_head import same_logits
from locus.benchmark import opening
from locus.benchmark.training import data, epochs, hardware, provenance, runs
from locus.benchmark.training.data import Batches, PrefetchLoader, SplitImages, Splits
from locus.benchmark.training.hardware import memory_format
from locus.benchmark.training.metrics import Predictions, assess
from locus.config import MACHINE, MODE, OUTPUT, WEIGHTS, TrainConfig, flags_with
from locus.core.errors import BadValueError, DataError, NoImagesError, examples
from locus.core.files import atomic, csv_text, csv_value, file_hash, write_json, write_text
from locus.datasets.base import Dataset
from locus.datasets.io import transforms

log = logging.getLogger(__name__)
Logits = Mapping[str, Tensor]
HELD_OUT = ("val", "test")
FACTS = ("best_epoch", "epochs", "train", "provenance")
"""Entries of metrics.json about the training, which a new evaluation copies."""
MAY_CHANGE = flags_with(TrainConfig, MACHINE | OUTPUT | MODE) | {"data_root_dir", "batch_size"}
"""Flags that may differ between evaluation and training: the images may have moved and need less memory."""


def reevaluate(config: TrainConfig, explicit_flags: Set[str]) -> Path:
    """Evaluate the run of ``config.evaluate`` (a folder or best.ckpt) and return its folder.

    Uses the flags of the run, overridden by those in ``explicit_flags``. The same machine writes the same bytes again.
    Raises ``DataError`` if there is no finished run or its data set lacks one of its findings, and ``BadValueError``
    for flags that only training may change.
    """
    path = Path(str(config.evaluate))
    folder = path if path.is_dir() else path.parent
    best = folder / "best.ckpt"
    trained = (
        folder / "last.ckpt"
    ).exists() or not best.exists()  # external networks have only best.ckpt
    if trained and not runs.done(folder):
        raise DataError(
            f"--evaluate {path}: the run is not finished (no metrics.json): --resume it first"
        )
    checkpoint = opening.checkpoint(best)
    run_config = checkpoint.config
    findings = checkpoint.findings
    fixed = explicit_flags - MAY_CHANGE
    changed = sorted(name for name in fixed if getattr(config, name) != getattr(run_config, name))
    if changed:
        typed_flags = examples([f"--{name}" for name in changed])
        raise BadValueError(
            f"--evaluate {path} uses the flags of that run: leave out {typed_flags}"
        )
    flags = dataclasses.replace(
        run_config, **{name: getattr(config, name) for name in explicit_flags - {"evaluate"}}
    )
    old_metrics = (
        json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        if runs.done(folder)
        else {}
    )
    hardware.configure_torch(flags.threads)
    images = decode_held_out(flags, lambda name: datasets.load_split(flags, name))
    splits = {name: _labelled(split, findings, flags.dataset) for name, split in images.items()}
    with hardware.oom_as_error("lower --batch_size"):
        evaluate(
            folder,
            flags,
            splits,
            {name: old_metrics[name] for name in FACTS if name in old_metrics},
        )
    return folder


def decode_held_out(flags: TrainConfig, load: Callable[[str], Dataset]) -> Splits:
    """Return the test images, and the validation images unless there are none; ``load`` returns those of a split.

    Without validation images, a warning is logged, and everything that is chosen on them is undefined.
    """
    splits = {}
    for name in HELD_OUT:
        try:
            splits[name] = data.decode(flags, load(name))
        except NoImagesError as error:
            if name == "test":
                raise
            log.warning("thresholds chosen on validation images are n/a: %s", error)
    return splits


def _labelled(split: SplitImages, findings: tuple[str, ...], name: str) -> SplitImages:
    """Reorder the labels of ``split``, of the data set ``name``, to the network's ``findings``.

    Raises ``DataError`` for a finding that the data lack.
    """
    unknown = [finding for finding in findings if finding not in split.findings]
    if unknown:
        existing = examples(split.findings, len(split.findings))
        raise DataError(
            f"{name} has no labels for {examples(unknown)}, which the network predicts; it has {existing}"
        )
    order = [split.findings.index(finding) for finding in findings]
    return dataclasses.replace(split, findings=findings, labels=split.labels[:, order])


def evaluate(
    folder: Path, config: TrainConfig, splits: Splits, facts: dict[str, Any], trust: bool = False
) -> None:
    """Evaluate a run on its held-out splits and write the results.

    Args:
        folder: folder of the run.
        config: its flags.
        splits: ``test`` and, if there is one, ``val``.
        facts: entries of ``metrics.json`` about the training.
        trust: whether Python files that the checkpoint names may be executed.
    """
    model = opening.load(folder / "best.ckpt", hardware.device_type(config), trust)
    model.to(memory_format=memory_format(config.channels_last))
    held_out = {name: splits[name].complete() for name in HELD_OUT if name in splits}
    require_independent(model, sampled_pixels(held_out["test"]))
    logits = {name: predict(model, split, config.batch_size) for name, split in held_out.items()}
    write(folder, held_out, logits, config, facts)


def evaluate_trained(
    folder: Path, config: TrainConfig, splits: Splits, history: list[dict[str, float]]
) -> None:
    """Draw the training curves, round the weights with ``--weights_dtype float16``, and evaluate the kept epoch.

    Args:
        folder: the run folder.
        config: the flags of the training.
        splits: split name -> its images.
        history: metrics of each epoch.
    """
    best = epochs.kept_epoch(history, config.keep)
    trained = splits["train"].readable()
    facts: dict[str, Any] = {"best_epoch": best, "epochs": len(history)}
    facts |= {"train": {"n": len(trained), "data": trained.describe}}
    used = provenance.read(folder)
    if used is not None:
        facts["provenance"] = used.model_dump()  # a copy
    if config.plots:
        from locus.benchmark.training import plots  # slow imports, only for plots

        plots.draw_curves(history, best, folder / "curves.png")
    if config.weights_dtype == "float16":
        _round_weights(folder / "best.ckpt")
    evaluate(folder, config, splits, facts)


def _round_weights(path: Path) -> None:
    """Round the weights of a checkpoint of a run to float16; they stay in its file as float32."""
    content = weight_files.read(path)
    half = weight_files.cast(content["state_dict"], torch.float16)
    content["state_dict"] = weight_files.cast(half, torch.float32)
    with atomic(path) as temporary:
        torch.save(content, temporary)


MAX_SAMPLED = 64
"""Largest number of images from which ``require_independent`` chooses."""


def sampled_pixels(split: SplitImages) -> NDArray[np.uint8]:
    """Return the pixels (n,S,S) of up to ``MAX_SAMPLED`` images, spread evenly over the split."""
    rows = np.unique(np.linspace(0, len(split) - 1, MAX_SAMPLED).astype(np.int64))
    return split.pixels.read(split.rows[rows])[0]


@torch.inference_mode()
def require_independent(model: Classifier, pixels: NDArray[np.uint8]) -> None:
    """Raise ``BadValueError`` if the logits of an image depend on the other images of its batch.

    Up to six of the images, those with the lowest and the highest minimum, maximum and mean, and one of them at half
    contrast, are compared in one batch and alone. A copy of the network computes them on the CPU.

    Args:
        model: the network; it stays unchanged.
        pixels: (n,S,S) grey values of at least one image.
    """
    measured = (pixels.min((1, 2)), pixels.max((1, 2)), pixels.mean((1, 2)))
    rows = sorted({int(row) for values in measured for row in (values.argmin(), values.argmax())})
    chosen = np.concatenate([pixels[rows], pixels[rows[:1]] // 2])
    images = transforms.evaluation()(torch.from_numpy(chosen))
    network = copy.deepcopy(model).cpu().eval()
    together = network.predict(images)
    alone = torch.cat([network.predict(image[None]) for image in images])
    if not same_logits(alone, together):
        difference = float((alone - together).abs().max())
        raise BadValueError(
            f"the network gives an image of this data set other logits in a batch of {len(images)} than alone (they "
            f"differ by up to {difference:.2g}): let no image depend on the others, for example scale each image by "
            "its own minimum and maximum, not by those of its batch"
        )


@torch.inference_mode()
def predict(model: Classifier, split: SplitImages, batch_size: int) -> Tensor:
    """Return the (n,K) float32 logits of the images of ``split`` on the CPU, in their order: ``Classifier.predict``.

    The network runs on its device, in evaluation mode and full precision.
    """
    model.eval()
    device = next(model.parameters()).device
    normalise = transforms.evaluation()
    log.info("predicting %d images", len(split))
    batches = PrefetchLoader(split, sampler=Batches(len(split), batch_size), batch_size=None)
    bar = tqdm(batches, desc="predict", unit="batch", leave=False, disable=None)
    return torch.cat(
        [model.predict(normalise(pixels.to(device))).float().cpu() for pixels, _ in bar]
    )


def write(
    folder: Path, splits: Splits, logits: Logits, config: TrainConfig, facts: dict[str, Any]
) -> None:
    """Write ``predictions.csv``, the plots, and last ``metrics.json``, which marks the run as finished.

    Args:
        folder: folder of the run.
        splits: ``test`` and, if there is one, ``val``.
        logits: split -> (n,K) logits of its images.
        config: flags of the run.
        facts: entries of ``metrics.json`` about the training.

    Raises:
        WriteError: a file cannot be written.
    """
    write_text(folder / "predictions.csv", predictions_csv(splits, logits))
    exclusive = config.exclusive(len(splits["test"].findings))
    predictions = {
        name: _predictions(split, logits[name], exclusive) for name, split in splits.items()
    }
    test = predictions["test"]
    metrics = assess(predictions.get("val"), test, config.threshold_choice)
    if all(split.studies for split in splits.values()):
        studies = {
            name: predictions[name].by_study(split.studies) for name, split in splits.items()
        }
        metrics["study"] = assess(studies.get("val"), studies["test"], config.threshold_choice)
    if config.plots:
        from locus.benchmark.training import plots  # slow imports, only for plots

        plots.draw(folder, test, metrics)
    described = {name: split.describe for name, split in splits.items()}
    flags = {name: getattr(config, name) for name in sorted(flags_with(TrainConfig, WEIGHTS))}
    hashed = {"predictions": file_hash(folder / "predictions.csv")}
    values = {"flags": flags, **facts, **metrics, "data": described, **hashed}
    write_json(folder / "metrics.json", undefined_as_none(values))


def _predictions(split: SplitImages, logits: Tensor, exclusive: bool) -> Predictions:
    patients = [patient for _, patient, _ in split.ids]
    return Predictions(
        findings=split.findings,
        logits=logits.double(),
        labels=split.labels,
        patients=patients,
        exclusive=exclusive,
    )


def predictions_csv(splits: Splits, logits: Logits) -> str:
    """Return a row per image: split, image, patient, boxed, logits and labels, and the study if there is one.

    Unknown labels are empty.
    """
    findings = next(iter(splits.values())).findings
    studies = all(split.studies for split in splits.values())
    names = [
        "split",
        "image",
        "patient",
        "boxed",
        *(f"logit_{f}" for f in findings),
        *(f"label_{f}" for f in findings),
    ]
    rows: list[list[Any]] = [[*names, *(["study"] if studies else [])]]
    for name, split in splits.items():
        numbers = torch.cat([logits[name], split.labels], 1).numpy()
        last = [[study] for study in split.studies] if studies else [[]] * len(split)
        for (image, patient, boxed), values, study in zip(split.ids, numbers, last, strict=True):
            cells = ("" if np.isnan(value) else f"{value:.9g}" for value in values)
            rows.append([name, image, patient, int(boxed), *cells, *study])
    return csv_text(rows)


def read_predictions(file: Path | str | io.StringIO) -> pd.DataFrame:
    """Return the table of ``predictions.csv``: names as text, logits and labels as numbers."""
    names = ("split", "image", "patient", "study")
    table = pd.read_csv(
        file, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=[""]
    )
    for name in names:
        if name in table:
            table[name] = table[name].map(csv_value)
    return table


def undefined_as_none(value: Any) -> Any:
    """Replace nan, which JSON does not have, by None.

    >>> undefined_as_none({"auroc": math.nan, "n": 3})
    {'auroc': None, 'n': 3}
    """
    if isinstance(value, dict):
        return {name: undefined_as_none(item) for name, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
