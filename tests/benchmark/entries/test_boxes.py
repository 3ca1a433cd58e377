"""Files of boxes: valid files are read, and invalid ones are errors."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from locus import datasets
from locus.benchmark import score
from locus.benchmark.entries import entry
from locus.benchmark.entries.boxes import read_boxes
from locus.benchmark.entries.entry import read_probabilities
from locus.core.errors import BadValueError, DataError
from locus.datasets.io.annotations import Names
from tests.benchmark.entries.given import DATA, WORD, config
from tests.datasets import trees

NAMES = Names(["a.png", "b_1.png"], ["Mass", "Infiltration"])
FRAMES = {"a.png": (100, 200), "b_1.png": (100, 200)}
pytestmark = pytest.mark.byhand


def csv(folder, *rows, edges="x0,y0,x1,y1"):
    file = folder / "boxes.csv"
    file.write_text("\n".join([f"image,finding,{edges},score", *rows]) + "\n")
    return file


def test_xyxy_and_xywh_give_the_same_boxes(tmp_path):
    corners = read_boxes(csv(tmp_path, "a.png,Mass,10,20,30,60,.5"), "xyxy", NAMES, FRAMES)
    sides = read_boxes(csv(tmp_path, "a,mass,10,20,20,40,.5", edges="x,y,w,h"), "xywh", NAMES, FRAMES)
    for result in (corners, sides):
        assert result[("a.png", "Mass")].tolist() == [[10, 20, 30, 60, 0.5]]


def test_aliases_of_findings_are_accepted_and_boxes_clipped_at_the_edge(tmp_path):
    result = read_boxes(csv(tmp_path, "b_1.png,Infiltrate,150,20,200.9,60,1"), "xyxy", NAMES, FRAMES)
    assert result["b_1.png", "Infiltration"].tolist() == [[150, 20, 200, 60, 1]]


def coco(image, category, whole=True):
    """The content of a COCO file with one box, and of one without."""
    row = {"image_id": image, "category_id": category, "bbox": [10, 20, 20, 40], "score": 0.5}
    images = [{"id": 7, "file_name": "a.png", "width": 200, "height": 100}, {"id": 8, "file_name": "b_1.png"}]
    content = {"images": images, "categories": [{"id": 3, "name": "Mass"}], "annotations": [row]}
    return content if whole else [row]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.json", coco("a.png", "Mass", whole=False)),
        ("numbers.JSON", coco(7, 3)),
        ("text.json", coco("7", "3")),
        ("results.json", coco(7, 3, whole=False)),
    ],
)
def test_coco_json_is_xywh_with_ids_as_numbers_or_text_or_with_names(tmp_path, name, content):
    (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "truth.json").write_text(json.dumps(coco(8, 3)))
    index = tmp_path / "truth.json" if name == "results.json" else None
    result = read_boxes(tmp_path / name, None, NAMES, FRAMES, index)
    assert list(result) == [("a.png", "Mass")]
    np.testing.assert_array_equal(result[("a.png", "Mass")], [[10, 20, 30, 60, 0.5]])


@pytest.mark.parametrize(
    ("content", "frames", "facts"),
    [
        (coco("a.png", 3), FRAMES, "image ids .*a.png"),
        (coco(7, 9), FRAMES, "category ids .*9"),
        (coco(7, 3, whole=False), FRAMES, "--index"),
        (coco(7, 3), {**FRAMES, "a.png": (50, 100)}, "a.png is 200x100 there and 100x50"),
        ({**coco(7, 3), "images": [{"id": 7, "file_name": "a.png"}] * 2}, FRAMES, "repeated ids"),
    ],
    ids=["image", "category", "results", "size", "repeated"],
)
def test_coco_json_of_unknown_ids_or_other_sizes_is_refused(tmp_path, content, frames, facts):
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=facts):
        read_boxes(tmp_path / "boxes.json", None, NAMES, frames)


SAME = Names(["p1/s1/view.png", "p2/s1/view.png", "p3/view.png", "0.png", "0.jpg", "1.2.840", "1.2.841"], ["Mass"])


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("p1/s1/view.png", "p1/s1/view.png"),
        ("CheXpert/valid/p2/s1/view.jpg", "p2/s1/view.png"),
        ("p2_s1_view", "p2/s1/view.png"),
        ("p9/s1/view.png", None),
        ("0.jpg", "0.jpg"),
        ("1.2.841", "1.2.841"),
        ("1.2.842", None),
    ],
)
def test_images_of_one_name_are_told_apart_by_folder_and_suffix(name, image):
    assert SAME.image(name) == image
    assert SAME.split(f"{name}_Mass") == (image and (image, "Mass"))


@pytest.mark.parametrize("name", ["view.png", "s1/view", "0", "0.npy", "view_Mass"])
def test_a_name_that_fits_several_images_is_refused(name):
    with pytest.raises(DataError, match=r"fits \d images"):
        SAME.image(name) or SAME.split(name)


@pytest.mark.parametrize(
    ("row", "box_format", "message"),
    [
        ("a.png,Mass,90,20,30,40,.5", "xyxy", "--box_format xywh"),
        ("a.png,Mass,120,20,180,60,.5", "xywh", "--box_format xyxy"),
        ("a.png,Mass,.1,.2,.3,.4,.5", "xyxy", "narrower than a pixel"),
        ("a.png,Mass,10,120,30,160,.5", "xyxy", "outside their image"),
        ("", "xyxy", "no box"),
        ("a.png,Mass,10,20,30,60,1.5", "xyxy", "score"),
        ("a.png,Mass,10,20,30,60,nan", "xyxy", "score"),
        ("a.png,Mass,10,20,,60,.5", "xyxy", "four finite numbers"),
        ("c.png,Mass,10,20,30,60,.5", "xyxy", "c.png"),
        ("a.png,Fracture,10,20,30,60,.5", "xyxy", "Fracture"),
        ("a.png,Masss,10,20,30,60,.5", "xyxy", "Masss"),
        ("a.png,Massive,10,20,30,60,.5", "xyxy", "Massive"),
        ("a.png,Mass,10,20,30,60,.5\na.png,Mass,10,20,30,60,.5", "xyxy", "boxes 1 and 2 are identical"),
        ("a.png,Mass,10,20,30,60,.5\na.png,mass,10,20,30,60,.5", "xyxy", "boxes 1 and 2 are identical"),
    ],
)
def test_invalid_box_is_named(tmp_path, row, box_format, message):
    edges = "x0,y0,x1,y1" if box_format == "xyxy" else "x,y,w,h"
    with pytest.raises(DataError, match=message):
        read_boxes(csv(tmp_path, row, edges=edges), box_format, NAMES, FRAMES)


@pytest.mark.parametrize(
    ("name", "content", "box_format", "error", "message"),
    [
        ("a.csv", "image,finding,x0,y0,x1,y1,score\na.png,Mass,10,20,30,60,.5\n", None, BadValueError, "--box_format"),
        ("a.csv", "image,finding,x0,y0,x1,y1,score\n", "xywh", DataError, "--box_format is xywh"),
        ("a.csv", "image,finding,x0,y0,x1,score\n", "xyxy", DataError, "x0, y0, x1, y1"),
        ("a.json", "[]", "xyxy", BadValueError, "xywh: leave out --box_format xyxy"),
        ("a.json", '{"images": []}', None, DataError, "categories"),
    ],
)
def test_file_that_does_not_fit_its_format_is_refused(tmp_path, name, content, box_format, error, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        read_boxes(tmp_path / name, box_format, NAMES, FRAMES)


@pytest.mark.parametrize("column", ["Masss", "Nodulectomy"])
def test_column_whose_name_only_begins_as_a_finding_is_refused(tmp_path, column):
    (tmp_path / "p.csv").write_text(f"image,{column}\na.png,.5\nb_1.png,.5\n")
    with pytest.raises(DataError, match=column):
        read_probabilities(tmp_path / "p.csv", Names(["a.png", "b_1.png"], ["Mass", "Nodule"]))


def test_fold_that_changes_no_test_image_is_refused():
    with pytest.raises(BadValueError, match="--leave_out_fold"):
        config(boxes="b.csv", partition="kfold", leave_out_fold=2)


BOXED = [sample for sample in DATA if sample.boxes]


def boxes_for(folder, samples):
    """Write a CSV with the truth of these images."""
    rows = [(s.image_id, f, *box, 0.9) for s in samples for f, boxes in s.boxes.items() for box in boxes.tolist()]
    return {"boxes": str(csv(folder, *(",".join(map(str, row)) for row in rows))), "box_format": "xyxy"}


def test_images_without_a_box_are_an_error_without_missing(tmp_path):
    assert entry.read(config(**boxes_for(tmp_path, BOXED))).boxless == frozenset()
    given = boxes_for(tmp_path, BOXED[:2])
    with pytest.raises(DataError, match=rf"{len(BOXED) - 2} of {len(BOXED)} images.*--missing miss"):
        entry.read(config(**given))


@pytest.mark.parametrize(("missing", "scored"), [("miss", len(BOXED)), ("skip", 2)])
def test_images_without_a_box_are_misses_or_skipped(tmp_path, missing, scored):
    read_entry = entry.read(config(**boxes_for(tmp_path, BOXED[:2]), missing=missing))
    assert len(read_entry.boxless) == len(BOXED) - 2
    assert sum(bool(sample.boxes) for sample in read_entry.samples) == scored
    handling = {"miss": "count as misses", "skip": "are left out"}[missing]
    assert f"Images without a box {handling}." in read_entry.about


def test_invalid_table_is_an_error_without_importing_torch(tmp_path):
    (tmp_path / "t.csv").write_text("image\n")
    flags = ["--dataset", WORD, "--entry", "x", "--boxes", str(tmp_path / "t.csv"), "--box_format", "xyxy"]
    code = f"import sys; from benchmark import score; s = score.main({flags!r}); print(s, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n", done.stderr
    assert "finding" in done.stderr


def test_scored_boxes_of_ms_cxr_have_the_phrase_beside_the_finding(tmp_path):
    root = trees.write(tmp_path / "ms_cxr", trees.ms_cxr(more=9))
    rows = []
    for sample in datasets.load("ms_cxr", root):
        for finding, boxes in sample.boxes.items():
            rows += [f"{sample.image_id},{finding},{x0},{y0},{x1},{y1},.5" for x0, y0, x1, y1 in boxes.tolist()]
    flags = ["--dataset=ms_cxr", f"--data_root_dir={root}", f"--boxes={csv(tmp_path, *rows)}", "--box_format=xyxy"]
    assert score.main([*flags, "--entry=mine", f"--results={tmp_path}"]) == 0
    cases = pd.read_parquet(tmp_path / "mine" / "cases.parquet")
    assert list(cases)[6:8] == ["finding", "phrase"]
    assert cases[cases.image == "image0.jpg#1"].phrase.unique().tolist() == ["small effusion"]
