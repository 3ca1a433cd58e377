"""Ctrl-C and SIGTERM at any step."""

import os
import re
import signal
import time

import pytest
from lightning.pytorch import Callback

from locus.backbones import weight_files
from locus.benchmark import opening, training
from locus.benchmark.training import run
from tests.warm import Running

START, VALIDATION = "start", "validation"
RECIPES = {
    "onecycle, augmentation, dropout": {"scheduler": "onecycle", "augment": "light", "dropout": 0.3, "optimizer": "AdamW"},
    "plateau, average, accumulation": {
        "scheduler": "plateau", "ema": 0.9, "accumulate": 2, "batch_size": 8, "optimizer": "SGD",
    },
    "float64, drawn images": {"precision": "64", "sampler": "weighted", "scheduler": "cosine", "gradient_clip": 0.1},
}  # fmt: skip
STOPS = {(0, START): 0, (0, 1): 0, (0, VALIDATION): 0, (1, START): 1, (1, 1): 1, (2, VALIDATION): 2}
"""(Epoch, step) in which a signal comes -> the complete epochs behind the run when it stops."""


class Sender(Callback):
    """Sends this process a signal in the epoch and the step ``at``."""

    def __init__(self, at, signum=signal.SIGINT):
        self.at, self.signum = at, signum

    def send(self, *at):
        if at == self.at:
            os.kill(os.getpid(), self.signum)

    def on_train_epoch_start(self, trainer, module):
        self.send(trainer.current_epoch, START)

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.send(trainer.current_epoch, batch_idx)

    def on_validation_start(self, trainer, module):
        self.send(trainer.current_epoch, VALIDATION)


def stopped(config, folder, sender):
    with pytest.raises((KeyboardInterrupt, SystemExit)) as stop:
        run.train(config, folder, sender)
    return stop.value


def states(folder):
    return {name: weight_files.digest(opening.checkpoint(folder / name).content["state_dict"]) for name in ("best.ckpt", "last.ckpt")}


def complete_epochs(folder):
    last = folder / "last.ckpt"
    return len(opening.checkpoint(last).content["history"]) if last.exists() else 0


def same_run(first, second):
    for name in ("metrics.csv", "config.yaml", "predictions.csv"):
        if (first / name).exists():
            assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert states(first) == states(second)


@pytest.mark.slow
@pytest.mark.byhand
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_run_stopped_in_every_epoch_equals_an_uninterrupted_one(tiny, tmp_path, recipe):
    config, folder = tiny(epochs=3, **recipe), tmp_path / "stopped"
    for at, epochs in STOPS.items():
        stopped(config, folder, Sender(at))
        assert complete_epochs(folder) == epochs
        assert folder.exists() == (epochs > 0)  # nothing is left of a run without a complete epoch
    run.train(config, tmp_path / "whole")
    run.train(config, folder)
    same_run(tmp_path / "whole", folder)


@pytest.mark.byhand
def test_the_same_seed_gives_the_same_bytes_and_so_does_a_run_that_was_stopped(tiny, tmp_path):
    config = tiny(epochs=2, augment="light", dropout=0.2)
    whole, again = (training.fit(config, tmp_path / name) for name in ("whole", "again"))
    same_run(whole, again)
    stopped(config, tmp_path / "stopped", Sender((1, 1)))
    same_run(whole, training.fit(config, tmp_path / "stopped"))
    assert (whole / "predictions.csv").exists()


@pytest.mark.byhand
def test_signal_handlers_are_restored(tiny, tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for step, signum, kind in ((0, signal.SIGINT, KeyboardInterrupt), (1, signal.SIGTERM, SystemExit)):
        assert isinstance(stopped(tiny(epochs=2), tmp_path / "run", Sender((0, step), signum)), kind)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.commands
@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_command_ends_it_with_one_sentence_and_the_status_of_that_signal(tiny, tmp_path, signum, status):
    flags = "--dataset phantom:train=16,val=8,test=8 --backbone custom --img_size 64 --epochs 1000 --threads 1 --batch_size 4 --logger csv"
    places = f"--model_save_dir {tmp_path}/runs --log_dir {tmp_path} --cache_dir {tmp_path}/cache"
    running = Running("main.py", f"{flags} {places}".split())
    while not list((tmp_path / "runs").glob("*/last.ckpt")) and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signum)
    done = running.done()
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"stopped in epoch \d+.* --resume .*runs/phantom-\S+", done.stderr)
