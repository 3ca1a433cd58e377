"""Evaluate networks on samples in memory, in one call, with the scorer of suites.

``evaluate``     the entry point; its result is in ``result``
``InMemoryRun``  a network in memory, with the interface of a run folder
"""

import copy
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from locus import backbones, datasets
from locus import methods as method_registry
from locus.backbones import Classifier, weight_files
from locus.benchmark.evaluation.result import Evaluation
from locus.benchmark.evaluation.scorer import NetworkScorer, ScoredModel, write_records
from locus.benchmark.explain.batch import check_model
from locus.benchmark.maps.generate import showing
from locus.benchmark.maps.runs import ModelRun, with_random_weights
from locus.benchmark.opening import load
from locus.benchmark.records import Cell
from locus.benchmark.scoring import protocols as protocol_registry
from locus.benchmark.training import hardware
from locus.benchmark.training.data import decode
from locus.benchmark.training.evaluate import MAX_SAMPLED, predict, predictions_csv, require_independent
from locus.benchmark.training.runs import identity, read_predictions, recipe_of_weights, shared_cell
from locus.config import EngineFlags, TrainConfig
from locus.core import cli, names
from locus.core.errors import BadValueError
from locus.core.files import safe_filename
from locus.core.registry import CHECKS
from locus.core.types import Sample
from locus.datasets import leaks
from locus.datasets.base import Dataset, RelabeledDataset, Samples
from locus.datasets.io import preprocess
from locus.datasets.io.cache import PixelCache
from locus.datasets.splits import check_patients
from locus.methods.base import Method

log = logging.getLogger(__name__)
Model = Classifier | Path | str


def evaluate(
    model: Model | Sequence[Model],
    data: Sequence[Sample],
    methods: str | Sequence[str | type[Method]] = "fast",
    protocols: str | Sequence[str] = ("single_box", "pointing", names.CLASSIFICATION),
    *,
    checks: Sequence[str] = (),
    validation: Sequence[Sample] = (),
    name: str | None = None,
    seed: int = 0,
    memory_gib: float = 2.0,
    cache_dir: Path | str = "runs/cache",
    trust: bool = False,
    progress: bool | None = None,
) -> Evaluation:
    """Score the heat maps of a network and the baselines on images with truth boxes, as ``benchmark.run`` does.

    The baselines are ``fixed_box`` (n/a if a finding has boxes of fewer than five patients), ``prior``, ``center`` and
    ``noise``. The protocol ``added`` has ``center``, ``noise``, ``untrained`` and ``shuffled``.

    Args:
        model: a built, loaded or wrapped network with findings and image size, a run folder or a checkpoint. Several
            models of one recipe with different training seeds give one row per method.
        data: the test images: a data set, or samples whose labels are in the order of the model's findings. Images with
            a truth box are explained.
        methods: names, groups (``fast``) and classes of methods.
        protocols: names; ``classification`` is AUROC and average precision over all images of ``data``.
        checks: names of validity checks, such as ``controls`` (docs/validity.md), whose rows ``scores`` has, too.
        validation: images on which additional thresholds are chosen (their ``threshold_source`` is ``validation``).
        name: name of the network in tables; None: its backbone, or the name of its run folder or class.
        seed: seed for the patient folds of cross-fitted thresholds.
        memory_gib: memory for gradients and forward passes, in GiB.
        cache_dir: folder for decoded images.
        trust: allow running a Python file that a checkpoint names (docs/security.md).
        progress: show the progress of explaining and scoring, with the time left; None: only on a terminal.

    Returns:
        An ``Evaluation``. Its maps are in a temporary folder, which is deleted when the ``Evaluation`` is
        garbage-collected; ``.save()`` keeps the tables.

    Raises:
        BadValueError: a network that is not a ``Classifier`` (wrap it first) or has no findings or image size, or whose
            logits of an image depend on the other images of its batch; models of different recipes; a class that is
            not a method.
        UnknownNameError: an unknown method, protocol or check.
        DataError: no image has a truth box, or an image is broken.
        LeakError: all patients were in the training data. If only some were, they are left out.
    """
    method_names, classes = _methods(methods)
    protocol_names = _protocols(protocols)
    check_names = [CHECKS.check(word) for word in checks]
    listed = [model] if isinstance(model, Path | str) or not isinstance(model, Sequence) else _listed("model", model)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadValueError(f"seed is {seed!r}: give a whole number from 0")
    if not isinstance(name, str | None):
        raise BadValueError(f"name is {name!r}: give a text")
    flags = cli.build(EngineFlags, {"memory_gib": memory_gib})
    is_empty = validation is not None and not len(validation)
    images = _listed("data", data), [] if is_empty else _listed("validation", validation)
    with method_registry.registry.adding(classes):
        for part in classes:
            method_registry.get(part.name)  # raises for a class that is not a method
        method_registry.check(method_names)
        networks = [_network(one, trust) for one in listed]
        title, folder = name or _name(listed[0], networks[0]), tempfile.TemporaryDirectory(prefix="locus-")
        result = Evaluation(title, folder, classes, protocol_names)
        with showing(progress):
            for run in _runs(result, zip(listed, networks, strict=True), images, seed, cache_dir):
                id_ = f"{safe_filename(result.name)}-{run.config.img_size}px-seed{run.config.seed}"
                if run.scorable_images:
                    require_independent(run.model("cpu"), run.pixels[:MAX_SAMPLED])
                maps = result.work / "maps" / f"{id_}-{run.digest[:8]}"
                result.models.append(ScoredModel(id_, [run], maps, run.code))
                cells = [*_cells(result.models[-1], run, method_names, [*protocol_names, *check_names])]
                scorer = NetworkScorer(result.models[-1], cells, flags)
                write_records(scorer, result.folder, progress)
    return result


