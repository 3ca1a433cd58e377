"""External maps for a small phantom."""

from pathlib import Path

import numpy as np

from locus import datasets
from locus.config import ScoreConfig
from locus.core.frames import box_coverage

WORD, SIZE = "phantom:train=4,val=4,test=24", 64
DATA = datasets.load(WORD, img_size=SIZE)
PAIRS = [(sample, finding) for sample in DATA if sample.boxes for finding in DATA.findings]


def shown(sample, finding, shape=(8, 8)) -> np.ndarray:
    """Return a map (h,w) float32 that is close to the truth."""
    noise = np.random.default_rng(len(sample.image_id) + DATA.findings.index(finding)).random(shape)
    return (box_coverage(sample.boxes.get(finding, []), sample.frame, shape) + 0.3 * noise).astype(np.float32)


def write(folder: Path, change=lambda values: values, every: bool = True) -> Path:
    """Write a folder of ``<image>_<finding>.npy``: of the cases with truth, or of all cases if ``every``."""
    folder.mkdir(exist_ok=True)
    for sample, finding in PAIRS:
        if every or finding in sample.boxes:
            np.save(folder / f"{sample.image_id}_{finding}.npy", change(shown(sample, finding)))
    return folder


def config(**flags) -> ScoreConfig:
    """Return flags for scoring conventional maps of the small phantom."""
    kind = {} if "boxes" in flags else {"alignment": "conventional"}
    return ScoreConfig(**{"dataset": WORD, "img_size": SIZE, "entry": "mine", **kind, **flags})
