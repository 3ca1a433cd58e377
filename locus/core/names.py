"""Names that several packages share: metrics, protocols, baselines, spellings of findings and data sets.

``match`` compares a label that a user typed with the findings of a network.
"""

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from locus.core.errors import BadValueError, UnknownNameError, require_name

log = logging.getLogger(__name__)
T = TypeVar("T", bound=Hashable)

MAIN = "hit@iou.3"
"""Main metric. It ranks methods and selects thresholds."""
HIT_COLUMNS = (
    *(f"hit@iou.{tenth}" for tenth in range(1, 8)),
    *(f"hit@iobb.{level}" for level in ("1", "25", "5", "75", "9")),
    "pointing",
)
"""Columns of hits in the main table."""
MEAN_PREFIX = "mean_"
"""Begin of the per-case columns of hits that are means over draws of the patient folds."""
DRAW_ERROR = "draw_error"
"""Standard error of the main metric of a baseline from the draw of the patient folds; its n is the number of draws."""
MAIN_PROTOCOL = "single_box"
"""Protocol of the main table. Methods are compared on its cases."""
ADDED = "added"
"""Protocol that scores what a map adds to ``prior``, and its main metric."""
ALONE, COMBINED, WEIGHT = "alone", "combined", "weight"
"""Other metrics of the protocol ``added``."""
CLASSIFICATION = "classification"
"""Protocol of the records that evaluate the classifier's scores."""
CLASSIFIER = "classifier"
"""Replaces the method name in records of the classifier itself."""

FIXED_BOX = "fixed_box"
CENTER = "center"
PRIOR = "prior"
NOISE = "noise"
UNTRAINED = "untrained"
SHUFFLED = "shuffled"
"""Baseline of ``added``: the map of another patient's image with the same finding."""
UPPER_BOUND = "truth"
"""Upper bound computed from the truth: no map on the same grid can score higher."""
READERS = "readers"
"""Row that compares the boxes of several radiologists with each other (``locus.benchmark.evaluation.readers``)."""
SECOND_READERS = "second readers"
"""Row that compares the boxes of a second team with the truth (``locus.benchmark.evaluation.readers``)."""
FIXED_POINT = "fixed_point"
FIXED_REGION = "fixed_region"
EMPTY_MASK = "empty_mask"
AGREEMENT = "agreement"
"""Per-case column of people: the share of a person's boxes with IoU > .3 with a truth box."""
ENCODER = "hf:"
"""Begin of the name of a network of Hugging Face's transformers."""
ABSENT = "the data is not there"
"""Start of the reason of an n/a record. Such a record is computed again when the data are available."""

MIN_PARTIAL_LENGTH = 4
"""Minimum length of a partial name in ``match``."""
NEGATIONS = frozenset({"no", "non", "not", "negative", "without"})
"""Words that negate a name."""

SPELLED = {"ChesXpert": "CheXpert"}
"""Older spelling of a data set -> its name."""

ALIASES = {
    "pleuraleffusion": "effusion",
    "pulmonaryfibrosis": "fibrosis",
    "infiltrate": "infiltration",
    "covid19": "covid",
}
"""Synonyms of findings. A wider or narrower finding (Nodule/Mass, Lung Opacity) is not a synonym."""


PLAIN_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def is_unusual_number(text: str) -> bool:
    """Return True for a text that Python reads as a number although it has more than digits: 1_0, +1, full width.

    >>> [is_unusual_number(text) for text in ("1_0", "+1", "-1.5e-3", "Mass", "nan")]
    [True, True, False, False, False]
    """
    if PLAIN_NUMBER.fullmatch(text.strip()) or not any(map(str.isdigit, text)):
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def identity(name: str) -> str:
    """Return the name of a patient, image or finding in one spelling: NFC, trimmed, without invisible characters.

    >>> identity(" p1\u200b ") == identity("p1"), identity("e\u0301") == identity("é")
    (True, True)
    """
    return "".join(
        c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) != "Cf"
    ).strip()


LOOK_ALIKE = str.maketrans("1i0", "llo")
"""Digits and letters that look like another letter."""


def plain_name(name: str) -> str:
    """Return a method's name without options, case, spaces and signs: what a reader takes for the same name.

    Digits count as the letters that they look like.

    >>> plain_name("Grad-CAM:layer=3") == plain_name("gradcam"), plain_name("Wang 20l7") == plain_name("Wang 2017")
    (True, True)
    """
    letters = unicodedata.normalize("NFKC", name.partition(":")[0]).casefold()
    return re.sub(r"[\W_]+", "", letters).translate(LOOK_ALIKE)


def canonical_finding(finding: str) -> str:
    """Return a normalised name of a finding, without case, spaces, hyphens, underscores and synonyms.

    >>> canonical_finding("Pleural Thickening") == canonical_finding("Pleural_Thickening")
    True
    >>> canonical_finding("Pleural effusion") == canonical_finding("Effusion")
    True
    """
    normalised = re.sub(r"[\W_]+", "", identity(finding).replace("/", "or").casefold()) or finding
    return ALIASES.get(normalised, normalised)


def find_finding(label: str, findings: Iterable[str]) -> str | None:
    """Return the finding that ``label`` names, also by a synonym or another spelling; None if not exactly one matches.

    Misspelled and partial names do not match.
    """
    names = list(findings)
    matching = [name for name in names if canonical_finding(name) == canonical_finding(label)]
    if label in names:
        return label
    return matching[0] if len(matching) == 1 else None


