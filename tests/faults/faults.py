"""All faults, and what has to be so after each of them."""

from tests.faults.failures import method_that_raises, nan_loss
from tests.faults.files import CUTS, clock_set_back, full_disk, read_only_results
from tests.faults.signals import (
    SIGNS,
    hanging_job,
    interrupted_in,
    killed_anywhen,
    killed_in,
    killed_in_shard,
    killed_job,
    lost_node,
    overdue_job,
)

FAULTS = [
    killed_anywhen,
    *map(killed_in, SIGNS),
    killed_in_shard,
    *map(interrupted_in, SIGNS),
    killed_job,
    hanging_job,
    overdue_job,
    lost_node,
    full_disk,
    read_only_results,
    clock_set_back,
    *CUTS,
    nan_loss,
    method_that_raises,
]


def require_order(trial):
    """After a fault: no incomplete file, nobody left behind."""
    assert trial.left_behind() == []
    assert trial.broken() == []


def require_recovery(trial):
    """The next run completes, with the records of an undisturbed one, and sweeps away what was about to be written."""
    done = trial.run()
    assert done.returncode == 0, done.stderr[-3000:]
    assert trial.recorded() == trial.whole.recorded()
    assert trial.broken() + trial.temporary() == []
    assert trial.left_behind() == []
