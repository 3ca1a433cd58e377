"""The stored maps of a model's methods as cases (image x finding) that protocols score."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.maps.cases import CaseStore
from benchmark.maps.obtain import obtain, obtain_validation, requests_of, validation_requests
from benchmark.maps.requests import MapRequest
from benchmark.maps.trained import Trained
from benchmark.suite.plan import ModelPlan
from config import EngineFlags


def explain_model(
    model: ModelPlan, trained: Sequence[Trained], method_names: Sequence[str], runs_dir: Path, flags: EngineFlags | None
) -> CaseStore:
    """The cases of the methods in ``method_names``, their maps below ``runs_dir`` and generated where they are missing.

    Without ``flags`` none are generated and no network is loaded: a cell that lacks some raises ``NoMapsError``.
    """
    if not method_names:
        return CaseStore(trained, {})
    folder = _folder(model, runs_dir)
    maps = obtain(trained, method_names, folder, flags, model.slow_images)
    return CaseStore(trained, maps, *obtain_validation(trained, method_names, folder / "val", flags))


def map_requests(
    model: ModelPlan, trained: Sequence[Trained], method_names: Sequence[str], runs_dir: Path
) -> list[MapRequest]:
    """The maps, of test and validation images, that ``explain_model`` needs."""
    folder = _folder(model, runs_dir)
    requests, _ = requests_of(trained, method_names, folder, model.slow_images)
    return [*requests, *validation_requests(trained, method_names, folder / "val")]


def _folder(model: ModelPlan, runs_dir: Path) -> Path:
    return runs_dir / "maps" / model.maps
