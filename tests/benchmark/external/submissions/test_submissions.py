"""Submissions: those in ``submissions/`` are valid; invalid ones are reported or refused."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark import records, submit
from benchmark.external import entry as entries
from benchmark.external.submissions import archive, copies
from core.errors import DataError, LocusError
from core.files import file_hash
from tests.benchmark.external.given import PAIRS, config, write

FOLDER = Path(__file__).resolve().parents[4] / "submissions"
SENT = sorted(file for file in FOLDER.rglob("*") if file.is_file() and file != FOLDER / "README.md")
pytestmark = pytest.mark.commands


@pytest.mark.parametrize("file", SENT, ids=lambda file: file.stem)
def test_valid_submission_passes(file, capsys):
    assert submit.main(["check", str(file)]) == 0
    assert "all records match" in capsys.readouterr().out


@pytest.fixture
def changed(tmp_path):
    """Return changed(how): the first submission after ``how(folder, manifest)`` changed its files, with new hashes."""

    def make(how=lambda folder, stated: None):
        folder = tmp_path / "unpacked"
        stated = archive.unpack(SENT[0], folder).model_dump()
        how(folder, stated)
        contents = {name: folder / name for name in stated["files"]}
        stated["files"] = {name: file_hash(file) for name, file in contents.items()}
        archive.write(tmp_path / "changed.zip", archive.Manifest(**stated), contents)
        return tmp_path / "changed.zip"

    return make


def test_wrong_scores_are_reported(changed, capsys):
    """The records of the same maps have wrong scores."""

    def better(folder, stated):
        all_records = records.load(folder / "records")
        one = next(n for n, record in enumerate(all_records) if record.cell.protocol == "pointing")
        scores = tuple(s.model_copy(update={"value": 0.9}) for s in all_records[one].scores)
        all_records[one] = all_records[one].model_copy(update={"scores": scores})
        records.pack(folder / "records", all_records)

    assert submit.main(["check", str(changed(better))]) == 1
    assert "pointing: " in capsys.readouterr().out


def test_records_of_other_maps_and_copies_of_entries_are_reported(changed, tmp_path, capsys):
    """One of 52 maps is changed: the records were made from other files, and the entry is still a copy of the first."""

    def brighter(folder, stated):
        file = next(folder.glob("maps/*.npy"))
        np.save(file, np.load(file)[:, ::-1])

    file = changed(brighter)
    shutil.copy(SENT[0], tmp_path / "first.zip")
    assert submit.main(["check", str(file)]) == 1
    shown = capsys.readouterr().out
    assert "the records were made from other files or flags" in shown
    assert "copies Layer-CAM of a small CNN" in shown


def test_brighter_and_enlarged_maps_are_a_copy_and_mirrored_ones_are_not(tmp_path):
    first = entries.read(config(maps=str(write(tmp_path / "a"))))
    louder = entries.read(config(maps=str(write(tmp_path / "b", lambda m: np.repeat(np.repeat(3 * m + 1, 2, 0), 2, 1)))))
    turned = entries.read(config(maps=str(write(tmp_path / "c", lambda m: m[::-1]))))
    assert copies.is_copy(copies.excerpt(first), louder)
    assert not copies.is_copy(copies.excerpt(first), turned)
    assert not copies.is_copy(copies.truth(first), first)  # the truth with noise


def test_truth_as_masks_and_as_boxes_is_a_copy_of_the_truth(tmp_path):
    with_truth = [(s, finding) for s, finding in PAIRS if finding in s.boxes]
    for sample, finding in with_truth:
        np.save(tmp_path / f"{sample.image_id}_{finding}.npy", sample.masks[finding].astype(np.float32))
    boxes = [(s.image_id, finding, s.boxes[finding][0]) for s, finding in with_truth]
    each = [{"image_id": i, "category_id": f, "score": 1, "bbox": [*b[:2], *(b[2:] - b[:2])]} for i, f, b in boxes]
    (tmp_path / "boxes.json").write_text(json.dumps(each))
    for given in ({"maps": str(tmp_path)}, {"boxes": str(tmp_path / "boxes.json")}):
        entry = entries.read(config(**given))
        assert copies.is_copy(copies.truth(entry), entry)


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


GOOD = {"entry": "x", "by": "y", "about": "z", "trained_on": "", "license": "CC0", "locus": "0", "fingerprint": "0"}


def stated(flags=None, files=None, **more):
    return "submission.json", json.dumps({**GOOD, "flags": flags or {}, "files": files or {}, **more})


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../evil.npy", b"")], "invalid file names"),
        ([("/etc/evil", b"")], "invalid file names"),
        ([("maps\\..\\..\\evil", b"")], "invalid file names"),
        ([("a", b""), ("A", b"")], "duplicate file names"),
        ([("caf\u00e9", b""), ("cafe\u0301", b"")], "duplicate file names"),
        ([("./maps/a.npy", b"")], "invalid file names"),
        ([("maps//a.npy", b"")], "invalid file names"),
        ([("maps/a\x1b.npy", b"")], "invalid file names"),
        ([stated(flags={"findings": ["Mass"] * 100_000})], "bytes"),
        ([stated(about="x" * 10_001)], "about"),
        ([("maps/a.npy", b"")], "has no submission.json"),
        ([stated(), ("extra", b"")], "extra"),
        ([stated(files={"maps/a.npy": "0"})], "lacks maps/a.npy"),
        ([stated(files={"a": "0"}), ("a", b"")], "differ from its manifest: a"),
        ([stated(extra=1)], "extra: extra inputs"),
        ([("submission.json", b"{")], "submission.json"),
    ],
)
def test_invalid_file_is_refused_before_it_is_unpacked(tmp_path, members, message):
    with pytest.raises(DataError, match=message):
        archive.unpack(zipped(tmp_path / "x.zip", members), tmp_path / "out")
    assert not list(tmp_path.rglob("evil*"))


def test_zip_bomb_is_refused_by_its_declared_size(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 2**20)
    with pytest.raises(DataError, match="would unpack to 2,097,152 bytes"):
        archive.unpack(zipped(tmp_path / "x.zip", [("maps/a.npy", bytes(2**21))]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"dataset": "evil.py:Data"}, "--trust"),
        ({"maps": "/etc"}, "not among its files"),
        ({"maps": "maps/.."}, "not among its files"),
        ({"boks": "a"}, "boks"),
    ],
)
def test_flags_with_python_files_or_outside_paths_are_refused(tmp_path, flags, message):
    file = zipped(tmp_path / "x.zip", [stated({"alignment": "pixels", **flags}, {"a": "e3b0c44298fc1c14"}), ("a", b"")])
    one = archive.unpack(file, tmp_path / "out")
    with pytest.raises(LocusError, match=message):
        _ = archive.refuse_python_files(one.flags, "x.zip"), one.score_config(tmp_path / "out", None)


def test_pickled_array_within_a_submission_is_refused(changed, capsys):
    def pickled(folder, stated):
        np.save(next(folder.glob("maps/*.npy")), np.array([{}], dtype=object), allow_pickle=True)

    assert submit.main(["check", str(changed(pickled))]) == 2
    assert "pickled" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["pack", "nowhere"], ["pack"], ["check"], ["send"], []])
def test_invalid_command_line_is_an_error(words, capsys):
    assert submit.main(words) == 2
    assert capsys.readouterr().err.count("error: ") == 1
