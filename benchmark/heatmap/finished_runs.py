"""Finished runs below a folder, found without heavy imports."""

from pathlib import Path

from core.errors import DataError


def newest(runs: Path) -> Path:
    """The best checkpoint of the run below ``runs`` that finished last. Raises ``DataError`` where there is none."""
    if not (checkpoints := finished(runs)):
        raise DataError(f"no finished run below {runs}/: train one first with `python main.py`, or give --checkpoint")
    return checkpoints[0]


def finished(runs: Path) -> list[Path]:
    """The best checkpoints of the finished runs below ``runs``, the newest first.

    A run is finished when its ``metrics.json`` is there; one that was cut off has a checkpoint alone.
    """
    ends = {path: path.parent / "metrics.json" for path in runs.rglob("best.ckpt")}
    done = (path for path, end in ends.items() if end.exists())
    return sorted(done, key=lambda path: ends[path].stat().st_mtime, reverse=True)
