"""Files of boxes: what is read, and a sentence for each that cannot be."""

import json

import numpy as np
import pytest

from benchmark.external.boxes import read
from benchmark.external.names import Names
from core.errors import BadValueError, DataError

NAMES = Names(["a.png", "b_1.png"], ["Mass", "Infiltration"])
FRAMES = {"a.png": (100, 200), "b_1.png": (100, 200)}
pytestmark = pytest.mark.byhand


def csv(folder, *rows, edges="x0,y0,x1,y1"):
    file = folder / "boxes.csv"
    file.write_text("\n".join([f"image,finding,{edges},score", *rows]) + "\n")
    return file


def test_corners_and_sides_say_the_same_box(tmp_path):
    corners = read(csv(tmp_path, "a.png,Mass,10,20,30,60,.5"), "xyxy", NAMES, FRAMES)
    sides = read(csv(tmp_path, "a,mass,10,20,20,40,.5", edges="x,y,w,h"), "xywh", NAMES, FRAMES)
    for found in (corners, sides):
        assert found[("a.png", "Mass")].tolist() == [[10, 20, 30, 60, 0.5]]


def test_an_earlier_name_of_a_finding_is_understood_and_a_box_is_cut_at_the_edge(tmp_path):
    found = read(csv(tmp_path, "b_1.png,Infiltrate,150,20,200.9,60,1"), "xyxy", NAMES, FRAMES)
    assert found[("b_1.png", "Infiltration")].tolist() == [[150, 20, 200, 60, 1]]


@pytest.mark.parametrize("bare", [False, True])
def test_coco_json_is_xywh_with_numbers_or_names(tmp_path, bare):
    one = {"image_id": "a.png" if bare else 7, "category_id": "Mass" if bare else 3, "bbox": [10, 20, 20, 40], "score": 0.5}
    whole = {"images": [{"id": 7, "file_name": "a.png"}], "categories": [{"id": 3, "name": "Mass"}], "annotations": [one]}
    (tmp_path / "boxes.json").write_text(json.dumps([one] if bare else whole))
    found = read(tmp_path / "boxes.json", None, NAMES, FRAMES)
    np.testing.assert_array_equal(found[("a.png", "Mass")], [[10, 20, 30, 60, 0.5]])


@pytest.mark.parametrize(
    ("row", "box_format", "said"),
    [
        ("a.png,Mass,90,20,30,40,.5", "xyxy", "--box_format xywh"),
        ("a.png,Mass,120,20,180,60,.5", "xywh", "--box_format xyxy"),
        ("a.png,Mass,.1,.2,.3,.4,.5", "xyxy", "below a pixel"),
        ("a.png,Mass,10,20,30,160,.5", "xyxy", "edge of its image"),
        ("", "xyxy", "no box"),
        ("a.png,Mass,10,20,30,60,1.5", "xyxy", "score"),
        ("a.png,Mass,10,20,30,60,nan", "xyxy", "score"),
        ("a.png,Mass,10,20,,60,.5", "xyxy", "four numbers"),
        ("c.png,Mass,10,20,30,60,.5", "xyxy", "c.png"),
        ("a.png,Fracture,10,20,30,60,.5", "xyxy", "Fracture"),
        ("a.png,Mass,10,20,30,60,.5\na.png,Mass,10,20,30,60,.5", "xyxy", "box 2 repeats box 1"),
        ("a.png,Mass,10,20,30,60,.5\na.png,mass,10,20,30,60,.5", "xyxy", "box 2 repeats box 1"),
    ],
)
def test_a_box_that_cannot_be_is_named(tmp_path, row, box_format, said):
    edges = "x0,y0,x1,y1" if box_format == "xyxy" else "x,y,w,h"
    with pytest.raises(DataError, match=said):
        read(csv(tmp_path, row, edges=edges), box_format, NAMES, FRAMES)


def test_a_csv_whose_format_nobody_says_is_refused(tmp_path):
    with pytest.raises(BadValueError, match="--box_format"):
        read(csv(tmp_path, "a.png,Mass,10,20,30,60,.5"), None, NAMES, FRAMES)


def test_corners_in_a_json_are_refused(tmp_path):
    (tmp_path / "boxes.json").write_text("[]")
    with pytest.raises(BadValueError, match="xywh, --box_format is xyxy"):
        read(tmp_path / "boxes.json", "xyxy", NAMES, FRAMES)


def test_a_json_that_is_none_is_refused(tmp_path):
    (tmp_path / "boxes.json").write_text('{"images": []}')
    with pytest.raises(DataError, match="categories"):
        read(tmp_path / "boxes.json", None, NAMES, FRAMES)
