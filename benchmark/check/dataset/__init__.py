"""What is wrong with a data set before anything is trained on it: ``run`` reads all of it and writes a page."""

from benchmark.check.dataset.run import run

__all__ = ["run"]
