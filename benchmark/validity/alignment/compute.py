"""Gain of the exact grid over the conventional placement, which ``interpolate`` assumes."""

from dataclasses import replace

from benchmark.records import Score
from benchmark.scoring.protocols.base import Result
from benchmark.validity.base import Check
from benchmark.validity.variants import compare
from core.frames import conventional


class Alignment(Check):
    """Score maps on the conventional grid and on the exact grid of the network.

    ``hit@iou.3@conventional``, ``hit@iou.3@aligned`` and ``pointing@…`` are scores of the ``locus`` protocol;
    ``change@…@aligned`` is the gain of the exact grid, paired by patient. ``shift`` is the error of the conventional
    placement along the worse axis, as a share of the image's side; 0 for a centred grid.
    """

    name = "alignment"

    def evaluate(self, method: str, seed: int) -> Result:
        """Score both placements of one method's maps."""
        aligned = self.cases(method)
        variants = {"conventional": [replace(case, grid="conventional") for case in aligned], "aligned": aligned}
        result = compare(variants, self.findings, seed)
        n = sum(len(case.boxes) > 0 for case in aligned)
        shift = Score(finding="mean", metric="shift", value=self._shift(method), n=n)
        return replace(result, scores=[*result.scores, shift])

    def _shift(self, method: str) -> float:
        index = self.maps(method, self.runs).index
        supposed = conventional(index.grid.size, index.shape[1:])
        both = zip(supposed.offset, index.grid.offset, index.grid.size, strict=True)
        return max(abs(first - second) / size for first, second, size in both)
