"""Effect on scores of the convention by which a package converts a map to a picture."""

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
    """Score maps that are rectified, scaled and resized as by several other packages.

    ``hit@iou.3@CONVENTION`` and ``pointing@CONVENTION`` are scores of the ``locus`` protocol with thresholds per
    convention: cross-fitted, and fixed at .5 of the scaled picture. ``change@…`` is the difference from ``ours``. The
    pixels of a picture are the vertices of the scored surface, so that all conventions have the same precision.
    """

    name = "conventions"

    def evaluate(self, method: str, seed: int) -> Result:
        """Score all conventions for the maps of one method."""
        cases = with_truth(self.cases(method))
        bar = tqdm(CONVENTIONS.items(), desc="paint", unit="convention", leave=False, disable=None)
        variants = {name: [painted(case, convention) for case in cases] for name, convention in bar}
        return compare(variants, self.findings, seed)


def painted(case: Case, convention: Convention) -> Case:
    """Return the case with its map as a picture of the network's input size; failed maps are unchanged.

    Raises ``BadValueError`` for a case without an exact grid.
    """
    if not isinstance(case.grid, Grid):
        raise BadValueError("the check 'conventions' requires the exact grid of each map: pass aligned cases")
    values, _ = finite_map(case)
    if values is None:
        return case
    picture = convention(np.asarray(values, dtype=np.float32), case.grid)
    return replace(case, map=picture, grid=Grid(case.grid.size, (1, 1), (0, 0)))
