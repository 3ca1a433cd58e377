"""The words that several rooms share, each written once; every room may import them."""

import logging
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T", bound=Hashable)

MAIN = "hit@iou.3"
"""The main column: the metric by which methods are ranked and for which thresholds are chosen."""
MAIN_PROTOCOL = "locus"
"""The protocol of the main table; methods are compared with each other on its cases."""
PAIRED = "paired"
"""The protocol of the records that compare a model's methods on the cases of ``MAIN_PROTOCOL``."""
FAITHFULNESS = "faithfulness"
"""The check whose rows per case are packed too: its measures are compared with each other."""
CHOICE = "choice"
"""The protocol of the records by which a suite chooses its recipe: a candidate on inner folds, and on all of them."""
CLASSIFICATION = "classification"
"""The protocol of the records that say what the classifier's own scores are worth."""
CLASSIFIER = "classifier"
"""The word that stands for a method where the classifier itself is judged, not its maps."""

CENTER, PRIOR, NOISE, UNTRAINED = BASELINES = ("center", "prior", "noise", "untrained")
"""What every suite has beside its methods, to be beaten."""
ABSENT = "the data is not there"
"""How the reason of an n/a record begins that data can mend."""
LIMIT = "truth"
"""What sees the truth: no map can be better on its grid."""
BESIDE = (PRIOR, UNTRAINED, LIMIT)
"""Those of them that are no methods; they can be asked for like methods."""
BASELINES_AND_LIMIT = (*BASELINES, LIMIT)
"""What stands in every table beside the methods."""
READERS = "readers"
"""Where several radiologists have read each image: one's boxes against the others' (``benchmark.suite.readers``)."""
SECOND_READERS = "second readers"
"""Another team's boxes against the truth, on the images that both have read (``benchmark.suite.second_readers``)."""
PEOPLE = (READERS, SECOND_READERS)
"""Rows of people's boxes: they need no network and no map."""
AGREEMENT = "agreement"
"""The column of their rows per case: the share of a person's boxes with IoU > .3 with a truth box."""
RELATIVE_DROP = "relative_drop@"
"""How the metrics begin that say by how much a method is below ``readers`` or ``second readers``."""
CEILINGS = (LIMIT, *PEOPLE)
"""What no method is measured against in ranks and tests, only by eye."""
UNRANKED_METHODS = (*BASELINES, *CEILINGS)
"""What never takes a place."""

SPELLED = {"ChesXpert": "CheXpert"}
"""How earlier work spelled a data set's word -> the word."""

ALIASES = {
    "pleuraleffusion": "effusion",
    "pulmonaryfibrosis": "fibrosis",
    "infiltrate": "infiltration",
    "covid19": "covid",
}
"""Two words for one finding; a wider or narrower finding (Nodule/Mass, Lung Opacity) is none of these."""


def canonical_finding(finding: str) -> str:
    """Return what all spellings and aliases of a finding share: case, spaces, hyphens and underscores do not count.

    >>> canonical_finding("Pleural Thickening") == canonical_finding("Pleural_Thickening")
    True
    >>> canonical_finding("Pleural effusion") == canonical_finding("Effusion")
    True
    """
    word = re.sub(r"[\W_]+", "", finding.replace("/", "or").casefold()) or finding
    return ALIASES.get(word, word)


def find_finding(word: str, findings: Iterable[str]) -> str | None:
    """Return the finding that is called ``word`` exactly, or else the only one by its alias or another spelling.

    A part of a name is no name: ``Masss`` is not Mass.
    """
    names = list(findings)
    same = [name for name in names if canonical_finding(name) == canonical_finding(word)]
    return word if word in names else same[0] if len(same) == 1 else None


def duplicates(names: Iterable[T]) -> list[T]:
    """The names that occur more than once, each once, in order of their first occurrence.

    >>> repeated(["Mass", "Nodule", "Mass"])
    ['Mass']
    """
    return [name for name, count in Counter(names).items() if count > 1]


def normalize_data_set(word: str) -> str:
    """A data set's word, options and all, with its name as it is spelled here; a note tells of the change."""
    name, colon, options = word.partition(":")
    if name in SPELLED:
        log.warning("the data set is spelled %s here, not %s", SPELLED[name], name)
    return SPELLED.get(name, name) + colon + options
