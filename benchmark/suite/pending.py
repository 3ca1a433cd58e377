"""Track the cells that have no record yet, record failures, and pack the records of finished models."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark import records
from benchmark.records import Record
from benchmark.records.record import Status
from benchmark.suite import selection
from benchmark.suite.executors import Event, Step
from benchmark.suite.selection import ModelTask

log = logging.getLogger(__name__)
PACKED_PER_NEW = 10
"""Records are packed when at most this number is already packed for each new one."""


@dataclass
class Pending:
    """Cells whose records the steps of a suite have not yet written to its ``folder``.

    Each step writes one file per record. This class merges them into the packed file, after a model is finished and
    while no step is writing. Packing rewrites all records, so it waits until the new ones are a tenth of those already
    packed.
    """

    folder: Path
    cells: dict[str, ModelTask]
    """Name of a step -> the cells that it scores."""
    stopped: dict[str, str] = field(default_factory=dict)
    """Model -> the reason why it failed, at least in part."""
    _writing: set[str] = field(default_factory=set)
    _model_finished: bool = False
    _n_packed: int = 0

    @classmethod
    def of(cls, steps: Sequence[Step], folder: Path) -> "Pending":
        """Build it from ``steps``; the first argument of a scoring step contains its cells."""
        return cls(folder, {step.id: step.arguments[0] for step in steps if step.kind == "score"})

    def take(self, event: Event) -> None:
        """Process an event of a step."""
        if event.step.id not in self.cells:
            return
        if event.kind == "started":
            self._writing.add(event.step.id)
            return
        task = self.cells.pop(event.step.id)
        self._writing.discard(event.step.id)
        if event.reason:
            record_failure(task, "failed", event.reason, self.folder)
            self.stopped[task.model.id] = event.reason
        self._model_finished |= all(other.model.id != task.model.id for other in self.cells.values())
        # the last model's records are packed later, together with the records of the paired tests
        if self._model_finished and self.cells and not self._writing:
            unpacked = len(records.unpacked(self.folder))
            if PACKED_PER_NEW * unpacked >= self._n_packed:
                records.pack(self.folder)
                self._n_packed += unpacked
            self._model_finished = False


def record_failure(task: ModelTask, status: Status, reason: str, folder: Path) -> None:
    """Write a record with the reason for each cell without a result of the present code; earlier results stay.

    If the data are missing (``n/a``), results of other code stay too, because they cannot be computed again.
    """
    keys = {cell.key for cell in task.cells}
    measured = [r for r in selection.existing_records(folder) if r.key in keys and r.status == "ok"]
    changed = selection.changed_keys(task.model, measured) if status == "failed" else set()
    measured_keys = {record.key for record in measured} - changed
    missing = [cell for cell in task.cells if cell.key not in measured_keys]
    for cell in missing:
        records.write(Record(cell=cell, status=status, reason=reason), folder)
    if n_existing := len(task.cells) - len(missing):
        log.warning("%s: %s (existing records that are kept: %d)", task.model.id, reason, n_existing)
