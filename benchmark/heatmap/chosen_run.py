"""Which finished run explains one image: the newest of a backbone, the newest of all, or the one of a path."""

import contextlib
from pathlib import Path

from backbones import xray_weights
from backbones.catalog import resolve
from benchmark.heatmap import finished_runs
from benchmark.training import checkpoints
from core.cli import read_yaml
from core.errors import DataError, LocusError, UnknownNameError
from datasets.labels import match


def checkpoint_of(word: str | None, label: str | None, runs: Path) -> Path:
    """The checkpoint that ``word`` means: a path, or the newest run below ``runs`` with that backbone, of any for None.

    Of the runs with a backbone one that knows the ``label`` comes first. Raises ``DataError`` where there is none.
    """
    if word is None:
        return finished_runs.newest(runs)
    if _is_path(word):
        return Path(word)
    asked = _backbone(word)
    learnt = {path: _learnt(path.parent / "config.yaml") for path in finished_runs.finished(runs)}
    same = [path for path, backbone in learnt.items() if _is(backbone, asked)]
    if same:
        return next((path for path in same if label is None or _knows(path, label)), same[0])
    known = ", ".join(sorted(set(learnt.values()))) or "none at all"
    raise DataError(
        f"no finished run with the backbone {asked} below {runs}/ (there are: {known}): "
        "train one, or give a checkpoint's path"
    )


def _is_path(word: str) -> bool:
    """Whether a word is a checkpoint or a run's folder; any other folder may share its name with a backbone."""
    path = Path(word)
    return path.suffix == ".ckpt" or len(path.parts) > 1 or path.is_file() or (path / "config.yaml").is_file()


def _backbone(name: str) -> str:
    """The backbone that a name means, without its options. Raises ``UnknownNameError``."""
    return resolve(xray_weights.resolve(name, False)[0].split(":")[0])[1]


def _is(name: str, word: str) -> bool:
    """Whether a backbone is the one of the word; one that is no longer here is none."""
    with contextlib.suppress(UnknownNameError):
        return _backbone(name) == word
    return False


def _knows(checkpoint: Path, label: str) -> bool:
    """Whether a run has a finding that the label means."""
    with contextlib.suppress(LocusError):
        match(label, checkpoints.findings(checkpoints.read(checkpoint), checkpoint))
        return True
    return False


def _learnt(path: Path) -> str:
    """The backbone of a run by its flags; "unknown" where they cannot be read."""
    try:
        return str(read_yaml(path).get("backbone"))
    except LocusError:
        return "unknown"
