"""Metrics of a classifier's scores: ranking, decisions at a threshold, calibration, with intervals by patient."""

from benchmark.training.metrics.ranking import Scores, scores

__all__ = ["Scores", "scores"]
