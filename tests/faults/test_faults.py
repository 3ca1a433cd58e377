"""After each fault: the next run completes, with the records of an undisturbed run; nothing half-written, nobody left behind."""

import random
import time

import pytest

from tests.faults.faults import FAULTS, Survived, kill_anywhen
from tests.faults.trial import Trial

pytestmark = pytest.mark.doors
KILLS = 8


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    trial = Trial(tmp_path_factory.mktemp("undisturbed"))
    begun = time.monotonic()
    done = trial.run()
    assert done.returncode == 0, done.stderr
    return trial, time.monotonic() - begun


@pytest.mark.parametrize(("fault", "seed"), [*((kill_anywhen, n) for n in range(KILLS)), *((fault, 0) for fault in FAULTS)])
def test_after_a_fault_the_next_run_completes(undisturbed, tmp_path, fault, seed):
    whole, seconds = undisturbed
    trial = Trial(tmp_path)
    trial.seconds = seconds
    try:
        fault(trial, random.Random(seed))
    except Survived:
        assert fault is kill_anywhen, "the run ended before the fault"  # a random moment may lie behind the end
    assert trial.left_behind() == []
    done = trial.run()
    assert done.returncode == 0, done.stderr
    assert trial.recorded() == whole.recorded()
    assert trial.half_written() == []
