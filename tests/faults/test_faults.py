"""After each fault, the next run completes with the same records."""

import random
import time
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, require_order, require_recovery
from tests.faults.signals import SIGNS, kill
from tests.faults.trial import Refused, Survived, Trial

pytestmark = [pytest.mark.commands, pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes below /proc")]


def test_a_run_killed_in_every_stage_gives_the_same_records(undisturbed, tmp_path):
    """Killed while training, explaining, scoring and packing, one after the other, then twice at random moments."""
    trial, moments = Trial(tmp_path, undisturbed), random.Random(0)
    for step, sign in SIGNS.items():
        running = trial.start()
        assert trial.until(running, sign), f"the run ended before the stage {step}"
        time.sleep(moments.uniform(0, 0.02))
        assert kill(running) == "no incomplete files"
        require_order(trial)
    for _ in range(2):
        running = trial.start()
        time.sleep(moments.uniform(0, undisturbed.seconds / 2))
        running.kill()
        running.wait()
        require_order(trial)
    require_recovery(trial)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_run_after_a_fault_completes(undisturbed, tmp_path, fault):
    trial = Trial(tmp_path, undisturbed)
    try:
        fault(trial, random.Random(0))
    except (Refused, Survived) as none:
        pytest.skip(type(none).__doc__)
    require_order(trial)
    require_recovery(trial)
