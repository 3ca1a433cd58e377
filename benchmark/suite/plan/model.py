"""A model of a suite with its training runs, and the flags that identify them."""

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.maps.code import code_of_config
from config import TrainConfig
from core.files import json_hash, safe_filename
from core.flags import DATA, MACHINE, NEWER, WEIGHTS, flags_with

if TYPE_CHECKING:
    from benchmark.maps.unseen_images import GivenModel


@dataclasses.dataclass(frozen=True)
class ModelPlan:
    """One model of a suite: its training runs (one per fold) and their initial weights."""

    id: str
    trainings: tuple[TrainConfig, ...]
    init: TrainConfig | None
    slow_images: int | None = None
    """Number of images that slow methods explain; None: all."""
    shown_only: bool = False
    """Whether slow methods explain only the findings present in an image, because no protocol uses others."""
    all_cells: bool = True
    """Whether the model has all cells, or only those for the leaderboard of several seeds."""
    given: "GivenModel | None" = None
    """The network if the suite does not train it: a checkpoint or a user's own network. None: the suite trains it."""
    methods: tuple[str, ...] = ()
    """The model's own methods; empty: those of the suite."""
    methods_on_all_images: tuple[str, ...] = ()
    """Names of the slow methods that explain all images for the main protocol."""

    def maps_folder(self, runs_dir: Path) -> Path:
        """Return the folder of its maps in ``runs_dir``."""
        suffix = "" if self.given is None else f"-{self.given.digest[:8]}"
        return runs_dir / "maps" / f"{self.id}{suffix}"

    @property
    def code(self) -> str:
        """Hash of the code of the network; see ``benchmark.maps.code``."""
        return code_of_config(self.trainings[0]) if self.given is None else self.given.code

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The settings that determine the weights, for JSON: flags, folds, and the run for initial weights."""
        flags = identity(self.trainings[0])
        folds = [training.fold for training in self.trainings]
        if self.given is not None:
            data_flags = {name: flags[name] for name in flags if name in flags_with(TrainConfig, DATA | MACHINE)}
            declared = {"trained_on": self.given.trained_on} if self.given.trained_on else {}
            return {**data_flags, **declared, "fold": folds, "weights": self.given.digest}
        return {**flags, "fold": folds, "init": identity(self.init) if self.init else None}

    def run_configs(self, runs_dir: Path) -> dict[Path, TrainConfig]:
        """Return run folder in ``runs_dir`` -> training run with its initial weights, one per fold.

        The name of a folder contains a hash of all settings that determine the weights, and one of the network's code.
        """
        if self.given is not None:
            name, of_network = safe_filename(self.given.name), f"{self.given.digest[:8]}-{self.given.code[:8]}"
            return {runs_dir / f"{name}-fold{config.fold}-{of_network}": config for config in self.trainings}
        configs = self.trainings
        if self.init is not None:
            start = str(runs_dir / folder_name(self.init, None) / "best.ckpt")
            configs = tuple(dataclasses.replace(config, init_from=start) for config in configs)
        return {runs_dir / folder_name(config, self.init): config for config in configs}


def identity(config: TrainConfig) -> dict[str, Any]:
    """Return the flags that determine the weights, newer ones only if not at their default.

    ``init_from`` is not among them: it is a path, and the plan has the run that writes it.

    >>> flags = identity(TrainConfig(lr=0.01, cache_dir="elsewhere"))
    >>> flags["lr"], "cache_dir" in flags
    (0.01, False)
    """
    names, newer = (flags_with(type(config), role) for role in (WEIGHTS, NEWER))
    fields = [field for field in dataclasses.fields(config) if field.name in names - {"init_from"}]
    values = {field.name: getattr(config, field.name) for field in fields}
    return {f.name: values[f.name] for f in fields if f.name not in newer or values[f.name] != f.default}


def folder_name(config: TrainConfig, start: TrainConfig | None) -> str:
    """Return the name of a run folder: readable, then a hash of all settings and one of the network's code.

    >>> folder_name(TrainConfig(backbone="resnet18", fold=2), None).rsplit("-", 2)[0]
    'resnet18-AVG-fold2'
    """
    settings = json_hash({**identity(config), "init": identity(start) if start else None})
    hashes = f"{settings}-{code_of_config(config)[:8]}"
    return f"{config.backbone}-{config.global_pool}-fold{config.fold}-{hashes}".replace(":", "_")
