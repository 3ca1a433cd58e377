"""One job of an array: it takes step after step until its time is out, and is queued again with what is left."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.executors.base import Step
from benchmark.executors.local import Local
from benchmark.executors.step_queue import StepQueue

log = logging.getLogger(__name__)
POLL, IDLE, PATIENCE = 0.5, 600.0, 60.0
"""Seconds between two looks at the queue; without a step, until the job gives its place up; for a step to stop."""


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
        """Make steps until the run ends, or there has been nothing to do for a while."""
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
    while queue.has_run():
        time.sleep(10 * POLL)
    os.kill(os.getpid(), signal.SIGINT)
