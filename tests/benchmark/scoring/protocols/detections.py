"""Cases with submitted boxes, for tests of the detection protocols."""

import numpy as np

from benchmark.scoring.protocols.base import Case

FRAME = (100, 100)


def given(image: str, truth=(), boxes=(), label: float | None = None, finding: str = "mass") -> Case:
    """Return a case with ``boxes`` (xyxy and confidence); without a truth box it is a negative unless ``label`` is set."""
    rows, true = np.array(boxes, dtype=np.float64).reshape(-1, 5), np.array(truth, dtype=np.float64).reshape(-1, 4)
    known = float(len(true) > 0) if label is None else label
    return Case(image, image, finding, None, "conventional", FRAME, true, label=known, submitted_boxes=rows)


def drawn(seed: int, images: int = 30) -> list[Case]:
    """Return images with up to three truth boxes, and boxes near and far with different confidences."""
    random = np.random.default_rng(seed)
    confidences = iter(random.permutation(10_000) / 10_000)
    return [_image(f"i{n:03}", random, confidences) for n in range(images)]


def _image(name: str, random: np.random.Generator, confidences) -> Case:
    corner = random.uniform(0, 60, (random.integers(0, 4), 2))
    truth = np.concatenate([corner, corner + random.uniform(10, 40, corner.shape)], 1)
    near = truth[random.integers(0, len(truth), 4)] + random.uniform(-4.5, 4.5, (4, 4)) if len(truth) else np.zeros((0, 4))
    far = random.uniform(0, 60, (2, 2))
    boxes = np.concatenate([near, np.concatenate([far, far + random.uniform(5, 40, far.shape)], 1)])
    return given(name, truth, [[*box, next(confidences)] for box in boxes])


def values(protocol, cases: list[Case], finding: str = "mass") -> dict[str, float | None]:
    """Return metric -> value."""
    return {s.metric: s.value for s in protocol.evaluate(cases, ("mass",)).scores if s.finding == finding}