def _protocols(protocols: str | Sequence[str]) -> list[str]:
    """Return the names of the protocols, each once. Raises ``UnknownNameError``, ``BadValueError`` if there is none."""
    words = [*dict.fromkeys([protocols] if isinstance(protocols, str) else _listed("protocols", protocols))]
    for name in words:
        if not isinstance(name, str):
            raise BadValueError(f"protocols has {name!r}: give names, such as 'single_box'")
        if name != names.CLASSIFICATION:
            protocol_registry.registry.check(name)
    return words


L = TypeVar("L", bound=Sequence[Any])


def _listed(word: str, values: L) -> L:
    """Return ``values``. Raises ``BadValueError`` unless they are a sequence with at least one value.

    A set has another order in each process, and a generator can be read only once.
    """
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise BadValueError(f"{word} is a {type(values).__name__}: give a list")
    if not len(values):
        raise BadValueError(f"{word} is empty: give a list with at least one value")
    return values


def _runs(
    result: Evaluation,
    models: Iterable[tuple[Model, Classifier]],
    images: tuple[Sequence[Sample], Sequence[Sample]],
    data_seed: int,
    cache_dir: Path | str,
) -> Iterator["InMemoryRun"]:
    """Yield each network with its ``images`` for test and validation; log the images left out first."""
    listed, networks = zip(*models, strict=True)
    seeds, all_splits = _seeds(networks), [_splits(network, *images) for network in networks]
    for message in dict.fromkeys(map(_training_images_message, networks, all_splits)):
        if message:
            log.warning("%s", message)
    for one, network, seed, splits in zip(listed, networks, seeds, all_splits, strict=True):
        config = _config(network, result.name, images[0], data_seed, seed, cache_dir)
        path, predict_all = _folder(one) or result.work, names.CLASSIFICATION in result.protocols
        yield InMemoryRun(config, path, network=network, splits=splits, predict_all=predict_all)


