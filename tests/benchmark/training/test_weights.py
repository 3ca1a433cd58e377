"""Published weights: a file of a finished run from which the same run is written again."""

import json
import re

import pytest
import torch

import locus
from locus import backbones
from locus.backbones import weight_files
from locus.benchmark import export, opening
from locus.benchmark.training import fit, weights
from locus.benchmark.training.weights import publish, restore
from locus.core.errors import DataError
from tests.flips import flipped

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def run(tiny_in, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return fit(tiny_in(folder, weights_dtype="float16"), folder / "run")


@pytest.fixture
def file(run, tmp_path):
    publish(run, tmp_path / "net.safetensors", "0123")
    return tmp_path / "net.safetensors"


def test_evaluated_weights_are_rounded_to_float16(run):
    state = weight_files.weights(run)
    floats = [value for value in state.values() if value.is_floating_point()]
    assert {value.dtype for value in floats} == {torch.float32}
    assert all(torch.equal(value.half().float(), value) for value in floats)


def test_file_is_half_as_large_and_is_a_checkpoint_with_the_same_weights(run, file):
    assert file.stat().st_size < 0.6 * sum(value.nbytes for value in weight_files.weights(run).values())
    assert opening.checkpoint(file).digest == opening.checkpoint(run).digest
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(locus.load(file)(images), locus.load(run)(images))
    assert opening.checkpoint(file).trained_on == "phantom:train=48,val=24,test=24"


def test_restored_run_has_the_same_predictions_and_metrics(run, file, tiny_in, tmp_path):
    restore(file, tiny_in(tmp_path, weights_dtype="float16"), tmp_path / "restored")
    assert (tmp_path / "restored/predictions.csv").read_bytes() == (run / "predictions.csv").read_bytes()
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path / "restored"))
    assert first == second
    publish(tmp_path / "restored", tmp_path / "again.safetensors", "0123")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_weights_of_other_training_images_are_refused(file, tiny_in, tmp_path):
    other = tiny_in(tmp_path, dataset="phantom:train=48,val=24,test=24,grain=0.1", weights_dtype="float16")
    with pytest.raises(DataError, match=r"grain.*--published_weights never"):
        restore(file, other, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_weights_that_were_not_rounded_are_stored_exactly(tiny, tmp_path):
    run, file = fit(tiny(), tmp_path / "run"), tmp_path / "init-net.safetensors"
    publish(run, file, "")
    assert opening.checkpoint(file).digest == opening.checkpoint(run).digest
    weights.write_card(tmp_path)
    assert "not rounded: `init-net.safetensors`" in (tmp_path / "README.md").read_text()


def test_damaged_file_is_refused(file):
    for _ in flipped(file):
        with pytest.raises(DataError, match=r"net\.safetensors"):
            locus.load(file)


def test_all_finished_runs_of_a_folder_are_exported(run, tmp_path, capsys):
    assert export.main([str(run.parent), "--format", "weights", "--output", str(tmp_path / "mine")]) == 0
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["README.md", "custom-AVG-64px-seed0.safetensors"]
    assert export.main([str(tmp_path), "--format", "weights", "--output", str(tmp_path / "none")]) == 2
    assert "--weights_dtype float16" in capsys.readouterr().err


def test_network_of_all_images_is_exported_without_a_score_and_names_its_first_data(run, tiny_in, tmp_path):
    final = tiny_in(tmp_path, weights_dtype="float16", partition="all", init_from=str(run / "best.ckpt"))
    fit(final, tmp_path / "runs/final")
    assert export.main([str(tmp_path / "runs"), "--format", "weights", "--output", str(tmp_path / "final")]) == 0
    about = backbones.described(next((tmp_path / "final").glob("*.safetensors")))
    assert (about["auroc"], about["pretrained_on"]) == (None, "phantom:train=48,val=24,test=24")
    assert re.search(r"\| phantom:\S+, then phantom:\S+ .* – +\|", (tmp_path / "final/README.md").read_text())


def test_card_lists_every_file_with_its_auroc(run, file):
    weights.write_card(file.parent)
    card = (file.parent / "README.md").read_text()
    auroc = json.loads((run / "metrics.json").read_text())["test"]["mean_auroc"]
    assert "`net.safetensors`" in card
    assert f"{auroc:.3f}" in card
