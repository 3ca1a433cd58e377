"""Checks of a network on labelled images: AUROC, order of its outputs, normalisation."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from backbones.rescaled import normalised
from benchmark.check import AnswerRow
from benchmark.training.external_network import LoadedNetwork
from benchmark.training.metrics.ranking import scores
from core.errors import DataError, examples
from core.frames import resize_image
from core.types import IMAGENET_MEAN, IMAGENET_STD, FloatArray
from datasets.base import Dataset
from datasets.io import preprocess, transforms
from datasets.relabeled import RelabeledDataset

BATCH = 32
MIN_SWAP_GAIN = 0.1
"""Minimum gain in AUROC for reporting that an output fits another finding."""
MIN_NORMALISATION_GAIN = 0.03
"""Minimum gain in mean AUROC for reporting another normalisation."""
MIN_STANDARD_ERRORS = 4
"""Minimum difference in standard errors that does not count as chance."""
MIN_MEAN_AUROC = 0.65
"""A lower mean AUROC is inconclusive: few images, or an untrained network."""
NORMALISATIONS = {
    "ImageNet's": (IMAGENET_MEAN, IMAGENET_STD),
    "[0, 1]": ((0.0,), (1.0,)),
    "[-1, 1]": ((0.5,), (0.5,)),
    "[0, 255]": ((0.0,), (1 / 255,)),
    "[-1024, 1024]": ((0.5,), (1 / 2048,)),
}
"""Usual normalisations, as mean and std of grey values in [0, 1]."""


def answers(loaded: LoadedNetwork, data: Dataset, count: int) -> list[AnswerRow]:
    """Check AUROC, order of the outputs and normalisation on the first ``count`` images of ``data``.

    Raises ``DataError`` if no finding has images with and without it.
    """
    data = preprocess.of(data, loaded.preprocess)
    samples = RelabeledDataset(data, loaded.model.findings, range(min(count, len(data))))[:]
    labels = np.stack([sample.labels for sample in samples]).astype(np.float64)
    judged = [k for k, column in enumerate(labels.T) if {0, 1} <= {*column[~np.isnan(column)].tolist()}]
    if not judged:
        images = f"positive and negative images among the first {len(samples)}"
        raise DataError(f"no finding of {data.name} has {images}: increase --images")
    side = (loaded.img_size, loaded.img_size)
    grey = torch.from_numpy(np.stack([resize_image(sample.image, side) for sample in samples]))
    table = _table(_logits(loaded, grey), labels, judged)
    names = [loaded.model.findings[k] for k in judged]
    own_aurocs = np.diag(table)
    by_finding = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, own_aurocs, strict=True))
    seen = AnswerRow("auroc", "info", f"mean {own_aurocs.mean():.3f} on {len(samples)} images: {by_finding}")
    other = [] if loaded.network is None else [_normalisation(loaded, grey, labels, judged, float(own_aurocs.mean()))]
    present, absent = ((labels[:, judged] == value).sum(0) for value in (1, 0))
    errors = np.sqrt((present + absent + 1) / (12 * present * absent))  # of an AUROC by chance alone (Mann-Whitney)
    return [seen, order(table, names, errors), *other]


def order(table: FloatArray, names: Sequence[str], errors: FloatArray) -> AnswerRow:
    """Check whether an output fits another finding clearly better.

    ``table`` (J,J): AUROC of each output (row) for each finding. ``errors`` (J,): standard error of each finding's
    AUROC by chance.

    >>> order(np.array([[0.5, 0.9], [0.9, 0.5]]), ["Mass", "Nodule"], np.array([0.05, 0.05])).verdict
    'fail'
    """
    rows, columns = linear_sum_assignment(table, maximize=True)
    fits = ((k, f) for k, f in zip(rows, columns, strict=True) if table[k, f] > 0.5 + MIN_STANDARD_ERRORS * errors[f])
    moved = [
        (k, f)
        for k, f in fits
        if table[k, f] > max(table[k, k], table[f, f]) + max(MIN_SWAP_GAIN, MIN_STANDARD_ERRORS * errors[f])
    ]
    if not moved:
        return AnswerRow("order", "pass", f"no output fits another of the {len(names)} findings clearly better")
    outputs = (f"{names[k]} ({table[k, k]:.2f}) fits {names[f]} ({table[k, f]:.2f})" for k, f in moved)
    return AnswerRow("order", "fail", f"outputs fit other findings better: {examples(outputs, 9)}; check --findings")


def _normalisation(
    loaded: LoadedNetwork, grey: Tensor, labels: FloatArray, judged: list[int], mean: float
) -> AnswerRow:
    """Check whether another usual normalisation gives a better mean AUROC."""
    means = {}
    for name, (centre, spread) in NORMALISATIONS.items():
        rescale = normalised(centre[: loaded.model.channels], spread[: loaded.model.channels], loaded.model.channels)
        means[name] = float(np.diag(_table(_logits(loaded, grey, rescale), labels, judged)).mean())
    best = max(means, key=means.__getitem__)
    if means[best] <= max(mean + MIN_NORMALISATION_GAIN, MIN_MEAN_AUROC):
        return AnswerRow("preprocessing", "pass", f"no usual normalisation has a clearly better AUROC than {mean:.3f}")
    mean_flag, std_flag = (" ".join(f"{value:.4g}" for value in values) for values in NORMALISATIONS[best])
    flags = f"--mean {mean_flag} --std {std_flag}"
    return AnswerRow("preprocessing", "fail", f"{best} has {means[best]:.3f}, not {mean:.3f}: write {flags}")


@torch.inference_mode()
def _logits(loaded: LoadedNetwork, grey: Tensor, *rescale: torch.nn.Module | None) -> Tensor:
    """Return the logits (n,K) of pixels (n,S,S), with another ``rescale`` if given."""
    model, original = loaded.model, loaded.model.rescale
    try:
        model.rescale = rescale[0] if rescale else original
        return torch.cat([model(transforms.evaluation()(part)) for part in torch.split(grey, BATCH)]).float()
    finally:
        model.rescale = original


def _table(logits: Tensor, labels: FloatArray, judged: list[int]) -> FloatArray:
    """Return the AUROC (J,J) of each judged output for each judged finding, over the labelled images."""
    names, truth = tuple(map(str, judged)), torch.from_numpy(labels[:, judged])
    rows = (scores(logits[:, [k]].expand(-1, len(judged)), truth, names)["findings"] for k in judged)
    return np.array([[row[name]["auroc"] for name in names] for row in rows])
