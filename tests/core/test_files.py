import contextlib
import json

import pytest

from locus.core import files
from locus.core.errors import WriteError


def test_an_interrupted_write_leaves_only_the_old_file(tmp_path):
    path = tmp_path / "record.json"
    files.write_json(path, {"a": 1})
    with contextlib.suppress(KeyboardInterrupt), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_temporary_files_of_killed_processes_are_removed(tmp_path):
    for name in (".record-ab_12cd9.json", ".lock", ".hidden.json", "record.json"):
        (tmp_path / name).touch()
    with files.atomic(tmp_path / "map.npy") as temporary:
        files.remove_leftovers(tmp_path.iterdir())
        assert {path.name for path in tmp_path.iterdir()} == {temporary.name, ".lock", ".hidden.json", "record.json"}


def test_a_full_disk_raises_a_clear_error_and_leaves_no_partial_file(tmp_path):
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(WriteError, match=r"/big\.txt: File too large"):
            files.write_text(tmp_path / "big.txt", "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list(tmp_path.iterdir()) == []


def test_nan_in_json_raises_an_error(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_the_key_depends_on_all_values_but_not_on_their_order():
    assert files.json_hash({"a": 1, "b": [2]}) == files.json_hash({"b": [2], "a": 1})
    assert files.json_hash({"a": 1}) != files.json_hash({"a": 1.5})
