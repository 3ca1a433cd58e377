"""Contours of a quantised map by an OpenCV search at each level, to test those traced once."""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from benchmark.scoring.pixels.outlines import BOX, DOUBLE_AREA, FIRST, START, STOP


def outer_contours_and_holes(image: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(H,W) uint8 -> (n,8) outer contours and (m,8) holes of {image > level}, for all levels from 0 on.

    A row for each level, columns as in ``outlines``; a hole's area and first pixel are those of the contour around it.

    >>> outer, holes = outer_contours_and_holes(np.array([[2, 2, 2], [2, 1, 2], [2, 2, 2]], dtype=np.uint8))
    >>> outer.tolist(), holes[:, BOX].tolist()
    ([[0, 1, 0, 8, 0, 0, 3, 3], [1, 2, 0, 8, 0, 0, 3, 3]], [[1, 1, 2, 2]])
    """
    sides: tuple[list[list[int]], list[list[int]]] = ([], [])
    for level in range(int(image.max())):
        contours, hierarchy = cv2.findContours((image > level).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        for contour, parent in zip(contours, hierarchy[0, :, 3].tolist(), strict=True):
            sides[int(parent >= 0)].append([level, *_facts(contour, image.shape[1])])
    outer, holes = (_table(rows) for rows in sides)
    holes[:, BOX] += [1, 1, -1, -1]  # from the box of the surrounding pixels to that of the hole
    return outer, holes


def _facts(contour: MatLike, width: int) -> list[int]:
    x, y, w, h = cv2.boundingRect(contour)
    first_x, first_y = contour[0, 0].tolist()
    return [first_y * width + first_x, round(2 * cv2.contourArea(contour)), x, y, x + w, y + h]


def _table(rows: list[list[int]]) -> NDArray[np.int64]:
    array = np.array(rows, dtype=np.int64).reshape(-1, 7)
    out = np.empty((len(array), 8), dtype=np.int64)
    out[:, START], out[:, STOP] = array[:, 0], array[:, 0] + 1
    out[:, FIRST], out[:, DOUBLE_AREA], out[:, BOX] = array[:, 1], array[:, 2], array[:, 3:]
    return out
