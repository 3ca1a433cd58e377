"""Steps on a Slurm cluster, through submitit: one job array per suite, whose jobs run the steps."""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Self

from benchmark.records.lock import DEAD_AFTER_SECONDS, heartbeat
from benchmark.suite.executors.array_job import POLL, ArrayJob, StepQueue
from benchmark.suite.executors.base import Executor, Step, exit_on_sigterm
from core.cli import CONFIGS
from core.errors import BadValueError, LocusError, NotAvailableError, one_line

POLL_JOBS_SECONDS = 30.0
EXIT_GRACE_SECONDS = 15.0
"""Time limit for idle jobs to exit."""
TIMEOUT_WARNING_SECONDS = 120
"""Time between the warning signal and the time limit of a job."""
MAX_TIMEOUTS = 100
"""How often submitit queues a job again after a timeout."""


class Slurm(Executor):
    """``jobs`` jobs of an array at a time. A free job takes the next step of the queue.

    ``partition``, ``account``, ``time`` (minutes), ``gpus`` and ``memory`` (GiB) apply to each job. ``cluster=local``
    replaces Slurm by processes of this machine. All nodes must share the folder of runs.
    """

    name: ClassVar[str] = "slurm"

    def __init__(
        self,
        jobs: int,
        partition: str | None = None,
        account: str | None = None,
        time: int = 240,
        gpus: int = 0,
        memory: float | None = None,
        cluster: str = "slurm",
    ) -> None:
        """Check the options. Raises ``NotAvailableError`` without submitit or Slurm, and ``BadValueError``."""
        super().__init__(jobs)
        for option, value, least in (("time", time, 1), ("gpus", gpus, 0)):
            if not isinstance(value, int) or value < least:
                raise BadValueError(
                    f"--executor slurm:{option}={value} is invalid: use a whole number of {least} or more"
                )
        _check(cluster)
        self.cluster = cluster
        self.wanted = {
            "slurm_partition": partition, "slurm_account": account, "timeout_min": time, "gpus_per_node": gpus,
            "mem_gb": memory, "nodes": 1, "name": "locus", "slurm_signal_delay_s": TIMEOUT_WARNING_SECONDS,
            "slurm_array_parallelism": jobs, "slurm_additional_parameters": {"requeue": True},
        }  # fmt: skip
        self._alive, self._signals = ExitStack(), ExitStack()
        self._steps: Sequence[Step] = ()
        self._jobs: list[Any] = []
        self._ended, self._last_poll = 0, 0.0

    def __enter__(self) -> Self:
        """Make SIGTERM end a run and its jobs as Ctrl-C would."""
        self._signals.enter_context(exit_on_sigterm())
        return self

    def __exit__(self, *_: object) -> None:
        """End the jobs, wait for them, and cancel those that remain."""
        self._end()
        self._signals.close()

    def begin(self, folder: Path, steps: Sequence[Step]) -> None:
        """Open a new queue, after ending the jobs of the previous suite and of an earlier, killed run of this suite."""
        self._end()
        base = (folder / ".slurm").absolute()
        for before in map(StepQueue, base.glob("*")):
            before.close()
            _wait_for_steps(before)
            shutil.rmtree(before.folder, ignore_errors=True)
        self.queue, self._steps = StepQueue(base / f"{time.time_ns()}"), steps
        self._number = {step.id: number for number, step in reversed([*enumerate(steps)])}
        self.queue.open()
        self._alive.enter_context(heartbeat(self.queue.alive))

    def start(self, step: Step) -> None:
        """Add the step to the queue."""
        self.queue.put(self._number[step.id])
        if not self._jobs:
            self._submit()

    def wait(self) -> tuple[Step, LocusError | None]:
        """Block until a step ends. Raises ``LocusError`` if the jobs end before they have run a step."""
        while (ended := self.queue.pop_ended()) is None:
            if time.monotonic() - self._last_poll > POLL_JOBS_SECONDS:
                self._poll_jobs()
            time.sleep(POLL)
        self._ended += 1
        number, error = ended
        return self._steps[number], error

    def _submit(self) -> None:
        """Submit one array job; its tasks take steps from the queue."""
        import submitit

        executor = submitit.AutoExecutor(self.queue.folder / "jobs", self.cluster, slurm_max_num_timeout=MAX_TIMEOUTS)
        executor.update_parameters(**self.wanted, cpus_per_task=max(step.threads for step in self._steps))
        paths = os.pathsep.join(filter(None, (str(CONFIGS.parent), os.environ.get("PYTHONPATH"))))
        call, count = ArrayJob(self.queue, self._steps, Path.cwd(), self.minutes), min(self.jobs, len(self._steps))
        try:
            with submitit.helpers.environment_variables(PYTHONPATH=paths):
                self._jobs = executor.map_array(call, range(count))
        except RuntimeError as error:
            raise LocusError(f"Slurm rejected the jobs: {one_line(error)}") from error
        self._ended, self._last_poll = 0, time.monotonic()

    def _poll_jobs(self) -> None:
        """Fail the steps of jobs that are gone, and submit new jobs if all are gone."""
        gone = {job.job_id: job for job in self._jobs if job.done()}
        for number, name in self.queue.taken_steps(gone):
            state, file = gone[name].state, gone[name].paths.stderr
            step = self._steps[number].id
            reason = f"{step}: Slurm job {name} ended before it finished this step ({state}): see {file}"
            self.queue.end(number, name, LocusError(reason))
            self._ended += 1
        if len(gone) == len(self._jobs) and self.queue.has_waiting():
            if not self._ended:
                raise LocusError(f"the Slurm jobs ended before they ran a step: see {self._jobs[0].paths.stderr}")
            self._submit()
        self._last_poll = time.monotonic()

    def _end(self) -> None:
        """Let running steps finish, then cancel the jobs that have not ended."""
        if self._jobs:
            self._alive.close()
            self.queue.close()
            _wait_for_steps(self.queue)
            begun = time.monotonic()
            while time.monotonic() - begun < EXIT_GRACE_SECONDS and not all(job.done() for job in self._jobs):
                time.sleep(POLL)
            for job in self._jobs:
                if not job.done():
                    job.cancel(check=False)
        self._steps, self._jobs = (), []


def _check(cluster: str) -> None:
    """Raise if submitit or the commands of Slurm are missing."""
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise NotAvailableError("--executor slurm requires submitit: pip install -e '.[slurm]'") from None
    if cluster not in ("slurm", "local"):
        raise BadValueError(f"--executor slurm:cluster={cluster} is invalid: cluster must be slurm or local")
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise NotAvailableError("--executor slurm requires sbatch and srun: run it on the login node of the cluster")


def _wait_for_steps(queue: StepQueue) -> None:
    """Wait until no job runs a step, at most ``DEAD_AFTER_SECONDS``, because lost nodes never report."""
    begun = time.monotonic()
    while queue.taken_steps() and time.monotonic() - begun < DEAD_AFTER_SECONDS:
        time.sleep(POLL)
