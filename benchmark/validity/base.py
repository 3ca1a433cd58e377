"""Base class of the validity checks: the networks that a check looks at, their maps and images."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from benchmark.maps import StoredMaps
from benchmark.maps.cases import make_cases
from benchmark.maps.obtain import StoredMapsByMethod, obtain
from benchmark.maps.trained import TrainingRun, convert_run, select_samples
from benchmark.scoring.protocols.base import Case, Result
from config import EngineFlags
from core.errors import LocusError
from core.types import Sample

TRAINED = "trained"
"""What unchanged networks are called in the names of metrics, and the folder of their maps."""


@dataclass(frozen=True)
class TrainedSubset(TrainingRun):
    """A training that is explained on some of its images only."""

    kept: frozenset[str] = frozenset()
    """Names of those images."""

    @cached_property
    def scorable_images(self) -> list[Sample]:
        """The kept images with any truth box."""
        return [sample for sample in self.data if sample.boxes and sample.image_id in self.kept]


@dataclass(eq=False)
class Check(ABC):
    """A question to the maps of one model. A subclass sets ``name`` and writes ``evaluate``; see docs/validity.md.

    Maps are made when the first method is asked for and lie in a folder of the check's own below ``folder`` from then
    on; those of all ``methods`` share their forward passes.
    """

    trained: Sequence[TrainingRun]
    methods: Sequence[str]
    """Those that may be asked for."""
    folder: Path
    flags: EngineFlags | None
    max_images: int | None
    """How many of the boxed images are looked at; None: all."""
    _maps: dict[str, StoredMapsByMethod] = field(default_factory=dict, init=False, repr=False)
    name: ClassVar[str]
    geometry: ClassVar[str] = "surface"
    """What its boxes are computed on: surface or pixels."""
    classifier: ClassVar[bool] = False
    """Whether it is also asked about the word ``classifier``: the model's own scores, not its maps."""
    settings: ClassVar[Mapping[str, str]] = {}
    """What a reader must know of how it asks: stands in its records and above its tables."""

    @abstractmethod
    def evaluate(self, method: str, seed: int) -> Result:
        """What the check says of a method. Raises the error that says why the method has no maps."""

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings of the data set."""
        return self.trained[0].data.findings

    @cached_property
    def runs(self) -> list[TrainedSubset]:
        """The trainings, restricted to the images that are looked at."""
        return restrict(self.trained, select_samples(self.trained, self.max_images))

    def cases(self, method: str, runs: Sequence[TrainingRun] | None = None, label: str = TRAINED) -> list[Case]:
        """Images x findings with the aligned maps of a method; ``runs``: other networks, whose maps go by ``label``."""
        shown = self.runs if runs is None else runs
        return make_cases(shown, self.maps(method, shown, label), "aligned")

    def maps(self, method: str, runs: Sequence[TrainingRun], label: str = TRAINED) -> StoredMaps:
        """The stored maps of a method; raises the error that says why there are none."""
        if label not in self._maps:
            self._maps[label] = obtain(runs, self.methods, self.folder / self.name / label, self.flags)
        maps = self._maps[label][method]
        if isinstance(maps, LocusError):
            raise maps
        return maps


def restrict(trained: Sequence[TrainingRun], samples: Sequence[Sample]) -> list[TrainedSubset]:
    """The trainings, each explained on those of its images that are among ``samples``.

    Weights, folds and data stay: only which images have maps differs.
    """
    kept = frozenset(sample.image_id for sample in samples)
    return [convert_run(run, TrainedSubset, kept=kept) for run in trained]
