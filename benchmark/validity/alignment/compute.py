"""Gain of the exact grid over the placement that ``interpolate`` assumes."""

from dataclasses import replace

from benchmark.records import Score
from benchmark.scoring.protocols.base import Result
from benchmark.validity.base import Check
from benchmark.validity.variants import compare
from core.frames import conventional


class Alignment(Check):
    """Maps scored on the conventional grid and on the network's own.

    ``hit@iou.3@conventional``, ``hit@iou.3@aligned`` and ``pointing@…`` by the ``locus`` protocol; ``change@…@aligned``
    is the gain of the exact grid, paired by patient. ``shift`` is the error of the conventional placement, as a
    fraction of the image's side along the worse axis; 0 for a centred grid.
    """

    name = "alignment"

    def evaluate(self, method: str, seed: int) -> Result:
        """Score both placements of one method's maps.

        Scores of ``locus`` as ``METRIC@aligned`` and ``METRIC@conventional``, their difference paired by patient, and
        the mean shift as a fraction of the side.
        """
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
