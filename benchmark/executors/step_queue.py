"""Steps of a run that wait in a shared folder until a job takes them, and how they ended: small files, renamed.

A rename is whole or not done at all, on NFS too: a step is taken by one job, whatever looks at the folder meanwhile.
"""

import contextlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.records.lock import SILENT, silence
from core.errors import LocusError, WriteError
from core.files import write_text, writing


@dataclass(frozen=True)
class StepQueue:
    """The queue in ``folder``. A step goes by its number in the run's list of steps, a job by its Slurm id."""

    folder: Path

    @property
    def alive(self) -> Path:
        """The file by whose time the run shows that it lives; it is gone when the run ends."""
        return self.folder / "alive"

    def open(self) -> None:
        """Make the folders. Raises ``WriteError``."""
        with writing(self.folder):
            for name in ("waiting", "taken", "ended"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self.alive.touch()

    def close(self) -> None:
        """Tell the jobs to end: each stops what it is at as Ctrl-C does, and gives it back."""
        self.alive.unlink(missing_ok=True)

    def has_run(self) -> bool:
        """Whether the run lives for which the steps are made."""
        return silence(self.alive) < 2 * SILENT

    def put(self, number: int) -> None:
        """Let a step be taken. Raises ``WriteError``."""
        write_text(self.folder / f"waiting/{number:05}", "")

    def take(self, job: str) -> int | None:
        """The number of the step that ``job`` makes next, first one that it had when it was killed; None for none."""
        for file in self._taken([job]):
            if not file.stat().st_size:
                return int(file.stem)
            file.rename(self.folder / "ended" / file.stem)  # killed between the two halves of ``end``
        for file in sorted((self.folder / "waiting").glob("[0-9]*")):
            with contextlib.suppress(FileNotFoundError):  # another job was faster
                file.rename(self.folder / f"taken/{file.name}.{job}")
                return int(file.name)
        return None

    def give_back(self, job: str) -> None:
        """What ``job`` had not ended waits again, for any job."""
        for file in self._taken([job]):
            with contextlib.suppress(FileNotFoundError):
                file.rename(self.folder / "waiting" / file.stem)

    def end(self, number: int, job: str, error: LocusError | None) -> None:
        """Say that a step ended, and the ``error`` that ended it."""
        about = {"refused": isinstance(error, WriteError), "sentence": None if error is None else str(error)}
        file = self.folder / f"taken/{number:05}.{job}"
        write_text(file, json.dumps(about))
        with writing(file):
            file.rename(self.folder / "ended" / file.stem)

    def ended(self) -> tuple[int, LocusError | None] | None:
        """The number of a step that ended and the error that ended it, each once; None where none did."""
        for file in sorted((self.folder / "ended").glob("[0-9]*")):
            about = json.loads(file.read_text(encoding="utf-8"))
            file.unlink()
            kind = WriteError if about["refused"] else LocusError
            return int(file.name), None if about["sentence"] is None else kind(about["sentence"])
        return None

    def waiting(self) -> bool:
        """Whether a step waits for a job."""
        return any((self.folder / "waiting").glob("[0-9]*"))

    def at_work(self, jobs: Collection[str] | None = None) -> list[tuple[int, str]]:
        """Number and job of each step that is being made, by all jobs or by these."""
        return [(int(file.stem), file.suffix[1:]) for file in self._taken(jobs)]

    def _taken(self, jobs: Collection[str] | None) -> Iterator[Path]:
        files = sorted((self.folder / "taken").glob("[0-9]*"))
        return (file for file in files if jobs is None or file.suffix[1:] in jobs)
