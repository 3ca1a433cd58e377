"""Localization accuracy as a metric of torchmetrics, for validation loops and several processes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from locus.benchmark.evaluation.arrays import GridLike, score
from locus.core.errors import BadValueError, require_extra

require_extra("train", "torchmetrics", "locus.metrics")
from torchmetrics import Metric  # noqa: E402  # an extra

STATES = {"values": torch.float64, "sizes": torch.int64, "boxes": torch.float64, "cases": torch.int64}
"""Name -> type. A row of ``cases`` has the frame, and the numbers of boxes, of the finding and of the patient."""


class LocalizationAccuracy(Metric):
    """Share of cases hit by the box of a heat map, mean over findings; equal to ``locus.score``.

    A case is an image and a finding with truth boxes. ``compute`` returns metric -> value, such as ``hit@iou.3``, with
    thresholds chosen on other patients. States are gathered from all processes.

    >>> metric = LocalizationAccuracy(["Mass"], protocol="pointing")
    >>> maps, boxes = torch.tensor([[[0., 0], [0, 1]], [[0, 1], [0, 0]]]), [[[50, 50, 90, 90]], [[0, 50, 40, 90]]]
    >>> metric.update(maps, boxes, ["Mass", "Mass"], frames=(100, 100))
    >>> metric.compute()["pointing"]
    tensor(0.5000, dtype=torch.float64)
    """

    full_state_update = False
    higher_is_better = True

    def __init__(
        self, findings: Sequence[str], grid: GridLike = "conventional", protocol: str = "single_box", **options: Any
    ) -> None:
        """Set the names of the findings, and the ``grid`` and ``protocol`` of ``locus.score``.

        ``options``: those of torchmetrics.Metric.
        """
        super().__init__(**options)
        self.findings, self.grid, self.protocol = tuple(findings), grid, protocol
        for name in STATES:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self,
        maps: Tensor,
        boxes: Sequence[Any],
        findings: Sequence[str],
        frames: Sequence[Any],
        patients: Sequence[int] | None = None,
    ) -> None:
        """Add N cases.

        Args:
            maps: (N,h,w) heat maps.
            boxes: N times (M,4) truth boxes xyxy in the frame.
            findings: the N findings.
            frames: (H,W) of all images, or N pairs.
            patients: N numbers; None: each case has its own patient, also in other processes.
        """
        if unknown := {*findings} - {*self.findings}:
            raise BadValueError(f"the finding {sorted(unknown)[0]!r} is not one of {', '.join(self.findings)}")
        numbers = torch.full((len(maps),), -1) if patients is None else torch.as_tensor(patients)
        arrays = [torch.as_tensor(part, dtype=torch.float64).reshape(-1, 4) for part in boxes]
        columns = [
            torch.as_tensor(frames).expand(len(maps), 2),
            torch.tensor([[len(part)] for part in arrays]),
            torch.tensor([[self.findings.index(word)] for word in findings]),
            numbers[:, None],
        ]
        sizes = torch.tensor(maps.shape[1:]).expand(len(maps), 2)
        parts = (maps.detach().flatten(), sizes, torch.cat(arrays), torch.cat(columns, 1))
        for (name, kind), part in zip(STATES.items(), parts, strict=True):
            getattr(self, name).append(part.to(self.device, kind))

    def compute(self) -> dict[str, Tensor]:
        """Return metric -> mean over the findings. Raises the errors of ``locus.score``."""
        values, sizes, boxes, cases = (_joined(getattr(self, name)) for name in STATES)
        if len({*(cases[:, 4] == -1).tolist()}) > 1:
            raise BadValueError("patients are known of some cases only: give patients in every update, or in none")
        maps = values.split(sizes.prod(1).tolist())
        truth = boxes.split(cases[:, 2].tolist())
        pairs = [(str(n), self.findings[finding]) for n, finding in enumerate(cases[:, 3].tolist())]
        shaped = [part.reshape(*size) for part, size in zip(maps, sizes.tolist(), strict=True)]
        patients = [n if patient == -1 else patient for n, patient in enumerate(cases[:, 4].tolist())]
        result = score(
            dict(zip(pairs, (part.numpy() for part in shaped), strict=True)),
            dict(zip(pairs, (part.numpy() for part in truth), strict=True)),
            frames={image: (h, w) for (image, _), (h, w) in zip(pairs, cases[:, :2].tolist(), strict=True)},
            grids=self.grid,
            patients={image: str(patient) for (image, _), patient in zip(pairs, patients, strict=True)},
            protocol=self.protocol,
        )
        means = [one for one in result.scores if one.finding == "mean" and one.value is not None]
        main = [one for one in means if one.threshold_source in ("none", "cross-fitted")]
        return {one.metric: torch.tensor(one.value, dtype=torch.float64) for one in main}


def _joined(state: Tensor | list[Tensor]) -> Tensor:
    """Return a state as one tensor on the CPU; torchmetrics joins those of several processes."""
    return (state if isinstance(state, Tensor) else torch.cat(state)).cpu()
