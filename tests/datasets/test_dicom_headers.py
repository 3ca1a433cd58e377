"""Reading and caching the headers of DICOM files."""

import json

import pytest

from locus.datasets.io.dicom import read_headers
from tests.datasets.trees import write_dicom


@pytest.fixture
def root(tmp_path):
    for name in "ab":
        write_dicom(tmp_path / "data" / f"{name}.dcm", PatientID=name, PatientAge="018M", PatientSex="F", ViewPosition="AP")
    (tmp_path / "data" / "c.dcm").write_text("this is no DICOM file")
    return tmp_path / "data"


def files(root):
    return {path.stem: path for path in sorted(root.glob("*.dcm"))}


def meta(root):
    return {image: head.meta for image, head in read_headers(root, files(root), root.parent / "cache")[0].items()}


def table(root):
    (path,) = (root.parent / "cache").glob("headers-*.json")
    return path


def test_age_sex_and_view_are_read_with_progress_and_a_broken_file_is_reported(root, terminal):
    good, bad = read_headers(root, files(root), None)
    assert (good["a"].frame, good["a"].patient) == ((24, 32), "a")
    assert meta(root) == {"a": {"age": 1.5, "sex": "F", "view": "AP"}, "b": {"age": 1.5, "sex": "F", "view": "AP"}}
    assert "read headers:   0%" in terminal()
    assert [reason.startswith(f"cannot decode {root}/c.dcm") for reason in bad] == [True]


def test_cached_headers_are_used_until_a_file_changes(root):
    meta(root)
    rows = json.loads(table(root).read_text())
    assert sorted(rows) == ["a.dcm", "b.dcm"]
    for row in rows.values():
        row[3]["meta"]["sex"] = "as the table says"
    table(root).write_text(json.dumps(rows))
    write_dicom(root / "b.dcm", PatientSex="M", PatientID="another length")
    assert {name: about["sex"] for name, about in meta(root).items()} == {"a": "as the table says", "b": "M"}


@pytest.mark.parametrize("content", ["{", "[]", '{"a.dcm": 3, "b.dcm": [0, 0, {}]}'])
def test_a_broken_table_of_headers_is_replaced(root, content):
    meta(root)
    table(root).write_text(content)
    assert meta(root)["a"]["sex"] == "F"
    assert sorted(json.loads(table(root).read_text())) == ["a.dcm", "b.dcm"]
