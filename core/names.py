"""Names shared by several packages; every package may import this module."""

import logging
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

from core.registry import Registry

log = logging.getLogger(__name__)
T = TypeVar("T", bound=Hashable)

MAIN = "hit@iou.3"
"""Main metric: ranks methods and selects thresholds."""
MAIN_PROTOCOL = "locus"
"""Protocol of the main table; methods are compared on its cases."""
PAIRED = "paired"
"""Protocol of the records that compare a model's methods on the cases of ``MAIN_PROTOCOL``."""
CHECKS = Registry("benchmark.validity", "check", module="compute")
"""Validity checks; they are imported on first use."""
FAITHFULNESS = "faithfulness"
"""Validity check whose rows per case are also packed, so that its measures can be compared."""
CHOICE = "choice"
"""Protocol of the records used to choose a suite's recipe: a candidate on inner folds, and on all of them."""
CLASSIFICATION = "classification"
"""Protocol of the records that evaluate the classifier's scores."""
CLASSIFIER = "classifier"
"""Replaces the method name in records of the classifier itself."""

CENTER, PRIOR, NOISE, UNTRAINED = BASELINES = ("center", "prior", "noise", "untrained")
"""Baselines that every suite includes."""
ABSENT = "the data is not there"
"""Start of the reason of an n/a record that is retried once the data is available."""
LIMIT = "truth"
"""Upper bound computed from the truth: no map on the same grid can score higher."""
BESIDE = (PRIOR, UNTRAINED, LIMIT)
"""Rows that are not methods but can be selected like methods."""
BASELINES_AND_LIMIT = (*BASELINES, LIMIT)
"""Rows of every table that are not methods."""
READERS = "readers"
"""Radiologists' boxes compared with each other, if several read each image (``benchmark.suite.readers``)."""
SECOND_READERS = "second readers"
"""Boxes of a second team compared with the truth, on the images both read (``benchmark.suite.second_readers``)."""
PEOPLE = (READERS, SECOND_READERS)
"""Rows of boxes drawn by people; they need no network and no map."""
AGREEMENT = "agreement"
"""Per-case column of these rows: the share of a person's boxes with IoU > .3 with a truth box."""
RELATIVE_DROP = "relative_drop@"
"""Prefix of the metrics that measure how far a method is below ``readers`` or ``second readers``."""
CEILINGS = (LIMIT, *PEOPLE)
"""Upper bounds, excluded from ranks and tests."""
UNRANKED_METHODS = (*BASELINES, *CEILINGS)
"""Rows without a rank."""

SPELLED = {"ChesXpert": "CheXpert"}
"""Older spelling of a data set -> its name."""

ALIASES = {
    "pleuraleffusion": "effusion",
    "pulmonaryfibrosis": "fibrosis",
    "infiltrate": "infiltration",
    "covid19": "covid",
}
"""Synonyms of findings. A wider or narrower finding (Nodule/Mass, Lung Opacity) is not a synonym."""


def canonical_finding(finding: str) -> str:
    """Return the normalised name of a finding: ignores case, spaces, hyphens and underscores, resolves aliases.

    >>> canonical_finding("Pleural Thickening") == canonical_finding("Pleural_Thickening")
    True
    >>> canonical_finding("Pleural effusion") == canonical_finding("Effusion")
    True
    """
    word = re.sub(r"[\W_]+", "", finding.replace("/", "or").casefold()) or finding
    return ALIASES.get(word, word)


def find_finding(word: str, findings: Iterable[str]) -> str | None:
    """Return the finding named ``word`` exactly, or else the only one with this alias or spelling.

    A misspelled or partial name does not match: ``Masss`` is not Mass.
    """
    names = list(findings)
    same = [name for name in names if canonical_finding(name) == canonical_finding(word)]
    return word if word in names else same[0] if len(same) == 1 else None


def duplicates(names: Iterable[T]) -> list[T]:
    """Return the names that occur more than once, each once, in order of their first occurrence.

    >>> duplicates(["Mass", "Nodule", "Mass"])
    ['Mass']
    """
    return [name for name, count in Counter(names).items() if count > 1]


def normalize_data_set(word: str) -> str:
    """Return a data set's name and options with the current spelling; log a warning if it changes."""
    name, colon, options = word.partition(":")
    if name in SPELLED:
        log.warning("the data set is spelled %s here, not %s", SPELLED[name], name)
    return SPELLED.get(name, name) + colon + options
