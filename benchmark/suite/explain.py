"""The heat maps of a model: made where they are missing, then cases (image x finding) that protocols score.

What a model needs first, its trainings, lies on disk when a step of this file begins.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmark.maps.cases import CaseStore
from benchmark.maps.obtain import generate_shard, join, obtain, obtain_validation, requests_of, validation_requests
from benchmark.maps.requests import MapRequest
from benchmark.maps.trained import TrainingRun
from benchmark.suite.plan import ModelPlan
from benchmark.suite.train import finished
from benchmark.training import machine
from config import EngineFlags, RunConfig


def explain(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Make the maps of ``method_names`` that are missing below ``runs_dir``.

    One that breaks leaves none: its scoring tries it again, and records why.
    """
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    explain_model(model, finished(model, runs_dir), method_names, runs_dir, flags)


def explain_shard(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig, number: int) -> None:
    """Make shard ``number`` of ``--shards`` of the maps that are missing: see ``benchmark.maps.obtain``."""
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    requests = map_requests(model, finished(model, runs_dir), method_names, runs_dir)
    generate_shard(requests, number, flags.shards, flags)


def join_shards(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Join the shards of ``method_names``, and make what has none; what broke is left to its scoring, as above."""
    lacking = join(map_requests(model, finished(model, runs_dir), method_names, runs_dir), flags.shards)
    explain(model, [name for name in method_names if name not in lacking], runs_dir, flags)


def explain_model(
    model: ModelPlan,
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    runs_dir: Path,
    flags: EngineFlags | None,
) -> CaseStore:
    """The cases of the methods in ``method_names``, their maps below ``runs_dir`` and generated where they are missing.

    Without ``flags`` none are generated and no network is loaded: a cell that lacks some raises ``NoMapsError``.
    """
    if not method_names:
        return CaseStore(trained, {})
    folder = _folder(model, runs_dir)
    maps = obtain(trained, method_names, folder, flags, model.slow_images, model.shown_only)
    return CaseStore(trained, maps, *obtain_validation(trained, method_names, folder / "val", flags))


def map_requests(
    model: ModelPlan, trained: Sequence[TrainingRun], method_names: Sequence[str], runs_dir: Path
) -> list[MapRequest]:
    """The maps, of test and validation images, that ``explain_model`` needs."""
    folder = _folder(model, runs_dir)
    requests, _ = requests_of(trained, method_names, folder, model.slow_images, model.shown_only)
    return [*requests, *validation_requests(trained, method_names, folder / "val")]


def _folder(model: ModelPlan, runs_dir: Path) -> Path:
    return runs_dir / "maps" / model.maps_folder_name
