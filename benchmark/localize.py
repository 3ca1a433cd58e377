"""The public names of ``benchmark.scoring.localize``."""

from benchmark.scoring.localize import boxes, to_frame

__all__ = ["boxes", "to_frame"]
