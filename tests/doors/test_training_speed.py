"""python -m benchmark.speed.training as a user types it."""

import pytest

from benchmark.speed import record
from benchmark.speed.training.flags import FLAGS
from benchmark.speed.training.record import TrainingRecord

pytestmark = pytest.mark.doors


def test_quick_measures_everything_once_and_writes_record_and_page(door, tmp_path):
    places = ("--record", tmp_path / "training.json", "--output", tmp_path / "training_speed.md")
    done = door("benchmark.speed.training", "--quick", "--threads", 1, *places, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = record.read(TrainingRecord, tmp_path / "training.json", "")
    assert {group: len(found.of(group)) for group in ("decoding", "stages", "epoch", "flags")} == {
        "decoding": 3, "stages": 6, "epoch": 2, "flags": len(FLAGS),
    }  # fmt: skip
    assert all(row.reason or row.wall_ms > 0 for row in found.rows)
    assert found.long is not None
    assert len(found.long.training) == 10
    assert (tmp_path / "training_speed.md").read_text().startswith("# How fast is training?")


def test_a_page_without_a_record_is_one_sentence(door, sentence, tmp_path):
    done = door("benchmark.speed.training", "--page", "--record", tmp_path / "absent.json", "--output", tmp_path / "page.md", cwd=tmp_path)
    assert "absent.json" in sentence(done)
    assert not (tmp_path / "page.md").exists()
