"""Packing keeps all records, writes unchanged files only once, and survives interruptions."""

import contextlib
import pickle

import pandas as pd
import pytest
from pydantic import ValidationError

from locus.benchmark import records
from locus.benchmark.records import Cell, Record, Score, Subgroup, cases, load, pack, storage, write
from locus.core.errors import DataError
from tests.flips import flipped

CELL = ["dataset", "partition", "split", "backbone", "global_pool", "attention_map", "img_size", "seed", "model_id", "method"]
LONG = [*CELL, "alignment", "protocol", "threshold_source", "finding", "metric", "value", "low", "high", "n", "status", "reason", "source"]


def cell(method="cam", **fields):
    return Cell(dataset="phantom", backbone="custom", model_id="a", method=method, protocol="single_box", img_size=64, seed=0, **fields)


def hit(value, **fields):
    return Score(finding="mean", metric="hit@iou.3", value=value, n=12, threshold_source="cross-fitted", **fields)


ROWS = [{"image": "i", "patient": "p", "finding": "Mass", "iou": 0.25, "hit@iou.3": False}]
SMALL = Subgroup(variable="size", group="small", scores=(hit(0.1),))
RECORDS = [
    Record(cell=cell(), scores=(hit(0.5, low=0.4, high=0.6), hit(None, reason="0 of 0")), thresholds={"fixed": {"Mass": [0.5]}}),
    Record(cell=cell("gradcam", data={"images": 7}), scores=(hit(1 / 3),), subgroups=(SMALL,)),
    Record(cell=cell("pcam"), status="n/a", reason="another pooling", subgroups=(Subgroup(variable="size", group="large"),)),
]


def written(folder, rows, *some):
    """Write records with the rows of each, and return them."""
    for record in some:
        write(record, folder)
        cases.write(rows, record.cell, folder)
    return some


def of_seed(seed):
    return Record(cell=cell().model_copy(update={"seed": seed}), scores=(hit(0.5),))


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "results" / "tiny"
    written(folder, ROWS, *RECORDS)
    return folder


def files(folder):
    return {file.name: file.read_bytes() for file in folder.glob("*") if file.is_file()}


def by_key(loaded):
    return {record.key: record for record in loaded}


@pytest.mark.parametrize("name", ["records.parquet", "cells.parquet", "cases.parquet"])
def test_a_flipped_bit_in_a_packed_file_is_an_error_and_changes_no_number(suite, name):
    pack(suite)
    before = storage.read_parquet(suite / name, "")
    for _ in flipped(suite / name):
        with contextlib.suppress(DataError):  # not raised for a bit of the checksum's own name
            assert storage.read_parquet(suite / name, "").equals(before)
    assert storage.read_parquet(suite / name, "").equals(before)


def test_packing_keeps_all_records_and_removes_the_unpacked_files(suite):
    before = load(suite)
    pack(suite)
    assert load(suite) == before
    assert by_key(before) == by_key(RECORDS)
    assert set(files(suite)) == {"cells.parquet", "records.parquet", "cases.parquet"}
    assert records.unpacked(suite) == []


def test_records_parquet_has_the_documented_columns(suite):
    pack(suite)
    table = pd.read_parquet(suite / "records.parquet")
    assert set(LONG) < set(table.columns)
    assert len(table) == 2 + 2 + 1
    absent = table[table["status"] == "n/a"].iloc[0]
    assert (absent["method"], absent["reason"]) == ("pcam", "another pooling")
    assert pd.isna(absent["metric"])
    assert table.loc[table["variable"] == "size", "value"].tolist() == [0.1]
    assert set(table.loc[table["method"] == "gradcam", "images"]) == {7}


def test_packed_scores_can_be_read_as_a_tuple(suite):
    before = {record.key: record.scores for record in load(suite) if record.scores}
    pack(suite)
    after = {record.key: record.scores for record in load(suite) if record.scores}
    assert after == before
    for key, scores in before.items():
        packed = after[key]
        assert (len(packed), packed[0], packed[-1], packed[1:3]) == (len(scores), scores[0], scores[-1], scores[1:3])
        assert packed != (*scores, scores[0])
        assert (hash(packed), pickle.loads(pickle.dumps(packed))) == (hash(scores), scores)
        with pytest.raises(IndexError):
            packed[len(scores)]


def test_packing_again_writes_no_file(suite):
    pack(suite)
    before = {name: (suite / name).stat().st_ino for name in files(suite)}
    pack(suite)
    assert {name: (suite / name).stat().st_ino for name in files(suite)} == before


