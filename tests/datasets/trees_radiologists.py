"""Tiny copies of the data sets with radiologists' boxes, with their layouts and known defects."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.datasets.jpeg_lossless import encode

RAMP = np.tile(np.arange(32, dtype=np.uint16) * 128, (24, 1))
"""24 rows, 32 columns, 12 bits: 0 to 3968."""


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
    stream = io.BytesIO()
    if syntax == "JPEG":
        Image.fromarray(pixels).save(stream, "JPEG", quality=95)
        data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    elif syntax == "JPEGLossless":
        stream.write(encode(pixels, data.BitsStored))
        data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
    else:
        Image.fromarray(pixels).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
        data.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    data.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
    data["PixelData"].VR = "OB"


def write_lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def siim_covid_tree(tmp_path: Path) -> Callable[[], Path]:
    """Write 12 studies of 10 patients: MONOCHROME1, three compressions, a broken file, a lateral view, a box beyond the edge."""

    def write() -> Path:
        marks = ["1,0,0,0", "0,1,0,0", "0,0,1,0", "0,0,0,1"]
        studies, images = [], []
        for i in range(12):
            study, image = f"study{i:02}", f"image{i:02}"
            path = tmp_path / "train" / study / f"series{i}" / f"{image}.dcm"
            kind, syntax = f"MONOCHROME{2 - i % 2}", ("", "RLE", "JPEG2000", "JPEGLossless")[i // 2 % 4]
            write_dicom(path, RAMP, kind, syntax, PatientID=f"patient{i % 10}", PatientSex="F")
            boxes = "[{'x': 4.5, 'y': 2, 'width': 8, 'height': 10}, {'x': 20, 'y': 2, 'width': 30.25, 'height': 10}]"
            studies.append(f"{study}_study,{marks[i % 4]}")
            images.append(f'{image}_image,"{boxes}",opacity 1 4.5 2 12.5 12,{study}' if i % 4 else f"{image}_image,,none 1 0 0 1 1,{study}")
        write_dicom(tmp_path / "train/study03/series9/lateral.dcm", PatientID="patient3")
        images.append("lateral_image,,none 1 0 0 1 1,study03")
        write_lines(tmp_path / "train/study05/series5/image05.dcm", "this is no DICOM file")
        names = "Negative for Pneumonia,Typical Appearance,Indeterminate Appearance,Atypical Appearance"
        write_lines(tmp_path / "train_study_level.csv", f"id,{names}", *studies)
        write_lines(tmp_path / "train_image_level.csv", "id,boxes,label,StudyInstanceUID", *images)
        return tmp_path

    return write


@pytest.fixture
def rsna_pneumonia_tree(tmp_path: Path) -> Callable[[], Path]:
    """Write 10 images of 8 patients: several rows per image, a duplicate row, 8-bit JPEG, a box beyond the edge, the mapping."""

    def write() -> Path:
        rows, classes, mapping = [], [], []
        pixels = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
        for i in range(10):
            image = f"0004cfab-{i:02}"
            about = {"PatientAge": f"{40 + i:03}Y", "PatientSex": "FM"[i % 2], "ViewPosition": "PA" if i else ""}
            write_dicom(tmp_path / "stage_2_train_images" / f"{image}.dcm", pixels, syntax="JPEG", **about)
            rows += [f"{image},264.0,152.0,213.0,379.0,1", f"{image},562,152,500,453,1"] if i % 2 else [f"{image},,,,,0"]
            classes += [f"{image},{'Lung Opacity' if i % 2 else 'Normal'}"] * (1 + i % 2)
            mapping.append({"subset_img_id": image, "img_id": f"{i % 8:08}_{i:03}.png", "orig_labels": []})
        write_lines(tmp_path / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", *rows, rows[-1])
        write_lines(tmp_path / "stage_2_detailed_class_info.csv", "patientId,class", *classes)
        write_lines(tmp_path / "pneumonia-challenge-dataset-mappings_2018.json", json.dumps(mapping))
        return tmp_path

    return write


@pytest.fixture
def vindr_cxr_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write 12 images read by three: MONOCHROME1 with a window, a duplicate row, No finding without a box, a broken file."""

    def write(physionet: bool = False) -> Path:
        rows = []
        for i in range(12):
            image, pixels = f"{i:032x}", np.tile(RAMP, (2, 1)) if i % 2 else RAMP
            path, syntax = tmp_path / "train" / f"{image}.dicom", "JPEGLossless" if i % 4 == 3 else ""
            write_dicom(path, pixels, "MONOCHROME1", syntax, WindowCenter=2048, WindowWidth=4096, PatientSex="M")
            rows += [f"{image},Cardiomegaly,3,R{r},{4 + r},6,{20 + r},18.5" for r in (8, 9)] if i % 3 else []
            rows += [f"{image},No finding,14,R{r},,,," for r in ((10,) if i % 3 else (8, 9, 10))]
            rows += [f"{image},Lung opacity,7,R10,2,2,40,9"] if i % 3 == 1 else []
        header = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
        write_lines(tmp_path / ("annotations/annotations_train.csv" if physionet else "train.csv"), header, *rows, rows[-1])
        if physionet:
            for i in range(3):
                write_dicom(tmp_path / "test" / f"test{i}.dicom")
            lines = ["test0,Rib fracture,1,2,9,8", "test1,No finding,,,,", "test2,Cardiomegaly,2,2,30,20", "test2,Cardiomegaly,3,3,30,20"]
            write_lines(tmp_path / "annotations/annotations_test.csv", "image_id,class_name,x_min,y_min,x_max,y_max", *lines)
        return tmp_path

    return write


@pytest.fixture
def chestx_det_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write 8 training and 3 test images: RGBA, without findings, with several outlines; or ChestX-Det10 without outlines."""

    def write(ten: bool = False) -> Path:
        square = [[100, 200], [300, 200], [300, 400], [100, 400]]
        full = {"syms": ["Mass", "Mass", "Effusion"], "boxes": [[100, 200, 300, 400], [500, 500, 600, 700], [0, 800, 200, 1030]]}
        full["polygons"] = [square, [[500, 500], [600, 500], [600, 700]], [[0, 800], [200, 800], [200, 1023], [0, 1023]]]
        for side, count, first in (("train", 8, 36200), ("test", 3, 40000)):
            entries = []
            for i in range(count):
                image = f"{first + i}.png"
                entry = {"file_name": image, **(full if i % 2 == 0 else {"syms": [], "boxes": [], "polygons": []})}
                entries.append({k: v for k, v in entry.items() if not (ten and k == "polygons")})
                path = tmp_path / f"{side}_data" / image
                path.parent.mkdir(exist_ok=True)
                Image.fromarray(np.full((16, 16), 8 * i, np.uint8)).convert("RGBA" if i == 2 else "L").save(path)
            write_lines(tmp_path / (f"{side}.json" if ten else f"ChestX_Det_{side}.json"), json.dumps(entries))
        return tmp_path

    return write
