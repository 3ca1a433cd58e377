"""Masks, polygons, ellipses and several readers in the data set ``folder``."""

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from PIL import Image
from pycocotools import mask as coco

from locus import datasets
from locus.benchmark.suite.cells import has_readings
from locus.core.errors import BadValueError, DataError
from locus.datasets.io import shapes
from locus.datasets.io.shapes import Ellipse, Polygons
from tests.datasets.trees import write

LABELS = ["image,split,Mass,Nodule", "a.png,test,1,1"]
HEIGHT, WIDTH = 40, 60
CIRCLE = np.array([(30 + 9.3 * np.cos(t), 20 + 7.1 * np.sin(t)) for t in np.linspace(0, 6.2, 17)])
SQUARES = [[0, 0], [20, 0], [20, 20], [0, 20], [0, 0], [5, 5], [15, 5], [15, 15], [5, 15], [5, 5]]


def picture(height=HEIGHT, width=WIDTH):
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8))


def mask():
    """Two parts: 10 x 4 pixels at (5, 3), and one pixel at (50, 30)."""
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    drawn[3:7, 5:15], drawn[30, 50] = 1, 255
    return drawn


@pytest.fixture
def load(tmp_path):
    """load(rows, **options): the sample of a folder whose table of boxes has these rows, or a COCO file."""

    def loaded(rows, files=None, **options):
        table = {"boxes.csv": rows} if isinstance(rows, list) else {"coco.json": rows}
        write(tmp_path, {"labels.csv": LABELS, "a.png": picture(), **table, **(files or {})})
        options |= {} if isinstance(rows, list) else {"boxes": "coco.json"}
        return datasets.load("folder", tmp_path, **options)

    return loaded


def annotated(*annotations):
    """A COCO file of one image and two findings."""
    categories = [{"id": 1, "name": "Mass"}, {"id": 2, "name": "Nodule"}]
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}], "categories": categories,
        "annotations": [{"id": n, "image_id": 7, "category_id": 1, **row} for n, row in enumerate(annotations)],
    }  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("points", [CIRCLE, CIRCLE + 25, CIRCLE - 25, CIRCLE[::-1]])
def test_a_polygon_has_the_pixels_whose_centre_is_inside(points):
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = Outline(points).contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(HEIGHT, WIDTH)
    assert np.array_equal(Polygons((points,)).mask((HEIGHT, WIDTH)), inside)


def test_what_a_ring_encloses_twice_is_a_hole():
    assert Polygons((np.array(SQUARES, float),)).mask((20, 20)).sum() == 20 * 20 - 10 * 10


@pytest.mark.byhand
def test_an_ellipse_has_its_area_and_its_turned_box():
    ellipse = Ellipse((30, 20), (12, 5), 30)
    drawn = ellipse.mask((HEIGHT, WIDTH))
    assert drawn.sum() == pytest.approx(np.pi * 12 * 5, rel=0.02)
    rows, columns = np.nonzero(drawn)
    x0, y0, x1, y1 = ellipse.boxes((HEIGHT, WIDTH))[0]
    assert [x0, y0, x1, y1] == pytest.approx([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], abs=1)


def test_a_mask_file_gives_a_box_per_part_and_the_mask(load):
    (sample,) = load(["image,finding,mask", "a.png,Mass,masks/a.png"], {"masks/a.png": Image.fromarray(mask())})
    assert sample.boxes["Mass"].tolist() == [[5, 3, 15, 7], [50, 30, 51, 31]]
    assert np.array_equal(sample.masks["Mass"], mask() > 0)


def test_run_lengths_and_polygons_of_coco_need_no_box(load):
    runs = coco.encode(np.asfortranarray(mask() > 0))
    ring = [[10, 10, 20, 10, 20, 30, 10, 30]]
    content = annotated(
        {"segmentation": {"size": runs["size"], "counts": runs["counts"].decode()}}, {"category_id": 2, "segmentation": ring}
    )
    (sample,) = load(content)
    assert np.array_equal(sample.masks["Mass"], mask() > 0)
    assert sample.boxes["Nodule"].tolist() == [[10, 10, 20, 30]]
    assert sample.masks["Nodule"].sum() == 10 * 20


def test_a_box_beside_an_outline_is_the_published_one_and_a_box_alone_is_filled(load):
    rows = ["image,finding,x0,y0,x1,y1,polygon", "a.png,Mass,1,2,30,35,5 5 25 5 15 30", "a.png,Nodule,40,5,50,15,"]
    (sample,) = load(rows)
    assert sample.boxes["Mass"].tolist() == [[1, 2, 30, 35]]
    assert 0 < sample.masks["Mass"].sum() < 29 * 33
    assert sample.masks["Nodule"].sum() == 100


