"""Recorded provenance of a run and fingerprint of its data."""

import json

import pytest
import torch
import yaml

from locus import datasets
from locus.benchmark.records import Cell, Record
from locus.benchmark.records.record import Provenance, describe, join
from locus.benchmark.training import data, provenance
from locus.config import TrainConfig
from locus.datasets import load_split
from locus.flags import cli


def test_run_folder_records_the_values_used_for_auto(tiny, tmp_path):
    assert provenance.read(tmp_path) is None
    assert describe(None) == "not recorded"
    torch.set_num_threads(1)
    config = tiny(img_size=32)
    provenance.write(config, tmp_path, {"train": data.decode(config, load_split(config, "train"))})
    used = provenance.read(tmp_path)
    assert used.threads == 1
    assert used.precision in ("32", "bf16-mixed")
    assert used.versions["torch"] == torch.__version__.split("+")[0]
    text = (tmp_path / "config.yaml").read_text()
    assert "# used: threads 1" in text
    assert cli.build(TrainConfig, yaml.safe_load(text)) == config
    recorded = json.loads((tmp_path / "provenance.json").read_text())
    assert recorded["processor"]
    assert len(recorded["data"]["train"]) == 16


def used(threads, train="a"):
    return Provenance(precision="32", threads=threads, device="cpu", processor="a chip", data={"train": train})


def test_trainings_of_several_folds_state_each_machine_and_what_each_learnt_from():
    joined = join([used(1, "a"), used(1, "b"), join([used(2, "c"), used(1, "c")])])
    assert joined == used(1, "a").model_copy(update={"others": (used(1, "b"), used(2, "c"), used(1, "c"))})
    assert describe(joined) == "precision 32, 1 thread, cpu, a chip and precision 32, 2 threads, cpu, a chip"
    assert join([used(1), used(1)]) == used(1)
    assert join([used(1), None]) is None


def test_what_was_recorded_of_one_machine_is_still_read():
    assert Provenance.model_validate(used(1).model_dump(exclude={"others"})) == used(1)


def test_provenance_is_beside_the_key_not_in_it():
    cell = Cell(dataset="phantom", method="cam", protocol="single_box")
    assert Record(cell=cell, training=provenance.of_scoring(), fingerprint="ab").key == Record(cell=cell).key


@pytest.mark.planted
def test_the_fingerprint_is_that_of_images_labels_and_boxes():
    load = lambda **options: datasets.load("phantom", split="test", img_size=64, train=8, val=8, test=8, **options)  # noqa: E731
    same, other = list(load()), list(load(seed=1))
    assert provenance.fingerprint(same) == provenance.fingerprint(list(load())) != provenance.fingerprint(other)
    assert provenance.fingerprint(same) != provenance.fingerprint(same[:-1])
    same[0].labels[0] = 1 - same[0].labels[0]
    assert provenance.fingerprint(same) != provenance.fingerprint(list(load()))
