"""What is asked of a network before it is scored: its weights, logits, grid, methods, outputs and preprocessing."""

from benchmark.check.model.run import run

__all__ = ["run"]
