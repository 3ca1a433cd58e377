"""The references ``supervised``, which ``locus.benchmark.evaluation.supervised`` computes."""

from locus.core.baseline import Baseline


class FineTuned(Baseline):
    """The network after fine-tuning on all boxes of other patients."""

    name = "supervised"
    why_unranked = "reference: the network after fine-tuning on the boxes of other patients"
    kind = "fine-tuned"
    order = 80
    needs_network = True
    needs_suite = True
    has_stored_map = False
    file = "evaluation/supervised.py"


class FineTunedOnFive(FineTuned):
    """The network after fine-tuning on five boxes per finding."""

    name = "supervised:boxes=5"
    why_unranked = (
        "reference: the network after fine-tuning on 5 boxes per finding of other patients"
    )
    order = 90
