"""Files that would run code when loaded raise an error with the name of the code, and nothing runs."""

import os
import pickle

import pytest
import torch

from locus.backbones import weight_files
from locus.benchmark import opening
from locus.core.errors import DataError


class Runs:
    """Class whose unpickling runs a command that creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


FORMATS = {
    "zip": lambda content, path: torch.save(content, path),
    "legacy": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
}


@pytest.fixture(params=FORMATS)
def hostile(request, tmp_path):
    path = tmp_path / "weights.pt"
    FORMATS[request.param]({"state_dict": {"a": torch.zeros(1)}, "more": Runs(tmp_path / "ran")}, path)
    yield path
    assert not (tmp_path / "ran").exists()


def test_the_code_in_an_unsafe_checkpoint_is_named(hostile):
    with pytest.raises(DataError, match=r"posix\.system"):
        opening.checkpoint(hostile)


def test_a_broken_file_without_code_names_none(tmp_path):
    torch.save({"a": torch.zeros(100)}, tmp_path / "w.pt")
    for content in (b"", b"abc", (tmp_path / "w.pt").read_bytes()[:300], pickle.dumps([1, 2])):
        (tmp_path / "w.pt").write_bytes(content)
        with pytest.raises(Exception) as raised:
            weight_files.load_file(tmp_path / "w.pt")
        assert weight_files.code_in(raised.value) is None


def test_a_hugging_face_folder_with_unsafe_weights_raises_an_error(tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], num_labels=2).save_pretrained(tmp_path)
    torch.save({"a": Runs(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"posix\.system"):
        opening.network_of(f"hf:{tmp_path}", None)
    assert not (tmp_path / "ran").exists()
