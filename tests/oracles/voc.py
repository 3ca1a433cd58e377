"""Average precision of PASCAL VOC 2010, written out plainly after its development kit (VOCevaldet.m, VOCap.m), IoU > t."""

from collections.abc import Mapping, Sequence


def average_precision(
    boxes: Sequence[tuple[str, float, Sequence[float]]], truth: Mapping[str, Sequence[Sequence[float]]], above: float
) -> float:
    """(image, confidence, xyxy) of each box and image -> truth boxes, of one finding; confidences differ."""
    taken = {image: [False] * len(each) for image, each in truth.items()}
    true, false, points = 0, 0, []
    for image, _, box in sorted(boxes, key=lambda one: -one[1]):
        overlaps = [_iou(box, other) for other in truth.get(image, [])]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] > above and not taken[image][best]:
            taken[image][best] = True
            true += 1
        else:
            false += 1
        points.append((true / sum(map(len, truth.values())), true / (true + false)))
    area, before = 0.0, 0.0
    for n, (recall, _) in enumerate(points):
        area += (recall - before) * max(precision for _, precision in points[n:])
        before = recall
    return area


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)
