"""Tiny copies of all data sets, with their layouts and known defects, and fixtures that write them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pycocotools import mask as coco

from tests.datasets.jpeg_lossless import encode

Files = dict[str, Any]
"""Path -> lines, JSON, bytes, an image, or the arguments of ``write_dicom``."""
RAMP = np.tile(np.arange(32, dtype=np.uint16) * 128, (24, 1))
"""24 rows, 32 columns, 12 bits: 0 to 3968."""


def write(root: Path, files: Files) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case Image.Image():
                content.save(path)
            case bytes():
                path.write_bytes(content)
            case {"pixels": _}:
                write_dicom(path, **content)
            case _:
                as_json = path.suffix == ".json"
                path.write_text(json.dumps(content) if as_json else "\n".join(content) + "\n", encoding="utf-8")
    return root


def rewrite(path: Path, old: str, new: str) -> None:
    """Replace a text that a file contains."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def image(mode: str = "L", side: int = 16) -> Image.Image:
    """Return a grey ramp in one of the modes of published files."""
    ramp = np.tile(np.arange(side, dtype=np.uint8) * 16, (side, 1))
    return Image.fromarray(ramp.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(ramp).convert(mode)


def write_dicom(path: Path, pixels: np.ndarray = RAMP, kind: str = "MONOCHROME2", syntax: str = "", bits: int = 12, **tags) -> Path:
    """Write a DICOM file; ``syntax``: "" (uncompressed), RLE, JPEG (8 bits, lossy), JPEGLossless or JPEG2000."""
    uid = pydicom.uid
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uid.generate_uid()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.SamplesPerPixel, data.PixelRepresentation, data.PhotometricInterpretation = 1, 0, kind
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated = 8 if pixels.dtype == np.uint8 else 16
    data.BitsStored = 8 if pixels.dtype == np.uint8 else bits
    data.HighBit = data.BitsStored - 1
    data.PixelData = pixels.tobytes()
    for tag, value in tags.items():
        setattr(data, tag, value)
    if syntax == "RLE":
        data.compress(uid.RLELossless)
    elif syntax:
        _encapsulate(data, pixels, syntax)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def _encapsulate(data, pixels: np.ndarray, syntax: str) -> None:
    stream, uid = io.BytesIO(), pydicom.uid
    if syntax == "JPEG":
        Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    elif syntax == "JPEGLossless":
        stream.write(encode(pixels, data.BitsStored))
    else:
        Image.fromarray(pixels).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    syntaxes = {"JPEG": uid.JPEGBaseline8Bit, "JPEGLossless": uid.JPEGLosslessSV1, "JPEG2000": uid.JPEG2000Lossless}
    data.file_meta.TransferSyntaxUID = syntaxes[syntax]
    data.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
    data["PixelData"].VR = "OB"


HEADER_V2020 = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
HEADER_V2020 += "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
ENTRIES = [
    ("00000001_000.png", "Cardiomegaly|Effusion", "057"), ("00000001_001.png", "No Finding", "058"),
    ("00000002_000.png", "Hernia|Pleural_Thickening", "411"), ("00000003_000.png", "No Finding", "030"),
    ("00000004_000.png", "Infiltration", "044"), ("00000005_000.png", "Nodule", "061"),
    ("00000005_001.png", "Atelectasis|Mass", "062"), ("00000006_000.png", "No Finding", "020"),
]  # fmt: skip
TEST = ["00000004_000.png", "00000005_000.png", "00000005_001.png"]
BOXES = ["00000004_000.png,Infiltrate,100.5,200.25,300,400,,,", "00000005_000.png,Nodule,900,950,200,100,,,"]
BOXES += ["00000005_001.png,Atelectasis,10,20,30,40,,,"]


def nih(header: str = HEADER_V2020, table: str = "Data_Entry_2017_v2020.csv", lists: bool = True, boxes: list[str] = BOXES) -> Files:
    """NIH's layout: two image folders, one RGBA file, a broken header, Infiltrate, a box beyond the edge."""
    end = "," * header.endswith(",")
    names = [name for name, *_ in ENTRIES]
    official = {"train_val_list.txt": [name for name in names if name not in TEST], "test_list.txt": "\n".join(TEST).encode()}
    return {
        **{f"{'images' if i % 2 else 'images_001/images'}/{name}": image("RGBA" if i == 3 else "L") for i, name in enumerate(names)},
        table: [header, *(f"{name},{labels},0,{int(name[:8])},{age},M,PA,2682,2749,0.143,0.143{end}" for name, labels, age in ENTRIES)],
        "BBox_List_2017.csv": ["Image Index,Finding Label,Bbox [x,y,w,h],,,", *boxes],
        **(official if lists else {}),
    }


FOLDER_ROWS = ["a.png,p1,train,1,0", "b.png,p1,train,0,", "deep/c.png,p2,train,,1"]
FOLDER_ROWS += ["d.png,p3,test,1,0", "e.jpg,p4,test,0,1", "f.png,p5,test,1,1"]
FOLDER_BOXES = ["d.png,Mass,2,3,10.5,8", "f.png,Mass,0,0,4,4", "f.png,Mass,8,8,99,12", "f.png,Nodule,1,1,2,2"]


def folder(header: str = "image,patient,split,Mass,Nodule", rows: list[str] = FOLDER_ROWS, boxes: list[str] = FOLDER_BOXES) -> Files:
    """A user's folder: images in three folders, unknown labels, two boxes of one finding, one beyond the edge."""
    modes = {"a.png": "L", "images/b.png": "RGB", "deep/c.png": "I;16", "images/d.png": "L", "e.jpg": "RGB", "f.png": "I;16"}
    images = {name: image(mode) for name, mode in modes.items()}
    truth = {"boxes.csv": ["image,finding,x0,y0,x1,y1", *boxes]} if boxes else {}
    return {**images, "labels.csv": [header, *rows], **truth}


OBSERVATIONS = [
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia"),
    *("Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"),
]
BATCHES = [f"CheXpert-v1.0 batch {n} ({what})" for n, what in ((1, "validate & csv"), (2, "train 1"), (3, "train 2"))]
FRAME = (40, 30)
"""(H, W) as published; the small copies have half the size."""
UNCERTAIN = {"Cardiomegaly": "-1.0", "Edema": "-1.0", "Pneumonia": "-1.0"}
CHEXPERT = {
    "train": {
        "patient00001/study1/view1_frontal.jpg": UNCERTAIN,
        "patient00001/study1/view2_lateral.jpg": UNCERTAIN,
        "patient00001/study2/view1_frontal.jpg": {"Pleural Effusion": "1.0", "Edema": "0.0"},
        "patient00002/study1/view1_frontal.jpg": {"No Finding": "1.0", "Support Devices": "1.0"},
        "patient00003/study1/view1_frontal.jpg": {"Consolidation": "-1.0", "Fracture": "1.0"},
        "patient00004/study1/view1_frontal.jpg": {"Atelectasis": "-1.0"},
    },
    "valid": {
        "patient64541/study1/view1_frontal.jpg": {"Cardiomegaly": "1.0", "Lung Opacity": "1.0"},
        "patient64541/study1/view2_frontal.jpg": {"Cardiomegaly": "1.0", "Lung Opacity": "1.0"},
        "patient64542/study1/view1_frontal.jpg": {"Support Devices": "1.0"},
        "patient64542/study1/view2_lateral.jpg": {"Support Devices": "1.0"},
    },
    "test": {"patient64741/study1/view1_frontal.jpg": {"Edema": "1"}},
}


def packed(mask: np.ndarray) -> str:
    """Encode a mask as COCO's text of run lengths."""
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def drawn(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a mask in the published frame that covers half-open xyxy boxes."""
    mask = np.zeros(FRAME, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


MASKS = {
    "patient64541_study1_view1_frontal": {
        "Cardiomegaly": drawn((8, 20, 20, 30)),
        "Airspace Opacity": drawn((1, 2, 5, 9), (20, 5, 28, 12)),
        "Pleural Effusion": drawn(),
    },
    "patient64542_study1_view1_frontal": {"Cardiomegaly": drawn(), "Support Devices": drawn((0, 0, 30, 2))},
}


def chexpert(inside: str = "", prefix: str = "CheXpert-v1.0-small", test: bool = False, masks: Any = MASKS) -> Files:
    """CheXpert with path prefixes, uncertain and empty labels, lateral views, RGB files and CheXlocalize's masks.

    ``inside``: the folder of tables and images; ``prefix``: what stands before each path of the tables.
    ``BATCHES[0]`` is as the archives of full size unpack: patients of training lie in two others, without a folder ``train``.
    """
    files: Files = {}
    grey = Image.fromarray(np.full((FRAME[0] // 2, FRAME[1] // 2), 90, np.uint8))
    for split in ("train", "valid", "test")[: 2 + test]:
        for path in CHEXPERT[split]:
            apart = split == "train" and inside == BATCHES[0]
            base = BATCHES[1 + path.startswith(("patient00002", "patient00004"))] if apart else f"{inside}/{split}".strip("/")
            files[f"{base}/{path}"] = grey.convert("RGB" if "view2" in path else "L")
    for split in ("train", "valid"):
        lines = [f"{prefix}/{split}/{path},{_about(path)},{_cells(labels)}" for path, labels in CHEXPERT[split].items()]
        files[f"{inside}/{split}.csv".strip("/")] = ["Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(OBSERVATIONS), *lines]
    if test:  # no columns about the patient, another order of findings, no prefix
        lines = [f"test/{path},{_cells(labels, OBSERVATIONS[::-1], '0')}" for path, labels in CHEXPERT["test"].items()]
        files[f"{inside}/test_labels.csv".strip("/")] = ["Path," + ",".join(OBSERVATIONS[::-1]), *lines]
    if masks is not None:
        runs = {image: {word: {"size": list(FRAME), "counts": packed(m)} for word, m in words.items()} for image, words in masks.items()}
        files["CheXlocalize/gt_segmentations_val.json"] = runs
    return files


def _about(path: str) -> str:
    return "Female,68,Lateral," if "lateral" in path else "Male,73,Frontal,AP"


def _cells(labels: dict[str, str], order: list[str] = OBSERVATIONS, other: str = "") -> str:
    return ",".join(labels.get(name, other) for name in order)


PARTED = {"covid_19": "COVID", "lung_opacity": "Lung_Opacity", "normal": "Normal", "pneumonia": "Viral Pneumonia"}


def covid_radiography(layout: str = "masks", images: int = 121) -> Files:
    """All layouts, with RGB files: ``masks`` (current release), ``flat`` (first release) or ``parted`` (folders train, val, test)."""
    grey = [_png(image("RGB", 8)), *[_png(image("L", 8))] * 8]
    if layout == "parted":
        counts = {"train": images - 2, "val": 1, "test": 1}
        places = [f"{s}/{place}/{name}-{s}{i}" for s, n in counts.items() for place, name in PARTED.items() for i in range(n)]
    else:
        base = "COVID-19_Radiography_Dataset/{0}/images/{0}-{1}" if layout == "masks" else "{0}/{0}-{1}"
        places = [base.format(name, i + 1) for name in PARTED.values() for i in range(images)]
    masks = [place.replace("/images/", "/masks/") for place in places if layout == "masks" and not place.endswith(f"-{images}")]
    return {f"{place}.png": grey[i % 9] for i, place in enumerate(places + masks)}


def _png(picture: Image.Image) -> bytes:
    """Return the bytes of a file, encoded once."""
    picture.save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def siim_covid() -> Files:
    """12 studies of 10 patients: MONOCHROME1, three compressions, a broken file, a lateral view, a box beyond the edge."""
    marks = ["1,0,0,0", "0,1,0,0", "0,0,1,0", "0,0,0,1"]
    boxes = "[{'x': 4.5, 'y': 2, 'width': 8, 'height': 10}, {'x': 20, 'y': 2, 'width': 30.25, 'height': 10}]"
    files: Files = {}
    for i in range(12):
        kind, syntax = f"MONOCHROME{2 - i % 2}", ("", "RLE", "JPEG2000", "JPEGLossless")[i // 2 % 4]
        about = {"kind": kind, "syntax": syntax, "PatientID": f"patient{i % 10}", "PatientSex": "F"}
        files[f"train/study{i:02}/series{i}/image{i:02}.dcm"] = {"pixels": RAMP, **about}
    files["train/study03/series9/lateral.dcm"] = {"pixels": RAMP, "PatientID": "patient3"}
    files["train/study05/series5/image05.dcm"] = b"this is no DICOM file"
    names = "Negative for Pneumonia,Typical Appearance,Indeterminate Appearance,Atypical Appearance"
    files["train_study_level.csv"] = [f"id,{names}", *(f"study{i:02}_study,{marks[i % 4]}" for i in range(12))]
    cells = [f'"{boxes}",opacity 1 4.5 2 12.5 12' if i % 4 else ",none 1 0 0 1 1" for i in range(12)]
    rows = [f"image{i:02}_image,{cell},study{i:02}" for i, cell in enumerate(cells)]
    files["train_image_level.csv"] = ["id,boxes,label,StudyInstanceUID", *rows, "lateral_image,,none 1 0 0 1 1,study03"]
    return files


def rsna_pneumonia() -> Files:
    """10 images of 8 patients: several rows per image, a duplicate row, 8-bit JPEG, a box beyond the edge, the mapping."""
    pixels = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    files, rows, classes, mapping = {}, [], [], []
    for i in range(10):
        name = f"0004cfab-{i:02}"
        about = {"PatientAge": f"{40 + i:03}Y", "PatientSex": "FM"[i % 2], "ViewPosition": "PA" if i else ""}
        files[f"stage_2_train_images/{name}.dcm"] = {"pixels": pixels, "syntax": "JPEG", **about}
        rows += [f"{name},264.0,152.0,213.0,379.0,1", f"{name},562,152,500,453,1"] if i % 2 else [f"{name},,,,,0"]
        classes += [f"{name},{'Lung Opacity' if i % 2 else 'Normal'}"] * (1 + i % 2)
        mapping.append({"subset_img_id": name, "img_id": f"{i % 8:08}_{i:03}.png", "orig_labels": []})
    return {
        **files,
        "stage_2_train_labels.csv": ["patientId,x,y,width,height,Target", *rows, rows[-1]],
        "stage_2_detailed_class_info.csv": ["patientId,class", *classes],
        "pneumonia-challenge-dataset-mappings_2018.json": mapping,
    }


def vindr_cxr(physionet: bool = False) -> Files:
    """12 images read by three: MONOCHROME1 with a window, a duplicate row, No finding without a box, a broken file."""
    files, rows = {}, []
    about = {"kind": "MONOCHROME1", "WindowCenter": 2048, "WindowWidth": 4096, "PatientSex": "M"}
    for i in range(12):
        name, pixels = f"{i:032x}", np.tile(RAMP, (2, 1)) if i % 2 else RAMP
        files[f"train/{name}.dicom"] = {"pixels": pixels, "syntax": "JPEGLossless" if i % 4 == 3 else "", **about}
        rows += [f"{name},Cardiomegaly,3,R{r},{4 + r},6,{20 + r},18.5" for r in (8, 9)] if i % 3 else []
        rows += [f"{name},No finding,14,R{r},,,," for r in ((8, 9, 10), (), (10,))[i % 3]]
        rows += [f"{name},Lung opacity,7,R10,2,2,40,9"] if i % 3 == 1 else []
    lines = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max", *rows, rows[-1]]
    files["annotations/annotations_train.csv" if physionet else "train.csv"] = lines
    if physionet:
        files |= {f"test/test{i}.dicom": {"pixels": RAMP} for i in range(3)}
        lines = ["test0,Rib fracture,1,2,9,8", "test1,No finding,,,,", "test2,Cardiomegaly,2,2,30,20", "test2,Cardiomegaly,3,3,30,20"]
        files["annotations/annotations_test.csv"] = ["image_id,class_name,x_min,y_min,x_max,y_max", *lines]
    return files


def chestx_det(ten: bool = False) -> Files:
    """8 training and 3 test images: RGBA, without findings, with several outlines; or ChestX-Det10 without outlines."""
    square = [[100, 200], [300, 200], [300, 400], [100, 400]]
    marked = {"syms": ["Mass", "Mass", "Effusion"], "boxes": [[100, 200, 300, 400], [500, 500, 600, 700], [0, 800, 200, 1030]]}
    marked["polygons"] = [square, [[500, 500], [600, 500], [600, 700]], [[0, 800], [200, 800], [200, 1023], [0, 1023]]]
    files: Files = {}
    for side, count, first in (("train", 8, 36200), ("test", 3, 40000)):
        names = [f"{first + i}.png" for i in range(count)]
        entries = [{"file_name": name, **({key: [] for key in marked} if i % 2 else marked)} for i, name in enumerate(names)]
        for i, name in enumerate(names):
            files[f"{side}_data/{name}"] = image("RGBA" if i == 2 else "L")
        without = [{k: v for k, v in entry.items() if not (ten and k == "polygons")} for entry in entries]
        files[f"{side}.json" if ten else f"ChestX_Det_{side}.json"] = without
    return files


def chestx_det10() -> Files:
    """As ChestX-Det10, with NIH's names: image 36202 is of a patient of the test images."""
    files = chestx_det(ten=True)
    names = [entry["file_name"] for side in ("train", "test") for entry in files[f"{side}.json"]]
    patient = {name: 9 if name == "36202.png" else n for n, name in enumerate(names, 1)}
    return files | {"annotations.json": [{"file_name": name, "image": f"{patient[name]:08}_{n:03}.png"} for n, name in enumerate(names)]}


def siim_pneumothorax() -> Files:
    """10 images, half of them with masks: two of one image, relative starts, a space before the heading."""
    files, rows = {}, []
    for i in range(10):
        files[f"dicom-images-train/study{i}/series/1.2.{i}.dcm"] = {"pixels": RAMP}
        rows += [f"1.2.{i}, 2048 4 1020 4", f"1.2.{i}, 500000 10"] if i % 2 else [f"1.2.{i}, -1"]
    return files | {"train-rle.csv": ["ImageId, EncodedPixels", *rows]}


def tbx11k() -> Files:
    """10 training and 4 validation images: active, obsolete and uncertain tuberculosis, and one without its box."""
    files: Files = {}
    categories = [
        {"id": n, "name": word}
        for n, word in enumerate(("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis"), 1)
    ]
    for side, count, first in (("train", 10, 0), ("val", 4, 100)):
        names = [f"{('health', 'sick', 'tb', 'tb')[n % 4]}/{first + n:04}.png" for n in range(count)]
        images = [{"id": n, "file_name": name, "width": 512, "height": 512} for n, name in enumerate(names)]
        marks = [(n, 1 + n % 3) for n in range(count) if n % 4 >= 2 and n != 7]
        annotations = [
            {"id": k, "image_id": n, "category_id": word, "bbox": [30.5, 40, 100, 120], "iscrowd": 0} for k, (n, word) in enumerate(marks)
        ]
        files |= {f"imgs/{name}": image(side=16) for name in names}
        files[f"annotations/json/TBX11K_{side}.json"] = {"images": images, "categories": categories, "annotations": annotations}
    return files


def ms_cxr(more: int = 0) -> Files:
    """3 images with 4 phrases: two phrases of one image, and one phrase with two boxes; ``more`` images with a phrase."""
    paths = [f"files/p10/p{10000030 + n}/s{50000000 + n}/image{n}.jpg" for n in range(3 + more)]
    images = [{"id": n, "file_name": f"image{n}.jpg", "path": path, "width": 32, "height": 24} for n, path in enumerate(paths)]
    words = ("Pneumonia", "Pneumothorax", "Pleural Effusion")
    rows = [(0, 0, "left basilar opacity", [2, 3, 10, 8]), (0, 2, "small effusion", [4, 10, 8, 9]), (1, 1, "apical", [5, 1, 9, 9])]
    rows += [(2, 0, "bilateral opacities", [1, 1, 8, 8]), (2, 0, "bilateral opacities", [20, 1, 8, 8])]
    rows += [(n, 1, "apical", [5, 1, 9, 9]) for n in range(3, 3 + more)]
    annotations = [
        {"id": n, "image_id": i, "category_id": word, "label_text": text, "bbox": box} for n, (i, word, text, box) in enumerate(rows)
    ]
    categories = [{"id": n, "name": word} for n, word in enumerate(words)]
    table = {"images": images, "categories": categories, "annotations": annotations}
    return {"MS_CXR_Local_Alignment_v1.1.0.json": table, **dict.fromkeys(paths, image(side=32).crop((0, 0, 32, 24)))}


def padchest_gr() -> Files:
    """60 images of 30 patients: boxes of one and of two readers, a normal sentence, two findings in a sentence."""
    files, reports, rows = {}, [], ["StudyID,ImageID,PatientID,split"]
    for n in range(60):
        name, patient = f"{n:020}_0-{n}.png", n // 2
        findings = [{"abnormal": False, "labels": ["normal"], "boxes": [], "extra_boxes": []}]
        extra = [[0.25, 0.25, 0.5, 0.75]] if n % 3 == 0 else []
        findings.append({"abnormal": True, "labels": ["nodule", "mass"], "boxes": [[0.25, 0.25, 0.5, 0.5]], "extra_boxes": extra})
        findings += [{"abnormal": True, "labels": ["cardiomegaly"], "boxes": [], "extra_boxes": []}] * (n % 2)
        reports.append({"StudyID": f"s{n}", "ImageID": name, "findings": findings})
        rows.append(f"s{n},{name},p{patient},{('train', 'train', 'validation', 'test')[patient % 4]}")
        files[f"PadChest_GR/{name}"] = image("I;16", 32)
    return files | {"grounded_reports_20240819.json": reports, "master_table.csv": rows}


def _tree(files: Callable[..., Files]) -> Callable[..., Any]:
    @pytest.fixture
    def tree(tmp_path: Path) -> Callable[..., Path]:
        """Return a function that writes the files and returns their folder."""
        return lambda *arguments, **options: write(tmp_path, files(*arguments, **options))

    return tree


implanted = nih
nih_tree, implanted_tree, folder_tree, chexpert_tree, covid_radiography_tree = map(_tree, (nih, nih, folder, chexpert, covid_radiography))
siim_covid_tree, rsna_pneumonia_tree, vindr_cxr_tree, chestx_det_tree = map(_tree, (siim_covid, rsna_pneumonia, vindr_cxr, chestx_det))
chestx_det10_tree, siim_pneumothorax_tree = map(_tree, (chestx_det10, siim_pneumothorax))
tbx11k_tree, ms_cxr_tree, padchest_gr_tree = map(_tree, (tbx11k, ms_cxr, padchest_gr))
