"""Run the steps of a suite on a Ray cluster (``pip install ray``). See docs/cluster.md.

    python -m benchmark.run --suite nih --jobs 8 --threads 4 --executor examples/ray_executor.py:Ray:address=auto,gpus=1

Each step is a task, which Ray runs again if its node is lost. An executor for another scheduler has the same four
functions: copy this file.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray

from locus.benchmark.executors import THREAD_VARIABLES, Executor, Step
from locus.core.errors import BadValueError, LocusError, one_line
from locus.core.startup import ROOT

GIB = 1 << 30
STOP_SECONDS = 60.0
"""Time limit for steps to stop when a run ends early."""
PASSED_ON = ("LOCUS_DATA", "LOCUS_PLUGINS", "OMP_WAIT_POLICY")
"""Environment variables that are passed to steps on other machines."""
# Other processes cannot import this file by its name, so that they get the code of its functions.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Ray(Executor):
    """``jobs`` tasks at a time on the cluster at ``address``; without an address, on a cluster of this machine.

    Each task declares ``gpus`` (fractions allowed) and ``memory`` (GiB), and its threads as CPUs. A task whose node or
    process is lost runs again up to ``retries`` times, a training run from its ``last.ckpt``. All nodes must share the
    folders of runs and results.
    """

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
            BadValueError: a negative option, or one that is not a number.
        """
        super().__init__(jobs)
        for option, value in (("gpus", gpus), ("memory", memory or 0), ("retries", retries)):
            if not isinstance(value, int | float) or value < 0:
                raise BadValueError(
                    f"the option {option}={value} of --executor is invalid: use a number of 0 or more"
                )
        self.address = address
        self.options: dict[str, Any] = {
            "num_gpus": gpus,
            "max_retries": retries,
            "retry_exceptions": False,
        }
        if memory is not None:
            self.options["memory"] = round(memory * GIB)
        self._steps: dict[Any, Step] = {}
        self._begun: dict[Any, float] = {}

    def __exit__(self, *_: object) -> None:
        """Stop the tasks as Ctrl-C does, wait for them, and disconnect from the cluster."""
        for task in self._steps:
            ray.cancel(task, force=False)
        if self._steps:
            ray.wait([*self._steps], num_returns=len(self._steps), timeout=STOP_SECONDS)
        if ray.is_initialized():
            ray.shutdown()

    def begin(self) -> None:
        """Connect to the cluster, or start one. Raises ``LocusError`` if there is none at the address."""
        if ray.is_initialized():
            return
        of_new_cluster: dict[str, Any] = {}
        if self.address is None:
            of_new_cluster["num_cpus"] = max(os.cpu_count() or 1, self.jobs)
            of_new_cluster["include_dashboard"] = False
        try:
            ray.init(self.address or "local", logging_level=logging.WARNING, **of_new_cluster)
        except (ConnectionError, RuntimeError, ValueError) as error:
            problem = "Ray cannot start on this machine"
            if self.address is not None:
                problem = f"no Ray cluster at {self.address}"
            raise LocusError(f"{problem}: {one_line(error)}") from error

    def start(self, step: Step) -> None:
        """Submit the step to Ray."""
        variables = dict.fromkeys(THREAD_VARIABLES, str(step.threads))
        variables |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        run_remotely = ray.remote(_run_step).options(
            name=step.id,
            num_cpus=step.threads,
            runtime_env={"env_vars": variables},
            **self.options,
        )
        task = run_remotely.remote(step, str(Path.cwd()))
        self._steps[task] = step
        self._begun[task] = time.monotonic()

    def wait(self) -> tuple[Step, LocusError | None]:
        """Block until a step ends; return it with its error, None if it succeeded."""
        oldest = next(iter(self._steps))
        ended, _ = ray.wait([*self._steps], num_returns=1, timeout=self.left(self._begun[oldest]))
        task = ended[0] if ended else oldest
        step = self._steps.pop(task)
        if not ended:
            ray.cancel(task, force=True)
            return step, self.overdue(step)
        try:
            error: LocusError | None = ray.get(task)
        except ray.exceptions.RayError as broken:
            error = LocusError(f"{step.id} failed: {one_line(broken)}")
        return step, error


def _run_step(step: Step, folder: str) -> LocusError | None:
    """Run a step in a process of the cluster, in the ``folder`` of the run. Ray passes its output on."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.chdir(folder)
    return step()
