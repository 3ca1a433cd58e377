"""Finished runs in a folder, found without slow imports."""

from pathlib import Path

from core.errors import DataError

TRAINED = "train"
"""Folder in ``runs`` for training runs of ``main.py``; suites use other folders."""


def newest(runs: Path) -> Path:
    """Return the best checkpoint of the run that finished last, from ``runs/train`` if it has any.

    Raises ``DataError`` if there is none in ``runs``.
    """
    if not (checkpoints := finished(runs)):
        raise DataError(f"no finished run in {runs}/: train a network with `python main.py`, or pass --checkpoint PATH")
    return checkpoints[0]


def finished(runs: Path) -> list[Path]:
    """Return the best checkpoints of the finished runs in ``runs``: those in ``runs/train`` first, then newest first.

    A run is finished if it has ``metrics.json``.
    """
    ends = {path: path.parent / "metrics.json" for path in runs.rglob("best.ckpt")}
    done = (path for path, end in ends.items() if end.exists())
    return sorted(done, key=lambda path: (runs / TRAINED in path.parents, ends[path].stat().st_mtime), reverse=True)