def test_unpacked_record_replaces_the_packed_one(suite):
    pack(suite)
    write(RECORDS[0].model_copy(update={"scores": (hit(0.9),)}), suite)
    assert load(suite)[0].find("hit@iou.3").value == 0.9
    assert len(load(suite)) == 3


def test_records_that_are_not_packed_are_removed_with_their_rows(suite):
    pack(suite)
    pack(suite, RECORDS[:1])
    assert load(suite) == RECORDS[:1]
    assert set(pd.read_parquet(suite / "cases.parquet")["method"]) == {"cam"}
    assert not cases.exist(RECORDS[1].cell, suite)


@pytest.mark.parametrize("file", ["cells.parquet", "records.parquet", "cases.parquet"])
def test_interrupted_packing_loses_nothing(suite, file, monkeypatch):
    whole = by_key(load(suite))
    save = storage.save

    def killed(content, where):
        if where.name == file:
            raise KeyboardInterrupt
        save(content, where)

    monkeypatch.setattr(storage, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        pack(suite)
    monkeypatch.undo()
    assert by_key(load(suite)) == whole
    pack(suite)
    assert by_key(load(suite)) == whole
    assert [cases.read(record.cell, suite)["iou"].tolist() for record in RECORDS] == [[0.25]] * 3


def test_each_seed_has_a_separate_file_of_rows(tmp_path):
    seeds = [*written(tmp_path, ROWS, of_seed(0), of_seed(1))]
    pack(tmp_path)
    before = {name: content for name, content in files(tmp_path).items() if name.startswith("cases")}
    assert set(before) == {"cases.parquet", "cases-seed1.parquet"}
    seeds += written(tmp_path, ROWS, of_seed(2))
    pack(tmp_path)
    assert before.items() <= files(tmp_path).items()
    table = cases.read_columns([record.cell for record in seeds], tmp_path, ["image", "hit@iou.3"])
    assert sorted(table["key"].to_pylist()) == sorted(record.key for record in seeds)
    pack(tmp_path, seeds[:1])
    assert [file.name for file in tmp_path.glob("cases*")] == ["cases.parquet"]


def test_packed_rows_have_no_other_threshold_sources_and_corners_of_boxes_for_the_lowest_seed_only(tmp_path):
    row = ROWS[0] | {"x0": 1.0, "iobb": 0.5, "threshold": 0.5, "iou_oracle": 0.5, "threshold_otsu": 0.1, "pointing": True}
    written(tmp_path, [row], of_seed(3), of_seed(4))
    pack(tmp_path)
    kept = {"image", "patient", "finding", "threshold", "iou", "iobb", "hit@iou.3", "pointing", "key", "model_id", "method", "alignment"}
    assert set(pd.read_parquet(tmp_path / "cases-seed3.parquet")) == kept | {"x0"}
    assert set(pd.read_parquet(tmp_path / "cases-seed4.parquet")) == kept


@pytest.mark.parametrize(
    ("score", "fact"),
    [
        (Score("mean", "hit@iou.3", 1.5, n=1), "hit@iou.3 is 1.5"),
        (Score("mean", "auroc", -0.5, n=1), "auroc is -0.5"),
        (Score("mean", "hit@iou.3", 0.5, n=-1), "n is -1"),
        (Score("a\u202eb", "hit@iou.3", 0.5, n=1), "control or invisible"),
        (Score("mean", "hit@iou.3", 0.5, n=1, threshold_source="guess"), "'guess' is not known"),
    ],
)
def test_scores_beyond_their_range_are_refused_when_they_are_read(score, fact, tmp_path):
    records.packed.write_packed([RECORDS[0].model_copy(update={"scores": (score,)})], tmp_path)
    with pytest.raises(DataError, match=fact):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"iou": 1.5}, "'iou'.*1.5"),
        ({"iou": "high"}, "'iou'"),
        ({"image": 7}, "'image'"),
        ({"finding": None}, "'finding'"),
        ({"boxes": -2}, "'boxes'.*-2"),
    ],
)
def test_rows_of_another_type_or_range_are_refused_when_they_are_read(change, fact, tmp_path):
    cases.write([{**ROWS[0], **change}], RECORDS[0].cell, tmp_path)
    with pytest.raises(DataError, match=fact):
        cases.read(RECORDS[0].cell, tmp_path)


RECIPES = [{"external": {}}, {"external": {"kind": "masks"}}, {"grid": 7}, {"grid": ["a", "b"]}, {"epochs": "17"}, {"augment": None}]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_of_other_types_is_refused(recipe):
    with pytest.raises(ValidationError, match="recipe"):
        cell(recipe=recipe)
