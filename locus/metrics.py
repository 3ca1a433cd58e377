"""Localization accuracy as a metric of torchmetrics, for validation loops and several processes."""

import hashlib
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from locus.arrays import GridLike, score
from locus.core.errors import BadValueError, require_extra
from locus.core.frames import Grid
from locus.core.names import require_findings
from locus.scoring import protocols

require_extra("train", "torchmetrics", "locus.metrics")
from torchmetrics import Metric  # noqa: E402  # an extra

STATES = {
    "values": ((0,), torch.float64),
    "sizes": ((0, 2), torch.int64),
    "boxes": ((0, 4), torch.float64),
    "cases": ((0, 5), torch.int64),
}
"""Name -> shape without cases, and type."""
FRAME, REST = slice(0, 2), slice(2, None)
"""Columns of ``cases``: height and width of the frame; number of boxes, index of the finding, number of the patient."""
NO_PATIENT = -1
"""Number of the patient of a case whose patient is not given."""


class LocalizationAccuracy(Metric):
    """Mean over findings of the share of cases whose map's box hits; equals ``locus.score`` for the same patients.

    A case is an image and a finding with truth boxes. ``compute`` returns metric -> value, such as ``hit@iou.3``, with
    thresholds chosen on other patients, and ``n``, the number of cases; without cases, the values are nan. States are
    gathered from all processes. The order of cases, batches and processes does not change the values.

    Example:
        >>> metric = LocalizationAccuracy(["Mass"], protocol="pointing")
        >>> maps, boxes = torch.tensor([[[0., 0], [0, 1]], [[0, 1], [0, 0]]]), [[[50, 50, 90, 90]], [[0, 50, 40, 90]]]
        >>> metric.update(maps, boxes, ["Mass", "Mass"], frames=(100, 100))
        >>> metric.compute()["pointing"]
        tensor(0.5000, dtype=torch.float64)
    """

    full_state_update = False
    higher_is_better = True
    values: list[Tensor]
    sizes: list[Tensor]
    boxes: list[Tensor]
    cases: list[Tensor]

    def __init__(
        self,
        findings: Sequence[str],
        grid: GridLike = "conventional",
        protocol: str = "single_box",
        **options: Any,
    ) -> None:
        """Create a metric without cases.

        Args:
            findings: names of the findings.
            grid: positions of the maps in the images, as in ``locus.score``.
            protocol: name of the protocol.
            options: those of torchmetrics.Metric.

        Raises:
            BadValueError: invalid findings or grid.
            UnknownNameError: an unknown protocol.
        """
        super().__init__(**options)
        require_findings(findings)
        protocols.get(protocol)
        if not isinstance(grid, Grid) and grid != "conventional":
            raise BadValueError(f"the grid is {grid!r}: give a locus.Grid or 'conventional'")
        self.findings = tuple(findings)
        self.grid = grid
        self.protocol = protocol
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
            boxes: N times (M,4) truth boxes xyxy in the frame; a map without boxes is no case and is ignored.
            findings: the N findings.
            frames: (H,W) of all images, or N pairs, in whole pixels.
            patients: N names or whole numbers; None: each case has its own patient, also in other processes.

        Raises:
            BadValueError: a wrong number, shape or type of an argument, or an unknown finding.
        """
        unknown = sorted({*findings} - {*self.findings})
        if unknown:
            raise BadValueError(
                f"the finding {unknown[0]!r} is not one of {', '.join(self.findings)}"
            )
        if not isinstance(maps, Tensor) or maps.ndim != 3 or not maps.is_floating_point():
            raise BadValueError(
                f"maps is {_type_and_shape(maps)}: give a floating-point tensor (N,h,w)"
            )
        count, height, width = maps.shape
        _require_count("boxes", boxes, count)
        _require_count("findings", findings, count)
        if patients is None:
            patient_numbers = [NO_PATIENT] * count
        else:
            _require_count("patients", patients, count)
            patient_numbers = [_patient_number(patient) for patient in patients]
        case_boxes = [_boxes(value) for value in boxes]
        box_counts = [len(value) for value in case_boxes]
        finding_indices = [self.findings.index(finding) for finding in findings]
        case_numbers = torch.tensor(
            [box_counts, finding_indices, patient_numbers], dtype=torch.int64
        ).T
        self._append("values", maps.detach().flatten())
        self._append("sizes", torch.tensor([height, width]).expand(count, 2))
        self._append("boxes", torch.cat([torch.empty((0, 4), dtype=torch.float64), *case_boxes]))
        self._append("cases", torch.cat([_frames(frames, count), case_numbers], dim=1))

    def _append(self, name: str, values: Tensor) -> None:
        _, dtype = STATES[name]
        getattr(self, name).append(values.to(self.device, dtype, copy=True))

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Add the cases of another metric. Raises ``BadValueError`` if its findings, grid or protocol differ."""
        if isinstance(incoming_state, LocalizationAccuracy):
            for name in ("findings", "grid", "protocol"):
                other_value = getattr(incoming_state, name)
                value = getattr(self, name)
                if other_value != value:
                    raise BadValueError(
                        f"the other metric has {name} {other_value!r}, this one {value!r}: they must be equal"
                    )
        super().merge_state(incoming_state)

    def set_dtype(self, dst_type: Any) -> "LocalizationAccuracy":
        """Return this metric unchanged: its states keep their types, also in half precision."""
        return self

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plot the values ``val``, by default those of ``compute``, as other metrics of torchmetrics do."""
        return self._plot(val, ax)

    def _sync_dist(self, *arguments: Any, **options: Any) -> None:
        """Gather the states; those of a process without cases are empty and have the shapes and types of the others."""
        for name in STATES:
            setattr(self, name, [_joined(name, getattr(self, name)).to(self.device)])
        super()._sync_dist(*arguments, **options)

    def compute(self) -> dict[str, Tensor]:
        """Return the scores.

        Returns:
            Metric -> mean over the findings, and ``n``, the number of cases. Without cases only the main metric (nan)
            and ``n`` (0).

        Raises:
            BadValueError: patients were given for only some cases.
            LocusError: the errors of ``locus.score``.
        """
        cases = _joined("cases", self.cases)
        frames = cases[:, FRAME].tolist()
        box_counts, finding_indices, patient_numbers = cases[:, REST].T.tolist()
        if not any(box_counts):
            main = protocols.get(self.protocol).main
            return {main: torch.tensor(torch.nan, dtype=torch.float64), "n": torch.tensor(0)}
        lacks_patient = [number == NO_PATIENT for number in patient_numbers]
        if any(lacks_patient) and not all(lacks_patient):
            raise BadValueError(
                "patients were given for only some cases: give patients in every update, or in none"
            )
        sizes = _joined("sizes", self.sizes)
        values = _joined("values", self.values).split(sizes.prod(1).tolist())
        boxes = _joined("boxes", self.boxes).split(box_counts)

        def sort_key(index: int) -> tuple[bytes, bytes, bytes]:
            return (
                cases[index].numpy().tobytes(),
                boxes[index].numpy().tobytes(),
                values[index].numpy().tobytes(),
            )

        maps = {}
        truth = {}
        case_frames = {}
        patients = {}
        with_boxes = [index for index, count in enumerate(box_counts) if count]
        for number, index in enumerate(sorted(with_boxes, key=sort_key)):
            image = str(number)
            pair = image, self.findings[finding_indices[index]]
            height, width = sizes[index].tolist()
            maps[pair] = values[index].reshape(height, width).numpy()
            truth[pair] = boxes[index].numpy()
            case_frames[image] = frames[index]
            patients[image] = image if lacks_patient[index] else str(patient_numbers[index])
        result = score(
            maps,
            truth,
            frames=case_frames,
            grids=self.grid,
            patients=patients,
            protocol=self.protocol,
        )
        means = {}
        for row in result.scores:
            is_reported = row.finding == "mean" and row.threshold_source in ("none", "cross-fitted")
            if is_reported and row.value is not None:
                means[row.metric] = torch.tensor(row.value, dtype=torch.float64)
        means["n"] = torch.tensor(len(with_boxes))
        return means


def _joined(name: str, state: Tensor | list[Tensor]) -> Tensor:
    """Return a state as one tensor on the CPU; torchmetrics joins those of several processes."""
    if isinstance(state, Tensor):
        return state.cpu()
    shape, dtype = STATES[name]
    return torch.cat([torch.empty(shape, dtype=dtype), *(values.cpu() for values in state)])


def _require_count(name: str, values: Sequence[Any], count: int) -> None:
    if len(values) != count:
        raise BadValueError(f"{name} has {len(values)} values for {count} maps: give one for each")


def _boxes(boxes: Any) -> Tensor:
    """Return truth boxes (M,4) in float64."""
    array = torch.as_tensor(boxes, dtype=torch.float64)
    if array.numel() == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise BadValueError(
            f"the boxes of a case have the shape {tuple(array.shape)}: give (M,4), xyxy"
        )
    return array.cpu()


def _frames(frames: Any, count: int) -> Tensor:
    """Return the frames (N,2) of ``count`` cases in whole pixels."""
    array = torch.as_tensor(frames)
    is_whole = (array >= 1) & (array % 1 == 0)
    if tuple(array.shape) not in ((2,), (count, 2)) or not is_whole.all():
        raise BadValueError(
            f"frames is {_type_and_shape(array)}: give (H,W) or {count} pairs in whole pixels"
        )
    return array.cpu().to(torch.int64).expand(count, 2)


def _patient_number(patient: Any) -> int:
    """Return the number of a patient; of a name, the first 60 bits of its SHA-256."""
    if isinstance(patient, str) and patient:
        return int(hashlib.sha256(patient.encode()).hexdigest()[:15], 16)
    number = patient.item() if isinstance(patient, Tensor) and patient.numel() == 1 else patient
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 0:
        raise BadValueError(f"the patient {patient!r} is neither a name nor a whole number from 0")
    return int(number)


def _type_and_shape(value: Any) -> str:
    """Return the type and shape of a tensor, or the type of anything else."""
    return (
        f"{value.dtype} of shape {tuple(value.shape)}"
        if isinstance(value, Tensor)
        else type(value).__name__
    )
