"""The words by which records are told apart, each written once; every room may import them."""

MAIN = "hit@iou.3"
"""The main column: the metric by which methods are ranked and for which thresholds are chosen."""
BOARD = "locus"
"""The protocol of the main table; methods are compared with each other on its cases."""
PAIRED = "paired"
"""The protocol of the records that compare a model's methods on the cases of ``BOARD`` (``benchmark.suite.paired``)."""
CLASSIFICATION = "classification"
"""The protocol of the records that say what the classifier's own scores are worth."""
CLASSIFIER = "classifier"
"""The word that stands for a method where the classifier itself is judged, not its maps."""

CENTER, PRIOR, NOISE, UNTRAINED = BASELINES = ("center", "prior", "noise", "untrained")
"""What every suite has beside its methods, to be beaten."""
LIMIT = "truth"
"""What sees the truth: no map can be better on its grid."""
BESIDE = (PRIOR, UNTRAINED, LIMIT)
"""Those of them that are no methods; they can be asked for like methods."""
ALWAYS = (*BASELINES, LIMIT)
"""What stands in every table beside the methods."""
READERS = "readers"
"""Where several radiologists have read each image: one's boxes against the others' (``benchmark.suite.readers``)."""
CEILINGS = (LIMIT, READERS)
"""What no method is measured against in ranks and tests, only by eye."""
UNRANKED = (*BASELINES, *CEILINGS)
"""What never takes a place."""
