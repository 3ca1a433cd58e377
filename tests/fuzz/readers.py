"""All functions that read files of users, each with a valid file; a reader gets a folder and the path of its file."""

import functools
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save as safetensors

from locus.backbones import weight_files
from locus.benchmark import opening, records
from locus.benchmark.entries import boxes, entry, files, geometry
from locus.benchmark.records import storage
from locus.benchmark.suite import plan
from locus.datasets.io import annotations, images
from locus.datasets.io.annotations import Names
from locus.flags import cli
from tests.benchmark.report.made_up import training
from tests.datasets.trees import write_dicom

NAMES = Names(["a.png"], ["Mass"])
FRAMES = {"a.png": (100, 100)}
BOX = {"image_id": "a.png", "category_id": "Mass", "bbox": [10, 20, 20, 40], "score": 0.5}


@dataclass(frozen=True)
class Reader:
    """A valid file and the function that reads it."""

    name: str
    read: Callable[[Path], object]
    good: Callable[[Path], object]
    """Write a valid file."""


def _bytes(content: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content())


def _text(content: object) -> Callable[[Path], object]:
    return _bytes(lambda: (content if isinstance(content, str) else json.dumps(content)).encode())


def _stream(write: Callable[[io.BytesIO], object]) -> Callable[[Path], object]:
    def content() -> bytes:
        write(stream := io.BytesIO())
        return stream.getvalue()

    return _bytes(functools.cache(content))


def _planes(path: Path) -> list[object]:
    return [files.as_2d_map(values, name) for name, values in files.read_arrays(path).items()]


def _masks(path: Path) -> list[object]:
    return [given.read() for given in files.find(path, NAMES, ()).values()]


def _packed(path: Path) -> object:
    """Read two packed files, one of which is that of the fuzzer."""
    return records.load(path.parent)


def _good_records(path: Path) -> None:
    training(path.parent, "cam", seed=0, count=5)
    records.pack(path.parent)


def _suite(path: Path) -> object:
    return plan.load(path.stem, path.parent)


def _yolo(path: Path) -> None:
    (path.parent / "classes.txt").write_text("Mass\n")
    path.write_text("0 .5 .5 .2 .4\n")


COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}],
    "categories": [{"id": 1, "name": "Mass"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 20, 40]}],
}
VOC = """<annotation><filename>a.png</filename><size><width>100</width><height>100</height></size><object><name>Mass</name>
<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>60</ymax></bndbox></object></annotation>"""
CHECKPOINT = {
    "state_dict": {"model.extractor.a": torch.zeros(2)},
    "locus": {
        "config": {"img_size": 64},
        "model": {"name": "custom", "num_classes": 1, "global_pool": "AVG", "attention_map": None, "pretrained": False},
        "findings": ["Mass"],
    },
}
SUITE = "title: t\nabout: a\ntrain: {dataset: phantom, img_size: 64}\nmodels: [{backbone: custom}]\nmethods: [cam]\n"
READERS = {
    file: Reader(file, read, good)
    for file, read, good in [
        (
            "boxes.csv",
            lambda p: boxes.read_boxes(p, "xyxy", NAMES, FRAMES),
            _text("image,finding,x0,y0,x1,y1,score\na,Mass,10,20,30,60,.5\n"),
        ),
        ("predictions.csv", lambda p: entry.read_probabilities(p, NAMES), _text("image,Mass\na.png,0.5\n")),
        ("boxes.json", lambda p: boxes.read_boxes(p, None, NAMES, FRAMES), _text([BOX])),
        ("coco.json", annotations.read_coco, _text(COCO)),
        ("voc.xml", lambda p: annotations.read_boxes(p.parent), _text(VOC)),
        ("yolo.txt", lambda p: annotations.read_boxes(p.parent), _yolo),
        ("masks.json", _masks, _text({"a.png": {"Mass": {"size": [2, 3], "counts": [1, 2, 3]}}})),
        ("grid.json", lambda p: geometry.geometry_of(str(p)), _text({"size": [8, 8], "stride": [1, 1], "offset": [0, 0]})),
        ("record.json", storage.read, _text("{}")),
        ("flags.yaml", cli.read_yaml, _text("img_size: 64\n")),
        ("suite.yaml", _suite, _text(SUITE)),
        ("records.parquet", _packed, _good_records),
        ("cells.parquet", _packed, _good_records),
        ("image.dcm", images.decode, write_dicom),
        ("image.png", images.decode, _stream(lambda s: Image.fromarray(np.eye(9, dtype=np.uint8)).save(s, "PNG"))),
        ("map.png", _planes, _stream(lambda s: Image.fromarray(np.eye(9, dtype=np.uint8)).save(s, "PNG"))),
        ("map.npy", _planes, _stream(lambda s: np.save(s, np.eye(3)))),
        ("map.npz", _planes, _stream(lambda s: np.savez_compressed(s, a=np.eye(3), b=np.eye(9)))),
        ("w.safetensors", weight_files.weights, _bytes(lambda: safetensors({"a": torch.zeros(2)}))),
        ("best.ckpt", opening.read, _stream(lambda s: torch.save(CHECKPOINT, s))),
    ]
}


def npy(header: str, values: bytes = b"") -> bytes:
    """Return a .npy file of version 1 with any header."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + values
