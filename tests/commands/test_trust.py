"""Code runs where a user typed the word that names it; a word in somebody's file needs ``--trust``, and nothing of it runs before."""

import dataclasses

import pytest
import torch
import yaml

import locus
from locus import heatmap
from locus.backbones.layers import ModelSpec
from locus.benchmark import run
from locus.core.errors import BadValueError, LocusError
from locus.flags import cli

SUITE = {"title": "t", "about": "a", "train": {"dataset": "phantom"}, "models": [{"backbone": "custom"}], "methods": ["cam"]}
WIRING = dict.fromkeys(field.name for field in dataclasses.fields(ModelSpec))
READ = {"outputs": 1, "channels": 1, "mean": [0.5], "std": [0.5], "wiring": WIRING, "architecture": None, "code": None}
pytestmark = pytest.mark.commands


@pytest.fixture
def code(tmp_path):
    """The word of a class in a file that leaves a trace when it runs."""
    (tmp_path / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\nclass Evil:\n    name = 'evil'\n")
    return f"{tmp_path}/evil.py:Evil"


@pytest.fixture
def checkpoint(tmp_path, code):
    """What somebody might send: a checkpoint whose network is that class."""
    about = {"config": {}, "model": {"network": code, **READ}, "findings": ["Mass"]}
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "locus": about}, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


@pytest.fixture
def refused(tmp_path, capsys):
    def refused(status):
        assert status == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert "evil.py:Evil" in error
        assert "--trust" in error
        assert not (tmp_path / "ran").exists()

    return refused


def suite(folder, *more):
    where = ["--suites", folder, "--results", folder / "results", "--runs", folder / "runs", "--suite", "small"]
    return run.main([*map(str, [*where, *more])])


@pytest.mark.parametrize("more", [[], ["--dry_run"]])
def test_a_method_in_a_suites_yaml_does_not_run(tmp_path, code, refused, more):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**SUITE, "methods": ["cam", code]}))
    refused(suite(tmp_path, *more))


def test_a_checkpoint_in_a_suites_yaml_does_not_run(tmp_path, checkpoint, refused):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**SUITE, "models": [{"checkpoint": str(checkpoint)}]}))
    refused(suite(tmp_path))


def test_a_checkpoint_does_not_run(tmp_path, checkpoint, refused):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SUITE))
    refused(suite(tmp_path, "--checkpoint", checkpoint))
    refused(heatmap.main(["--checkpoint", str(checkpoint)]))
    with pytest.raises(BadValueError, match="--trust"):
        locus.load(checkpoint)
    with pytest.raises(LocusError, match="has changed"):  # past the gate: it states another content of the file
        locus.load(checkpoint, trust=True)


def test_a_file_of_flags_names_no_code_and_cannot_trust_itself(tmp_path, code, refused, capsys):
    (tmp_path / "flags.yaml").write_text(yaml.safe_dump({"model": code, "image": "x.png"}))
    refused(heatmap.main(["--config", str(tmp_path / "flags.yaml")]))
    (tmp_path / "flags.yaml").write_text(yaml.safe_dump({"model": code, "image": "x.png", "trust": True}))
    assert heatmap.main(["--config", str(tmp_path / "flags.yaml")]) == 2
    assert "use --trust" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_a_word_that_was_typed_runs(tmp_path, code, capsys):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SUITE))
    assert suite(tmp_path, "--method", code, "--dry_run") == 2
    assert "is not a method" in capsys.readouterr().err
    assert (tmp_path / "ran").exists()


def test_code_in_a_file_of_flags_runs_where_it_is_trusted(tmp_path, code):
    from locus.config import HeatmapConfig

    (tmp_path / "flags.yaml").write_text(yaml.safe_dump({"model": code}))
    config, _ = cli.parse(HeatmapConfig, ["--config", str(tmp_path / "flags.yaml"), "--trust"], "python heatmap.py")
    assert config.model == code
