"""Check ``randomised``: the change of maps if weights are replaced by random ones.

``Randomised`` compares the maps of the trained network with those of networks randomised from the head down. ``parts``
splits a network, and ``reinitialise`` returns a training run with random weights in its first parts. Tables and answer
are in ``randomised_report``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from locus.backbones import Classifier
from locus.backbones.layers import path
from locus.benchmark.maps.runs import convert_run, untrained
from locus.benchmark.scoring.protocols.base import Case, Result, finite_map, with_truth
from locus.benchmark.scoring.statistics.summary import Column
from locus.benchmark.validity.base import TRAINED, Check, RunOnSubset, compare
from locus.core.types import FloatArray

REST = "last stage"
"""Name of the part after the last level; its output is pooled."""


class Randomised(Check):
    """Compare the maps of the trained network with those of networks randomised part by part, from the head down.

    ``rho@PART`` is Spearman's rank correlation over the h×w positions, mean over cases, between the maps of the trained
    network and of the network randomised from the head down to PART; ``rho_abs@PART`` that of absolute values. A case
    with a constant map has no correlation and is excluded. ``hit@iou.3@PART`` and ``pointing@PART`` are scores of the
    randomised network, ``change@…`` their differences from the trained network. Adebayo et al., "Sanity checks for
    saliency maps", NeurIPS 2018, section 3.
    """

    name = "randomised"

    def evaluate(self, method: str, seed: int) -> Result:
        """Evaluate all randomisation steps for one method."""
        variants = {TRAINED: self.cases(method)}
        for depth, part in enumerate(part_names(self.runs[0]), start=1):
            variants[part] = self.cases(method, [reinitialise(run, depth) for run in self.runs], f"randomised-{depth}")
        drawn = list(variants)[1:]
        correlations = [column for part in drawn for column in _columns(part, variants[TRAINED], variants[part])]
        return compare(variants, self.findings, seed, correlations)


def _columns(part: str, first: Sequence[Case], second: Sequence[Case]) -> list[Column]:
    pairs = [(_values(one), _values(two)) for one, two in zip(with_truth(first), with_truth(second), strict=True)]
    plain = np.array([spearman(one, two) for one, two in pairs])
    sizes = np.array([spearman(np.abs(one), np.abs(two)) for one, two in pairs])
    metrics = {f"rho@{part}": plain, f"rho_abs@{part}": sizes}
    return [Column(m, "none", np.nan_to_num(rho), np.isfinite(rho).astype(np.float64)) for m, rho in metrics.items()]


def _values(case: Case) -> FloatArray:
    values, _ = finite_map(case)
    return np.full(1, np.nan) if values is None else values.ravel()


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Return the rank correlation of two maps; nan if one is constant or the shapes differ.

    >>> spearman(np.array([1.0, 2, 3]), np.array([10.0, 100, 1000]))
    1.0
    """
    if first.shape != second.shape or np.isnan([first.sum(), second.sum()]).any():
        return float("nan")
    one, two = (rankdata(values) - (len(values) + 1) / 2 for values in (first, second))
    scale = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum() / scale) if scale else float("nan")


@dataclass(frozen=True)
class PartlyReinitialised(RunOnSubset):
    """A training run with the first ``depth`` parts, counted from the head, reinitialised.

    All steps use the weights and batch norm statistics of one randomly initialised network, so a deeper step keeps the
    random weights of a shallower one.
    """

    depth: int = 0

    @property
    def digest(self) -> str:
        """Description of the weights: those of the training run and the number of reinitialised parts."""
        return f"{super().digest}, {self.depth} parts as in {untrained(self).digest}"

    def model(self, device: str) -> Classifier:
        """Return the network, in evaluation mode on ``device``."""
        trained, drawn = super().model(device), untrained(self).model(device).state_dict()
        anew = {key for _, keys in parts(trained)[: self.depth] for key in keys}
        state = trained.state_dict()
        trained.load_state_dict({key: drawn[key] if key in anew else value for key, value in state.items()})
        return trained


def parts(model: Classifier) -> list[tuple[str, tuple[str, ...]]]:
    """Split the network into parts from the head down: names with disjoint entries of ``state_dict``.

    The network is cut after the layers ``model.layer_names``, in the order of its modules. A part has the name of the
    layer at its end. ``last stage`` follows the last of them. An attention module is a separate part.
    """
    index = {name: n for n, (name, _) in enumerate(model.named_modules())}
    layers = model.layer_names
    ends = {layer: max(n for name, n in index.items() if _within(name, path(model, layer))) for layer in layers}
    keys: dict[str, list[str]] = {}
    for key in model.state_dict():
        owner = key.rpartition(".")[0]
        top = owner.split(".")[0]
        name = top if top != "extractor" else next((layer for layer, end in ends.items() if index[owner] <= end), REST)
        keys.setdefault(name, []).append(key)
    order = ["head", "attention", REST, *reversed(layers)]
    return [(name, tuple(keys[name])) for name in order if name in keys]


def _within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(f"{whole}.")


def part_names(run: RunOnSubset) -> tuple[str, ...]:
    """Return the names of the parts of a training run's network, from the head down.

    ``reinitialise`` counts the same way: depth 1 is the head only.
    """
    return tuple(name for name, _ in parts(untrained(run).model("cpu")))


def reinitialise(run: RunOnSubset, depth: int) -> PartlyReinitialised:
    """Return a training run with the weights of the network's first ``depth`` parts reinitialised.

    Cascading randomisation from the head down: Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """
    return convert_run(run, PartlyReinitialised, image_ids=run.image_ids, depth=depth)
