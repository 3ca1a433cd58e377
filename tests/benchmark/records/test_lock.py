"""Only one process at a time writes to a folder; a second one gets an error that names the first."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.records import lock, only_writer
from core.errors import HeldError

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pathlib import Path
from benchmark.records.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Start another process that locks ``tmp_path``."""
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def other_host(folder, age):
    """Write the lock file of a process on another machine, last updated ``age`` seconds ago."""
    (folder / ".lock").write_text(json.dumps({"host": "node7", "pid": 1, "user": "ann", "since": "noon"}))
    written = (folder / ".lock").stat().st_mtime
    os.utime(folder / ".lock", (written - age, written - age))


def test_second_process_gets_the_holder_and_its_start(holder, tmp_path):
    with (
        pytest.raises(HeldError, match=rf"{re.escape(str(tmp_path))} \(process {holder.pid} of .+ on .+, since 20\d\d-"),
        only_writer(tmp_path),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_lock_is_released_however_its_process_ends(holder, tmp_path, number):
    holder.send_signal(number)
    holder.wait()
    with only_writer(tmp_path):
        pass


def test_holder_on_another_machine_counts_while_it_is_alive(tmp_path):
    other_host(tmp_path, lock.DEAD_AFTER_SECONDS / 2)
    with pytest.raises(HeldError, match="process 1 of ann on node7, since noon"), only_writer(tmp_path):
        pass
    other_host(tmp_path, lock.DEAD_AFTER_SECONDS * 2)
    with only_writer(tmp_path):
        assert lock.seconds_since_heartbeat(tmp_path / ".lock") < 1


def test_lock_file_is_updated_while_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with only_writer(tmp_path):
        os.utime(tmp_path / ".lock", (0, 0))
        while lock.seconds_since_heartbeat(tmp_path / ".lock") > 10:
            pass


def test_normal_end_releases_the_lock(tmp_path):
    with only_writer(tmp_path):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(".lock", "")]
