"""Errors in training and explaining, all faults, and the conditions that must hold afterwards."""

from tests.faults import files, signals
from tests.faults.trial import sentence

WILD = "AVG}\n  - {backbone: custom, global_pool: PCAM, optimizer: SGD, weight_decay: 1.0e+30, lr: 1.0e+30}"


def nan_loss(trial, random):
    """A NaN loss in one of two models"""
    trial.edit("tiny.yaml", "[AVG, PCAM]}", WILD)
    told = sentence(trial.run())
    assert "except 1, " in told
    assert "lower --lr" in told
    reasons = {reason for _, reason in trial.reasons()}
    assert len(reasons) == 1
    assert "epoch" in reasons.pop()
    trial.edit("tiny.yaml", WILD, "[AVG, PCAM]}")
    return "its cells fail with the epoch as the reason, and the other model completes; one error, exit 2"


def method_that_raises(trial, random):
    """A method that raises an error for one image"""
    raising = f"if number == {random.randrange(3)}: raise RuntimeError('out of luck')"
    trial.finish("results", "runs/records", "runs/tiny/maps")
    trial.edit("mine.py", "pass  # HERE", raising)
    done = trial.run()
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    ((method, reason),) = trial.reasons()
    assert method == "mine.py:Mine"
    assert "out of luck" in reason
    trial.edit("mine.py", raising, "pass  # HERE")
    return "the method's cells fail with the error as the reason, and all other cells complete; exit 1"


FAULTS = [*signals.FAULTS, *files.FAULTS, nan_loss, method_that_raises]


def require_order(trial):
    """Check that no incomplete file and no process is left after a fault."""
    assert trial.left_behind() == []
    assert trial.broken() == []


def require_recovery(trial):
    """Check that the next run completes with the same records and removes temporary files."""
    done = trial.run()
    assert done.returncode == 0, done.stderr[-3000:]
    assert trial.recorded() == trial.whole.recorded()
    assert trial.broken() + trial.temporary() == []
    assert trial.left_behind() == []
