"""Which of the contours that are there at a level is the best one, compiled."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def best(start, stop, score, first, steps):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """(steps,) the contour of the highest ``score`` among those with start <= step < stop, -1 where there is none.

    All (n,); among equals the one whose ``first`` pixel comes last.
    """
    out = np.full(steps, -1, np.int64)
    for n in range(len(start)):
        for step in range(start[n], stop[n]):
            other = out[step]
            if other < 0 or score[n] > score[other] or (score[n] == score[other] and first[n] > first[other]):
                out[step] = n
    return out
