"""Choose the finished run that explains an image: by path, or the newest of a backbone."""

import contextlib
from pathlib import Path

from backbones import xray_weights
from backbones.catalog import resolve
from benchmark.pictures import finished_runs
from benchmark.training import load
from core.cli import read_yaml
from core.errors import DataError, LocusError
from datasets.labels import match


def checkpoint_of(word: str, label: str | None, folder: Path) -> Path:
    """Return the checkpoint for ``word``: a path, or the newest run in ``folder`` with that backbone.

    Runs with the finding ``label`` are preferred. Raises ``DataError`` if there is no run.
    """
    if _is_path(word):
        return Path(word)
    backbone_name = _backbone(word)
    backbones = {path: _backbone_of_run(path.parent / "config.yaml") for path in finished_runs.finished(folder)}
    same = [path for path, backbone in backbones.items() if backbone == backbone_name]
    if same:
        return next((path for path in same if label is None or _has_finding(path, label)), same[0])
    available = ", ".join(sorted(set(backbones.values()))) or "none"
    raise DataError(
        f"no finished run in {folder}/ has the backbone {backbone_name} (available: {available}): "
        "train one, or write the path of a checkpoint"
    )


def _is_path(word: str) -> bool:
    """Whether a word is the path of a checkpoint or a run folder; other folders may have the name of a backbone."""
    path = Path(word)
    return path.suffix == ".ckpt" or len(path.parts) > 1 or path.is_file() or (path / "config.yaml").is_file()


def _backbone(name: str) -> str:
    """Return the registered name of a backbone, without options. Raises ``UnknownNameError``."""
    return resolve(xray_weights.resolve(name, False)[0].split(":")[0])


def _has_finding(checkpoint: Path, label: str) -> bool:
    """Whether a run has a finding that matches the label."""
    with contextlib.suppress(LocusError):
        match(label, load.checkpoint(checkpoint).findings)
        return True
    return False


def _backbone_of_run(path: Path) -> str:
    """Return the registered name of the backbone in the flags of a run; "unknown" if it cannot be read."""
    try:
        return _backbone(str(read_yaml(path).get("backbone")))
    except LocusError:
        return "unknown"
