"""Random boxes, with as many boxes per finding, images and patients as in NIH's ChestX-ray8.

Wang et al., "ChestX-ray8", CVPR 2017, table 4: 984 boxes on 880 images. Sides are log-normal, similar to those of the
published boxes; no image has two boxes of a finding.
"""

from collections.abc import Mapping

import numpy as np

from benchmark.scoring.protocols.base import Case
from core.frames import Grid
from core.seeds import generator
from core.types import FloatArray
from tools.speed.scoring.maps import blurred

BOXES = {
    "Atelectasis": 180, "Cardiomegaly": 146, "Effusion": 153, "Infiltration": 123, "Mass": 85, "Nodule": 79,
    "Pneumonia": 120, "Pneumothorax": 98,
}  # fmt: skip
IMAGES, PATIENTS, TRAININGS = 880, 726, 5
VALIDATION = 352
"""Number of images in the validation splits of five folds, a tenth of the training images each."""
FRAME = (1024, 1024)
Boxes = Mapping[str, FloatArray]


def boxes(seed: int = 0) -> list[Boxes]:
    """Return finding -> (1,4) box, for each image."""
    random = generator(seed, "boxes")
    out: list[Boxes] = [{} for _ in range(IMAGES)]
    names = random.permutation([finding for finding, count in BOXES.items() for _ in range(count)]).tolist()
    for n, finding in enumerate(names):
        free = [n] if n < IMAGES else [i for i, by_finding in enumerate(out) if finding not in by_finding]
        chosen = int(random.choice(free))
        out[chosen] = {**out[chosen], finding: _box(random)}
    return out


def cases(images: int, side: int, seed: int, validation: bool = False) -> list[Case]:
    """Return a case for each image × finding with a random map of ``side``×``side`` positions; seeds are methods."""
    truth = boxes(1 if validation else 0)[:images]
    maps, grid = _maps(len(truth) * len(BOXES), side, seed), Grid((8 * side, 8 * side), (8, 8), (0, 0))
    return [
        Case(
            image_id=f"image {i}",
            patient_id=f"patient {i * PATIENTS // IMAGES}",
            finding=finding,
            map=maps[i * len(BOXES) + k],
            grid=grid,
            frame=FRAME,
            boxes=by_finding.get(finding, np.zeros((0, 4))),
            training=i % TRAININGS,
        )
        for i, by_finding in enumerate(truth)
        for k, finding in enumerate(BOXES)
    ]


def _box(random: np.random.Generator) -> FloatArray:
    sides = np.clip(np.exp(random.normal(5.3, 0.5, 2)), 30, 900)
    corner = random.random(2) * (FRAME[0] - sides)
    return np.concatenate([corner, corner + sides])[None]


def _maps(count: int, side: int, seed: int) -> np.ndarray:
    """Return (count,side,side) float16 maps of blurred noise, like class activation maps."""
    noise = generator(seed, "maps").random((count, side, side), dtype=np.float32)
    return np.array([blurred(one) for one in noise]).astype(np.float16)
