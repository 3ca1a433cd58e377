"""Effect of rendering conventions on a score: how much of it is due to the way a map is turned into a picture."""

from dataclasses import replace

import numpy as np
from tqdm import tqdm

from benchmark.scoring.protocols.base import Case, Result, finite_map, with_truth
from benchmark.validity.base import Check
from benchmark.validity.conventions.pictures import CONVENTIONS, Convention
from benchmark.validity.variants import compare
from core.errors import BadValueError
from core.frames import Grid


class Conventions(Check):
    """Maps rectified, scaled and resized in the order of several other packages, then scored the same way.

    ``hit@iou.3@CONVENTION`` and ``pointing@CONVENTION`` by the ``locus`` protocol, with thresholds per convention:
    cross-fitted, and fixed at .5 of the scaled picture. ``change@…`` is the difference to ``ours``. A picture's pixels
    are the vertices of the scored surface, so that all conventions lose the same precision.
    """

    name = "conventions"

    def evaluate(self, method: str, seed: int) -> Result:
        """Score all conventions for the maps of one method.

        Scores are ``METRIC@CONVENTION``; changes are relative to the first one, ours.
        """
        cases = with_truth(self.cases(method))
        bar = tqdm(CONVENTIONS.items(), desc="paint", unit="convention", leave=False, disable=None)
        variants = {name: [painted(case, convention) for case in cases] for name, convention in bar}
        return compare(variants, self.findings, seed)


def painted(case: Case, convention: Convention) -> Case:
    """Return the case with its map as a picture of the network's input size, with stride 1; failed maps stay.

    Raises ``BadValueError`` for a case without an exact grid.
    """
    if not isinstance(case.grid, Grid):
        raise BadValueError("a convention needs the map's true grid: give aligned cases")
    values, _ = finite_map(case)
    if values is None:
        return case
    picture = convention(np.asarray(values, dtype=np.float32), case.grid)
    return replace(case, map=picture, grid=Grid(case.grid.size, (1, 1), (0, 0)))
