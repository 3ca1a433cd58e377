"""Data set with labels, boxes and masks under the finding names of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from core.errors import DataError
from core.names import canonical_finding
from core.types import Sample
from datasets.base import Dataset, DatasetWrapper


class RelabeledDataset(DatasetWrapper):
    """Images ``indices`` of a data set, with labels, boxes and masks of a model's ``findings``, in their order.

    A finding that the data set lacks is unknown (nan) on every image and has no box. Raises ``DataError`` if it lacks
    all of them. Cite the original data set.
    """

    name: ClassVar[str]

    def __init__(self, data: Dataset, findings: Sequence[str], indices: Sequence[int]) -> None:
        position = {canonical_finding(finding): k for k, finding in enumerate(data.findings)}
        self._order = [position.get(canonical_finding(finding)) for finding in findings]
        pairs = zip(self._order, findings, strict=True)
        self.names = {data.findings[k]: finding for k, finding in pairs if k is not None}
        if not self.names:
            requested, existing = ", ".join(findings), ", ".join(data.findings)
            raise DataError(f"{data.name} has none of the model's findings ({requested}): it has {existing}")
        super().__init__(data)
        self.findings, self.indices = tuple(findings), list(indices)
        self.describe = {**data.describe, "images": len(self.indices), "findings": list(self.names.values())}

    def __len__(self) -> int:
        return len(self.indices)

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index`` with the model's finding names."""
        sample = self.data.sample(self.indices[index])
        labels = np.array([np.nan if k is None else sample.labels[k] for k in self._order], np.float32)
        masks = sample.read_masks and (lambda: _renamed(sample.masks, self.names))
        return replace(sample, labels=labels, boxes=_renamed(sample.boxes, self.names), read_masks=masks)

    def readings(self, index: int) -> dict[str, Any]:
        """Return each reader's boxes under the model's names, for data sets with several readers."""
        readings = super().readings(self.indices[index])
        return {reader: _renamed(boxes, self.names) for reader, boxes in readings.items()}


def _renamed(by_finding: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[finding]: value for finding, value in by_finding.items() if finding in names}
