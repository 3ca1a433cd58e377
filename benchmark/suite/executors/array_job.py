"""A Slurm array job: takes steps from the queue of the run until its time limit, and returns unfinished ones.

The queue is a shared folder of small files. Renaming a file is atomic, even on NFS, so only one job takes a step.
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

from benchmark.records.lock import DEAD_AFTER_SECONDS, seconds_since_heartbeat
from benchmark.suite.executors.base import Step
from benchmark.suite.executors.local import Local
from core.errors import LocusError, WriteError
from core.files import write_text, writing

log = logging.getLogger(__name__)
POLL, IDLE, PATIENCE = 0.5, 600.0, 60.0
"""Seconds between two polls of the queue, until a job without a step exits, and for a step to stop."""


@dataclass(frozen=True)
class StepQueue:
    """The queue in ``folder``. A step is identified by its index in the run's list, a job by its Slurm id."""

    folder: Path

    @property
    def alive(self) -> Path:
        """Heartbeat file of the run: touched regularly, and deleted when the run ends."""
        return self.folder / "alive"

    def open(self) -> None:
        """Make the folders and the heartbeat file. Raises ``WriteError``."""
        with writing(self.folder):
            for name in ("waiting", "taken", "ended"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self.alive.touch()

    def close(self) -> None:
        """End the jobs: each stops its step as Ctrl-C would, and returns it to the queue."""
        self.alive.unlink(missing_ok=True)

    def is_run_alive(self) -> bool:
        """Whether the run that made the queue still sends heartbeats."""
        return seconds_since_heartbeat(self.alive) < 2 * DEAD_AFTER_SECONDS

    def put(self, number: int) -> None:
        """Add a step to the queue. Raises ``WriteError``."""
        write_text(self.folder / f"waiting/{number:05}", "")

    def take(self, job: str) -> int | None:
        """Take the next step for ``job``: its own after a kill, else a waiting one; None if there is none."""
        for file in self._taken([job]):
            if not file.stat().st_size:
                return int(file.stem)
            file.rename(self.folder / "ended" / file.stem)  # the job was killed during ``end``
        for file in sorted((self.folder / "waiting").glob("[0-9]*")):
            with contextlib.suppress(FileNotFoundError):  # another job took it
                file.rename(self.folder / f"taken/{file.name}.{job}")
                return int(file.name)
        return None

    def give_back(self, job: str) -> None:
        """Return the unfinished steps of ``job`` to the queue, for any job."""
        for file in self._taken([job]):
            with contextlib.suppress(FileNotFoundError):
                file.rename(self.folder / "waiting" / file.stem)

    def end(self, number: int, job: str, error: LocusError | None) -> None:
        """Mark a step as ended, with its ``error`` if it failed."""
        about = {"refused": isinstance(error, WriteError), "sentence": None if error is None else str(error)}
        file = self.folder / f"taken/{number:05}.{job}"
        write_text(file, json.dumps(about))
        with writing(file):
            file.rename(self.folder / "ended" / file.stem)

    def pop_ended(self) -> tuple[int, LocusError | None] | None:
        """Remove one ended step from the queue and return its index and error; None if no step has ended."""
        for file in sorted((self.folder / "ended").glob("[0-9]*")):
            about = json.loads(file.read_text(encoding="utf-8"))
            file.unlink()
            kind = WriteError if about["refused"] else LocusError
            return int(file.name), None if about["sentence"] is None else kind(about["sentence"])
        return None

    def has_waiting(self) -> bool:
        """Whether a step is waiting for a job."""
        return any((self.folder / "waiting").glob("[0-9]*"))

    def taken_steps(self, jobs: Collection[str] | None = None) -> list[tuple[int, str]]:
        """Index and job of each running step, of all jobs or of these."""
        return [(int(file.stem), file.suffix[1:]) for file in self._taken(jobs)]

    def _taken(self, jobs: Collection[str] | None) -> Iterator[Path]:
        files = sorted((self.folder / "taken").glob("[0-9]*"))
        return (file for file in files if jobs is None or file.suffix[1:] in jobs)


@dataclass
class ArrayJob:
    """The call that submitit makes on a node, in the folder ``cwd``; a child process runs the steps.

    A signal before a timeout or a preemption stops the step as Ctrl-C would (a training run writes ``last.ckpt``). The
    step returns to the queue, and submitit queues this job again.
    """

    queue: StepQueue
    steps: Sequence[Step]
    cwd: Path
    minutes: float | None = None
    """Time limit of a step."""
    _process: Local = field(default_factory=lambda: Local(2, PATIENCE))
    _name: str = ""

    def __post_init__(self) -> None:
        self._process.minutes = self.minutes

    def __call__(self, number: int) -> None:
        """Run steps until the run ends or the queue stays empty; ``number`` is the index of the job."""
        import submitit

        os.chdir(self.cwd)
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        self._name = submitit.JobEnvironment().job_id
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, self._wait_for_slurm)
        threading.Thread(target=_end_with_run, args=(self.queue,), daemon=True).start()
        try:
            self._run_queue()
        except KeyboardInterrupt:
            log.info("stopped: the run has ended")
        finally:
            self._stop()

    def checkpoint(self, number: int) -> Any:
        """Stop at once and return the same job for submitit to queue again."""
        import submitit

        self._stop()
        return submitit.helpers.DelayedSubmission(ArrayJob(self.queue, self.steps, self.cwd, self.minutes), number)

    def _run_queue(self) -> None:
        """Take steps from the queue and run them until none arrives for a while."""
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

    def _wait_for_slurm(self, *_: object) -> None:
        """Wait for Slurm to end the job. A job that exits by itself would not be queued again."""
        self._stop()
        while True:
            signal.pause()


def _end_with_run(queue: StepQueue) -> None:
    """End this job when its run has ended, whatever the reason."""
    while queue.is_run_alive():
        time.sleep(10 * POLL)
    os.kill(os.getpid(), signal.SIGINT)
