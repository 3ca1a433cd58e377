"""What goes wrong on purpose. Each fault disturbs a trial and says what the run then did; the next run must complete.

A fault is a function of a trial and a seeded random generator; its docstring is its row in docs/reliability.md.
"""

import os
import resource
import shutil
import signal
import time

INTERRUPTED = 130
STEPS = {
    "training": "runs/tiny/*/last.ckpt",
    "explaining": "runs/tiny/maps/*",
    "scoring": "runs/records/tiny/*.json",
    "tables": "results/tiny/records.parquet",
}


class Survived(Exception):  # noqa: N818
    """The run ended before the fault could reach it."""


def sentence(done, status=2):
    """The one line of an error, after checking that there is no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == status, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    assert len(lines) == 1, done.stderr[-2000:]
    return lines[0]


def killed(running):
    """What a process that was killed leaves as its status."""
    running.kill()
    if running.wait() != -signal.SIGKILL:
        raise Survived
    return "killed"


def kill_anywhen(trial, random):
    """SIGKILL at a random moment of the whole run, packing and tables included"""
    running = trial.start()
    trial.until(running, "runs")
    trial.later(running, random.uniform(0, trial.seconds))
    return killed(running)


def kill_while_packing(trial, random):
    """SIGKILL while the records of a finished model are packed"""
    running = trial.start()
    trial.until(running, "runs/records/tiny/*.json", random.uniform(0, 0.3))
    return killed(running)


def kill_a_job(trial, random):
    """SIGKILL of one of two jobs, as the kernel does when memory is short"""
    running = trial.start("--jobs", "2")
    trial.until(running, "runs/tiny/*/last.ckpt")
    os.kill(random.choice(trial.jobs(running)), signal.SIGKILL)
    told = sentence(running.done())
    assert "was killed (SIGKILL)" in told
    assert trial.statuses().get("failed"), "no record of it"
    return "its model fails with the reason, the other is whole; exit 2"


def hanging_job(trial, random):
    """One of two jobs hangs (SIGSTOP); the user gives up by Ctrl-C"""
    running = trial.start("--jobs", "2")
    trial.until(running, "runs/tiny/*/last.ckpt")
    os.kill(random.choice(trial.jobs(running)), signal.SIGSTOP)
    trial.later(running, 1)
    running.send_signal(signal.SIGINT)
    assert "interrupted" in sentence(running.done(), INTERRUPTED)
    return "exit 130, the hanging job is ended too"


def interrupt(step):
    """Ctrl-C in one step."""

    def fault(trial, random):
        running = trial.start()
        at_work = trial.until(running, STEPS[step])
        running.send_signal(signal.SIGINT) if at_work else None
        done = running.done()
        if done.returncode == 0:
            raise Survived
        assert "interrupted" in sentence(done, INTERRUPTED)
        return "one sentence; exit 130"

    fault.__doc__ = f"Ctrl-C while {step}" if step != "tables" else "Ctrl-C while tables are written"
    fault.__name__ = f"interrupt_{step}"
    return fault


def full_disk(trial, random):
    """A disk that is full from a random size on (files above a limit are refused)"""
    running = trial.start()
    limit = int(random.choice([2_000, 20_000, 60_000]))
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (limit, limit))
    told = sentence(running.done())
    assert "cannot write" in told or "File too large" in told, told
    return "one sentence with the path; exit 2"


def unwritable_results(trial, random):
    """Results on a file system that takes no files"""
    before, trial.results = trial.results, "/proc/locus"
    done = trial.run()
    trial.results = before
    assert "/proc/locus" in sentence(done)
    return "one sentence with the path; exit 2"


def clock_set_back(trial, random):
    """The clock set back by a day in the middle of a run (its files come from the future)"""
    running = trial.start()
    trial.until(running, random.choice([*STEPS.values()][:3]))
    killed(running)
    later = time.time() + 86_400
    for path in trial.folder.rglob("*"):
        os.utime(path, (later, later))
    return "killed, files from tomorrow"


def truncated(name, pattern, lost=()):
    """One file cut to half of its length after the run; ``lost`` is removed so that the file is needed again."""

    def fault(trial, random):
        assert trial.run().returncode == 0
        for path in [path for each in lost for path in trial.folder.glob(each)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        file = random.choice(sorted(trial.folder.glob(pattern)))
        os.truncate(file, file.stat().st_size // 2)
        done = trial.run()
        if done.returncode == 0:
            return "noticed and made anew"
        assert file.name in sentence(done), done.stderr[-2000:]
        file.unlink()
        return "one sentence with the path, exit 2; without the file the run completes"

    fault.__doc__ = f"{name}, cut to half of its length"
    fault.__name__ = "truncated_" + pattern.rsplit("/", 1)[-1].strip("*.")
    return fault


def nan_loss(trial, random):
    """A loss that is nan (a learning rate of 1e30 for one of two models)"""
    trial.edit("tiny.yaml", "[AVG, PCAM]}", "AVG}\n  - {backbone: custom, global_pool: PCAM, optimizer: SGD, lr: 1.0e+30}")
    told = sentence(trial.run())
    assert "1 models" in told, told
    reasons = {record["reason"] for record in trial.recorded().values() if record["status"] == "failed"}
    assert len(reasons) == 1, reasons
    assert any(word in reasons.pop() for word in ("nan", "inf", "finite"))
    trial.edit("tiny.yaml", "AVG}\n  - {backbone: custom, global_pool: PCAM, optimizer: SGD, lr: 1.0e+30}", "[AVG, PCAM]}")
    return "the model fails with the reason, the other is whole; exit 2"


def method_that_raises(trial, random):
    """A method that raises on some images"""
    trial.edit("mine.py", "# HERE", "if evidence.A.shape[0] < 8: raise RuntimeError('out of luck')")
    done = trial.run()
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    reasons = {record["reason"] for record in trial.recorded().values() if record["cell"]["method"].endswith("Mine")}
    assert any("out of luck" in reason for reason in reasons), reasons
    trial.edit("mine.py", "if evidence.A.shape[0] < 8: raise RuntimeError('out of luck')", "# HERE")
    return f"its cells fail with the reason, the others are whole; exit {done.returncode}"


MADE = ("results", "runs/records")
FAULTS = [
    kill_while_packing,
    kill_a_job,
    hanging_job,
    *(interrupt(step) for step in STEPS),
    full_disk,
    unwritable_results,
    clock_set_back,
    truncated("A checkpoint (best.ckpt)", "runs/tiny/custom-*/best.ckpt", (*MADE, "runs/tiny/maps")),
    truncated("A checkpoint to resume from (last.ckpt)", "runs/tiny/custom-*/last.ckpt", (*MADE, "runs/tiny/maps", "runs/tiny/custom-*/best.ckpt")),
    truncated("The cache of pixels", "cache/*.npy", (*MADE, "runs/tiny")),
    truncated("A stored map", "runs/tiny/maps/*/*.npy", MADE),
    truncated("Packed records (Parquet)", "results/tiny/records.parquet"),
    nan_loss,
    method_that_raises,
]
