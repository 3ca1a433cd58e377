"""Only one process at a time writes to a folder; a second one gets an error that names the first."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from locus.benchmark.records import only_writer
from locus.core.errors import HeldError, WriteError

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pathlib import Path
from locus.benchmark.records.storage import only_writer
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


def test_second_process_gets_the_holder(holder, tmp_path):
    with pytest.raises(HeldError, match=rf"{re.escape(str(tmp_path))} \(process {holder.pid} on .+\): wait"), only_writer(tmp_path):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_lock_is_released_however_its_process_ends(holder, tmp_path, number):
    holder.send_signal(number)
    holder.wait()
    with only_writer(tmp_path):
        pass


def test_lock_file_that_is_left_over_does_not_block(tmp_path):
    for _ in range(2):
        with only_writer(tmp_path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_lock_that_is_a_link_is_refused_and_its_target_unchanged(tmp_path):
    target, folder = tmp_path / "precious.txt", tmp_path / "suite"
    target.write_text("content")
    folder.mkdir()
    (folder / ".lock").symlink_to(target)
    with pytest.raises(WriteError, match="it is a link"), only_writer(folder):
        pass
    assert target.read_text() == "content"
