"""The energy-based pointing game: the share of the map inside the truth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.frames import clip
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.statistics.summary import Column
from locus.scoring.surface import Surface, surface
from locus.scoring.surface.batch import covered


class Energy(base.Protocol):
    """Share of the map's integral inside the truth: its mask if there is one, else the union of its boxes.

    Negative values of the raw map are set to 0, then the map is interpolated; all integrals are exact. There is no
    threshold and no scaling, so an offset of the values changes the score, unlike in other protocols. A map without
    positive values has no energy (0/0): it is left out of ``energy`` and counted in ``no_energy``. The energy of a
    constant positive map is the truth's share of the image, that of a failed case 0. Wang et al., "Score-CAM", CVPR
    Workshops 2020, section 4.3.
    """

    name = "energy"
    main = "energy"

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``energy`` and ``no_energy``; a row per case with a truth box."""
        scored = base.of_findings(cases, findings)
        shares = [_share(case) for case in base.with_bar(scored)]
        energy, reasons = zip(*shares, strict=True) if shares else ((), ())
        kinds = ["box" if case.read_mask is None else "mask" for case in scored]
        return base.result_of(
            scored, reasons, _columns(energy), {"truth": kinds, "energy": energy}, findings, seed
        )


def inside(heat: Surface, boxes: ArrayLike) -> float:
    """Return the share of the surface's integral inside the union of (M,4) boxes; nan if the integral is 0.

    >>> ramp = surface([[0, 1]], (10, 20), "conventional")  # 0 until x = 5, 1 from x = 15
    >>> inside(ramp, [[15, 0, 20, 10], [15, 0, 18, 10]])
    0.5
    """
    clipped = clip(boxes, heat.frame)
    height, width = heat.frame
    x = np.unique([0, width, *clipped[:, 0::2].flat])
    y = np.unique([0, height, *clipped[:, 1::2].flat])
    cells = heat.integrals(y, x)
    return _ratio(cells[covered(clipped, x, y)].sum(), cells.sum())


def inside_mask(heat: Surface, mask: NDArray[np.bool_]) -> float:
    """Return the share of the surface's integral inside an (H,W) mask; nan if the integral is 0."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cells = heat.pixel_integrals(rows, columns)
    return _ratio(cells[mask[np.ix_(rows, columns)]].sum(), heat.integral)


def _ratio(inside_sum: float, total: float) -> float:
    """Return ``inside_sum`` / ``total``, at most 1 whatever the rounding; nan if ``total`` is 0."""
    return min(float(inside_sum / total), 1.0) if total > 0 else float("nan")


def _share(case: base.Case) -> tuple[float, str]:
    """Return the energy of a case (0 for a failed case, nan for 0/0), and the reason for a failure."""
    heat, reason = _positive(case)
    if heat is None:
        return 0.0, reason
    mask = case.mask
    share = inside(heat, case.boxes) if mask is None else inside_mask(heat, mask)
    return share, base.FLAT if heat.flat else reason


@base.once_per_map
def _positive(case: base.Case) -> tuple[Surface | None, str]:
    """Return the surface of the map with its negative values set to 0; None and the reason for a failed case."""
    values, reason = base.finite_map(case)
    if values is None:
        return None, reason
    return surface(np.maximum(values, 0), case.frame, case.grid), reason


def _columns(shares: Sequence[float]) -> list[Column]:
    """Return the columns of the shares, and of the cases without a share (0/0)."""
    values = np.array(shares, dtype=np.float64)
    missing = np.isnan(values)
    absent = Column("no_energy", "none", missing, np.ones(len(values)))
    return [
        Column("energy", "none", np.where(missing, 0, values), (~missing).astype(np.float64)),
        absent,
    ]
