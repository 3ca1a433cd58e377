"""What all checks share: the base class ``Check``, with the networks of a check, their maps and images.

A check computes records; its report, a ``locus.benchmark.report.section.CheckReport``, makes tables of these.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from locus.benchmark.maps.cases import make_cases
from locus.benchmark.maps.generate import StoredMapsByMethod, load_or_generate, requests_of
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.maps.store import StoredMaps
from locus.benchmark.report.section import CheckReport
from locus.config import EngineFlags
from locus.core.errors import LocusError
from locus.scoring.protocols.base import Case, Result

TRAINED = "trained"
"""Folder of the maps of the networks as they are."""


@dataclass(eq=False, kw_only=True)
class Check(ABC):
    """Base class of the checks of one model's maps. A subclass sets ``name`` and ``report`` and defines ``evaluate``.

    See docs/validity.md.

    Maps of all ``methods`` are generated on first access, with shared forward passes, and stored in the check's folder
    in ``folder``.
    """

    trained: Sequence[ModelRun]
    methods: Sequence[str]
    """Methods that can be evaluated."""
    folder: Path
    flags: EngineFlags
    max_images: int | None
    """Number of boxed images to use; None: all."""
    _maps: dict[str, StoredMapsByMethod] = field(default_factory=dict, init=False, repr=False)
    name: ClassVar[str]
    report: ClassVar[type[CheckReport]]
    """Class that makes its tables and its answer from the records."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Protocols whose maps are enough: slow methods explain only the findings that these read. Empty: all findings."""

    @abstractmethod
    def evaluate(self, method: str, seed: int) -> Result:
        """Measure one method.

        Args:
            method: the name of the method, one of ``methods``.
            seed: seed of folds and resamples.

        Returns:
            The scores of the check, and a row per case.

        Raises:
            LocusError: the stored error, if the method has no maps.
        """

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings of the data set."""
        return self.trained[0].data.findings

    @cached_property
    def runs(self) -> list[ModelRun]:
        """The training runs, restricted to the images that are used."""
        return self.restricted(self.trained)

    def restricted(self, runs: Sequence[ModelRun]) -> list[ModelRun]:
        """Restrict the explained images of ``runs`` to the number that the check uses."""
        if self.max_images is None:
            return [*runs]
        image_ids = frozenset(sample.image_id for sample in select_samples(runs, self.max_images))
        return [replace(run, image_ids=image_ids) for run in runs]

    def cases(self, method: str, runs: Sequence[ModelRun], label: str = TRAINED) -> list[Case]:
        """Return the cases of a method with aligned maps.

        Args:
            method: the name of the method.
            runs: the training runs of the maps.
            label: names the maps of ``runs``; each set of runs needs its own.
        """
        return make_cases(runs, self.maps(method, runs, label), "aligned")

    def maps(self, method: str, runs: Sequence[ModelRun], label: str = TRAINED) -> StoredMaps:
        """Return the stored maps of a method.

        Args:
            method: the name of the method.
            runs: the training runs of the maps.
            label: names the maps of ``runs``; each set of runs needs its own.

        Raises:
            LocusError: the stored error, if the method has no maps.
        """
        if label not in self._maps:
            folder = self.folder / self.name / label
            requests, broken = requests_of(runs, self.methods, folder, protocols=self.reads)
            self._maps[label] = broken | load_or_generate(requests, self.flags)
        maps = self._maps[label][method]
        if isinstance(maps, LocusError):
            raise maps
        return maps
