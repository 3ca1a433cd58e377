"""The heat maps of a model: generate the missing ones, then return the cases (image x finding) to score.

The training runs of the model must be finished.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmark.maps.cases import CaseStore
from benchmark.maps.obtain import StoredMapsByMethod, load_or_generate, requests_of, validation_requests
from benchmark.maps.requests import MapRequest
from benchmark.maps.trained import TrainingRun
from benchmark.suite.plan import ModelPlan
from benchmark.suite.training_runs import finished_runs
from benchmark.training import machine
from config import EngineFlags, RunConfig


def explain(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Generate the maps of ``method_names`` that are missing in ``runs_dir``.

    If a method fails, it has no maps; scoring tries it again and records the reason.
    """
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    explain_model(model, finished_runs(model, runs_dir), method_names, runs_dir, flags)


def explain_model(
    model: ModelPlan,
    trained: Sequence[TrainingRun],
    method_names: Sequence[str],
    runs_dir: Path,
    flags: EngineFlags | None,
) -> CaseStore:
    """Return the cases of ``method_names``, with maps from ``runs_dir``; missing maps are generated.

    Without ``flags``, no map is generated and no network loaded; a cell without maps raises ``NotStoredError``.
    """
    if not method_names:
        return CaseStore(trained, {})
    requests, broken, validation = _requests(model, trained, method_names, runs_dir)
    return CaseStore(trained, broken | load_or_generate(requests, flags), load_or_generate(validation, flags))


def _requests(
    model: ModelPlan, trained: Sequence[TrainingRun], method_names: Sequence[str], runs_dir: Path
) -> tuple[list[MapRequest], StoredMapsByMethod, list[MapRequest]]:
    """Return the requests for test maps, the errors of methods that cannot be built, and those for validation maps."""
    folder = model.maps_folder(runs_dir)
    requests, broken = requests_of(
        trained, method_names, folder, model.slow_images, model.shown_only, model.methods_on_all_images
    )
    return requests, broken, validation_requests(trained, method_names, folder / "val")
