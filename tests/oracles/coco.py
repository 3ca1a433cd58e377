"""Average precision as pycocotools computes it."""

import numpy as np


def average_precision(truth: dict, boxes: list[dict], at_least) -> np.ndarray:
    """(T,K) of T IoU thresholds and the categories of ``truth``, a data set in COCO's words, for all sizes of boxes.

    ``boxes``: annotations with a score. Category and image without a box count as there.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    known = COCO()
    whole = [{"area": 1, "iscrowd": 0, **one, "id": n} for n, one in enumerate(truth["annotations"], 1)]
    known.dataset = {**truth, "annotations": whole}
    known.createIndex()
    evaluation = COCOeval(known, known.loadRes(boxes), "bbox")
    evaluation.params.iouThrs = np.array(at_least)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1].mean(1)
