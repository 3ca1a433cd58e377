"""One job of an array takes step after step from the run's queue until its time is out; what is left is queued again.

The queue is a shared folder of small files. A rename is whole or not done at all, on NFS too: a step is taken by one
job, whatever looks at the folder meanwhile.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.executors.base import Step
from benchmark.executors.local import Local
from benchmark.records.lock import SILENT, silence
from core.errors import LocusError, WriteError
from core.files import write_text, writing

log = logging.getLogger(__name__)
POLL, IDLE, PATIENCE = 0.5, 600.0, 60.0
"""Seconds between two looks at the queue; without a step, until the job gives its place up; for a step to stop."""


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

    def is_run_alive(self) -> bool:
        """Whether the run for which the steps are made still shows that it lives."""
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

    def pop_ended(self) -> tuple[int, LocusError | None] | None:
        """Take one ended step out of the queue: its number and the error that ended it; None where none ended."""
        for file in sorted((self.folder / "ended").glob("[0-9]*")):
            about = json.loads(file.read_text(encoding="utf-8"))
            file.unlink()
            kind = WriteError if about["refused"] else LocusError
            return int(file.name), None if about["sentence"] is None else kind(about["sentence"])
        return None

    def has_waiting(self) -> bool:
        """Whether a step waits for a job."""
        return any((self.folder / "waiting").glob("[0-9]*"))

    def taken_steps(self, jobs: Collection[str] | None = None) -> list[tuple[int, str]]:
        """Number and job of each step that is being made, by all jobs or by these."""
        return [(int(file.stem), file.suffix[1:]) for file in self._taken(jobs)]

    def _taken(self, jobs: Collection[str] | None) -> Iterator[Path]:
        files = sorted((self.folder / "taken").glob("[0-9]*"))
        return (file for file in files if jobs is None or file.suffix[1:] in jobs)


@dataclass
class ArrayJob:
    """What submitit calls on a node, in the folder ``cwd``; its steps are made in a process beside it.

    A signal that its time is out or its node is wanted stops the step as Ctrl-C does (a training writes ``last.ckpt``);
    the step waits in the queue again, for whichever job is next, and submitit queues this one again.
    """

    queue: StepQueue
    steps: Sequence[Step]
    cwd: Path
    minutes: float | None = None
    """How long a step may take."""
    _process: Local = field(default_factory=lambda: Local(2, PATIENCE))
    _name: str = ""

    def __post_init__(self) -> None:
        self._process.minutes = self.minutes

    def __call__(self, number: int) -> None:
        """Make steps until the run ends, or there has been nothing to do for a while; ``number``: of the job."""
        import submitit

        os.chdir(self.cwd)
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        self._name = submitit.JobEnvironment().job_id
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, self._wait_for_the_end)
        threading.Thread(target=_end_with_run, args=(self.queue,), daemon=True).start()
        try:
            self._make_steps()
        except KeyboardInterrupt:
            log.info("stopped: the run has ended")
        finally:
            self._stop()

    def checkpoint(self, number: int) -> Any:
        """Stop at once; what is queued again is this job, anew."""
        import submitit

        self._stop()
        return submitit.helpers.DelayedSubmission(ArrayJob(self.queue, self.steps, self.cwd, self.minutes), number)

    def _make_steps(self) -> None:
        last = time.monotonic()
        while time.monotonic() - last < IDLE and self.queue.alive.exists():
            number = self.queue.take(self._name)
            if number is None:
                time.sleep(POLL)
                continue
            log.info("%s", self.steps[number].id)
            self._process.start(self.steps[number])
            _, error = self._process.wait()
            self.queue.end(number, self._name, error)
            last = time.monotonic()

    def _stop(self) -> None:
        self._process.__exit__()
        self.queue.give_back(self._name)

    def _wait_for_the_end(self, *_: object) -> None:
        """Slurm is about to end the job, and may queue it again: to end by itself would be to be done."""
        self._stop()
        while True:
            signal.pause()


def _end_with_run(queue: StepQueue) -> None:
    """However the run ended, its jobs end too."""
    while queue.is_run_alive():
        time.sleep(10 * POLL)
    os.kill(os.getpid(), signal.SIGINT)
