"""python -m benchmark.speed.methods as a user types it; nothing is measured here."""

import pytest

from benchmark.speed import plan
from benchmark.speed.frame import quick
from config import SpeedConfig
from core import cli

pytestmark = pytest.mark.doors


def test_a_page_without_a_record_is_one_sentence(door, sentence, tmp_path):
    done = door("benchmark.speed.methods", "--page", "--record", tmp_path / "absent.json", "--output", tmp_path / "speed.md", cwd=tmp_path)
    assert "absent.json" in sentence(done)
    assert not (tmp_path / "speed.md").exists()


def test_quick_keeps_what_was_typed():
    config = quick(*cli.parse(SpeedConfig, ["--quick", "--sizes", "32", "--findings", "1", "3"], "speed"), plan.QUICK)
    assert (config.sizes, config.findings, config.backbones) == ((32,), (1, 3), ("custom",))
    assert config.record.startswith("runs/")
