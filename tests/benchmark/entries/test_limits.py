"""External maps, tables and JSON files that need too much memory are refused by their declared size."""

import gzip
import json

import numpy as np
import pytest
from PIL import Image

from locus.benchmark.entries import boxes, files, geometry
from locus.core import limits
from locus.core.errors import DataError
from locus.datasets.io import tables
from locus.datasets.io.annotations import Names

NAMES = Names(["a.png"], ["Mass"])
LONG = np.zeros((1, files.MAX_SIDE + 1), np.uint8)
RUNS = {"a.png": {"Mass": {"size": [*LONG.shape], "counts": [0, LONG.size]}}}
WRITE = {
    "map.npy": lambda path: np.save(path, LONG),
    "stack.npy": lambda path: np.save(path, LONG[None].repeat(3, 0)),
    "map.npz": lambda path: np.savez(path, a=LONG.T),
    "map.png": lambda path: Image.fromarray(LONG).save(path),
}


@pytest.mark.parametrize("name", WRITE)
def test_map_with_a_side_that_is_too_long_is_refused_before_it_is_read(tmp_path, name):
    WRITE[name](tmp_path / name)
    with pytest.raises(DataError, match=r"4097.*at most 4096 positions per side"):
        files.read_arrays(tmp_path / name)


def test_run_length_mask_with_a_side_that_is_too_long_is_refused_before_decoding(tmp_path):
    (tmp_path / "masks.json").write_text(json.dumps(RUNS))
    (given,) = files.find(tmp_path / "masks.json", NAMES, ()).values()
    with pytest.raises(DataError, match="at most 4096"):
        given.read()


@pytest.mark.parametrize(
    "read",
    [
        lambda path: boxes.read_boxes(path, None, NAMES, {"a.png": (9, 9)}),
        lambda path: files.find(path, NAMES, ()),
        lambda path: tables.read_csv(path, ("image",)),
        tables.read_list,
        lambda path: geometry.geometry_of(str(path)),
    ],
    ids=["boxes", "masks", "table", "list", "grid"],
)
def test_table_or_json_that_is_too_large_is_refused_before_reading(tmp_path, monkeypatch, read):
    monkeypatch.setattr(limits, "MAX_TEXT_BYTES", 100)
    (tmp_path / "a.json").write_text("[" * 101)
    with pytest.raises(DataError, match=r"101 bytes.* 100$"):
        read(tmp_path / "a.json")


def test_compressed_table_is_not_unpacked(tmp_path):
    """pandas would unpack a file of this name to any size."""
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"image,finding\na.png,Mass\n"))
    with pytest.raises(DataError, match=r"t\.csv\.gz"):
        tables.read_csv(tmp_path / "t.csv.gz", ("image",))
