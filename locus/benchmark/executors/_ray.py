"""Steps on a Ray cluster: each step is a task, which Ray runs again if its node is lost."""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from locus.benchmark.executors._local import THREAD_VARIABLES
from locus.benchmark.executors.base import Executor, Step
from locus.core.errors import BadValueError, LocusError, one_line, require_extra
from locus.core.startup import ROOT

GIB = 1 << 30
STOP_SECONDS = 60.0
"""Time limit for steps to stop when a run ends early."""
PASSED_ON = ("LOCUS_DATA", "LOCUS_PLUGINS", "OMP_WAIT_POLICY")
"""Environment variables that are passed to steps on other machines."""


class RayCluster(Executor):
    """``jobs`` tasks at a time on the cluster at ``address``; without an address, on a cluster of this machine.

    Each task declares ``gpus`` (fractions allowed) and ``memory`` (GiB), and its threads as CPUs. A task whose node or
    process is lost runs again up to ``retries`` times, a training run from its ``last.ckpt``. All nodes must share the
    folders of runs and results.
    """

    name: ClassVar[str] = "ray"

    def __init__(
        self,
        jobs: int,
        address: str | None = None,
        gpus: float = 0,
        memory: float | None = None,
        retries: int = 3,
    ) -> None:
        """Check the options; nothing starts yet.

        Args:
            jobs: number of steps that run at the same time.
            address: address of a running cluster; None starts one.
            gpus: number of GPUs of each step.
            memory: memory of each step in GiB; None: not limited.
            retries: number of times that a step is run again if its machine fails.

        Raises:
            NotAvailableError: Ray is not installed.
            BadValueError: a negative option, or one that is not a number.
        """
        super().__init__(jobs)
        require_extra("ray", "ray", "--executor ray")
        import ray

        for option, value in (("gpus", gpus), ("memory", memory or 0), ("retries", retries)):
            if not isinstance(value, int | float) or value < 0:
                raise BadValueError(
                    f"--executor ray:{option}={value} is invalid: use a number of 0 or more"
                )
        self.ray = ray
        self.address = address
        wanted = {"num_gpus": gpus, "max_retries": retries, "retry_exceptions": False}
        self.wanted = wanted if memory is None else {**wanted, "memory": round(memory * GIB)}
        self._steps: dict[Any, Step] = {}
        self._begun: dict[Any, float] = {}

    def __exit__(self, *_: object) -> None:
        """Stop the tasks as Ctrl-C does, wait for them, and disconnect from the cluster."""
        for task in self._steps:
            self.ray.cancel(task, force=False)
        if self._steps:
            self.ray.wait([*self._steps], num_returns=len(self._steps), timeout=STOP_SECONDS)
        if self.ray.is_initialized():
            self.ray.shutdown()

    def begin(self) -> None:
        """Connect to the cluster, or start one. Raises ``LocusError`` if there is none at the address."""
        if self.ray.is_initialized():
            return
        alone: dict[str, Any] = {
            "num_cpus": max(os.cpu_count() or 1, self.jobs),
            "include_dashboard": False,
        }
        try:
            self.ray.init(
                self.address or "local",
                logging_level=logging.WARNING,
                **({} if self.address else alone),
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            problem = (
                f"no Ray cluster at {self.address}"
                if self.address
                else "Ray cannot start on this machine"
            )
            raise LocusError(f"{problem}: {one_line(error)}") from error

    def start(self, step: Step) -> None:
        """Submit the step to Ray."""
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables = {
            **dict.fromkeys(THREAD_VARIABLES, str(step.threads)),
            **passed,
            "PYTHONPATH": paths,
        }
        options = {
            **self.wanted,
            "name": step.id,
            "num_cpus": step.threads,
            "runtime_env": {"env_vars": variables},
        }
        task = self.ray.remote(_run_step).options(**options).remote(step, str(Path.cwd()))
        self._steps[task] = step
        self._begun[task] = time.monotonic()

    def wait(self) -> tuple[Step, LocusError | None]:
        """Block until a step ends; return it with its error, None if it succeeded."""
        oldest = next(iter(self._steps))
        ended, _ = self.ray.wait(
            [*self._steps], num_returns=1, timeout=self.left(self._begun[oldest])
        )
        task = ended[0] if ended else oldest
        step = self._steps.pop(task)
        if not ended:
            self.ray.cancel(task, force=True)
            return step, self.overdue(step)
        try:
            error: LocusError | None = self.ray.get(task)
        except self.ray.exceptions.RayError as broken:
            error = LocusError(f"{step.id} failed: {one_line(broken)}")
        return step, error


def _run_step(step: Step, cwd: str) -> LocusError | None:
    """Run a step in a process of the cluster, in the folder of the run. Ray passes its output on."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.chdir(cwd)
    return step()
