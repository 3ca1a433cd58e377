"""All faults, and the conditions that must hold afterwards."""

from tests.faults.failures import method_that_raises, nan_loss
from tests.faults.files import CUTS, clock_set_back, full_disk, read_only_results
from tests.faults.signals import (
    SIGNS,
    hanging_job,
    interrupted_in,
    killed_anywhen,
    killed_in,
    killed_job,
    lost_node,
    overdue_job,
)

FAULTS = [
    killed_anywhen,
    *map(killed_in, SIGNS),
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
