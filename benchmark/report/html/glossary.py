"""Meaning of the column headings: the help of each column, and the glossary of a page."""

import re
from collections.abc import Iterable

from core.names import MAIN

WORDS = {
    MAIN: "The main column: share of cases (an image and a finding) where the box of the map overlaps an annotated box "
    "with IoU > .3; mean over findings.",
    "backbone": "The network's feature extractor.",
    "pooling": "How the feature map becomes one number per finding.",
    "attention": "Attention module that weights the feature map before pooling.",
    "size": "Side length of the square input in pixels.",
    "seed": "Seed of the training run. Each seed gives a different network.",
    "trained on": "Training data of a submitted network, as stated by its authors.",
    "method": "How the heat map is computed from the network. prior, center, noise and untrained are baselines; truth "
    "is the upper bound that the network's grid allows.",
    "same map as": "Method that gives the same map by construction under this pooling, or that has the same scores on "
    "this network.",
    "this run only": "95% interval over patients, for this one training run. Another run may score outside it.",
    "training runs": "Number of training runs behind the row. They differ only by their seed.",
    "sd over runs": "Standard deviation of the scores of the training runs.",
    "one more run": "Interval in which another training run is expected to score on these images (95%).",
    "may be the best": "yes: no other row is significantly better (5%, Holm). Methods are compared within their "
    "network, networks within their grid. no: below prior: the row is significantly below prior.",
    "worse by": "How much better the row named under `compared with` is, with the 95% interval of that difference.",
    "compared with": "The top row. If it is not significantly better but other rows are, the best of those.",
    "networks": "Number of networks with this method and at least two training runs.",
    "upper bound": "Score of truth: the best score that a map on this grid can reach.",
    "share of upper bound": "Mean over the methods on the network's grid, divided by the upper bound.",
    "− prior": "The main column minus that of prior on the same cases. prior shows where other patients have the "
    "finding, so a method that does not beat it shows nothing about this image.",
    "p (Holm)": "p-value of the difference from prior, corrected (Holm) over the methods and baselines of the network.",
    "P(best)": "Share of bootstrap draws of patients (and training runs) where the row has the highest score. It is "
    "descriptive, not a test.",
    "optimism": "oracle − cross-fitted: how much a score gains if its threshold is chosen on the test annotations. "
    "Published numbers often include it.",
    "oracle": "Score at the threshold chosen on the test annotations: an upper bound, never a result.",
    "cross-fitted": "Score at the threshold chosen on the annotations of other patients, in five folds.",
    "validation": "Score at the threshold chosen on validation images.",
    "fixed": "Score at the threshold .5 for all maps.",
    "otsu": "Score at the threshold of each map by Otsu's rule.",
    "pointing": "Share of cases where the maximum of the map is inside a truth box. Needs no threshold.",
    "anyhit@iou.3": "Share of truth boxes that any box of the map hits with IoU > .3.",
    "boxes_per_case": "Mean number of predicted boxes per map.",
    "n cases": "Number of cases behind the main column: pairs of an image and a finding with a truth box.",
    "n boxes": "Number of truth boxes.",
    "auroc": "How well the network separates images with and without a finding. It says nothing about location.",
    "auroc, images with boxes": "AUROC on the images that have a box.",
    "note": "Remarks: baseline or upper bound, reason for not being compared, not shown to be above prior.",
    "energy": "Share of the sum of the map's positive values that lies inside the truth.",
    "insertion": "Area under the curve of the finding's probability while a blurred image is restored, highest pixels "
    "of the map first. Higher is more faithful.",
    "deletion": "Area under the curve of the finding's probability while pixels are replaced by grey, highest first. "
    "Lower is more faithful.",
    "road": "Half the difference in probability between imputing the least and the most relevant pixels. Higher is "
    "more faithful.",
    "tau": "Kendall's rank correlation: 1 is the same order, -1 the reverse order.",
    "alignment": "aligned: the map is placed where the network looked. conventional: where interpolation puts it.",
}
LEVEL = re.compile(r"(hit|acc|afp|anyhit)@(iou|iobb)\.(?:\d+|x)")
HIT_METRICS = {
    "hit": "Share of cases with",
    "acc": "Share of truth boxes with",
    "anyhit": "Share of truth boxes that some box hits with",
    "afp": "False boxes per truth box. A box is false if it has no truth box with",
}
OVERLAPS = {
    "iou": "IoU (area of the intersection divided by area of the union)",
    "iobb": "IoBB (area of the intersection divided by area of the predicted box)",
}


def word_of(heading: str) -> str:
    """Return the key of a heading in ``WORDS``.

    >>> word_of("− prior [95%]"), word_of("Mass (n 110)"), word_of("hit@iou.3 oracle"), word_of("acc@iobb.25")
    ('− prior', 'Mass', 'oracle', 'acc@iobb.x')
    """
    word = re.sub(r" \[95%[^\]]*\]$| \(n \d+\)$", "", heading)
    if word not in WORDS and (rest := word.removeprefix(f"{MAIN} ")) in WORDS:
        return rest
    if word not in WORDS and (level := LEVEL.fullmatch(word)):
        return f"{level[1]}@{level[2]}.x"
    return word.partition(",")[0] if word not in WORDS and word.partition(",")[0] in WORDS else word


def meaning(heading: str) -> str:
    """Explain a heading; empty if it needs no explanation.

    >>> meaning("hit@iobb.5")
    'Share of cases with IoBB (area of the intersection divided by area of the predicted box) > the level (seed: ≥).'
    """
    word = word_of(heading)
    if word in WORDS:
        return WORDS[word]
    level = LEVEL.fullmatch(word)
    return f"{HIT_METRICS[level[1]]} {OVERLAPS[level[2]]} > the level (seed: ≥)." if level else ""


def glossary(headings: Iterable[str]) -> dict[str, str]:
    """Return word -> meaning for all headings that have one, in alphabetical order."""
    words = {word_of(heading): text for heading in headings if (text := meaning(heading))}
    return dict(sorted(words.items(), key=lambda pair: pair[0].lower().lstrip("− ")))
