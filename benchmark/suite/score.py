"""What scores the cells of one model: each kind of cell has its scorer."""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark import validity
from benchmark.maps.trained import Trained, select_samples
from benchmark.records import Cell
from benchmark.suite.explain import explain_model
from benchmark.suite.plan import ModelPlan
from benchmark.suite.scorers import ByCheck, ByClassifier, ByProtocol, ByReaders, Scored, Scorer
from benchmark.validity.base import Check
from config import EngineFlags
from core.names import CLASSIFICATION, CLASSIFIER, READERS
from datasets.lungs import outlined


def scorer(
    model: ModelPlan, cells: Sequence[Cell], trained: Sequence[Trained], runs: Path, flags: EngineFlags | None
) -> Callable[[Cell], Scored]:
    """What scores each of ``cells`` from stored maps and predictions.

    Missing maps are generated first, for all at once. Without ``flags`` none are generated and no network is loaded: a
    cell that lacks some raises ``NoMapsError``.
    """
    checks = _checks(model, cells, trained, runs, flags)
    other = (CLASSIFICATION, *checks)
    words = dict.fromkeys(cell.method for cell in cells if cell.protocol not in other and cell.method != READERS)
    store = explain_model(model, trained, list(words), runs, flags)
    by_protocol: dict[str, Scorer] = {
        CLASSIFICATION: ByClassifier(store),
        **{word: ByCheck(checks[word]) for word in checks},
    }
    by_method: dict[str, Scorer] = {READERS: ByReaders(store)}
    by_default = ByProtocol(store)

    def score(cell: Cell) -> Scored:
        fields, rows = by_protocol.get(cell.protocol, by_method.get(cell.method, by_default)).score(cell)
        return {"rests_on": rests_on(trained, cell), **fields}, rows

    return score


def _checks(
    model: ModelPlan, cells: Sequence[Cell], trained: Sequence[Trained], runs: Path, flags: EngineFlags | None
) -> dict[str, Check]:
    """The validity checks among the protocols of ``cells``, ready to be asked about their methods."""
    checks = {}
    for name in dict.fromkeys(cell.protocol for cell in cells if validity.is_check(cell.protocol)):
        asked = [cell for cell in cells if cell.protocol == name and cell.method != CLASSIFIER]
        words, images = list(dict.fromkeys(cell.method for cell in asked)), next((cell.images for cell in asked), None)
        checks[name] = validity.get(name)(trained, words, runs / "maps" / model.maps, flags, images)
    return checks


def rests_on(trained: Sequence[Trained], cell: Cell) -> dict[str, int]:
    """What is counted in a cell; ``explained images`` where they are only some of the boxed ones."""
    samples = select_samples(trained, cell.images)
    lungs = sum(outlined(sample) is not None for sample in samples)
    return {
        "trainings": len(trained),
        "test images": sum(len(run.data) for run in trained),
        "boxed images": sum(bool(sample.boxes) for run in trained for sample in run.cases),
        **({"images with lungs": lungs} if lungs else {}),
        **({"explained images": len(samples)} if cell.images is not None else {}),
        "patients": len({sample.patient_id for sample in samples}),
        "cases": sum(len(sample.boxes) for sample in samples),
        "truth boxes": sum(len(boxes) for sample in samples for boxes in sample.boxes.values()),
    }
