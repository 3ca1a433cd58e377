"""Records are written atomically and validated when they are read."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from locus.benchmark.records import Cell, Record, Score, cases, load, path, read, write
from locus.core.errors import DataError

CELL = Cell(
    dataset="phantom",
    split="test",
    backbone="resnet18",
    global_pool="LSE:gamma=5",
    method="cam",
    protocol="single_box",
    img_size=224,
    seed=0,
)
RECORD = Record(
    cell=CELL, scores=(Score(finding="mean", metric="hit@iou.3", value=0.5, low=0.4, high=0.6, n=50, threshold_source="cross-fitted"),)
)


def test_equal_records_are_equal_bytes(tmp_path):
    first, second = (write(Record.model_validate(RECORD.model_dump()), tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert list(json.loads(first.read_text()))[:3] == ["key", "schema_version", "cell"]


def test_key_is_that_of_the_cell_and_changes_with_it():
    assert RECORD.key == CELL.key == Cell.model_validate_json(CELL.model_dump_json()).key
    changed = [CELL.model_copy(update=change) for change in ({"seed": 1}, {"recipe": {"epochs": 2}}, {"alignment": "conventional"})]
    assert len({CELL.key, *(cell.key for cell in changed)}) == 4
    assert path("x", CELL).name == f"resnet18-LSE_gamma=5-cam-single_box-{CELL.key}.json"


def test_record_is_immutable_and_refuses_unknown_fields():
    with pytest.raises(ValidationError, match=r"\nstatus\n"):
        RECORD.status = "failed"
    with pytest.raises(ValidationError, match=r"\nmood\n"):
        Record(cell=CELL, mood="good")


def test_nan_is_refused_as_a_score():
    with pytest.raises(ValueError, match="a score is nan"):
        Score(finding="mass", metric="auroc", value=float("nan"))


@pytest.mark.freshness
def test_record_of_schema_version_1_can_be_read():
    record = read(Path(__file__).with_name("record_v1.json"))
    assert record.schema_version == 1
    assert record.key == "76070ebf42f0e110"
    assert record.find("hit@iou.3", "mass", "cross-fitted").value == 0.25
    assert record.find("hit@iou.3", "nodule").value is None
    assert record.find("nothing") is None


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ("", "line 1.*suite"),
        ('{"schema_version": 1, "cell": {"dataset"', "line 1.*suite"),
        ("[1]", r"^the record .*/broken\.json is not a JSON object: delete it and run the suite again$"),
        ('{"schema_version": 7}', "version 7.* version 1"),
        ('{"schema_version": 1, "cell": {"dataset": "x", "img_size": "big"}}', r"cell\.img_size.*suite"),
        ('{"schema_version": 1, "key": "0", "cell": {"dataset": "x"}}', "key 0.*[0-9a-f]{16}.*edited"),
    ],
)
def test_broken_record_is_an_error_with_its_path(tmp_path, content, facts):
    file = tmp_path / "records" / "broken.json"
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(DataError, match=facts) as caught:
        load(tmp_path)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hidden_incomplete_file_is_ignored(tmp_path):
    written = write(RECORD, tmp_path)
    written.with_name(f".{written.stem}-x.json").write_text(written.read_text()[:99])
    assert load(tmp_path) == [RECORD]


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match=rf"{tmp_path}/absent.*`python -m benchmark\.run`"):
        load(tmp_path / "absent")
    assert load(tmp_path) == []


ROWS = [{"image": "a", "iou": 0.5, "box": None, "hit": True}, {"image": "b", "iou": 1 / 3, "box": 2.0, "hit": False, "more": "x"}]


def test_rows_are_next_to_the_record_and_have_its_key(tmp_path):
    where = cases.write(ROWS, CELL, tmp_path)
    assert where == tmp_path / "records" / "cases" / CELL.protocol / f"{path(tmp_path, CELL).stem}.parquet"
    table = cases.read(CELL, tmp_path)
    assert table.key.tolist() == [CELL.key] * 2
    assert table.method.tolist() == [CELL.method] * 2
    assert table.iou.tolist() == [0.5, np.float32(1 / 3)]


def test_missing_and_broken_rows_are_an_error(tmp_path):
    sentence = f"cam.*{tmp_path}.*--overwrite always"
    with pytest.raises(DataError, match=sentence):
        cases.read(CELL, tmp_path)
    cases.write(ROWS, CELL, tmp_path).write_bytes(b"no parquet")
    with pytest.raises(DataError, match=rf"{tmp_path}/records/cases/.*\.parquet"):
        cases.read(CELL, tmp_path)
