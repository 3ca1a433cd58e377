"""The models of a suite: each network and seed with its training runs, and given models."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.scoring import protocols
from benchmark.suite.plan.model import ModelPlan
from benchmark.suite.plan.suite import METHOD_KEYS, Suite
from config import TrainConfig
from core import cli
from core.errors import BadValueError
from core.flags import DATA, MACHINE, MAPS, flags_with
from core.names import MAIN_PROTOCOL

SHARED = (flags_with(TrainConfig, MAPS | MACHINE) | {"seed"}) - {"multi_label"}
"""Flags of the model that the training run for the initial weights uses too; its task may differ."""

CHECKPOINT = "checkpoint"
"""The key of a given model in a suite."""
KEYS = (CHECKPOINT, "entry", "trained_on", "slow_images")


def models(suite: Suite) -> list[ModelPlan]:
    """Return the models of a suite."""
    seeds = {} if suite.seeds is None else {"seed": suite.seeds}
    plans = []
    for entry in suite.models:
        if CHECKPOINT in entry:
            plans += _finished(suite, entry)
        else:
            axes = {name: values for name, values in entry.items() if name not in METHOD_KEYS}
            axes = axes if "seed" in axes else {**axes, **seeds}
            trained = [_model(suite, {**suite.train, **flags}) for flags in _product(axes)]
            lists: dict[str, Any] = {name: tuple(entry.get(name, ())) for name in METHOD_KEYS}
            plans += [dataclasses.replace(plan, **lists) for plan in trained]
    return plans


def with_flags(suite: Suite, **flags: Any) -> Suite:
    """Return the suite with these ``flags`` in all its training runs; None leaves the suite's value.

    ``data_root_dir`` applies to the run for the initial weights only if that run has one.

    >>> suite = Suite(name="s", title="", about="", train={"lr": 1}, models=[{"cache_dir": "a"}], init={})
    >>> changed = with_flags(suite, cache_dir="b", data_root_dir="c")
    >>> changed.train, changed.models, changed.init
    ({'lr': 1, 'cache_dir': 'b', 'data_root_dir': 'c'}, [{}], {'cache_dir': 'b'})
    """
    given = {name: value for name, value in flags.items() if value is not None}
    entries = [{name: value for name, value in entry.items() if name not in given} for entry in suite.models]
    start = suite.init
    if start is not None:
        start = {**start, **{name: given[name] for name in given if name != "data_root_dir" or name in start}}
    return suite.model_copy(update={"train": {**suite.train, **given}, "models": entries, "init": start})


def _model(suite: Suite, flags: dict[str, Any]) -> ModelPlan:
    """Return the plan of one model of ``suite`` with one seed; it has one training run per fold."""
    shared = {name: flags[name] for name in SHARED if name in flags}
    start = None if suite.init is None else _config({**shared, **suite.init})
    slow_images = flags.get("slow_images", suite.slow_images)
    flags = {name: value for name, value in flags.items() if name != "slow_images"}
    if slow_images is not None and (not isinstance(slow_images, int) or slow_images < 1):
        wrong = f"a model of the suite {suite.name!r} has `slow_images` {slow_images!r}"
        raise BadValueError(f"{wrong}: use a whole number above 0, or null for all images")
    folds = suite.folds if suite.folds is not None else [flags.get("fold", 0)]
    trainings = tuple(_config({**flags, "fold": fold}) for fold in folds)
    first = trainings[0]
    full = suite.full_seeds is None or first.seed in suite.full_seeds
    shown_only = _shown_only(suite, slow_images, full)
    attention = first.attention_map if first.attention_map not in (None, "none") else ""
    words = [first.backbone, first.global_pool, attention, f"{first.img_size}px", f"seed{first.seed}"]
    id_ = "-".join(word.replace(":", "_") for word in words if word)
    return ModelPlan(id_, trainings, start, slow_images, shown_only, full)


def _shown_only(suite: Suite, slow_images: int | None, all_cells: bool) -> bool:
    """Whether no protocol uses the maps of a slow method for findings that an image does not have.

    If slow methods explain only some images, only the main protocol scores them.
    """
    if suite.check is not None:
        return False
    names = suite.protocols_of_model(all_cells) if slow_images is None else [MAIN_PROTOCOL]
    return not any(map(protocols.reads_absent_findings, names))


def _config(flags: dict[str, Any]) -> TrainConfig:
    return cli.build(TrainConfig, {**cli.defaults_of(TrainConfig, flags), **flags})


def _product(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    axes = [values if isinstance(values, list) else [values] for values in entry.values()]
    if not all(axes):
        raise BadValueError(f"a model of a suite has an empty list: {entry}")
    yield from (dict(zip(entry, values, strict=True)) for values in itertools.product(*axes))


def _finished(suite: Suite, entry: dict[str, Any]) -> list[ModelPlan]:
    """Return a model for each checkpoint of ``entry``; several checkpoints are training runs of one entry.

    Raises ``BadValueError`` for an unknown key, ``DataError`` for a path that is not a run.
    """
    if unknown := [key for key in entry if key not in KEYS]:
        both = f"a model of the suite {suite.name!r} has `checkpoint` and `{unknown[0]}`"
        raise BadValueError(f"{both}: only {', '.join(KEYS[1:])} are allowed with `checkpoint`")
    if suite.check is not None:
        raise BadValueError(f"the suite {suite.name!r} has `check` and accepts no checkpoint: use another suite")
    from benchmark.maps import run_metadata  # imports torch, only to read weights

    paths = entry[CHECKPOINT] if isinstance(entry[CHECKPOINT], list | tuple) else [entry[CHECKPOINT]]
    read = [run_metadata.read(Path(path), entry.get("entry"), entry.get("trained_on")) for path in paths]
    name = entry.get("entry") or read[0][0].name
    seeds = [flags["seed"] for _, flags in read]
    seeds = seeds if len({*seeds}) == len(seeds) else list(range(len(seeds)))  # numbered if seeds repeat
    read_flags = flags_with(TrainConfig, DATA | MACHINE)
    data = {key: value for key, value in suite.train.items() if key in read_flags}
    folds = suite.folds if suite.folds is not None else [data.get("fold", 0)]
    plans = []
    for (given, flags), seed in zip(read, seeds, strict=True):
        values = {**cli.defaults_of(TrainConfig, data), **data, **flags, "backbone": name, "seed": seed}
        values = {key: value for key, value in values.items() if key in {*read_flags, *flags}}
        trainings = tuple(cli.build(TrainConfig, {**values, "plots": False, "fold": fold}) for fold in folds)
        slow = entry.get("slow_images", suite.slow_images)
        id_ = f"{name}-{flags['img_size']}px-seed{seed}".replace(":", "_").replace("/", "_")
        plans.append(ModelPlan(id_, trainings, None, slow, _shown_only(suite, slow, True), given=given))
    return plans
