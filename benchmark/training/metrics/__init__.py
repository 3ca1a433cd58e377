"""Metrics of a classifier: ranking, decisions at a threshold and calibration, with intervals by patient."""

from benchmark.training.metrics.ranking import Scores, scores

__all__ = ["Scores", "scores"]
