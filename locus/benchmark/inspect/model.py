"""Check a network before it is scored: what opening finds, the methods, and with a data set its outputs.

``run`` prints the table. ``locus.benchmark.opening`` finds weights, layers and grid, and compares the logits with those
of the original network; a network that fails there is not opened. With a data set, ``labelled_answers`` checks AUROC,
order of the outputs and normalisation.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from tabulate import tabulate
from torch import Tensor

from locus import datasets, methods
from locus.backbones.classifier import normalised
from locus.benchmark import opening
from locus.benchmark.inspect.question import AnswerRow, conclude
from locus.benchmark.opening import DEFAULT_IMAGE_SIDE, OpenedNetwork
from locus.benchmark.training import hardware
from locus.benchmark.training.metrics import scores
from locus.config import ModelCheckConfig, network_flags
from locus.core.errors import DataError, LocusError, NotAvailableError, examples
from locus.core.frames import resize_image
from locus.core.types import IMAGENET_MEAN, IMAGENET_STD, Echo, FloatArray, generator
from locus.datasets.base import Dataset, RelabeledDataset
from locus.datasets.io import preprocess, transforms
from locus.explaining.batch import build_methods, collect_evidence, run_methods

BATCH_SIZE = 32
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


def labelled_answers(opened: OpenedNetwork, data: Dataset, count: int) -> list[AnswerRow]:
    """Check AUROC, order of the outputs and normalisation on the first ``count`` images of ``data``.

    Raises ``DataError`` if no finding has images with and without it.
    """
    data = preprocess.of(data, opened.preprocess)
    samples = RelabeledDataset(data, opened.model.findings, range(min(count, len(data))))[:]
    labels = np.stack([sample.labels for sample in samples]).astype(np.float64)
    judged_indices = [
        k for k, column in enumerate(labels.T) if {0, 1} <= {*column[~np.isnan(column)].tolist()}
    ]
    if not judged_indices:
        lacking = f"positive and negative images among the first {len(samples)}"
        raise DataError(f"no finding of {data.name} has {lacking}: increase --images")
    size = (opened.img_size, opened.img_size)
    grey = torch.from_numpy(np.stack([resize_image(sample.image, size) for sample in samples]))
    table = _auroc_table(_logits(opened, grey), labels, judged_indices)
    names = [opened.model.findings[k] for k in judged_indices]
    own_aurocs = np.diag(table)
    by_finding = ", ".join(
        f"{name} {value:.2f}" for name, value in zip(names, own_aurocs, strict=True)
    )
    exclusive = len(names) == len(opened.model.findings) > 1 and bool(np.all(labels.sum(1) == 1))
    is_softmax = bool(((opened.model.build_options or {}).get("wiring") or {}).get("softmax"))
    hint = "exactly one finding per image: if the network was trained by cross-entropy, write --outputs softmax"
    hints = [AnswerRow("outputs", "note", hint)] if exclusive and not is_softmax else []
    seen = AnswerRow(
        "auroc", "info", f"mean {own_aurocs.mean():.3f} on {len(samples)} images: {by_finding}"
    )
    is_external = "network" in (opened.model.build_options or {})
    normalisation_rows = (
        [_normalisation(opened, grey, labels, judged_indices, float(own_aurocs.mean()))]
        if is_external
        else []
    )
    present, absent = ((labels[:, judged_indices] == value).sum(0) for value in (1, 0))
    errors = np.sqrt(
        (present + absent + 1) / (12 * present * absent)
    )  # of an AUROC by chance alone (Mann-Whitney)
    return [seen, *hints, order(table, names, errors), *normalisation_rows]


def order(table: FloatArray, names: Sequence[str], errors: FloatArray) -> AnswerRow:
    """Check whether an output fits another finding clearly better.

    ``table`` (J,J): AUROC of each output (row) for each finding. ``errors`` (J,): standard error of each finding's
    AUROC by chance.

    >>> order(np.array([[0.5, 0.9], [0.9, 0.5]]), ["Mass", "Nodule"], np.array([0.05, 0.05])).verdict
    'fail'
    """
    chance = MIN_STANDARD_ERRORS * errors
    fits = [(k, f) for k, f in zip(*linear_sum_assignment(table, maximize=True), strict=True)]
    moved = []
    for k, f in fits:
        own_auroc = max(table[k, k], table[f, f])
        required_auroc = max(0.5 + chance[f], own_auroc + max(MIN_SWAP_GAIN, chance[f]))
        if table[k, f] > required_auroc:
            moved.append((k, f))
    if not moved:
        return AnswerRow(
            "order", "pass", f"no output fits another of the {len(names)} findings clearly better"
        )
    outputs = (
        f"{names[k]} ({table[k, k]:.2f}) fits {names[f]} ({table[k, f]:.2f})" for k, f in moved
    )
    return AnswerRow(
        "order",
        "fail",
        f"outputs fit other findings better: {examples(outputs, 9)}; check --findings",
    )


def _normalisation(
    opened: OpenedNetwork, grey: Tensor, labels: FloatArray, judged_indices: list[int], mean: float
) -> AnswerRow:
    """Check whether another usual normalisation gives a better mean AUROC."""
    means = {}
    for name, (centre, spread) in NORMALISATIONS.items():
        rescale = normalised(
            centre[: opened.model.channels], spread[: opened.model.channels], opened.model.channels
        )
        table = _auroc_table(_rescaled_logits(opened, grey, rescale), labels, judged_indices)
        means[name] = float(np.diag(table).mean())
    return compare_normalisations(means, mean)


def compare_normalisations(means: Mapping[str, float], mean: float) -> AnswerRow:
    """Check whether a usual normalisation has a clearly better mean AUROC than the network's own, ``mean``.

    >>> compare_normalisations({"[0, 1]": 0.9, "ImageNet's": 0.7}, mean=0.7).verdict
    'fail'
    """
    best = max(means, key=means.__getitem__)
    is_better = means[best] > mean + MIN_NORMALISATION_GAIN
    if is_better and means[best] <= MIN_MEAN_AUROC:
        return AnswerRow(
            "preprocessing",
            "note",
            f"inconclusive: {best} has {means[best]:.3f}, not {mean:.3f}, but no usual normalisation has a mean AUROC"
            f" above {MIN_MEAN_AUROC}; increase --images",
        )
    if not is_better:
        return AnswerRow(
            "preprocessing",
            "pass",
            f"no usual normalisation has a clearly better AUROC than {mean:.3f}",
        )
    mean_flag, std_flag = (
        " ".join(f"{value:.4g}" for value in values) for values in NORMALISATIONS[best]
    )
    flags = f"--mean {mean_flag} --std {std_flag}"
    return AnswerRow(
        "preprocessing", "fail", f"{best} has {means[best]:.3f}, not {mean:.3f}: write {flags}"
    )


@torch.inference_mode()
def _logits(opened: OpenedNetwork, grey: Tensor) -> Tensor:
    """Return the logits (n,K) of pixels (n,S,S)."""
    batches = map(transforms.evaluation(), torch.split(grey, BATCH_SIZE))
    return torch.cat([*map(opened.model.predict, batches)]).float()


def _rescaled_logits(
    opened: OpenedNetwork, grey: Tensor, rescale: torch.nn.Module | None
) -> Tensor:
    """Return the logits (n,K) of pixels (n,S,S) with another normalisation; None: no normalisation."""
    original = opened.model.rescale
    try:
        opened.model.rescale = rescale
        return _logits(opened, grey)
    finally:
        opened.model.rescale = original


def _auroc_table(logits: Tensor, labels: FloatArray, judged_indices: list[int]) -> FloatArray:
    """Return the AUROC (J,J) of each judged output for each judged finding, over the labelled images."""
    names = tuple(map(str, judged_indices))
    truth = torch.from_numpy(labels[:, judged_indices])
    rows = (
        scores(logits[:, [k]].expand(-1, len(names)), truth, names)["findings"]
        for k in judged_indices
    )
    return np.array([[row[name]["auroc"] for name in names] for row in rows])


def run(config: ModelCheckConfig, echo: Echo) -> list[str]:
    """Check the network of ``config`` and ``echo`` the table; return the questions that it fails.

    Raises ``LocusError`` for a network that cannot be built, loaded or wrapped.
    """
    hardware.configure_torch(config.threads)
    data_side = config.img_size or DEFAULT_IMAGE_SIDE
    data = None if config.dataset is None else _test_images(config, data_side)
    network = network_flags(config)
    if network is None:
        opened = opening.open_run(Path(str(config.model)), config.trust)
    else:
        dataset_findings = () if data is None else data.findings
        opened = opening.build(network, dataset_findings)
    rows = answers(opened)
    if data is not None:
        if opened.img_size != data_side:  # images that are drawn by code depend on the size
            data = _test_images(config, opened.img_size)
        rows += labelled_answers(opened, data, config.images)
    echo(
        tabulate(
            [row[:3] for row in rows],
            headers=("question", "verdict", "seen"),
            maxcolwidths=[None, None, 100],
        )
    )
    return conclude(str(config.model), rows, echo)


def _test_images(config: ModelCheckConfig, side: int) -> Dataset:
    """Load the labelled test images; those that are drawn by code have ``side`` × ``side`` pixels."""
    return datasets.load(str(config.dataset), config.data_root_dir, img_size=side)


def answers(opened: OpenedNetwork) -> list[AnswerRow]:
    """Return rows on weights, layers and images, which are not judged, on logits and grid, and on the methods."""
    judged_questions = ("logits", "grid")
    facts = [
        AnswerRow(question, "pass" if question in judged_questions else "info", fact)
        for question, fact in opened.facts.items()
    ]
    return [*facts, *_methods(opened)]


def _methods(opened: OpenedNetwork) -> list[AnswerRow]:
    """Check which methods work: all fast methods, and the slow methods that do not support all networks."""
    pixels = generator(0, "check a model").integers(
        0, 256, (1, opened.img_size, opened.img_size), dtype="uint8"
    )
    images = transforms.evaluation()(torch.from_numpy(pixels))
    slow = methods.expand(["slow"])
    tried = [*methods.expand(["fast"]), *(name for name in slow if methods.get(name).networks)]
    try:
        outcomes = run_methods(build_methods(tried), collect_evidence(opened.model, images))
    except LocusError as error:
        return [AnswerRow("methods", "fail", str(error))]
    missing = {
        name: outcome
        for name, outcome in outcomes.items()
        if isinstance(outcome, NotAvailableError)
    }
    failed = [
        str(outcome)
        for name, outcome in outcomes.items()
        if isinstance(outcome, LocusError) and name not in missing
    ]
    if failed:
        return [AnswerRow("methods", "fail", failed[0])]
    untried = sorted({*slow} - {*tried})
    supported, untried_names = (
        ", ".join(name for name in names if name not in missing) for names in (tried, untried)
    )
    unsupported_rows = [
        AnswerRow(f"method {name}", "info", f"n/a: {reason}") for name, reason in missing.items()
    ]
    return [
        AnswerRow(
            "methods",
            "pass",
            f"{supported}; not tried, since they support all networks: {untried_names}",
        ),
        *unsupported_rows,
    ]