def duplicates(names: Iterable[T]) -> list[T]:
    """Return the names that occur more than once, in order of their first occurrence.

    >>> duplicates(["Mass", "Nodule", "Mass"])
    ['Mass']
    """
    return [name for name, count in Counter(names).items() if count > 1]


def require_findings(findings: Iterable[str]) -> None:
    """Raise ``BadValueError`` for a name that tables cannot show: ``mean``, their last row, or an empty one.

    Two names that ``canonical_finding`` does not tell apart (``T1`` and ``T-1``) are an error, too.
    """
    names: dict[str, str] = {}
    if isinstance(findings, str) or not isinstance(findings, Sequence | Mapping):
        raise BadValueError(
            f"findings is a {type(findings).__name__}, which has no order: give a list of names"
        )
    for finding in findings:
        if not isinstance(finding, str) or not finding.strip() or finding == "mean":
            reason = (
                "is the name of the mean over findings" if finding == "mean" else "is not a name"
            )
            raise BadValueError(f"the finding {finding!r} {reason}: give it another name")
        require_name(finding)
        earlier = names.setdefault(canonical_finding(finding), finding)
        if earlier != finding:
            problem = "are the same name, because case, signs and synonyms do not count"
            raise BadValueError(
                f"the findings {earlier!r} and {finding!r} {problem}: rename one of them"
            )


def spelled_twice(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two of the ``names`` that write one patient in two ways, such as a table read with and without zeros.

    >>> spelled_twice(["001", "1.5", "1"]), spelled_twice(["7", "7"]), spelled_twice(["p7", "7.0", "P007"])
    (('001', '1'), None, ('p7', 'P007'))
    """
    first: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"(?<![\d.])0*(\d+?)(?:\.0+)?$", r"\1", identity(name).casefold())
        if first.setdefault(plain, name) != name:
            return first[plain], name
    return None


def normalize_data_set(dataset: str) -> str:
    """Return the name and options of a data set in the current spelling; log a warning for an older spelling."""
    if not isinstance(dataset, str):
        raise BadValueError(f"the data set is {dataset!r}: give its name, such as 'NIH'")
    name, colon, options = dataset.partition(":")
    if name in SPELLED:
        log.warning("data set %s: the current spelling is %s", name, SPELLED[name])
    return SPELLED.get(name, name) + colon + options


def match(label: str, findings: Sequence[str]) -> str:
    """Return the finding that a typed ``label`` names, ignoring case, spaces, hyphens and underscores.

    A label without an exact match may differ in digits, be the start of words in the finding, or contain the finding,
    unless it is negated and if exactly one finding fits. For names in tables use ``find_finding``, which is
    strict. Raises ``UnknownNameError`` with the allowed findings.

    >>> match("covid_19", ["COVID", "Normal"]), match("pneumonia", ["Lung Opacity", "Viral Pneumonia"])
    ('COVID', 'Viral Pneumonia')
    """
    exact = find_finding(label, findings)
    if exact is not None:
        return exact
    for fitting in (
        [finding for finding in findings if _letters(finding) == _letters(label)],
        [finding for finding in findings if _is_part(label, finding)],
    ):
        if len(fitting) == 1:
            return fitting[0]
    raise UnknownNameError("label", label, findings)


def _is_part(label: str, finding: str) -> bool:
    """Return True if the label begins words of the finding or contains all of them, and neither negates the other."""
    finding_words = _words(finding)
    label_words = _words(label)
    text = "".join(label_words)
    begins = any("".join(finding_words[i:]).startswith(text) for i in range(len(finding_words)))
    contains = f" {' '.join(finding_words)} " in f" {' '.join(label_words)} "
    return (
        len(text) >= MIN_PARTIAL_LENGTH
        and (begins or contains)
        and not NEGATIONS & {*finding_words} ^ NEGATIONS & {*label_words}
    )


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())


def _letters(name: str) -> str:
    return re.sub(r"\d+", "", "".join(_words(name)))


def augment_words(augment: str) -> tuple[str, ...]:
    """Return the augmentations of ``augment`` that are meant to improve localization.

    >>> augment_words("affine_contrast:flip=True,hide=.5"), augment_words("cutmix"), augment_words("has:hide=0.0")
    (('HaS',), ('CutMix',), ())
    """
    patterns = {"HaS": r"has\b|.*\bhide=", "CutMix": r"cutmix\b|.*\bcutmix="}
    patterns_without_effect = {"HaS": r"\bhide=[0.]+(,|$)", "CutMix": r"\bcutmix=[0.]+(,|$)"}
    return tuple(
        augmentation
        for augmentation, option in patterns.items()
        if re.match(option, augment)
        and not re.search(patterns_without_effect[augmentation], augment)
    )


def marker_words(dataset: str) -> str:
    """Return the option of a data set that draws a marker, or an empty text.

    >>> marker_words("implanted:train=9,marker=Mass"), marker_words("implanted:train=9")
    ('marker=Mass', '')
    """
    return next(
        (option for option in re.split("[:,]", dataset) if option.startswith("marker=")), ""
    )


def backbone_words(backbone: str) -> str:
    """Return the name of a backbone as a person reads it.

    >>> backbone_words("custom"), backbone_words("resnet18"), backbone_words("hf:encoders/rad-dino")
    ('small CNN', 'resnet18', 'rad-dino')
    """
    if backbone.startswith(ENCODER):
        return backbone.removeprefix(ENCODER).rstrip("/").rpartition("/")[2]
    name, colon, options = backbone.partition(":")
    return {"custom": "small CNN", "small_vit": "small ViT"}.get(name, name) + colon + options
