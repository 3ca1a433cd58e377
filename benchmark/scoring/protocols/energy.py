"""The energy-based pointing game: the share of the map inside the truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.protocols.base import FLAT, Case, Cases, Protocol, Result, case_index, failures, finite_map
from benchmark.scoring.protocols.chosen import rows
from benchmark.scoring.statistics.summary import Column, estimate, scores
from benchmark.scoring.surface import Surface, surface
from benchmark.scoring.surface.overlap import covered
from core.boxes import clip


class Energy(Protocol):
    """Share of the map's integral inside the truth: its mask if there is one, else the union of its boxes.

    Negative values of the raw map are set to 0, then the map is interpolated; all integrals are exact. There is no
    threshold and no scaling, so an offset of the values changes the score, unlike in other protocols. A map without
    positive values has no energy (0/0): it is left out of ``energy`` and counted in ``no_energy``. The energy of a
    constant positive map is the truth's share of the image, that of a failed case 0. ``energy_in_lungs`` is the share
    inside the lungs, over all images with lung masks; ``no_energy_in_lungs`` counts those without energy. Wang et al.,
    "Score-CAM", CVPR Workshops 2020, section 4.3.
    """

    name = "energy"
    main = "energy"

    def evaluate(self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()) -> Result:
        """Return ``energy``, ``no_energy`` and, with lung masks, the same for the lungs; a row per scored case."""
        of_interest = (case for case in cases if case.finding in findings)
        scored = [case for case in of_interest if len(case.boxes) or case.read_lungs is not None]
        shares = [_shares(case) for case in scored]
        energy, in_lungs, reasons = zip(*shares, strict=True) if shares else ((),) * 3
        truth = np.array([len(case.boxes) > 0 for case in scored], dtype=bool)
        lungs = np.array([case.read_lungs is not None for case in scored], dtype=bool)
        columns = _columns("energy", energy, truth)
        columns += _columns("energy_in_lungs", in_lungs, lungs) if lungs.any() else []
        estimates = estimate(columns, case_index(scored), findings, seed)
        kinds = ["box" if case.read_mask is None else "mask" for case in scored]
        table = rows(scored, reasons, {"truth": kinds, "energy": energy, "energy_in_lungs": in_lungs})
        return Result(scores(estimates, findings), table, {}, failures(scored, reasons))


def inside(heat: Surface, boxes: ArrayLike) -> float:
    """Return the share of the surface's integral inside the union of (M,4) boxes; nan if the integral is 0.

    >>> ramp = surface([[0, 1]], (10, 20), "conventional")  # 0 until x = 5, 1 from x = 15
    >>> inside(ramp, [[15, 0, 20, 10], [15, 0, 18, 10]])
    0.5
    """
    clipped, (height, width) = clip(boxes, heat.frame), heat.frame
    x, y = np.unique([0, width, *clipped[:, 0::2].flat]), np.unique([0, height, *clipped[:, 1::2].flat])
    cells = heat.integrals(y, x)
    return _ratio(cells[covered(clipped, x, y)].sum(), cells.sum())


def inside_mask(heat: Surface, mask: NDArray[np.bool_]) -> float:
    """Return the share of the surface's integral inside an (H,W) mask; nan if the integral is 0."""
    cells = heat.integrals(*(np.arange(side + 1) for side in heat.frame))
    return _ratio(cells[mask].sum(), cells.sum())


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _shares(case: Case) -> tuple[float, float, str]:
    """Return the energy of a case in the truth and in the lungs, and the reason for a failure."""
    values, reason = finite_map(case)
    heat = None if values is None else surface(np.maximum(values, 0), case.frame, case.grid)
    truth = (case.boxes if (mask := case.mask) is None else mask) if len(case.boxes) else None
    return _within(heat, truth), _within(heat, case.lungs), FLAT if heat is not None and heat.flat else reason


def _within(heat: Surface | None, truth: NDArray[Any] | None) -> float:
    """Return the share inside ``truth`` (a mask or boxes): 0 for a failed case, nan for 0/0 and without truth."""
    if heat is None or truth is None:
        return float("nan") if truth is None else 0.0
    return inside_mask(heat, truth) if truth.dtype == np.bool_ else inside(heat, truth)


def _columns(name: str, shares: Sequence[float], applicable: NDArray[np.bool_]) -> list[Column]:
    """Return the columns of the shares, and of the ``applicable`` cases without a share (0/0)."""
    values = np.array(shares, dtype=np.float64)
    missing = np.isnan(values)
    absent = Column(f"no_{name}", "none", missing & applicable, applicable.astype(np.float64))
    return [Column(name, "none", np.where(missing, 0, values), (applicable & ~missing).astype(np.float64)), absent]
