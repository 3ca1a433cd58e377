"""How much of a score is the method's, and how much the way in which its map was made a picture."""

from dataclasses import replace

import numpy as np
from tqdm import tqdm

from benchmark.scoring.protocols.base import Case, Result, finite_map, with_truth
from benchmark.validity.base import Check
from benchmark.validity.pictures import CONVENTIONS, Convention
from benchmark.validity.variants import compare
from core.errors import BadValueError
from core.frames import Grid


class Conventions(Check):
    """Maps rectified, scaled and resized in the orders of several peers, then scored alike.

    ``hit@iou.3@CONVENTION`` and ``pointing@CONVENTION`` by the ``locus`` protocol, thresholds chosen for each
    convention by itself: cross-fitted, and fixed at .5 of the scaled picture. ``change@…`` is the difference to
    ``ours``. A picture's pixels are the vertices of the surface that is scored, so that all conventions lose the same
    by being pictures.
    """

    name = "conventions"

    def evaluate(self, method: str, seed: int) -> Result:
        """All conventions for the maps of one method.

        Scores as ``METRIC@CONVENTION``; changes are against the first one, ours.
        """
        cases = with_truth(self.cases(method))
        bar = tqdm(CONVENTIONS.items(), desc="paint", unit="convention", leave=False, disable=None)
        variants = {name: [painted(case, convention) for case in cases] for name, convention in bar}
        return compare(variants, self.findings, seed)


def painted(case: Case, convention: Convention) -> Case:
    """The case with its map as a picture of the network's input size; one that failed stays as it is.

    Its grid then has stride 1. Raises ``BadValueError`` for a case without a true grid.
    """
    if not isinstance(case.grid, Grid):
        raise BadValueError("a convention needs the map's true grid: give aligned cases")
    values, _ = finite_map(case)
    if values is None:
        return case
    picture = convention(np.asarray(values, dtype=np.float32), case.grid)
    return replace(case, map=picture, grid=Grid(case.grid.size, (1, 1), (0, 0)))
