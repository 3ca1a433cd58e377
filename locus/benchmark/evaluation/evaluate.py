"""Evaluate networks on samples in memory, in one call, with the scorer of suites."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from locus import datasets
from locus import methods as method_registry
from locus.backbones import Classifier
from locus.benchmark.evaluation.network import NetworkScorer, ScoredModel, write_records
from locus.benchmark.evaluation.result import Evaluation, InMemoryRun, as_dataset
from locus.benchmark.explain.batch import check_model
from locus.benchmark.maps.generate import showing
from locus.benchmark.opening import load
from locus.benchmark.records import Cell
from locus.benchmark.scoring import protocols as protocol_registry
from locus.benchmark.training import hardware
from locus.benchmark.training.runs import identity, recipe_of_weights, shared_cell
from locus.config import EngineFlags, TrainConfig
from locus.core.errors import BadValueError
from locus.core.files import safe_filename
from locus.core.names import (
    BASELINES_AND_UPPER_BOUND,
    CLASSIFICATION,
    CLASSIFIER,
    FIXED_BOX,
    UNRANKED_METHODS,
    WITHOUT_TRAINING,
)
from locus.core.types import Sample
from locus.datasets import leaks
from locus.datasets.base import Dataset
from locus.datasets.io import preprocess
from locus.datasets.splits import check_patients
from locus.methods.base import Method

log = logging.getLogger(__name__)
Model = Classifier | Path | str


def evaluate(
    model: Model | Sequence[Model],
    data: Sequence[Sample],
    methods: str | Sequence[str | type[Method]] = "fast",
    protocols: str | Sequence[str] = ("locus", "pointing", CLASSIFICATION),
    *,
    validation: Sequence[Sample] = (),
    name: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    memory_gib: float = 2.0,
    cache_dir: Path | str = "runs/cache",
    trust: bool = False,
    progress: bool | None = None,
) -> Evaluation:
    """Score the heat maps of a network and the baselines on images with truth boxes, as ``benchmark.run`` does.

    The baselines are ``fixed_box`` (n/a if a finding has boxes of fewer than five patients), ``prior``, ``center`` and
    ``noise``.

    Args:
        model: a built, loaded or wrapped network with findings and image size, a run folder or a checkpoint. Several
            models of one recipe with different training seeds give one row per method.
        data: the test images: a data set, or samples whose labels are in the order of the model's findings. Images with
            a truth box are explained.
        methods: names, groups (``fast``) and classes of methods.
        protocols: names; ``classification`` is AUROC and average precision over all images of ``data``.
        validation: images on which additional thresholds are chosen (their ``threshold_origin`` is ``validation``).
        name: name of the network in tables; None: its backbone, or the name of its run folder or class.
        seed: seed for the patient folds of cross-fitted thresholds.
        threads: CPU threads for torch; None: unchanged.
        memory_gib: memory for gradients and forward passes, in GiB.
        cache_dir: folder for decoded images.
        trust: allow running a Python file that a checkpoint names (docs/security.md).
        progress: show the progress of explaining and scoring, with the time left; None: only on a terminal.

    Returns:
        An ``Evaluation``. Its maps are in a temporary folder, which is deleted when the ``Evaluation`` is
        garbage-collected; ``.save()`` keeps the tables.

    Raises:
        BadValueError: a network that is not a ``Classifier`` (wrap it first) or has no findings or image size; models
            of different recipes; a class that is not a method.
        UnknownNameError: an unknown method or protocol.
        DataError: no image has a truth box, or an image is broken.
        LeakError: all patients were in the training data. If only some were, they are left out.
    """
    method_names, classes = _methods(methods)
    protocol_names = [*dict.fromkeys([protocols] if isinstance(protocols, str) else protocols)]
    if not protocol_names:
        raise BadValueError('protocols must not be empty: pass at least one, such as ["locus"]')
    listed = [model] if isinstance(model, Path | str) or not isinstance(model, Sequence) else list(model)
    for word, given in (("model", listed), ("data", data)):
        if not isinstance(given, Sequence):
            raise BadValueError(f"{word} is a {type(given).__name__}: give a data set or a list of samples")
        if not len(given):
            raise BadValueError(f"{word} is empty: give at least one {'network' if word == 'model' else 'image'}")
    with method_registry.registry.adding(classes):
        for part in classes:
            method_registry.get(part.name)  # raises for a class that is not a method
        method_registry.check(method_names)
        map_protocols = tuple(word for word in protocol_names if word != CLASSIFICATION)
        for word in map_protocols:
            protocol_registry.registry.check(word)
        networks = [_network(one, trust) for one in listed]
        if threads is not None:
            hardware.configure_torch(threads)
        title = name or _name(listed[0], networks[0])
        result = Evaluation(title, tempfile.TemporaryDirectory(prefix="locus-"), classes, protocol_names)
        all_splits = [_splits(network, data, validation) for network in networks]
        for message in dict.fromkeys(map(_training_images_message, networks, all_splits)):
            if message:
                log.warning("%s", message)
        for one, network, training_seed, splits in zip(listed, networks, _seeds(networks), all_splits, strict=True):
            config = _config(network, title, data, seed, training_seed, cache_dir)
            path, predict_all = _folder(one) or result.work, CLASSIFICATION in protocol_names
            run = InMemoryRun(config, path, network=network, splits=splits, predict_all=predict_all)
            result.models.append(_scored_model(run, title, result.work))
            cells, flags = (
                [*_cells(result.models[-1], run, method_names, map_protocols)],
                EngineFlags(memory_gib=memory_gib),
            )
            with showing(progress):
                write_records(NetworkScorer(result.models[-1], cells, flags), result.folder, progress)
    return result


def _scored_model(run: InMemoryRun, title: str, folder: Path) -> ScoredModel:
    """Return the network of ``run``, whose maps are in ``folder``."""
    name = f"{safe_filename(title)}-{run.config.img_size}px-seed{run.config.seed}"
    return ScoredModel(name, [run], folder / "maps" / f"{name}-{run.digest[:8]}", run.code)


def _cells(
    model: ScoredModel, run: InMemoryRun, method_names: Sequence[str], map_protocols: Sequence[str]
) -> Iterator[Cell]:
    """Yield the cells of the methods and baselines for each protocol, that of the classifier first."""
    recipe = recipe_of_weights(run.config, run.digest, [run.config.fold])
    shared = shared_cell(run.config, model.id, recipe, run.config.global_pool)
    if run.predict_all:
        yield shared.model_copy(update={"method": CLASSIFIER, "protocol": CLASSIFICATION})
    expanded = method_registry.expand(method_names)
    baselines = [word for word in BASELINES_AND_UPPER_BOUND if word in (*WITHOUT_TRAINING, *expanded)]
    for protocol in map_protocols:
        for word in (*(word for word in expanded if word not in UNRANKED_METHODS), *baselines):
            if word != FIXED_BOX or protocol in protocol_registry.of_boxes():
                yield shared.model_copy(update={"method": word, "protocol": protocol})


def _methods(methods: str | Sequence[str | type[Method]]) -> tuple[list[str], list[type[Method]]]:
    """Return the names of the methods, and the classes among them."""
    listed = [methods] if isinstance(methods, str | type) else list(methods)
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
    seeds = [recipe.seed for recipe in recipes if recipe is not None]
    return seeds if len({*seeds}) == len(networks) else list(range(len(networks)))


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
