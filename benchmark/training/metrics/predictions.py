"""Logits and labels of the images of a split: the input of all metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.types import FloatArray
from datasets import studies


@dataclass(frozen=True, eq=False)
class Predictions:
    """Logits, labels and patients of n images (or studies) for K findings."""

    findings: tuple[str, ...]
    logits: Tensor
    """(n,K) float64, before any sigmoid or softmax."""
    labels: Tensor
    """(n,K) 0, 1 or nan (unknown)."""
    patients: Sequence[str]
    """(n,) patient of each image; resampling is by patient."""
    exclusive: bool = False
    """Whether the classes exclude each other (softmax) or are independent (sigmoids)."""

    @cached_property
    def patient_index(self) -> NDArray[np.intp]:
        """(n,) index of each image's patient, in sorted order."""
        return np.unique(np.asarray(self.patients, dtype=str), return_inverse=True)[1].reshape(-1)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return int(self.patient_index.max(initial=-1)) + 1

    @property
    def ranked(self) -> Tensor:
        """(n,K) float64 scores for ranking: the logit, or for a softmax the logarithm of the probability."""
        return self.logits.double().log_softmax(1) if self.exclusive else self.logits.double()

    def probabilities(self, temperature: float = 1.0) -> FloatArray:
        """Return the (n,K) probabilities of the logits divided by ``temperature``."""
        scaled = self.logits.double() / temperature
        return (scaled.softmax(1) if self.exclusive else scaled.sigmoid()).numpy()

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """(n,) the single class of each image; -1 if it has none or several, or a label is unknown."""
        one = (self.labels == 1).sum(1) == 1
        return torch.where(one & ~self.labels.isnan().any(1), self.labels.nan_to_num(0.0).argmax(1), -1).numpy()

    def by_study(self, study: Sequence[str]) -> "Predictions":
        """Aggregate by study, given the (n,) study of each image: the maximum of its logits and labels."""
        names, values = studies.maximum(self.ranked, study)
        labels = studies.maximum(self.labels, study)[1]
        patient = dict(zip(study, self.patients, strict=True))
        logits, truth = torch.from_numpy(values), torch.from_numpy(labels).float()
        return Predictions(self.findings, logits, truth, [patient[name] for name in names], self.exclusive)
