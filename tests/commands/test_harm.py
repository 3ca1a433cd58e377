"""Files that are broken or mean harm, through the commands; tests/datasets asks it of every data set and file."""

import re
from pathlib import Path

import pytest

from locus.benchmark.check import __main__ as checks
from tests.datasets.test_corruption import WATCHED, empty, to_a_secret
from tests.datasets.trees import folder, write

pytestmark = pytest.mark.commands


def traversal(path):
    path.write_text(path.read_text().replace("a.png", "../outside.png"))


@pytest.mark.parametrize("command", ["main", "check"])
@pytest.mark.parametrize(("harm", "facts"), [(empty, "empty"), (traversal, r"'\.\./outside\.png'"), (to_a_secret, "link .*/passwd")])
def test_a_harmful_table_is_one_sentence_and_nothing_is_read_or_written(train, tmp_path, capsys, monkeypatch, command, harm, facts):
    root = write(tmp_path / "in" / "data", folder())
    harm(root / "labels.csv")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setitem(WATCHED, "open", [])
    if command == "main":
        status = train(f"--dataset folder --data_root_dir {root} --epochs 1 --backbone custom --img_size 32 --pretrained False")
    else:
        status = checks.main(["dataset", "folder", "--root", str(root), "--output", f"{tmp_path}/page"])
    opened = [Path(path).resolve() for path in WATCHED["open"]]
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert (status, len(errors)) == (2, 1)
    assert "labels.csv" in errors[0]
    assert re.search(facts, errors[0])
    assert [path for path in opened if path.is_relative_to(root.parent) and not path.is_relative_to(root)] == []
    assert sorted(tmp_path.rglob("*")) == before
