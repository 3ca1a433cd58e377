"""Processes that are killed or stopped."""

import os
import signal
import time

import pytest

from tests.faults.trial import Survived, sentence

INTERRUPTED = 130
SIGNS = {
    "training": "runs/tiny/*/last.ckpt",
    "explaining": "runs/tiny/maps/*/*",
    "scoring": "runs/records/tiny/*.json",
    "packing": "results/tiny/cases.parquet",
}
"""Step -> pattern of files that exist once the step has started."""


def kill(running):
    running.kill()
    if running.wait() != -signal.SIGKILL:
        raise Survived
    return "no incomplete files"


def killed_anywhen(trial, random):
    """SIGKILL at a random moment of a run"""
    running = trial.start()
    time.sleep(random.uniform(0, trial.whole.seconds))
    return kill(running)


def killed_in(step):
    def fault(trial, random):
        running = trial.start()
        trial.until(running, SIGNS[step])
        time.sleep(random.uniform(0, 0.05))
        return kill(running)

    fault.__doc__, fault.__name__ = f"SIGKILL while {step}", f"killed_in_{step}"
    return fault


def interrupted_in(step):
    def fault(trial, random):
        running = trial.start()
        if not trial.until(running, SIGNS[step]):
            raise Survived
        running.send_signal(signal.SIGINT)
        assert "interrupted" in sentence(running.done(), INTERRUPTED)
        return "one message, exit 130"

    fault.__doc__, fault.__name__ = f"Ctrl-C while {step}", f"interrupted_in_{step}"
    return fault


def two_jobs(trial):
    """Start a run with two jobs and wait until both train."""
    running = trial.start("--jobs", "2")
    while len([*trial.folder.glob(SIGNS["training"])]) < 2 and running.poll() is None:
        time.sleep(0.001)
    return running, trial.jobs(running)


def killed_job(trial, random):
    """SIGKILL of one of two jobs, as the kernel does when memory runs out"""
    running, jobs = two_jobs(trial)
    os.kill(random.choice(jobs), signal.SIGKILL)
    assert "was killed (SIGKILL), perhaps because memory ran out" in sentence(running.done())
    assert {"was killed (SIGKILL)" in reason for _, reason in trial.reasons()} == {True}
    return "its cells fail with the signal as the reason, and the others complete; one error, exit 2"


def hanging_job(trial, random):
    """One of two jobs hangs (SIGSTOP)"""
    running, jobs = two_jobs(trial)
    os.kill(random.choice(jobs), signal.SIGSTOP)
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    time.sleep(1)
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    assert "interrupted" in sentence(running.done(), INTERRUPTED)
    return "the run waits for it silently; the first Ctrl-C also waits, the second ends it with one message, exit 130"


def overdue_job(trial, random):
    """One of two jobs hangs (SIGSTOP), with `--step_minutes`"""
    minutes = 1 + trial.whole.seconds / 10  # a new process must load the libraries first
    running = trial.start("--jobs", "2", "--step_minutes", f"{minutes:.1f}")
    if not trial.until(running, SIGNS["training"]):
        raise Survived
    os.kill(random.choice(trial.jobs(running)), signal.SIGSTOP)
    assert "minutes and was stopped" in sentence(running.done())
    assert {"minutes and was stopped" in reason for _, reason in trial.reasons()} == {True}
    return "it is killed, its cells fail with that reason, and the others complete; one error, exit 2"


def lost_node(trial, random):
    """A node is removed from Ray"""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)
        running = trial.start("--jobs", "2", "--executor", f"ray:address={cluster.address}")
        trial.until(running, SIGNS[random.choice(["training", "explaining"])])
        cluster.remove_node(second, allow_graceful=False)
        done = running.done()
        assert done.returncode == 0, done.stderr[-3000:]
    finally:
        cluster.shutdown()
    return "its steps run again on the other node; the same run completes"


FAULTS = [killed_anywhen, *map(killed_in, SIGNS), *map(interrupted_in, SIGNS)]
FAULTS += [killed_job, hanging_job, overdue_job, lost_node]
