"""Rows of people's boxes, which ``locus.benchmark.evaluation.readers`` scores."""

from locus.core.baseline import Baseline


class Readers(Baseline):
    """Several radiologists: the boxes of each are compared with those of the others."""

    name = "readers"
    why_unranked = "upper bound: each reader's boxes against the others', no threshold"
    kind = "people"
    order = 100
    needs_suite = True
    has_stored_map = False
    file = "evaluation/readers.py"


class SecondReaders(Baseline):
    """A second team of radiologists: its boxes are compared with the truth."""

    name = "second readers"
    why_unranked = "another team of radiologists, no threshold"
    kind = "people"
    order = 110
    needs_suite = True
    has_stored_map = False
    file = "evaluation/readers.py"
