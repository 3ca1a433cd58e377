"""The heat maps of a model: generate the missing ones, then return the cases (image x finding) to score.

The training runs of the model must be finished.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.maps.cases import CaseStore
from benchmark.maps.obtain import (
    StoredMapsByMethod,
    generate_shard,
    join,
    obtain,
    obtain_validation,
    requests_of,
    validation_requests,
)
from benchmark.maps.requests import MapRequest
from benchmark.maps.trained import TrainingRun
from benchmark.suite.plan import ModelPlan
from benchmark.suite.training_runs import finished
from benchmark.training import machine
from config import EngineFlags, RunConfig


def explain(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Generate the maps of ``method_names`` that are missing below ``runs_dir``.

    If a method fails, it has no maps; scoring tries it again and records the reason.
    """
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    explain_model(model, finished(model, runs_dir), method_names, runs_dir, flags)


def explain_shard(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig, number: int) -> None:
    """Generate shard ``number`` of ``--shards`` of the missing maps: see ``benchmark.maps.obtain``."""
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    requests = map_requests(model, finished(model, runs_dir), method_names, runs_dir)
    generate_shard(requests, number, flags.shards, flags)


def join_shards(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Join the shards of ``method_names`` and generate missing maps; for failed methods see ``explain``."""
    lacking = join(map_requests(model, finished(model, runs_dir), method_names, runs_dir), flags.shards)
    explain(model, [name for name in method_names if name not in lacking], runs_dir, flags)


def explain_model(
    model: ModelPlan,
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    runs_dir: Path,
    flags: EngineFlags | None,
) -> CaseStore:
    """Return the cases of ``method_names``, with maps from ``runs_dir``; missing maps are generated.

    Without ``flags``, no map is generated and no network loaded; a cell without maps raises ``NoMapsError``.
    """
    if not method_names:
        return CaseStore(trained, {})
    folder = model.maps_folder(runs_dir)
    maps: StoredMapsByMethod = {}
    for words, images in _by_images(model, method_names):
        maps |= obtain(trained, words, folder, flags, images, model.shown_only)
    return CaseStore(trained, maps, *obtain_validation(trained, method_names, folder / "val", flags))


def map_requests(
    model: ModelPlan, trained: Sequence[TrainingRun], method_names: Sequence[str], runs_dir: Path
) -> list[MapRequest]:
    """Return the requests for the test and validation maps that ``explain_model`` uses."""
    folder = model.maps_folder(runs_dir)
    requests = validation_requests(trained, method_names, folder / "val")
    for words, images in _by_images(model, method_names):
        requests += requests_of(trained, words, folder, images, model.shown_only)[0]
    return requests


def _by_images(model: ModelPlan, method_names: Sequence[str]) -> Iterator[tuple[list[str], int | None]]:
    """Yield parts of ``method_names`` with the number of images that their slow methods explain (None: all)."""
    whole = [word for word in method_names if word in model.all_images]
    for words, images in ((whole, None), ([word for word in method_names if word not in whole], model.slow_images)):
        if words:
            yield words, images
