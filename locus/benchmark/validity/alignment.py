"""Check ``alignment``: the effect on scores of the placement of maps, and of their pictures in other packages.

``Alignment`` compares the exact grid with the placement that ``interpolate`` assumes, and with the pictures of other
packages. A convention is the conversion of a raw map to a picture in one package, with its steps in their order, based
on the source code of the version that its docstring names. ``CONVENTIONS`` lists them.

Tables and answer are in ``alignment_report``, grids in ``locus.core.frames``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from locus.benchmark.maps.runs import select_samples
from locus.benchmark.records import Score
from locus.benchmark.scoring.protocols.base import Case, Result, finite_map, with_truth
from locus.benchmark.scoring.surface import min_max
from locus.benchmark.validity.alignment_report import IMAGES
from locus.benchmark.validity.base import Check, compare
from locus.core.errors import BadValueError
from locus.core.frames import Grid, conventional, resample

Picture = NDArray[np.float32]
Convention = Callable[[NDArray[np.floating[Any]], Grid], Picture]
"""Function of a raw map (h,w), rectified if its paper says so, and its grid.

It returns a picture (H,W) at the network's input size, float32, min-max scaled to [0,1] in the last step; constant maps
give 0. All but ``ours`` place a map as if its grid were centred in the input.
"""


def ours(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """Min-max over the positions, then bilinear on the network's exact grid, at pixel centres."""
    return _scaled(resample(min_max(values), grid, grid.size))


