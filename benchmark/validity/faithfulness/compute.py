"""Test whether the network's output depends on the pixels that a map highlights."""

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.protocols.base import Case, Result, case_index, common_columns, failures, with_truth
from benchmark.scoring.protocols.locus import Locus
from benchmark.scoring.statistics.summary import Column, estimate, scores
from benchmark.validity.base import Check
from benchmark.validity.faithfulness.curves import Networks, curves
from benchmark.validity.faithfulness.imputation import NOISE
from benchmark.validity.faithfulness.perturbation import BLUR, INSERTED_SHARES, REMOVED, STEPS, area_under_curve, parts
from core.errors import NotAvailableError
from core.names import MAIN
from core.types import FloatArray

UNORDERED = "the map puts no pixel before another"


class Faithfulness(Check):
    """Probability of a finding while pixels are hidden or shown in the order of its map.

    ``insertion`` is the area under the probability while the most relevant pixels are inserted first into a blurred
    image; higher is better. ``deletion`` is the area while they are replaced by mean grey; lower is better (Petsiuk et
    al. 2018). ``road@morf`` and ``road@lerf`` are mean probabilities with the most and the least relevant pixels
    imputed from their neighbours, and ``road`` = (lerf - morf) / 2, as in grad-cam's ``ROADCombined``; higher is better
    (Rong et al. 2022). ``hit@iou.3`` (at cross-fitted thresholds) and ``pointing`` are scores of ``locus`` on the same
    cases; only these two use the truth. Cases are the findings with a truth box. A flat map does not order pixels: its
    case is excluded and counted in ``unordered``.
    """

    name = "faithfulness"
    settings: ClassVar = {
        "insertion": f"{STEPS} steps, step i shows (i/{STEPS})² of the pixels, from a blur of {BLUR:g} of the side",
        "deletion": "the same steps, to the mean grey (0 in the network's input)",
        "road": f"{', '.join(f'{share:.0%}' for share in REMOVED)} imputed, noise {NOISE:g}",
        "order of pixels": "the map's surface on its true grid at the pixels of the network's input, ties row by row",
    }

    def evaluate(self, method: str, seed: int) -> Result:
        """Return faithfulness and localization of one method, with a row per case.

        Raises ``NotAvailableError`` if all its maps are flat.
        """
        cases = with_truth(self.cases(method))
        answers = curves(self.runs, cases, self.maps(method, self.runs), self.folder / self.name, self._networks)
        values = measures(answers)
        ordered = np.isfinite(values["road"])
        if not ordered.any() and not failures(cases, [case.load_surface[1] for case in cases]):
            raise NotAvailableError(f"all maps of {method!r} are constant, so they do not order the pixels")
        located = Locus().evaluate(cases, self.findings, seed).rows
        hits = {name: np.array([row[name] for row in located], dtype=np.float64) for name in (MAIN, "pointing")}
        estimates = estimate(_columns(values, hits, ordered), case_index(cases), self.findings, seed)
        numbers = {**values, **hits}
        rows = [_row(case, {name: column[n] for name, column in numbers.items()}) for n, case in enumerate(cases)]
        return Result(scores(estimates, self.findings), rows, {}, failures(cases, [row["reason"] for row in rows]))

    @cached_property
    def _networks(self) -> Networks:
        return Networks(self.flags)


def measures(answers: FloatArray) -> dict[str, FloatArray]:
    """Return each metric (N,) of curves (N,n); nan for flat maps."""
    curve = parts(answers)
    morf, lerf = curve["morf"].mean(-1), curve["lerf"].mean(-1)
    areas = {way: area_under_curve(INSERTED_SHARES, curve[way]) for way in ("insertion", "deletion")}
    return {**areas, "road@morf": morf, "road@lerf": lerf, "road": (lerf - morf) / 2}


def _columns(values: dict[str, FloatArray], hits: dict[str, FloatArray], known: NDArray[np.bool_]) -> list[Column]:
    one = np.ones(len(known))
    seen = [Column(m, "none", np.nan_to_num(v), known.astype(np.float64), reason=UNORDERED) for m, v in values.items()]
    places = [Column(m, "cross-fitted" if m == MAIN else "none", hit, one) for m, hit in hits.items()]
    return [*seen, *places, Column("unordered", "none", np.logical_not(known), one)]


def _row(case: Case, values: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: None if np.isnan(value) else float(value) for name, value in values.items()}
    return {**common_columns(case, case.load_surface[1]), **numbers}
