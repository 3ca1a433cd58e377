"""Evaluate networks on samples in memory, in one call, with the scorer of suites.

``evaluate``     the entry point; its result is in ``result``
``InMemoryRun``  a network in memory, with the interface of a run folder
"""

import copy
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
from locus.benchmark import baselines, opening
from locus.benchmark.evaluation.network import NetworkScorer, ScoredModel, write_records
from locus.benchmark.evaluation.result import Evaluation
from locus.benchmark.maps.generate import showing
from locus.benchmark.maps.runs import ModelRun, with_random_weights
from locus.benchmark.records import Cell
from locus.benchmark.training import hardware
from locus.benchmark.training.data import decode
from locus.benchmark.training.evaluate import (
    MAX_SAMPLED,
    predict,
    predictions_csv,
    read_predictions,
    require_independent,
)
from locus.benchmark.training.runs import identity, recipe_of_weights
from locus.config import EngineFlags, TrainConfig
from locus.core import names
from locus.core.errors import BadValueError
from locus.core.files import safe_filename
from locus.core.registry import CHECKS
from locus.core.types import Sample
from locus.datasets import leaks
from locus.datasets.base import Dataset, RelabeledDataset, Samples
from locus.datasets.io import preprocess
from locus.datasets.io.cache import PixelCache
from locus.datasets.splits import check_patients
from locus.explaining.batch import check_model
from locus.flags import cli
from locus.methods.base import Method
from locus.scoring import protocols as protocol_registry