def grad_cam(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """ReLU at the positions, min-max there, bilinear to the input, ReLU and min-max again.

    pytorch-grad-cam 1.5: ``BaseCAM.compute_cam_per_layer`` and ``aggregate_multi_layers``; ``scale_cam_image`` is
    (x − min) / (1e-7 + max) and ``cv2.resize`` with its defaults. Pull request 152 added the ReLU.
    """
    scaled = _epsilon(np.maximum(values, 0), 1e-7)
    return _scaled(_epsilon(np.maximum(_cv2(scaled, grid, cv2.INTER_LINEAR), 0), 1e-7))


def captum(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """Nearest neighbour to the input, then ReLU.

    captum 0.9: ``LayerGradCam.attribute`` does not rectify (``relu_attributions=False``),
    ``LayerAttribution.interpolate`` has ``interpolate_mode="nearest"``, and ``visualize_image_attr(sign="positive")``
    drops negative values. Its clipping of outliers only affects the display and is left out. Its peak is the first
    (upper left) pixel of the highest cell.
    """
    return _scaled(np.maximum(_nearest(values, grid), 0))


def captum_bilinear(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """As ``captum`` with ``interpolate_mode="bilinear"``; ReLU after the interpolation."""
    return _scaled(np.maximum(_cv2(values, grid, cv2.INTER_LINEAR), 0))


def torchcam(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """Min-max at the positions, then Pillow's bicubic; values beyond [0,1] stay.

    torch-cam 0.5: ``_CAM.compute_cams`` rectifies in the gradient methods only (``CAM`` keeps its sign), ``_normalize``
    is (x − min) / (max − min + 1e-8), and ``overlay_mask`` resizes with ``BICUBIC``. Its squaring only affects
    the display and is left out.
    """
    height, width = grid.size
    picture = Image.fromarray(_epsilon(values, 1e-8)).resize((width, height), Image.Resampling.BICUBIC)
    return _scaled(np.asarray(picture, dtype=np.float32))


def x_ray(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """Bilinear to the input, then min-max over its pixels.

    alinstein/X_RAY, ``utlis/gradcam.py``: ReLU (the method's own), ``upsample(mode="bilinear", align_corners=False)``,
    min-max; ``heatMap_.py`` scales its CAM, which keeps its sign, before ``cv2.resize``: the same picture. It equals
    ``ours`` with the conventional grid.
    """
    return _scaled(_cv2(values, grid, cv2.INTER_LINEAR))


def wsolevaluation(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """Bicubic to the input, then min-max over its pixels; not rectified.

    clovaai/wsolevaluation, ``inference.py``: ``cv2.resize(INTER_CUBIC)``, ``normalize_scoremap``. Its authors did not
    expect this order to matter (issue 54).
    """
    return _scaled(_cv2(values, grid, cv2.INTER_CUBIC))


CONVENTIONS: dict[str, Convention] = {
    "ours": ours,
    "grad-cam": grad_cam,
    "captum": captum,
    "captum bilinear": captum_bilinear,
    "torchcam": torchcam,
    "X_RAY": x_ray,
    "wsolevaluation": wsolevaluation,
}
"""Column name -> convention; the first one is the reference."""


def _cv2(values: NDArray[np.floating[Any]], grid: Grid, how: int) -> Picture:
    """Resize with half-pixel centres, as ``interpolate(align_corners=False)``."""
    height, width = grid.size
    small = np.asarray(values, dtype=np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), dtype=np.float32)


def _nearest(values: NDArray[np.floating[Any]], grid: Grid) -> Picture:
    """Resize as ``torch.nn.functional.interpolate(mode="nearest")``: pixel i has position floor(i · h / H)."""
    rows, columns = (np.arange(side) * n // side for side, n in zip(grid.size, values.shape, strict=True))
    return np.asarray(values, dtype=np.float32)[np.ix_(rows, columns)]


def _epsilon(values: NDArray[np.floating[Any]], epsilon: float) -> Picture:
    moved = np.asarray(values, dtype=np.float32) - np.float32(values.min())
    return np.asarray(moved / (moved.max() + np.float32(epsilon)), dtype=np.float32)


def _scaled(picture: Picture) -> Picture:
    return np.asarray(min_max(picture), dtype=np.float32)


class Alignment(Check):
    """Score maps on the conventional grid, on the exact grid of the network, and as pictures of other packages.

    ``hit@iou.3@conventional``, ``hit@iou.3@aligned`` and ``pointing@…`` are scores of the ``locus`` protocol;
    ``change@…@aligned`` is the gain of the exact grid, paired by patient. ``shift`` is the error of the conventional
    placement along the worse axis, as a share of the image's side; 0 for a centred grid.

    ``…@grad-cam`` and so on are the scores of maps that are rectified, scaled and resized as by other packages, on
    ``IMAGES`` images, with thresholds per convention; ``change@…`` is the difference from ``ours``. The pixels of a
    picture are the vertices of the scored surface, so that all conventions have the same precision.
    """

    name = "alignment"

    def evaluate(self, method: str, seed: int) -> Result:
        """Score both placements and all pictures of one method's maps."""
        aligned = self.cases(method)
        placements = {"conventional": [replace(case, grid="conventional") for case in aligned], "aligned": aligned}
        placed, pictures = compare(placements, self.findings, seed), self._pictures(aligned, seed)
        n = sum(len(case.boxes) > 0 for case in aligned)
        shift = Score(finding="mean", metric="shift", value=self._shift(method), n=n)
        return replace(
            placed,
            scores=[*placed.scores, shift, *pictures.scores],
            rows=[*placed.rows, *pictures.rows],
            failed=list(dict.fromkeys([*placed.failed, *pictures.failed])),
        )

    def _pictures(self, aligned: Sequence[Case], seed: int) -> Result:
        """Compare the pictures of a part of the cases under all conventions."""
        part = {sample.image_id for sample in select_samples(self.runs, IMAGES)}
        cases = [case for case in with_truth(aligned) if case.image_id in part]
        bar = tqdm(CONVENTIONS.items(), desc="paint", unit="convention", leave=False, disable=None)
        variants = {name: [painted(case, convention) for case in cases] for name, convention in bar}
        return compare(variants, self.findings, seed)

    def _shift(self, method: str) -> float:
        index = self.maps(method, self.runs).index
        supposed = conventional(index.grid.size, index.shape[1:])
        both = zip(supposed.offset, index.grid.offset, index.grid.size, strict=True)
        return max(abs(first - second) / size for first, second, size in both)


def painted(case: Case, convention: Convention) -> Case:
    """Return the case with its map as a picture of the network's input size; failed maps are unchanged.

    Raises ``BadValueError`` for a case without an exact grid.
    """
    if not isinstance(case.grid, Grid):
        raise BadValueError("a picture requires the exact grid of each map: pass aligned cases")
    values, _ = finite_map(case)
    if values is None:
        return case
    picture = convention(np.asarray(values, dtype=np.float32), case.grid)
    return replace(case, map=picture, grid=Grid(case.grid.size, (1, 1), (0, 0)))
