"""Choose the finished run that explains an image: the newest of a backbone, the newest of all, or one by path."""

import contextlib
from pathlib import Path

from backbones import xray_weights
from backbones.catalog import resolve
from benchmark.pictures import finished_runs
from benchmark.training import load
from core.cli import read_yaml
from core.errors import DataError, LocusError, UnknownNameError
from datasets.labels import match


def checkpoint_of(word: str | None, label: str | None, runs: Path) -> Path:
    """Return the checkpoint for ``word``: a path, or the newest run in ``runs`` with that backbone (None: any).

    Runs with the ``label`` are preferred. Raises ``DataError`` if there is none.
    """
    if word is None:
        return finished_runs.newest(runs)
    if _is_path(word):
        return Path(word)
    backbone_name = _backbone(word)
    learnt = {path: _learnt(path.parent / "config.yaml") for path in finished_runs.finished(runs)}
    same = [path for path, backbone in learnt.items() if _is(backbone, backbone_name)]
    if same:
        return next((path for path in same if label is None or _knows(path, label)), same[0])
    available = ", ".join(sorted(set(learnt.values()))) or "none at all"
    raise DataError(
        f"no finished run with the backbone {backbone_name} below {runs}/ (there are: {available}): "
        "train one, or give a checkpoint's path"
    )


def _is_path(word: str) -> bool:
    """Return whether a word is a checkpoint or a run's folder; other folders may have the name of a backbone."""
    path = Path(word)
    return path.suffix == ".ckpt" or len(path.parts) > 1 or path.is_file() or (path / "config.yaml").is_file()


def _backbone(name: str) -> str:
    """Return the backbone of a name without its options. Raises ``UnknownNameError``."""
    return resolve(xray_weights.resolve(name, False)[0].split(":")[0])[1]


def _is(name: str, word: str) -> bool:
    """Return whether a backbone is the one of the word; an unknown backbone is not."""
    with contextlib.suppress(UnknownNameError):
        return _backbone(name) == word
    return False


def _knows(checkpoint: Path, label: str) -> bool:
    """Return whether a run has a finding that matches the label."""
    with contextlib.suppress(LocusError):
        match(label, load.checkpoint(checkpoint).findings)
        return True
    return False


def _learnt(path: Path) -> str:
    """Return the backbone of a run from its flags; "unknown" if they cannot be read."""
    try:
        return str(read_yaml(path).get("backbone"))
    except LocusError:
        return "unknown"
