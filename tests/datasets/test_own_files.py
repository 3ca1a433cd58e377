"""Files of users as spreadsheets, tools and competitions write them: read rightly, or refused with the value."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locus import datasets
from locus.core.errors import BadValueError, DataError, LeakError, LocusError
from locus.core.names import canonical_finding, identity, require_findings, spelled_twice
from locus.datasets.folder import _listed
from tests.datasets.trees import folder, image, write

pytestmark = pytest.mark.byhand
BOX = {"x0": 2, "y0": 4, "x1": 10, "y1": 12}
NAMES = ("a.png", "d.png")


def load(root, files, word="folder", labels="image,split,Mass,Nodule\na.png,train,1,1\nd.png,test,1,1\n"):
    """Return the test images of a folder with two images and these ``files``."""
    texts = {"labels.csv": labels, **files}
    pictures = {name: image() for name in NAMES}
    write(root, pictures | {name: text.encode() if isinstance(text, str) else text for name, text in texts.items()})
    return datasets.load(word, root)


def boxes(data):
    return {finding: array.tolist() for finding, array in data[0].boxes.items()}


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("Mass|Nodule", ["Mass", "Nodule"]), ("Mass;Nodule", ["Mass", "Nodule"]), ("Mass, Nodule", ["Mass", "Nodule"]),
        ("['Mass', 'Nodule']", ["Mass", "Nodule"]), ('["Mass"]', ["Mass"]), ("[]", []), ("['normal']", []), ("nan", []),
        ("No Finding", []), ("Nodule/Mass", ["Nodule/Mass"]), ("Mass | Nodule ;Edema", ["Edema", "Mass", "Nodule"]),
        ("Mass\tNodule", ["Mass", "Nodule"]), ("Mass\nNodule", ["Mass", "Nodule"]), ("Mass；Nodule", ["Mass", "Nodule"]),
        ("Crohn's, Bamberger's", ["Bamberger's", "Crohn's"]), ("Emphysema and Bulla", ["Emphysema and Bulla"]),
    ],
)  # fmt: skip
def test_findings_in_a_cell_are_separated_by_any_usual_mark(tmp_path, cell, found):
    table = f'image,split,Labels\na.png,train,Edema\nd.png,test,"{cell.replace(chr(34), chr(34) * 2)}"\n'
    data = load(tmp_path, {}, "folder:findings=Labels", table)
    assert [f for f, label in zip(data.findings, data.labels[0], strict=True) if label] == found
    assert {*data.findings} == {*found, "Edema"}


@pytest.mark.parametrize(
    "cell",
    [
        "[Mass]",
        "['Mass'",
        "{'Mass'}",
        "[1, 2]",
        "['Mass', 3]",
        "[['Mass']]",
        '"Mass"',
        "Mass]",
        "[",
        "{}",
        "('Mass', 'Nodule')",
        "['Mass' 'Nodule']",
        "'Mass'",
    ],
)
def test_a_broken_list_of_findings_is_refused_with_its_text(cell):
    with pytest.raises(DataError, match=r"labels\.csv"):
        _listed(Path("labels.csv"), cell)


@pytest.mark.parametrize("mark", ["/", " / ", "+", " & ", " and ", " - ", ":", "\\", " "])
def test_a_finding_that_joins_two_others_is_refused(tmp_path, mark):
    table = f"image,split,Labels\na.png,train,Mass\nb.png,train,Nodule\nd.png,test,Mass{mark}Nodule\n"
    with pytest.raises(DataError, match=re.escape(f"{f'Mass{mark}Nodule'!r}, which joins")):
        load(tmp_path, {}, "folder:findings=Labels", table)


VOC = "<annotation{ns}><size><width>16</width><height>16</height></size><object><name>Mass</name>{box}</object></annotation>"
EDGES = "<bndbox><xmin>2</xmin><ymin>4</ymin><xmax>10</xmax><ymax>12</ymax></bndbox>"
GOOD = VOC.format(ns="", box=EDGES)
CVAT = '<annotations><image name="d.png"><box label="Mass" xtl="2" ytl="4" xbr="10" ybr="12"/></image></annotations>'
ROTATION = "<attributes><attribute><name>rotation</name><value>90.0</value></attribute></attributes>"
POLYGON = "<object><name>Mass</name><polygon><x1>2</x1></polygon></object>"
COCO = {"images": [{"id": 1, "file_name": "d.png", "width": 16, "height": 16}], "categories": [{"id": 3, "name": "Mass"}]}
MARK = {"id": 7, "image_id": 1, "category_id": 3, "bbox": [2, 4, 8, 8]}


def coco(*marks, **more):
    return json.dumps({**COCO, **more, "annotations": [MARK, *({**MARK, **mark} for mark in marks)]})


@pytest.mark.parametrize(
    ("place", "files"),
    [
        ("v", {"v/d.xml": GOOD}), ("v", {"v/d.XML": GOOD}), ("v", {"v/d.xml": VOC.format(ns=' xmlns="http://x.org/y"', box=EDGES)}),
        ("y", {"y/d.TXT": "0 .375 .5 .5 .5\n", "y/classes.txt": "Mass\n"}),
        ("y", {"y/d.txt": "0 .375 .5 .5 .5\n", "y/obj.names": "Mass\n"}),
        ("t.json", {"t.json": coco()}), ("t.json", {"t.json": coco(images=[{"id": 1, "file_name": "x/d.png"}])}),
        ("t.json", {"t.json": coco(images=[{"id": 1.0, "file_name": "x\\d.png"}])}),
        ("t.json", {"t.json": coco(categories=[{"id": 3.0, "name": "Mass"}])}),
        ("n.csv", {"n.csv": "Image Index,Finding Label,Bbox [x,y,w,h],,,\nd.png,Mass,2,4,8,8,,,\n"}),
        ("n.csv", {"n.csv": "image_id,class_name,rad_id,x_min,y_min,x_max,y_max\nd,Mass,R8,2,4,10,12\na,No finding,R8,,,,\n"}),
        ("n.csv", {"n.csv": "image,finding,x,y,w,h,x0,y0,x1,y1,width,height\nd.png,mass,2,4,8,8,2,4,10,12,16,16\n"}),
    ],
    ids=range(12),
)  # fmt: skip
def test_boxes_of_tools_and_competitions_are_read(tmp_path, place, files):
    assert boxes(load(tmp_path, files, f"folder:boxes={place}")) == {"Mass": [[2, 4, 10, 12]]}


def test_rsnas_table_has_boxes_of_pneumonia(tmp_path):
    table = "patientId,x,y,width,height,Target\nd,2,4,8,8,1\na,,,,,0\n"
    data = load(tmp_path, {"r.csv": table}, "folder:boxes=r.csv", "image,split,Pneumonia\na.png,train,0\nd.png,test,1\n")
    assert boxes(data) == {"Pneumonia": [[2, 4, 10, 12]]}


@pytest.mark.parametrize(
    ("place", "files", "facts"),
    [
        ("v", {"v/d.xml": GOOD.replace("</annotation>", f"{POLYGON}</annotation>")}, r"v has 1 .*d\.xml \(Mass: name, polygon\)"),
        ("v", {"v/d.xml": GOOD, "v/a.xml": CVAT}, r"1 .*a\.xml \(root <annotations>, as CVAT"),
        ("v", {"v/d.xml": GOOD, "v/a.xml": GOOD.replace("<ymax>12</ymax>", "")}, r"1 .*a\.xml \(Mass: name, bndbox"),
        ("v", {"v/d.xml": GOOD, "v/a.xml": GOOD.replace("<name>Mass</name>", "")}, r"1 .*a\.xml \(no name"),
        ("v", {"v/d.xml": GOOD, "v/a.xml": GOOD.replace(EDGES, EDGES * 2)}, r"1 .*a\.xml \(Mass: name, bndbox, bndbox"),
        ("v", {"v/d.xml": GOOD.replace("<object>", f"<item>{EDGES}</item><object>")}, r"1 .*d\.xml \(<item>\)"),
        ("t.json", {"t.json": coco({"id": 8, "iscrowd": 1})}, r"t\.json has 1 .*8 \(iscrowd\)"),
        ("t.json", {"t.json": coco({"id": 8, "bbox": []}, {"id": 9, "bbox": None})}, r"2 .*8 \(no bbox\), 9"),
        ("t.json", {"t.json": coco({"id": 8, "ignore": 1}, {"id": 9, "attributes": {"rotation": 9}})}, r"2 .*8 \(ignore\), 9 \(rotation\)"),
        ("v", {"v/d.xml": GOOD, "v/a.xml": GOOD.replace("<bndbox>", "<difficult>1</difficult><bndbox>")}, r"1 .*\(Mass: difficult\)"),
        ("v", {"v/d.xml": GOOD, "v/a.xml": GOOD.replace("<bndbox>", f"{ROTATION}<bndbox>")}, r"1 .*a\.xml \(Mass: rotation\)"),
        ("b.csv", {"b.csv": "image,finding,x0,y0,x1,y1,angle\nd.png,Mass,2,4,10,12,0\na.png,Mass,2,4,10,12,9.5\n"}, r"1 .*row 2 \(angle\)"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_a_reader_does_not_know_is_refused_or_left_out_on_request(tmp_path, caplog, place, files, facts):
    with pytest.raises(DataError, match=facts):
        load(tmp_path, files, f"folder:boxes={place}")
    assert boxes(load(tmp_path, files, f"folder:boxes={place},skip_unknown=True")) == {"Mass": [[2, 4, 10, 12]]}
    assert "are left out" in caplog.text


@pytest.mark.parametrize(
    ("place", "files", "facts"),
    [
        ("m", {"m/d.xml": GOOD, "m/d.txt": "0 .4 .5 .5 .5"}, r"1 \.txt and 1 \.xml"),
        ("y", {"y/d.txt": "0 .4 .5 .5 .5", "y/classes.txt": "Mass", "y/obj.names": "Nodule"}, r"classes\.txt and .*obj\.names"),
        ("y", {"y/classes.txt": "Mass"}, "no files of boxes"), ("v", {"v/d.xml": VOC[:0] + "<annotation/>"}, "no boxes"),
        ("l", {"l/d.json": json.dumps({"shapes": []})}, "LabelMe"), ("l.json", {"l.json": json.dumps({"shapes": []})}, "LabelMe"),
        ("s.json", {"s.json": json.dumps([{"id": 1, "data": {}, "annotations": []}])}, "Label Studio"),
        ("p.csv", {"p.csv": "image_id,PredictionString\nd,0 .9 2 4 10 12\n"}, "PredictionString"),
        ("b.csv", {"b.csv": "image,finding,x0,y0,x1,y1\n"}, "no boxes"),
        ("b.csv", {"b.csv": "image,finding,x0,y0,x1,y1,width,height\nd.png,Mass,1,2,5,6,8,8\n"}, "d.png is 8x8 there and 16x16"),
        ("b.csv", {"b.csv": "image,finding,x0,y0,x1,y1,Image_Width\nd.png,Mass,1,2,5,6,8\n"}, "8xnan there and 16x16"),
        ("b.csv", {"b.csv": "image,finding,x0,y0,x1,y1,width\nd.png,Mass,1,2,5,6,8px\n"}, "not numbers .*'8px'"),
        ("v.xml", {"v.xml": GOOD}, "v.xml is an XML file: give the folder"),
        ("b.csv", {"b.csv": "image,finding,x,y,w,h,x0,y0,x1,y1\nd.png,Mass,2,4,8,8,2,4,8,8\n"}, "row 1, x0, y0, x1, y1 .* x, y, w, h"),
        ("b.csv", {"b.csv": "image,finding,x0,y0,x1,y1,x0\nd.png,Mass,1,2,5,6,3\n"}, r"same name \(1\): x0"),
        ("t.json", {"t.json": coco()[:-1] + ', "images": []}'}, "'images' is given twice"),
        ("t.json", {"t.json": coco({"id": 8, "annotator": "b"}).replace('"id": 7,', '"id": 7, "annotator": "a",', 1)}, "2 readers"),
        ("b.csv", {"b.csv": "image,finding,rad_id,x0,y0,x1,y1\nd,Mass,R8,2,4,10,12\nd,Mass,R9,2,4,9,12\n"}, r"2 readers .*rad_id"),
        ("t.json", {"t.json": json.dumps({**COCO, "annotations": [{**MARK, "bbox": [2, 4, 10, 12], "area": 64}]})}, "corners"),
    ],
    ids=range(19),
)  # fmt: skip
def test_contradictions_absences_and_other_formats_are_refused_with_their_names(tmp_path, place, files, facts):
    with pytest.raises(DataError, match=facts):
        load(tmp_path, files, f"folder:boxes={place}")


def test_a_box_of_a_finding_with_label_0_is_refused(tmp_path):
    labels = "image,split,Mass\na.png,train,1\nd.png,test,0\n"
    with pytest.raises(DataError, match=r"label is 0 \(1\): d\.png Mass"):
        load(tmp_path, {"boxes.csv": "image,finding,x0,y0,x1,y1\nd.png,Mass,2,4,10,12\n"}, labels=labels)


@pytest.mark.parametrize(
    "pair",
    [("Grade+", "Grade-"), ("COVID", "COVID-19"), ("T1", "T-1"), ("Effusion", "Pleural Effusion"), ("Mass", "mass"), ("Mass", "Mass\u200b"),
     ("Lung Opacity", "Lung_Opacity"), ("é", "e\u0301"), ("Fibrosis", "Pulmonary fibrosis"), ("Nodule/Mass", "Nodule or Mass")],
)  # fmt: skip
def test_two_findings_of_one_normal_form_are_refused(tmp_path, pair):
    assert len({*map(canonical_finding, pair)}) == 1
    with pytest.raises(BadValueError):
        require_findings(pair)
    with pytest.raises(LocusError):
        load(tmp_path, {}, labels=f"image,split,{pair[0]},{pair[1]}\na.png,train,1,0\nd.png,test,0,1\n")


@pytest.mark.parametrize("findings", [{"Mass", "Nodule"}, (name for name in ("Mass", "Nodule")), "Mass", None, 3])
def test_findings_without_an_order_are_refused(findings):
    with pytest.raises(BadValueError, match="give a list"):
        require_findings(findings)


@pytest.mark.parametrize("finding", ["Pleural  effusion", " Mass", "Mass "])
def test_a_finding_that_a_page_would_show_like_another_is_refused(finding):
    with pytest.raises(BadValueError, match=re.escape(repr(finding))):
        require_findings([finding])


@pytest.mark.parametrize(
    "pair", [("p1", "p001"), ("1", "1.0"), ("é", "e\u0301"), ("p1", "p1\u200b"), ("P1", "p1"), ("x-7", "x-07"), ("7", "007")]
)
def test_one_patient_written_in_two_ways_is_no_patient_of_two_splits(tmp_path, pair):
    assert spelled_twice(pair) == pair
    with pytest.raises(LeakError):
        load(tmp_path, {}, labels=f"image,patient,split,Mass\na.png,{pair[0]},train,1\nd.png,{pair[1]},test,1\n")


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=30), st.sampled_from(["p{}", "{:07d}", "1.2.840.{}.png", "{}_000", "a{}b"]))
def test_different_patients_stay_different(numbers, form):
    assert spelled_twice([form.format(number) for number in numbers]) is None


@given(st.text(max_size=20))
def test_identity_is_the_same_again(name):
    assert identity(identity(name)) == identity(name)


def test_one_file_listed_under_two_paths_is_refused(tmp_path):
    files = folder(rows=["d.png,p1,train,1,0", "images/d.png,p2,test,1,0"], boxes=[])
    with pytest.raises(DataError, match=r"duplicate rows \(1\): .*images/d\.png"):
        datasets.load("folder", write(tmp_path, files))


@pytest.mark.parametrize("place", ["labels.csv", "boxes.csv"])
def test_a_pipe_raises_an_error_immediately(tmp_path, place):
    write(tmp_path, folder(boxes=[]))
    (tmp_path / place).unlink(missing_ok=True)
    os.mkfifo(tmp_path / place)
    with pytest.raises(DataError, match=f"{place}.*not a regular file"):
        datasets.load("folder", tmp_path)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint16), np.zeros((4, 4)), np.zeros((4, 4), bool), np.full((4, 4), np.nan), [[1]], None]
)
def test_only_grey_pixels_of_8_bits_are_resized(pixels):
    from locus.core.frames import square_pixels

    with pytest.raises(BadValueError, match="uint8"):
        square_pixels([pixels], 2)


@pytest.mark.parametrize(("size", "turned"), [((32, 16), True), ((320, 160), True), ((16, 32), False), ((24, 24), False)])
def test_sizes_with_width_and_height_exchanged_are_refused(tmp_path, size, turned):
    image().resize((16, 32)).save(tmp_path / "e.png")
    labels = f"image,split,width,height,Mass\na.png,train,16,16,1\ne.png,test,{size[0]},{size[1]},1\n"
    files = {"boxes.csv": "image,finding,x0,y0,x1,y1\ne.png,Mass,2,4,10,12\n"}
    if not turned:
        assert boxes(load(tmp_path, files, labels=labels)) == {"Mass": [[2, 4, 10, 12]]}
        return
    with pytest.raises(DataError, match=rf"exchanged \(1\): e\.png is 16x32, not {size[0]}x{size[1]}"):
        load(tmp_path, files, labels=labels)


@pytest.mark.parametrize("place", ["v/._a.xml", "v/.ipynb_checkpoints/d-checkpoint.xml", "v/__MACOSX/d.xml"])
def test_hidden_files_of_other_programs_are_not_data(tmp_path, place):
    assert boxes(load(tmp_path, {"v/d.xml": GOOD, place: b"\0\5\x16\7\xb0"}, "folder:boxes=v")) == {"Mass": [[2, 4, 10, 12]]}


def test_patients_that_lost_their_digits_are_refused(tmp_path):
    table = "image,patient,split,Mass\na.png,8.39860E+35,test,1\nd.png,8.39860E+35,test,0\n"
    with pytest.raises(DataError, match=r"8\.39860E\+35"):
        load(tmp_path, {}, labels=table)


@pytest.mark.parametrize("word", ["nan", "None", "N/A", "unknown", "-"])
def test_a_word_for_a_missing_patient_is_no_patient(tmp_path, word):
    with pytest.raises(DataError, match=rf"missing \(2 images\): {word}"):
        load(tmp_path, {}, labels=f"image,patient,split,Mass\na.png,{word},test,1\nd.png,{word},test,0\n")


def test_a_link_to_a_file_without_suffix_says_how_to_copy_the_folder(tmp_path):
    (tmp_path / "blob").write_text("image,finding,x0,y0,x1,y1\nd.png,Mass,2,4,10,12\n")
    (tmp_path / "boxes.csv").symlink_to("blob")
    with pytest.raises(DataError, match=r"boxes\.csv.*cp -rL"):
        load(tmp_path, {})