def _cells(
    model: ScoredModel, run: "InMemoryRun", method_names: Sequence[str], protocol_names: Sequence[str]
) -> Iterator[Cell]:
    """Yield the cells of the methods and baselines for each protocol or check, that of the classifier first."""
    recipe = recipe_of_weights(run.config, run.digest, [run.config.fold])
    shared = shared_cell(run.config, model.id, recipe, run.config.global_pool)
    if run.predict_all:
        yield shared.model_copy(update={"method": names.CLASSIFIER, "protocol": names.CLASSIFICATION})
    expanded = method_registry.expand(method_names)
    baselines = [word for word in names.BASELINES_AND_UPPER_BOUND if word in (*names.WITHOUT_TRAINING, *expanded)]
    for protocol in (name for name in protocol_names if name != names.CLASSIFICATION):
        beside = names.BESIDE_PRIOR if protocol == names.ADDED else baselines
        for word in (*(word for word in expanded if word not in names.UNRANKED_METHODS), *beside):
            if word != names.FIXED_BOX or protocol in protocol_registry.of_boxes():
                yield shared.model_copy(update={"method": word, "protocol": protocol})


def _methods(methods: str | Sequence[str | type[Method]]) -> tuple[list[str], list[type[Method]]]:
    """Return the names of the methods, and the classes among them."""
    listed = [methods] if isinstance(methods, str | type) else _listed("methods", methods)
    classes: list[Any] = [method for method in listed if not isinstance(method, str)]
    words = [method if isinstance(method, str) else getattr(method, "name", "") for method in listed]
    return [method_registry.normalize_name(word) for word in words], classes


def _network(model: Model, trust: bool) -> Classifier:
    """Load the network of a run, or check a given one. Raises ``BadValueError`` if it cannot be evaluated."""
    network = load(model, trust=trust) if isinstance(model, Path | str) else model
    check_model(network)
    if not network.findings:
        advice = "pass findings=[...] to locus.build or locus.wrap, or set model.findings"
        raise BadValueError(f"the model has no names for its outputs (findings): {advice}")
    network.set_outputs(network.findings, network.img_size)  # they may have been set without a check
    if network.img_size is None:
        advice = "pass img_size (for example 224) to locus.build or locus.wrap, or set model.img_size"
        raise BadValueError(f"the image size of the model is unknown: {advice}")
    return network


def _folder(model: Model) -> Path | None:
    """Return the folder of a run; None for a network in memory."""
    if isinstance(model, Classifier):
        return None
    path = Path(model)
    return path if path.is_dir() else path.parent


def _name(model: Model, network: Classifier) -> str:
    folder = _folder(model)
    return str((network.build_options or {}).get("name", network.name if folder is None else folder.resolve().name))


def _seeds(networks: Sequence[Classifier]) -> list[int]:
    """Return the training seeds, or positions if seeds are unknown or repeated.

    Raises ``BadValueError`` for different recipes.
    """
    recipes = [network.train_config for network in networks]
    without_seed = [recipe and identity(replace(recipe, seed=0, fold=0)) for recipe in recipes]
    same = [(n.findings, n.img_size, n.build_options, recipe) for n, recipe in zip(networks, without_seed, strict=True)]
    if any(other != same[0] for other in same):
        raise BadValueError("the models have different recipes: evaluate each recipe separately")
    digests = [_digest(network) for network in networks]
    if twice := names.duplicates(digests):
        raise BadValueError(f"{digests.count(twice[0])} models have the same weights: give each training run once")
    seeds = [recipe.seed for recipe in recipes if recipe is not None]
    return seeds if len({*seeds}) == len(networks) else list(range(len(networks)))


def _digest(network: Classifier) -> str:
    return weight_files.digest({name: value.cpu() for name, value in network.state_dict().items()})


def _config(
    network: Classifier, name: str, data: Sequence[Sample], data_seed: int, seed: int, cache_dir: Path | str
) -> TrainConfig:
    """Return the flags for scoring: the training flags that do not depend on the data set, and the data set's flags."""
    recipe, built = network.train_config or TrainConfig(), network.build_options or {}
    return TrainConfig(
        dataset=getattr(data, "name", "samples"),
        backbone=name,  # tables show it as the network
        global_pool=built.get("global_pool", network.pooling),
        lse_gamma=recipe.lse_gamma,
        attention_map=built.get("attention_map") or "none",
        multi_label=recipe.multi_label,
        preprocess=recipe.preprocess,
        img_size=int(network.img_size or 0),
        data_seed=data_seed,
        seed=seed,
        cache_dir=str(cache_dir),
    )


