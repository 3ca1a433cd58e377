"""Messages during a run: machine, speed, time left."""

import logging
import re
import sys

import pytest

from benchmark.training import machine, run
from config import TrainConfig


@pytest.mark.planted
def test_each_epoch_is_a_line_with_images_per_second_and_the_time_left(tiny, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        run.train(tiny(), tmp_path / "run")
    lines = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("device: ") for line in lines) == 1
    output = [line for line in lines if line.startswith("epoch ")]
    assert [
        bool(re.search(rf"^epoch {k} of 2: training loss .*; [1-9]\d* images/s, \d+:\d\d:\d\d left$", output[k - 1])) for k in (1, 2)
    ] == [True] * 2
    assert output[1].endswith("0:00:00 left")


@pytest.mark.planted
def test_the_bar_shows_images_per_second_and_the_run_s_time_left(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run.train(tiny(), tmp_path / "run")
    visible = capsys.readouterr()
    assert re.search(r"images/s=\d+, run left=0:\d\d:\d\d", visible.out + visible.err)


@pytest.mark.byhand
def test_one_line_says_what_a_run_computes_on_and_why():
    machine.configure_torch(1)
    summary = machine.summary(TrainConfig(num_GPU=0, threads=1, precision="32"), 3)
    assert re.fullmatch(
        r"device: CPU.* \(--num_GPU\); precision: 32 \(--precision\); threads: 1 \(--threads\); decoding processes: 3 \(--num_workers\)",
        summary,
    )
    assert machine.summary(TrainConfig(num_GPU=None, devices="2", strategy="ddp"), None).endswith("processes: 2 (--devices, --num_nodes)")