log = logging.getLogger(__name__)
Model = Classifier | Path | str
L = TypeVar("L", bound=Sequence[Any])


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

    Example::

        model = locus.load("demo-pcam")
        result = locus.evaluate(model, locus.load_dataset("phantom"), methods=["gradcam", "pcam"])
        print(result)
    """
    method_names, classes = _methods(methods)
    protocol_names = _protocols(protocols)
    check_names = [CHECKS.check(check) for check in checks]
    models = (
        [model]
        if isinstance(model, Path | str) or not isinstance(model, Sequence)
        else _listed("model", model)
    )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadValueError(f"seed is {seed!r}: give a whole number from 0")
    if not isinstance(name, str | None):
        raise BadValueError(f"name is {name!r}: give a text")
    flags = cli.build(EngineFlags, {"memory_gib": memory_gib})
    _listed("data", data)
    validation = _listed("validation", validation) if validation is None or len(validation) else []
    with method_registry.registry.adding(classes):
        for method_class in classes:
            method_registry.get(method_class.name)  # raises for a class that is not a method
        method_registry.check(method_names)
        baselines.require_without_suite(method_names)
        networks = [_network(opened, trust) for opened in models]
        result = Evaluation(
            name=name or _name(models[0], networks[0]),
            temporary=tempfile.TemporaryDirectory(prefix="locus-"),
            classes=classes,
            protocols=protocol_names,
        )
        training_seeds = _seeds(networks)
        splits = [_splits(network, data, validation) for network in networks]
        _warn_of_training_images(networks, splits)
        with showing(progress):
            for opened, network, training_seed, images in zip(
                models, networks, training_seeds, splits, strict=True
            ):
                run = InMemoryRun(
                    config=_config(network, result.name, data, seed, training_seed, cache_dir),
                    folder=_folder(opened) or result.work,
                    network=network,
                    splits=images,
                    predict_all=names.CLASSIFICATION in protocol_names,
                )
                scored_model = _scored_model(run, result)
                result.models.append(scored_model)
                rules = [*protocol_names, *check_names]
                cells = list(_cells(scored_model, run, method_names, rules))
                scorer = NetworkScorer.prepare(scored_model, cells, flags)
                write_records(scorer, result.folder, progress)
    return result


def _protocols(protocols: str | Sequence[str]) -> list[str]:
    """Return the names of the protocols, each once. Raises ``UnknownNameError``, ``BadValueError`` if there is none."""
    listed = [protocols] if isinstance(protocols, str) else _listed("protocols", protocols)
    protocol_names = list(dict.fromkeys(listed))
    for name in protocol_names:
        if not isinstance(name, str):
            raise BadValueError(f"protocols has {name!r}: give names, such as 'single_box'")
        if name != names.CLASSIFICATION:
            protocol_registry.registry.check(name)
    return protocol_names


def _listed(argument: str, values: L) -> L:
    """Return ``values``. Raises ``BadValueError`` unless they are a sequence with at least one value.

    A set has another order in each process, and a generator can be read only once.
    """
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise BadValueError(f"{argument} is a {type(values).__name__}: give a list")
    if not len(values):
        raise BadValueError(f"{argument} is empty: give a list with at least one value")
    return values


def _scored_model(run: "InMemoryRun", result: Evaluation) -> ScoredModel:
    """Return a run with the folder of its maps. Raises ``BadValueError`` if its logits depend on the batch."""
    if run.scorable_images:
        require_independent(run.model("cpu"), run.pixels[:MAX_SAMPLED])
    model_id = f"{safe_filename(result.name)}-{run.config.img_size}px-seed{run.config.seed}"
    maps = result.work / "maps" / f"{model_id}-{run.digest[:8]}"
    return ScoredModel(id=model_id, trained=[run], maps=maps, code=run.code)


def _cells(
    model: ScoredModel,
    run: "InMemoryRun",
    method_names: Sequence[str],
    protocol_names: Sequence[str],
) -> Iterator[Cell]:
    """Yield the cells of the methods and baselines for each protocol or check, that of the classifier first."""
    recipe = recipe_of_weights(run.config, run.digest, [run.config.fold])
    shared = Cell.of_network(run.config, model.id, recipe, run.config.global_pool)
    if run.predict_all:
        yield shared.model_copy(
            update={"method": names.CLASSIFIER, "protocol": names.CLASSIFICATION}
        )
    expanded = method_registry.expand(method_names)
    methods = [name for name in expanded if not baselines.is_baseline(name)]
    selected = {*baselines.without_training(), *expanded}
    baseline_names = [name for name in baselines.names() if name in selected]
    for protocol in protocol_names:
        if protocol == names.CLASSIFICATION:
            continue
        is_added = protocol == names.ADDED
        for row in (*methods, *(baselines.beside_prior() if is_added else baseline_names)):
            if not baselines.gives_boxes(row) or protocol in protocol_registry.of_boxes():
                yield shared.model_copy(update={"method": row, "protocol": protocol})


def _methods(methods: str | Sequence[str | type[Method]]) -> tuple[list[str], list[type[Method]]]:
    """Return the names of the methods, and the classes among them."""
    listed = [methods] if isinstance(methods, str | type) else _listed("methods", methods)
    method_names = []
    classes: list[Any] = []
    for method in listed:
        if isinstance(method, str):
            method_names.append(method_registry.normalize_name(method))
        else:
            classes.append(method)
            method_names.append(method_registry.normalize_name(getattr(method, "name", "")))
    return method_names, classes


def _network(model: Model, trust: bool) -> Classifier:
    """Load the network of a run, or check a given one. Raises ``BadValueError`` if it cannot be evaluated."""
    network = opening.load(model, trust=trust) if isinstance(model, Path | str) else model
    check_model(network)
    if not network.findings:
        advice = "pass findings=[...] to locus.build or locus.wrap, or set model.findings"
        raise BadValueError(f"the model has no names for its outputs (findings): {advice}")
    # they may have been set without a check
    network.set_outputs(network.findings, network.img_size)
    if network.img_size is None:
        advice = (
            "pass img_size (for example 224) to locus.build or locus.wrap, or set model.img_size"
        )
        raise BadValueError(f"the image size of the model is unknown: {advice}")
    return network


def _folder(model: Model) -> Path | None:
    """Return the folder of a run; None for a network in memory."""
    if isinstance(model, Classifier):
        return None
    path = Path(model)
    return path if path.is_dir() else path.parent


def _name(model: Model, network: Classifier) -> str:
    """Return the name of a network in tables: its backbone, or the name of its run folder or class."""
    options = network.build_options or {}
    if "name" in options:
        return str(options["name"])
    folder = _folder(model)
    return str(network.name) if folder is None else folder.resolve().name


def _seeds(networks: Sequence[Classifier]) -> list[int]:
    """Return the training seeds, or positions if seeds are unknown or repeated.

    Raises ``BadValueError`` for different recipes.
    """
    recipes = [_recipe(network) for network in networks]
    if any(recipe != recipes[0] for recipe in recipes):
        raise BadValueError("the models have different recipes: evaluate each recipe separately")
    digests = [_digest(network) for network in networks]
    repeated = names.duplicates(digests)
    if repeated:
        raise BadValueError(
            f"{digests.count(repeated[0])} models have the same weights: give each training run once"
        )
    configs = [network.train_config for network in networks]
    seeds = list(dict.fromkeys(config.seed for config in configs if config is not None))
    return seeds if len(seeds) == len(networks) else list(range(len(networks)))


def _recipe(network: Classifier) -> tuple[Any, ...]:
    """Return everything that the training runs of one row have in common."""
    config = network.train_config
    training = None if config is None else identity(replace(config, seed=0, fold=0))
    return network.findings, network.img_size, network.build_options, training


def _digest(network: Classifier) -> str:
    return weight_files.digest({name: value.cpu() for name, value in network.state_dict().items()})


def _config(
    network: Classifier,
    name: str,
    data: Sequence[Sample],
    data_seed: int,
    seed: int,
    cache_dir: Path | str,
) -> TrainConfig:
    """Return the flags for scoring: the training flags that do not depend on the data set, and the data set's flags.

    Args:
        network: the network.
        name: its name in tables.
        data: the test images.
        data_seed: seed for the patient folds of cross-fitted thresholds.
        seed: training seed.
        cache_dir: folder for decoded images.
    """
    recipe = network.train_config or TrainConfig()
    options = network.build_options or {}
    pooling = options.get("global_pool", network.pooling)
    attention = options.get("attention_map") or "none"
    return TrainConfig(
        dataset=getattr(data, "name", "samples"),
        backbone=name,  # tables show it as the network
        global_pool=pooling,
        lse_gamma=recipe.lse_gamma,
        attention_map=attention,
        multi_label=recipe.multi_label,
        preprocess=recipe.preprocess,
        img_size=int(network.img_size or 0),
        data_seed=data_seed,
        seed=seed,
        cache_dir=str(cache_dir),
    )


def _splits(
    network: Classifier, data: Sequence[Sample], validation: Sequence[Sample]
) -> dict[str, Dataset]:
    """Return split -> its images, preprocessed for the network; the test without patients seen in training."""
    test = as_dataset(data, network.findings, "test")
    val = as_dataset(validation, network.findings, "val")
    split_names = ["test"] * len(test.patients) + ["val"] * len(val.patients)
    check_patients([*test.patients, *val.patients], split_names)
    test = leaks.unseen_part(test, network.training_images, network.findings)
    steps = (network.train_config or TrainConfig()).preprocess
    return {"test": preprocess.of(test, steps), "val": preprocess.of(val, steps)}


def _warn_of_training_images(
    networks: Sequence[Classifier], splits: Sequence[dict[str, Dataset]]
) -> None:
    """Log a warning about test images left out, or about unknown training images; equal ones once."""
    messages = [
        _training_images_message(network, images["test"])
        for network, images in zip(networks, splits, strict=True)
    ]
    for message in dict.fromkeys(messages):
        if message:
            log.warning("%s", message)


def _training_images_message(network: Classifier, test: Dataset) -> str:
    if network.training_images is not None:
        return leaks.left_out_message(test.name, [test])
    if network.train_config is not None and datasets.needs_folder(test.name):
        return f"{network.name}: {leaks.UNKNOWN}"
    return ""


def as_dataset(
    samples: Sequence[Sample], findings: tuple[str, ...], split: str = "test"
) -> Dataset:
    """Return the ``samples`` as a data set whose labels are in the order of a model's ``findings``.

    Raises ``DataError`` for a data set with none of them, ``BadValueError`` for samples that do not fit.
    """
    if not isinstance(samples, Dataset):
        return Samples(samples, findings, split)
    return (
        samples
        if samples.findings == findings
        else RelabeledDataset(samples, findings, range(len(samples)))
    )


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
        digest = _digest(self.network)
        return f"{digest}, random weights" if self.random_weights else digest

    def model(self, device: str) -> Classifier:
        """Return a copy of the network in evaluation mode on ``device``; the caller's network is unchanged."""
        with torch.inference_mode(False):  # copies of weights made in this mode have no gradients
            model = copy.deepcopy(self.network)
        if self.random_weights:
            model = with_random_weights(model, self.config.seed)
        return model.to(device).eval()

    @cached_property
    def data(self) -> Dataset:
        """Images of the split."""
        return self.splits[self.split]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(images, S, S) pixels of ``scorable_images``. Raises ``DataError`` if one of them cannot be decoded."""
        return PixelCache(
            self.scorable_images, self.config.img_size, self.config.cache_dir, max_bad=0
        ).complete()

    def read_predictions(self) -> pd.DataFrame:
        """Return the network's predictions, one row per image, rounded as in a run's file of predictions."""
        config = self.config
        test = self.splits["test"]
        images = {
            "val": self.splits["val"],
            "test": test
            if self.predict_all
            else Samples(self.scorable_images, test.findings, "test"),
        }
        model = self.model("cuda" if torch.cuda.is_available() else "cpu")
        model.to(memory_format=hardware.memory_format(config.channels_last))
        decoded = {}
        logits = {}
        for split, dataset in images.items():
            if len(dataset):
                decoded[split] = decode(config, dataset)
                logits[split] = predict(model, decoded[split], config.batch_size)
        return read_predictions(io.StringIO(predictions_csv(decoded, logits)))