def test_without_an_outline_there_are_no_masks(load):
    (sample,) = load(["image,finding,x0,y0,x1,y1", "a.png,Mass,1,2,30,35"])
    assert sample.read_masks is None


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ("polygon:1 2 3 4", "line 2 has a polygon of 2 points"),
        ("polygon:1 2 3 4 5", "line 2 has a polygon of 5 numbers"),
        ("polygon:1 2 a 4 5 6", "line 2 has the polygon '1 2 a 4 5 6'"),
        ("ellipse:10 10 0 3", "line 2 has the ellipse 10 10 0 3"),
        ("mask:masks/small.png", r"line 2: the mask .*small\.png has 30x20 pixels, but its image has 60x40"),
        ("mask:masks/absent.png", r"line 2 has the mask 'masks/absent\.png', and there is no file"),
        ("mask:../labels.csv", r"line 2 has the invalid path '\.\./labels\.csv'"),
        ("mask:masks/empty.png", "line 2: the mask .* is empty"),
        ("mask:masks/lossy.jpg", r"line 2: the mask .*lossy\.jpg is no PNG file: JPEG changes pixels"),
        ("rle:7", r"line 2 has the run lengths 7: write COCO's"),
        ("rle:many", "line 2 has the run lengths 'many'"),
        ("rle:{'size': [5; 5]}", "line 2 has the run lengths"),
        ("polygon:", "line 2 has no box and no shape"),
    ],
)
def test_an_invalid_outline_is_an_error_with_file_and_line(load, row, fact):
    column, _, cell = row.partition(":")
    files = {"masks/small.png": picture(20, 30), "masks/empty.png": Image.fromarray(mask() * 0), "masks/lossy.jpg": Image.fromarray(mask())}
    with pytest.raises(DataError, match=rf"boxes\.csv, {fact}"):
        load([f"image,finding,{column}", f"a.png,Mass,{cell}"], files)


def test_two_outlines_in_a_row_and_an_unknown_column_are_errors(load):
    with pytest.raises(DataError, match="line 2 has polygon and ellipse: give one"):
        load(["image,finding,polygon,ellipse", "a.png,Mass,1 2 3 4 5 9,5 5 2 2"])
    with pytest.raises(DataError, match=r"boxes\.csv has the columns image, finding, polygn: .*polygon or ellipse"):
        load(["image,finding,polygn", "a.png,Mass,1 2 3 4 5 6"])


def test_an_invalid_segmentation_is_an_error_with_the_annotation(load):
    with pytest.raises(DataError, match=r"coco\.json, annotation 1 has a polygon of 2 points"):
        load(annotated({"bbox": [1, 1, 5, 5]}, {"segmentation": [[1, 2, 3, 4]]}))
    with pytest.raises(DataError, match=r"coco\.json, annotation 0 has 5x5 pixels, but its image has 60x40"):
        load(annotated({"segmentation": {"size": [5, 5], "counts": [20, 5]}}))


READ = ["image,finding,reader,x0,y0,x1,y1", "a.png,Mass,r1,10,10,30,30", "a.png,Mass,r2,10,10,30,34", "a.png,Nodule,r2,40,5,50,15"]


def test_the_truth_of_several_readers_is_what_enough_of_them_marked(load):
    data = load(READ, readers=True)
    assert data[0].boxes == {"Mass": pytest.approx(np.array([[10, 10, 30, 32]]))}
    assert data.readings(0)["r2"]["Nodule"].tolist() == [[40, 5, 50, 15]]
    assert sorted(load(READ, readers=True, votes=1)[0].boxes) == ["Mass", "Nodule"]
    assert [has_readings(word) for word in ("folder", "folder:readers=True", "vindr_cxr", "NIH")] == [False, True, True, False]


def test_a_finding_may_contain_the_word_of_beside_readers(tmp_path):
    finding = "Blunting of angle"
    boxes = ["image,finding,reader,x0,y0,x1,y1", f"a.png,{finding},r1,10,10,30,30", f"a.png,{finding},r2,10,10,30,34"]
    write(tmp_path, {"labels.csv": [f"image,split,{finding}", "a.png,test,1"], "a.png": picture(), "boxes.csv": boxes})
    data = datasets.load("folder", tmp_path, readers=True)
    assert sorted(data.readings(0)) == ["r1", "r2"]
    assert list(data[0].boxes) == [finding]


def test_readers_that_are_not_requested_or_not_named_are_errors(load):
    with pytest.raises(DataError, match=r"2 readers \(reader\) in the image a\.png: use --dataset folder:readers=True"):
        load(READ)
    with pytest.raises(DataError, match="boxes without a reader, first mark 3"):
        load([*READ[:3], "a.png,Nodule,,40,5,50,15"], readers=True)
    with pytest.raises(DataError, match="has no column of readers"):
        load(["image,finding,x0,y0,x1,y1", "a.png,Mass,1,2,30,35"], readers=True)
    with pytest.raises(DataError, match=r"b\.png"):
        load([*READ, "b.png,Mass,r3,1,1,9,9"], readers=True)
    with pytest.raises(BadValueError, match="votes is 0"):
        load(READ, readers=True, votes=0)


def test_every_shape_is_a_column_of_a_table():
    assert set(shapes.COLUMNS) == {"mask", "rle", "polygon", "ellipse"}
