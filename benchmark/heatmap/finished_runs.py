"""Finished runs below a folder, found without heavy imports."""

from pathlib import Path

from core.errors import DataError

TRAINED = "train"
"""The folder below ``runs`` where ``main.py`` keeps what a user trained; suites keep theirs in others."""


def newest(runs: Path) -> Path:
    """Return the best checkpoint of the run that finished last, of those in ``runs/train`` where there are any.

    Raises ``DataError`` where there is none below ``runs``.
    """
    if not (checkpoints := finished(runs)):
        raise DataError(f"no finished run below {runs}/: train one first with `python main.py`, or give --checkpoint")
    return checkpoints[0]


def finished(runs: Path) -> list[Path]:
    """The best checkpoints of the finished runs below ``runs``: those in ``runs/train`` first, then the newest first.

    A run is finished when its ``metrics.json`` is there; one that was cut off has a checkpoint alone.
    """
    ends = {path: path.parent / "metrics.json" for path in runs.rglob("best.ckpt")}
    done = (path for path, end in ends.items() if end.exists())
    return sorted(done, key=lambda path: (runs / TRAINED in path.parents, ends[path].stat().st_mtime), reverse=True)
