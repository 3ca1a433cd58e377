"""python -m tools.speed as a user types it."""

import pytest

from core import cli
from tools.speed.methods.subject import SUBJECT as METHODS
from tools.speed.training.subject import SUBJECT as TRAINING

pytestmark = pytest.mark.commands


@pytest.mark.parametrize("subject", ["methods", "scoring", "training", "jobs"])
def test_a_page_without_a_record_is_one_sentence(subject, run_command, sentence, tmp_path):
    done = run_command("tools.speed", subject, "--page", "--records", tmp_path / "absent", "--output", tmp_path / "page.md", cwd=tmp_path)
    assert f"{tmp_path}/absent" in sentence(done)
    assert not (tmp_path / "page.md").exists()


def test_an_unknown_subject_is_one_sentence(run_command, sentence):
    assert "methods, scoring, training, jobs, external, attention, start, summary" in sentence(run_command("tools.speed", "maps"))


def test_quick_keeps_what_was_typed():
    config = METHODS.quick(*cli.parse(METHODS.config, ["--quick", "--sizes", "32", "--findings", "1", "3"], "speed"))
    assert (config.sizes, config.findings, config.backbones) == ((32,), (1, 3), ("custom",))
    assert config.records.startswith("runs/")


@pytest.mark.slow
def test_quick_measures_everything_once_and_writes_record_and_page(run_command, tmp_path):
    folders = ("--records", tmp_path, "--output", tmp_path / "page.md")
    done = run_command("tools.speed", "training", "--quick", "--threads", 1, *folders, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = TRAINING.read(tmp_path)
    assert {group: len(record.of(group)) for group in ("decoding", "stages", "epoch")} == {"decoding": 3, "stages": 6, "epoch": 2}
    assert all(row.reason or (row.figures.get("wall_ms") or row.figures["mib"]) > 0 for row in record.rows)
    assert len(record.of("long")) == 11
    assert record.note.startswith("Devices: the processor (`cpu`; ")
    assert (tmp_path / "page.md").read_text().startswith("# Training\n")
