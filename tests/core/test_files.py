import contextlib
import json

import pytest

from core import files
from core.errors import WriteError


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "record.json"
    files.write_json(path, {"a": 1})
    with contextlib.suppress(KeyboardInterrupt), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_what_a_killed_process_was_writing_is_swept_away_and_what_a_living_one_writes_is_not(tmp_path):
    for name in (".record-ab_12cd9.json", ".lock", ".hidden.json", "record.json"):
        (tmp_path / name).touch()
    with files.atomic(tmp_path / "map.npy") as temporary:
        files.remove_leftovers(tmp_path.iterdir())
        assert {path.name for path in tmp_path.iterdir()} == {temporary.name, ".lock", ".hidden.json", "record.json"}


def test_a_full_disk_is_one_sentence_and_nothing_half_written(tmp_path):
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        sentence = r"^cannot write .*/big\.txt: File too large; free some space or choose another folder$"
        with pytest.raises(WriteError, match=sentence):
            files.write_text(tmp_path / "big.txt", "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list(tmp_path.iterdir()) == []


def test_nan_is_refused_in_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_the_key_ignores_the_order_of_fields_and_sees_every_value():
    assert files.key({"a": 1, "b": [2]}) == files.key({"b": [2], "a": 1})
    assert files.key({"a": 1}) != files.key({"a": 1.5})
