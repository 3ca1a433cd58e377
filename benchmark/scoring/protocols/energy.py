"""The energy-based pointing game: how much of the map lies in the truth."""

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
    """Share of the map's integral that lies inside the truth: its mask where there is one, else the union of its boxes.

    The raw map is rectified at its positions and then interpolated; all integrals are exact. No threshold, no scaling:
    unlike elsewhere, where the map is zero matters. A map without anything above zero has no energy (0/0): it is left
    out of ``energy`` and counted in ``no_energy``. A constant positive one has the truth's share of the image. A failed
    case has energy 0. ``energy_in_lungs``, where the data set has lung masks, is the share inside the lungs, of every
    image that has them; ``no_energy_in_lungs`` counts those without any. Wang et al., "Score-CAM", CVPR Workshops 2020,
    section 4.3.
    """

    name = "energy"
    main = "energy"

    def evaluate(self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()) -> Result:
        """``energy``, ``no_energy`` and, with lung masks, the same in the lungs; a row per case with truth or lungs."""
        kept = [case for case in cases if case.finding in findings and (len(case.boxes) or case.read_lungs is not None)]
        each = [_shares(case) for case in kept]
        energy, in_lungs, reasons = zip(*each, strict=True) if each else ((),) * 3
        truth = np.array([len(case.boxes) > 0 for case in kept], dtype=bool)
        lungs = np.array([case.read_lungs is not None for case in kept], dtype=bool)
        columns = _columns("energy", energy, truth)
        columns += _columns("energy_in_lungs", in_lungs, lungs) if lungs.any() else []
        estimates = estimate(columns, case_index(kept), findings, seed)
        kinds = ["box" if case.read_mask is None else "mask" for case in kept]
        table = rows(kept, reasons, {"truth": kinds, "energy": energy, "energy_in_lungs": in_lungs})
        return Result(scores(estimates, findings), table, {}, failures(kept, reasons))


def inside(heat: Surface, boxes: ArrayLike) -> float:
    """Share of the surface's integral over its frame that lies in the union of (M,4) boxes; nan where the whole is 0.

    >>> ramp = surface([[0, 1]], (10, 20), "conventional")  # 0 until x = 5, 1 from x = 15
    >>> inside(ramp, [[15, 0, 20, 10], [15, 0, 18, 10]])
    0.5
    """
    kept, (height, width) = clip(boxes, heat.frame), heat.frame
    x, y = np.unique([0, width, *kept[:, 0::2].flat]), np.unique([0, height, *kept[:, 1::2].flat])
    cells = heat.integrals(y, x)
    return _ratio(cells[covered(kept, x, y)].sum(), cells.sum())


def inside_mask(heat: Surface, mask: NDArray[np.bool_]) -> float:
    """Share of the surface's integral over its frame that lies in an (H,W) mask; nan where the whole is 0."""
    cells = heat.integrals(*(np.arange(side + 1) for side in heat.frame))
    return _ratio(cells[mask].sum(), cells.sum())


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _shares(case: Case) -> tuple[float, float, str]:
    """The energy of a case and that in the lungs, and why it failed."""
    values, reason = finite_map(case)
    heat = None if values is None else surface(np.maximum(values, 0), case.frame, case.grid)
    truth = (case.boxes if (mask := case.mask) is None else mask) if len(case.boxes) else None
    return _within(heat, truth), _within(heat, case.lungs), FLAT if heat is not None and heat.flat else reason


def _within(heat: Surface | None, truth: NDArray[Any] | None) -> float:
    """Of a failed case 0; nan where there is nothing to divide by, or to lie in."""
    if heat is None or truth is None:
        return float("nan") if truth is None else 0.0
    return inside_mask(heat, truth) if truth.dtype == np.bool_ else inside(heat, truth)


def _columns(name: str, shares: Sequence[float], asked: NDArray[np.bool_]) -> list[Column]:
    """The share, and how many of the cases that are ``asked`` for it have none: 0/0."""
    values = np.array(shares, dtype=np.float64)
    missing = np.isnan(values)
    absent = Column(f"no_{name}", "none", missing & asked, asked.astype(np.float64))
    return [Column(name, "none", np.where(missing, 0, values), (asked & ~missing).astype(np.float64)), absent]
