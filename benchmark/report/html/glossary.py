"""What the headings of the tables mean: the help of each column, and the glossary of a page."""

import re
from collections.abc import Iterable

from core.names import MAIN

WORDS = {
    MAIN: "Share of cases (an image and a finding) in which the box of the map has IoU > .3 with a truth box; the mean "
    "over findings. The main column: rows are ranked by it.",
    "rank": "1 for the best row and for every row that does not differ from it; else one more than there are rows "
    "above. Baselines and rows below a baseline have none.",
    "backbone": "The network's feature extractor.",
    "pooling": "How the feature map becomes one number per finding.",
    "attention": "What weighs the feature map before it is pooled.",
    "size": "Side of the square input in pixels.",
    "seed": "The seed of a training: another seed is another network.",
    "trained on": "What somebody declares their network was trained on.",
    "method": "What makes a heat map from the network. prior, center, noise and untrained are baselines; truth is the "
    "limit that the grid of positions allows.",
    "same map as": "The method whose map this one equals by construction under this pooling.",
    "of this network": "95 % interval for other patients and this one training. Another training may lie outside.",
    "trainings": "Networks behind the row, which differ by their seed alone.",
    "sd over trainings": "How far the scores of the trainings spread.",
    "one more training": "Where the next training will score on these images, with 95 %.",
    "tied with first": "tied: no difference to the first row can be told (5 %, Holm over all rows with a rank).",
    "among these networks": "tied or behind as beside it, but one of the two rows has a single training: patients "
    "alone decide, and another training may turn it.",
    "− prior": "The main column minus that of prior on the same cases. prior shows where other patients have the "
    "finding: a method that is not above it shows nothing of this image.",
    "p (Holm)": "Chance of such a difference to prior if there were none, corrected for the number of rows.",
    "P(first)": "Share of draws of patients (and trainings) in which the method is the best of its network.",
    "recipe": "Flags of a training. Of several inner folds choose: a fold is scored by the one that is best on others.",
    "− chosen": "A recipe's figure minus the honest one: of the best, what choosing on the scored images is worth.",
    "optimism": "oracle − cross-fitted: what a score gains when its threshold is chosen on the very truth that it is "
    "scored on. Numbers of papers often include it.",
    "oracle": "Threshold chosen on the truth that is scored: an upper bound, never a result.",
    "cross-fitted": "Threshold chosen on other patients' truth, in five folds.",
    "validation": "Threshold chosen on validation images.",
    "fixed": "Threshold .5 for all.",
    "otsu": "Each map's own threshold by Otsu's rule.",
    "pointing": "Share of cases in which the maximum of the map lies in a truth box. No threshold.",
    "anyhit@iou.3": "Share of truth boxes that any box of the map hits with IoU > .3.",
    "boxes_per_case": "Boxes that the map gives, on average.",
    "n cases": "Cases behind the main column: pairs of an image and a finding with a truth box.",
    "n boxes": "Truth boxes.",
    "auroc": "How well the network tells images with and without a finding apart; it says nothing of where.",
    "auroc, boxed images": "The same on the images that have a box.",
    "note": "Why a row has no rank, or what it is.",
    "average rank": "The mean over findings of a method's rank.",
    "energy": "Share of the map's positive integral that lies in the truth.",
    "insertion": "Area below the finding's probability while pixels replace their blur, the map's highest first. More "
    "is more faithful.",
    "deletion": "The same while they are replaced by grey. Less is more faithful.",
    "road": "Half of what imputing the least relevant pixels leaves of the probability above the most relevant. More "
    "is more faithful.",
    "tau": "Kendall's rank correlation: 1 the same order, -1 the reverse.",
    "component": "What moves a score: the network, the method, the training, the patients, and how they go together.",
    "sd": "Standard deviation of the component.",
    "in a score": "Its standard deviation in the score of one training on these patients.",
    "alignment": "aligned: the map lies where the network looked. conventional: as interpolation assumes.",
}
LEVEL = re.compile(r"(hit|acc|afp|anyhit)@(iou|iobb)\.(?:\d+|x)")
HIT_METRICS = {
    "hit": "Share of cases with",
    "acc": "Share of truth boxes with",
    "anyhit": "Share of truth boxes that some box hits with",
    "afp": "False boxes per truth box: no truth box with",
}
OVERLAPS = {"iou": "IoU (shared area over joint area)", "iobb": "IoBB (shared area over the box's own area)"}


def word_of(heading: str) -> str:
    """The word that a heading goes by in ``WORDS``.

    >>> word_of("− prior [95 %]"), word_of("Mass (n 110)"), word_of("hit@iou.3 oracle"), word_of("acc@iobb.25")
    ('− prior', 'Mass', 'oracle', 'acc@iobb.x')
    """
    word = re.sub(r" \[95 %[^\]]*\]$| \(n \d+\)$", "", heading)
    if word not in WORDS and (rest := word.removeprefix(f"{MAIN} ")) in WORDS:
        return rest
    if word not in WORDS and (level := LEVEL.fullmatch(word)):
        return f"{level[1]}@{level[2]}.x"
    return word.partition(",")[0] if word not in WORDS and word.partition(",")[0] in WORDS else word


def meaning(heading: str) -> str:
    """A sentence or two on a heading; nothing where it speaks for itself.

    >>> meaning("hit@iobb.5")
    "Share of cases with IoBB (shared area over the box's own area) > .x."
    """
    word = word_of(heading)
    if word in WORDS:
        return WORDS[word]
    level = LEVEL.fullmatch(word)
    return f"{HIT_METRICS[level[1]]} {OVERLAPS[level[2]]} > .x." if level else ""


def glossary(headings: Iterable[str]) -> dict[str, str]:
    """Word -> meaning, for those headings that have one, in alphabetical order."""
    words = {word_of(heading): text for heading in headings if (text := meaning(heading))}
    return dict(sorted(words.items(), key=lambda pair: pair[0].lower().lstrip("− ")))
