"""Localization accuracy as a metric of torchmetrics, for validation loops and several processes."""

import hashlib
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from locus.benchmark.evaluation.arrays import GridLike, score
from locus.benchmark.scoring import protocols
from locus.core.errors import BadValueError, require_extra
from locus.core.frames import Grid
from locus.core.names import require_findings

require_extra("train", "torchmetrics", "locus.metrics")
from torchmetrics import Metric  # noqa: E402  # an extra

STATES = {
    "values": ((0,), torch.float64),
    "sizes": ((0, 2), torch.int64),
    "boxes": ((0, 4), torch.float64),
    "cases": ((0, 5), torch.int64),
}
"""Name -> shape without cases, and type. A row of ``cases``: frame, number of boxes, numbers of finding and patient."""
NO_PATIENT = -1
"""Number of the patient of a case whose patient is not given."""


class LocalizationAccuracy(Metric):
    """Share of cases hit by the box of a heat map, mean over findings; equal to ``locus.score``.

    A case is an image and a finding with truth boxes. ``compute`` returns metric -> value, such as ``hit@iou.3``, with
    thresholds chosen on other patients, and ``n``, the number of cases; without cases, the values are nan. States are
    gathered from all processes.

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

        ``options``: those of torchmetrics.Metric. Raises ``BadValueError`` for invalid findings or grids, and
        ``UnknownNameError`` for an unknown protocol.
        """
        super().__init__(**options)
        require_findings(findings)
        protocols.get(protocol)
        if not isinstance(grid, Grid) and grid != "conventional":
            raise BadValueError(f"the grid is {grid!r}: give a locus.Grid or 'conventional'")
        self.findings, self.grid, self.protocol = tuple(findings), grid, protocol
        for name in STATES:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self,
        maps: Tensor,
        boxes: Sequence[Any],
        findings: Sequence[str],
        frames: Sequence[Any],
        patients: Sequence[int | str] | None = None,
    ) -> None:
        """Add N cases.

        Args:
            maps: (N,h,w) heat maps.
            boxes: N times (M,4) truth boxes xyxy in the frame.
            findings: the N findings.
            frames: (H,W) of all images, or N pairs, in whole pixels.
            patients: N names or whole numbers; None: each case has its own patient, also in other processes.

        Raises:
            BadValueError: a wrong number, shape or type of an argument, or an unknown finding.
        """
        if unknown := {*findings} - {*self.findings}:
            raise BadValueError(f"the finding {sorted(unknown)[0]!r} is not one of {', '.join(self.findings)}")
        if not isinstance(maps, Tensor) or maps.ndim != 3 or not maps.is_floating_point():
            raise BadValueError(f"maps is {_words(maps)}: give a floating-point tensor (N,h,w)")
        count = len(maps)
        given = {"boxes": boxes, "findings": findings} | ({} if patients is None else {"patients": patients})
        for name, values in given.items():
            if len(values) != count:
                raise BadValueError(f"{name} has {len(values)} values for {count} maps: give one for each")
        numbers = [NO_PATIENT] * count if patients is None else [_patient_number(patient) for patient in patients]
        arrays = [_boxes(part) for part in boxes]
        columns = [
            _frames(frames, count),
            torch.tensor([len(part) for part in arrays], dtype=torch.int64)[:, None],
            torch.tensor([self.findings.index(word) for word in findings], dtype=torch.int64)[:, None],
            torch.tensor(numbers, dtype=torch.int64)[:, None],
        ]
        sizes = torch.tensor(maps.shape[1:]).expand(count, 2)
        all_boxes = torch.cat([torch.empty((0, 4), dtype=torch.float64), *arrays])
        parts = (maps.detach().flatten(), sizes, all_boxes, torch.cat(columns, 1))
        for (name, (_, kind)), part in zip(STATES.items(), parts, strict=True):
            getattr(self, name).append(part.to(self.device, kind, copy=True))

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Add the cases of another metric. Raises ``BadValueError`` if its findings, grid or protocol differ."""
        if isinstance(incoming_state, LocalizationAccuracy):
            for name in ("findings", "grid", "protocol"):
                other, own = getattr(incoming_state, name), getattr(self, name)
                if other != own:
                    raise BadValueError(f"the other metric has {name} {other!r}, this one {own!r}: they must be equal")
        super().merge_state(incoming_state)

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plot the values ``val``, by default those of ``compute``, as other metrics of torchmetrics do."""
        return self._plot(val, ax)

    def _sync_dist(self, *arguments: Any, **options: Any) -> None:
        """Gather the states; those of a process without cases are empty and have the shapes and types of the others."""
        for name in STATES:
            setattr(self, name, [_joined(name, getattr(self, name)).to(self.device)])
        super()._sync_dist(*arguments, **options)

    def compute(self) -> dict[str, Tensor]:
        """Return metric -> mean over the findings. Raises the errors of ``locus.score``."""
        values, sizes, boxes, cases = (_joined(name, getattr(self, name)) for name in STATES)
        if not len(cases):
            return {
                protocols.get(self.protocol).main: torch.tensor(torch.nan, dtype=torch.float64),
                "n": torch.tensor(0),
            }
        if len({*(cases[:, 4] == NO_PATIENT).tolist()}) > 1:
            raise BadValueError("patients are known of some cases only: give patients in every update, or in none")
        maps = values.split(sizes.prod(1).tolist())
        truth = boxes.split(cases[:, 2].tolist())
        pairs = [(str(n), self.findings[finding]) for n, finding in enumerate(cases[:, 3].tolist())]
        shaped = [part.reshape(*size) for part, size in zip(maps, sizes.tolist(), strict=True)]
        patients = [n if patient == NO_PATIENT else patient for n, patient in enumerate(cases[:, 4].tolist())]
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
        by_metric = {one.metric: torch.tensor(one.value, dtype=torch.float64) for one in main}
        return by_metric | {"n": torch.tensor(len(cases))}


def _joined(name: str, state: Tensor | list[Tensor]) -> Tensor:
    """Return a state as one tensor on the CPU; torchmetrics joins those of several processes."""
    if isinstance(state, Tensor):
        return state.cpu()
    shape, kind = STATES[name]
    return torch.cat([torch.empty(shape, dtype=kind), *(part.cpu() for part in state)])


def _boxes(boxes: Any) -> Tensor:
    """Return truth boxes (M,4) in float64."""
    array = torch.as_tensor(boxes, dtype=torch.float64)
    if array.numel() == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise BadValueError(f"the boxes of a case have the shape {tuple(array.shape)}: give (M,4), xyxy")
    return array.cpu()


def _frames(frames: Any, count: int) -> Tensor:
    """Return the frames (N,2) of ``count`` cases in whole pixels."""
    array = torch.as_tensor(frames)
    if tuple(array.shape) not in ((2,), (count, 2)) or not ((array >= 1) & (array % 1 == 0)).all():
        raise BadValueError(f"frames is {_words(array)}: give (H,W) or {count} pairs in whole pixels")
    return array.cpu().to(torch.int64).expand(count, 2)


def _patient_number(patient: Any) -> int:
    """Return the number of a patient; of a name, the first 60 bits of its SHA-256."""
    if isinstance(patient, str) and patient:
        return int(hashlib.sha256(patient.encode()).hexdigest()[:15], 16)
    number = patient.item() if isinstance(patient, Tensor) and patient.numel() == 1 else patient
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 0:
        raise BadValueError(f"the patient {patient!r} is neither a name nor a whole number from 0")
    return int(number)


def _words(value: Any) -> str:
    """Return the type and shape of a tensor, or the type of anything else."""
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
