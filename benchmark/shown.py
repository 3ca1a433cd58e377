"""What a model shows: the stored maps of its methods on the images that are scored and on those of validation, as cases."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from benchmark import stages, strata
from benchmark.maps import StoredMaps
from benchmark.protocols.base import Case
from benchmark.records import Cell
from benchmark.stages import Found
from benchmark.trained import Trained, drawn
from core.errors import LocusError


@dataclass
class Shown:
    """A model's trainings and maps. Cases are made once for all protocols of a method, which share what they compute of a map."""

    trained: Sequence[Trained]
    maps: Found
    held: Sequence[Trained] = ()
    """The same trainings with their validation images."""
    held_maps: Found = field(default_factory=dict)
    _last: dict[tuple[object, ...], list[Case]] = field(default_factory=dict, repr=False)

    @cached_property
    def findings(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return self.trained[0].data.findings

    @cached_property
    def exclusive(self) -> bool:
        """Whether an image has exactly one finding."""
        return self.trained[0].config.exclusive(len(self.findings))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What the trainings wrote of their validation and test images: see ``stages.predictions``."""
        return stages.predictions(self.trained)

    @cached_property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> the group that a case is in: see ``benchmark.strata``."""
        return strata.words(drawn(self.trained, None), self.predictions, self.findings, self.exclusive)

    def cases(self, cell: Cell) -> list[Case]:
        """The cases of a cell. Raises the error that says why its method has no maps."""
        return self._made("test", self.trained, self.maps, cell, cell.images)

    def validation(self, cell: Cell) -> list[Case]:
        """The cases on which the thresholds of a cell may be chosen; none where its method has no maps there.

        Raises ``NoMapsError`` where it has some that are not to be made.
        """
        there = isinstance(self.held_maps.get(cell.method), StoredMaps | stages.NoMapsError)
        return self._made("val", self.held, self.held_maps, cell, None) if there else []

    def _made(self, split: str, runs: Sequence[Trained], maps: Found, cell: Cell, images: int | None) -> list[Case]:
        stored = maps[cell.method]
        if isinstance(stored, LocusError):
            raise stored
        method = (cell.method, cell.alignment)
        if self._last and next(iter(self._last))[:2] != method:
            self._last.clear()  # one method's cases at a time are in memory
        key = (*method, split, images)
        if key not in self._last:
            self._last[key] = stages.cases(runs, stored, cell.alignment, images)
        return self._last[key]
