"""The upper bound ``truth``: the truth on the grid of a network. It is never ranked."""

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from locus.core.baseline import FloatMap, MapBaseline
from locus.core.frames import Grid, as_boxes, box_coverage, conventional, side_coverage
from locus.core.types import FloatArray, Sample

if TYPE_CHECKING:
    from scipy import sparse


class Truth(MapBaseline):
    """The truth on the model's grid: the upper bound for any map at this resolution; values in [0,1].

    Each position is the mean of the mask (or the boxes) over the stride-wide square around it, clipped to the image.
    """

    name = "truth"
    why_unranked = "upper bound: sees the truth"
    kind = "upper bound"
    order = 70
    in_every_suite = True
    joins_prior = True
    packs_large_maps = True

    def maps(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> FloatMap:
        """Return the share of each cell that the truth covers, (N,K,h,w) in [0,1]."""
        maps = np.zeros((len(samples), len(findings), *shape), dtype=np.float32)
        for n, sample in enumerate(samples):
            rows, columns = _windows(grid, shape, sample.frame)
            one_pixel_each = shape == sample.frame and grid == conventional(grid.size, shape)
            masks = sample.masks
            for k, finding in enumerate(findings):
                boxes = as_boxes(sample.boxes.get(finding, []))
                if finding in masks and one_pixel_each:  # the same as below, ten times as fast
                    maps[n, k] = masks[finding]
                elif finding in masks:
                    maps[n, k] = rows @ masks[finding].astype(np.float64) @ columns.T
                elif len(boxes) == 1:  # the same as below, a hundred times as fast
                    along_rows, along_columns = side_coverage(boxes[0], sample.frame)
                    maps[n, k] = np.outer(rows @ along_rows, columns @ along_columns)
                elif len(boxes):
                    coverage = box_coverage(boxes, sample.frame, sample.frame)
                    maps[n, k] = rows @ coverage @ columns.T
        return maps

    def map_functions(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> list[Callable[[], FloatMap]]:
        """Return a function for each sample and finding that draws its map."""
        functions: list[Callable[[], FloatMap]] = []
        for sample in samples:
            for finding in findings:
                functions.append(partial(self._map_of_case, sample, finding, grid, shape))
        return functions

    def _map_of_case(
        self, sample: Sample, finding: str, grid: Grid, shape: tuple[int, int]
    ) -> FloatMap:
        return self.maps([sample], [finding], grid, shape)[0, 0]


@functools.lru_cache(maxsize=16)
def _windows(
    grid: Grid, shape: tuple[int, int], frame: tuple[int, int]
) -> tuple["sparse.csr_array", "sparse.csr_array"]:
    """Return weights (h, H) and (w, W) that average the pixels of a stride-wide window around each row and column.

    They are sparse, and cached because the images of a data set often have one size.
    """
    windows = []
    for centres, stride, size, side in zip(
        grid.centres(shape, frame), grid.stride, grid.size, frame, strict=True
    ):
        windows.append(_window(centres, half_width=stride * side / size / 2, side=side))
    rows, columns = windows
    return rows, columns


def _window(centres: FloatArray, half_width: float, side: int) -> "sparse.csr_array":
    """Return the weights (h, side) of one axis, whose windows have these ``centres`` (h,)."""
    from scipy import sparse  # imported late, because a picture does not need it

    edges = np.arange(side)
    end = np.minimum(centres[:, None] + half_width, edges + 1)
    start = np.maximum(centres[:, None] - half_width, edges)
    overlap = np.clip(end - start, 0, 1)
    total = overlap.sum(1, keepdims=True)
    return sparse.csr_array(np.divide(overlap, total, out=np.zeros_like(overlap), where=total > 0))