def _splits(network: Classifier, data: Sequence[Sample], validation: Sequence[Sample]) -> dict[str, Dataset]:
    """Return split -> its images, preprocessed for the network; the test without patients seen in training."""
    splits = {"test": data, "val": validation}
    as_data = {split: as_dataset(samples, network.findings, split) for split, samples in splits.items()}
    both = [(patient, split) for split, dataset in as_data.items() for patient in dataset.patients]
    check_patients(*zip(*both, strict=True))
    as_data["test"] = leaks.unseen_part(as_data["test"], network.training_images, network.findings)
    steps = (network.train_config or TrainConfig()).preprocess
    return {split: preprocess.of(dataset, steps) for split, dataset in as_data.items()}


def _training_images_message(network: Classifier, splits: dict[str, Dataset]) -> str:
    """Return the warning about test images left out, or about unknown training images; empty if there is none."""
    test = splits["test"]
    if network.training_images is None:
        unknown = network.train_config is not None and datasets.needs_folder(test.name)
        return f"{network.name}: {leaks.UNKNOWN}" if unknown else ""
    return leaks.left_out_message(test.name, [test])


def as_dataset(samples: Sequence[Sample], findings: tuple[str, ...], split: str = "test") -> Dataset:
    """Return the ``samples`` as a data set whose labels are in the order of a model's ``findings``.

    Raises ``DataError`` for a data set with none of them, ``BadValueError`` for samples that do not fit.
    """
    if not isinstance(samples, Dataset):
        return Samples(samples, findings, split)
    return samples if samples.findings == findings else RelabeledDataset(samples, findings, range(len(samples)))


@dataclass(frozen=True, eq=False, kw_only=True)
class InMemoryRun(ModelRun):
    """A network in memory and the images on which it is evaluated."""

    network: Classifier
    splits: Mapping[str, Dataset]
    """``test`` and ``val`` -> images; ``val`` may be empty."""
    predict_all: bool
    """True to predict all test images, False for those with scored maps only."""

    @property
    def code(self) -> str:
        """Hash of the code of the network; empty for a wrapped network."""
        return backbones.network_code(self.network.build_options)

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights by name."""
        return f"{_digest(self.network)}{', random weights' * self.random_weights}"

    def model(self, device: str) -> Classifier:
        """Return a copy of the network in evaluation mode on ``device``; the caller's network is unchanged."""
        with torch.inference_mode(False):  # copies of weights made in this mode have no gradients
            model = copy.deepcopy(self.network)
        return (with_random_weights(model, self.config.seed) if self.random_weights else model).to(device).eval()

    @cached_property
    def data(self) -> Dataset:
        """Images of the split."""
        return self.splits[self.split]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(images, S, S) pixels of ``scorable_images``. Raises ``DataError`` if one of them cannot be decoded."""
        return PixelCache(self.scorable_images, self.config.img_size, self.config.cache_dir, max_bad=0).complete()

    def read_predictions(self) -> pd.DataFrame:
        """Return the network's predictions, one row per image, rounded as in a run's file of predictions."""
        c, test = self.config, self.splits["test"]
        images = test if self.predict_all else Samples(self.scorable_images, test.findings, "test")
        splits = {name: decode(c, part) for name, part in (("val", self.splits["val"]), ("test", images)) if len(part)}
        model = self.model("cuda" if torch.cuda.is_available() else "cpu")
        model.to(memory_format=hardware.memory_format(c.channels_last))
        logits = {name: predict(model, split, c.batch_size) for name, split in splits.items()}
        return read_predictions(io.StringIO(predictions_csv(splits, logits)))
