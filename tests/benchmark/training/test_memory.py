"""Training that runs out of memory."""

import contextlib
import resource
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback

from locus.benchmark import opening
from locus.benchmark.training import hardware, run
from locus.core.errors import NotAvailableError
from tests.warm import in_a_child

pytestmark = pytest.mark.byhand

GIB = 2**30


def limit(room):
    """Let this process have ``room`` bytes more of address space than it has now."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + room, now + room))


class Shortage(Callback):
    """Leaves little memory in the second epoch: what the first one freed and the process kept is taken too, but for 16 MiB."""

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1:
            limit(GIB // 16)
            self.taken = []
            with contextlib.suppress(RuntimeError):
                while True:
                    self.taken.append(torch.empty(2**20, dtype=torch.uint8))
            del self.taken[-16:]


def failing(*arguments):
    """The sentence in which a training ends."""
    try:
        run.train(*arguments)
    except NotAvailableError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_out_of_memory_is_an_error_and_keeps_the_last_epoch(tiny, tmp_path):
    config, folder = tiny(epochs=2, batch_size=48, img_size=128, precision="32"), tmp_path / "run"
    output = in_a_child(failing, config, folder, Shortage())
    assert output.startswith("out of memory: lower --batch_size")
    assert "\n" not in output
    assert [row["epoch"] for row in opening.checkpoint(folder / "last.ckpt").content["history"]] == [1]
    run.train(config, folder)
    run.train(config, tmp_path / "whole")
    assert (folder / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shape"), hardware.oom_as_error("x"):
        torch.zeros(2).view(3)
    with pytest.raises(NotAvailableError, match=r"^out of memory: lower it$"), hardware.oom_as_error("lower it"):
        raise MemoryError
