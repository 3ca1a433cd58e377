"""Properties of all registered data sets."""

import functools
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError
from locus.core.types import Sample
from locus.core.user_code import from_file
from locus.datasets.base import Request

pytestmark = pytest.mark.contract


@pytest.fixture
def load(tiny):
    return functools.partial(datasets.load, *tiny)


def test_samples_match_the_attributes_of_the_data_set(load):
    data = load()
    few = data[:20]
    assert all(isinstance(sample, Sample) and set(sample.boxes) <= set(data.findings) for sample in few)
    assert (data.labels.dtype, data.labels.shape) == (np.float32, (len(data), len(data.findings)))
    assert (few[0].image.dtype, few[0].image.ndim) == (np.uint8, 2)
    assert np.array_equal(data.labels[:20], np.stack([sample.labels for sample in few]), equal_nan=True)
    assert data.patients[:20] == [sample.patient_id for sample in few]
    assert len({sample.image_id for sample in few}) == len(few)


def test_data_sets_and_samples_can_be_sent_to_processes(load):
    """DataLoader pickles the data set for workers that are spawned, and every sample that a worker returns."""
    data = load()
    sent = pickle.loads(pickle.dumps(data))
    pairs = zip([*data[:3], *data[:3]], [*sent[:3], *pickle.loads(pickle.dumps(data[:3]))], strict=True)
    for sample, copy in pairs:
        assert (copy.image_id, copy.frame, [*copy.masks]) == (sample.image_id, sample.frame, [*sample.masks])
        assert np.array_equal(copy.image, sample.image)


def test_every_box_is_inside_its_frame(load):
    for sample in load()[:50]:
        for boxes in sample.boxes.values():
            assert boxes.dtype == np.float64
            assert (boxes[:, :2] >= 0).all()
            assert (boxes[:, :2] < boxes[:, 2:]).all()
            assert (boxes[:, 2:] <= sample.frame[::-1]).all()


def test_the_description_for_records_is_json(load):
    data = load()
    assert json.loads(json.dumps(data.describe, allow_nan=False)) == data.describe
    assert (data.split, data.name in datasets.names()) == ("test", True)


def test_no_patient_is_in_two_splits_of_any_partition(load):
    """Pitfall: a random split has patients on both sides."""
    for partition in ("official", "patient", "kfold"):
        sides = [set(load(split=split, partition=partition, folds=2).patients) for split in ("train", "val", "test")]
        assert sum(map(len, sides)) == len(set.union(*sides))


def test_negative_indices_count_from_the_end(load):
    data = load()
    assert data[-1].image_id == data[len(data) - 1].image_id
    with pytest.raises(IndexError, match=rf"\b{len(data)}\b.*\b{len(data)}\b"):
        data[len(data)]


@pytest.mark.parametrize(
    ("wrong", "facts"),
    [
        ({"split": "dev"}, "'dev'.*split.*'train', 'val' or 'test'"),
        ({"partition": "random"}, "'random'.*partition.*'official', 'patient', 'kfold'"),
        ({"fold": 9, "partition": "kfold"}, "^fold 9 .* 0 .* 4$"),
        ({"findings": 3}, "(^| )3( findings|:|$)"),
        ({"shape": 1}, "'shape'"),
        *(({"seed": seed}, f"{seed}.*seed") for seed in (-1, 1.5, None, "0")),
        ({"folds": 1, "partition": "kfold"}, "1 .*folds.* 2$"),
    ],
    ids=str,
)
def test_an_invalid_argument_raises_a_clear_error(load, wrong, facts):
    with pytest.raises(BadValueError, match=facts):
        load(**wrong)


def test_every_data_set_documents_its_licence_and_citation():
    for name in datasets.names():
        text = datasets.REGISTRY.get(name).__doc__ or ""
        assert "frame" in text
        assert "ite:" in text or "citation" in text


def test_importing_the_package_imports_neither_torch_nor_a_data_set():
    code = "import sys, locus; locus.datasets.names(); print([m for m in ('torch', 'pandas', 'locus.datasets.nih') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=Path(datasets.__file__).parents[2], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.freshness
def test_the_data_set_of_the_docs_works_as_printed(tmp_path):
    page = (Path(datasets.__file__).parents[2] / "docs" / "add_a_dataset.md").read_text()
    (tmp_path / "example.py").write_text(page.split("```python\n")[1].split("```")[0])
    (tmp_path / "labels.csv").write_text("image,patient,Mass,Nodule\n" + "".join(f"{i}.png,{i},1,\n" for i in range(20)))
    example = from_file(f"{tmp_path / 'example.py'}:Example", "dataset")
    data = example(Request(root=tmp_path, split="train", partition="patient"))
    assert len(data) == 14
    assert data.labels[0, 0] == 1
    assert np.isnan(data.labels[:, 1]).all()
