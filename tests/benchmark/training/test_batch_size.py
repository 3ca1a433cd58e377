"""``--batch_size auto``."""

import pytest
import torch
import yaml

import backbones
from benchmark.training import batch_size, run
from benchmark.training.losses.bce import BCE
from benchmark.training.resume import folder_for
from config import TrainConfig
from core.cli import parse
from core.errors import BadValueError, NotAvailableError
from tests.benchmark.training.test_memory import limit
from tests.warm import in_a_child

CPU = torch.device("cpu")


def step(**flags):
    config = TrainConfig(backbone="custom", img_size=128, precision="32", batch_size="auto", **flags)
    return batch_size.TrialStep(config, "32", backbones.build("custom", 3), BCE(), torch.zeros(1, 3))


@pytest.mark.byhand
def test_batch_size_is_a_number_or_auto():
    for word, wanted in (("auto", "auto"), ("16", 16)):
        assert parse(TrainConfig, ["--batch_size", word], "main.py")[0].batch_size == wanted
    for word in ("0", "-2", "3.5", "many"):
        with pytest.raises(BadValueError, match=rf"{word}\b.*--batch_size.*\b1\b.*auto"):
            parse(TrainConfig, ["--batch_size", word], "main.py")
    with pytest.raises(BadValueError, match=r"--batch_size auto"):
        _ = TrainConfig(batch_size="auto").batch


@pytest.mark.byhand
def test_the_largest_power_of_two_below_the_first_that_does_not_fit_is_chosen():
    tried = []
    assert batch_size.largest(256, lambda size: tried.append(size) or size < 20) == 16
    assert tried == [1, 2, 4, 8, 16, 32]
    assert batch_size.largest(6, lambda size: True) == 4
    with pytest.raises(NotAvailableError, match=r"memory.*--img_size.*--backbone"):
        batch_size.largest(8, lambda size: False)


def _chosen(room):
    batch_size.fits(1, step(), CPU)  # what the libraries need for themselves is there
    limit(room)
    return batch_size.largest(1024, lambda size: batch_size.fits(size, step(), CPU))


@pytest.mark.slow
@pytest.mark.byhand
def test_real_steps_are_tried_until_the_memory_is_refused():
    assert 1 <= in_a_child(_chosen, 2**28) <= 64


@pytest.mark.byhand
def test_trial_step_changes_neither_network_nor_random_state():
    trial = step(dropout=0.5)
    before, chance = {name: value.clone() for name, value in trial.model.state_dict().items()}, torch.get_rng_state()
    assert batch_size.fits(2, trial, CPU)
    batch_size.memory_estimator(trial)
    assert all(torch.equal(value, before[name]) for name, value in trial.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), chance)


@pytest.mark.byhand
def test_estimated_memory_grows_with_the_images():
    needed = batch_size.memory_estimator(step())
    assert needed(16) - needed(8) == pytest.approx(needed(8) - needed(0))
    assert needed(8) > 8 * 24 * 64 * 64 * 4


@pytest.mark.planted
def test_auto_equals_the_printed_batch_size_even_if_resumed(tiny, tmp_path, caplog):
    with caplog.at_level("INFO"):
        run.train(tiny(batch_size="auto", epochs=1), tmp_path / "train" / "auto")
    assert "batch size 4: the largest power of two up to 6 that fits into memory; same as --batch_size 4" in caplog.text
    assert yaml.safe_load((tmp_path / "train" / "auto" / "config.yaml").read_text())["batch_size"] == 4
    assert folder_for(tiny(batch_size="auto", epochs=1, resume=True)) == tmp_path / "train" / "auto"
    run.train(tiny(batch_size="auto", epochs=2), tmp_path / "train" / "auto")
    run.train(tiny(batch_size=4, epochs=2), tmp_path / "typed")
    assert (tmp_path / "train" / "auto" / "metrics.csv").read_bytes() == (tmp_path / "typed" / "metrics.csv").read_bytes()
