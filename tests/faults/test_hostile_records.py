"""Damaged and hostile records: readers give the same key, or refuse them in one sentence; none of their code runs."""

import json
import shutil

import pandas as pd
import pytest

from locus.benchmark import compare

pytestmark = [pytest.mark.commands, pytest.mark.slow]
CELLS = [
    *({"dataset": word} for word in ("evil.py:Data", "phantom:train=999999999999", "../../../etc/passwd")),
    *({"method": word} for word in ("evil.py:Evil", "gradcam:n=99999999999", "cam\x1b[2J\nall records hold")),
    *({"protocol": "../locus"}, {"protocol": "x" * 100_000}, {"model_id": "../../outside"}, {"model_id": "\u202egnp.exe"}),
    *({"img_size": 10**9}, {"img_size": -1}, {"seed": 2**63 - 1}, {"split": "train"}, {"alignment": "sideways"}),
    *({"data": {"images": 10**15}}, {"data": {"images": "x"}}, {"data": {"patients": [[]] * 1000}}),
    {"recipe": {"folds": -1, "data_seed": 1e300, "epochs": "all"}},
    *({"recipe": {"weights": "/etc/passwd"}}, {"recipe": {"checkpoint": "evil.ckpt", "init_from": "evil.ckpt"}}),
]
FIELDS = [
    *({"status": "fine"}, {"source": "paper"}, {"source": "external"}, {"schema_version": 99}, {"schema_version": -1}),
    {"scores": [{"finding": "mean", "metric": "hit@iou.3", "value": 1e308}]},
    {"strata": [{"variable": "size", "group": "\x1b[2J", "scores": []}] * 1000},
    *({"thresholds": {"fixed": {"mean": [1e400, None]}}}, {"hits_by_threshold": [1.0] * 10_000}),
    {"created": "yesterday", "seconds": -1e308},
]


@pytest.fixture
def folder(undisturbed, tmp_path, monkeypatch):
    shutil.copytree(undisturbed.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "evil.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "ran").exists()


def compared(undisturbed, capsys, *statuses):
    """What was printed; any exception that is no sentence is the test's."""
    status = compare.main([str(undisturbed.folder / "results/tiny"), "./results/tiny"])
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert status in statuses, text
    assert "Traceback" not in text
    assert [line for line in text.splitlines() if len(line) > 5000 or not line.replace("\t", "").isprintable()] == []
    return text


@pytest.mark.parametrize("more", [*({"cell": cell} for cell in CELLS), *FIELDS], ids=lambda more: str(more)[:40])
def test_an_impossible_record_is_no_traceback(undisturbed, folder, capsys, more):
    file = folder / "results/tiny/cells.parquet"
    table = pd.read_parquet(file)
    records = [json.loads(text) for text in table["record"]]
    cells = [record["cell"] | more.get("cell", {}) for record in records]
    table["record"] = [json.dumps(record | more | {"cell": cell}) for record, cell in zip(records, cells, strict=True)]
    table.to_parquet(file)
    compared(undisturbed, capsys, 0, 2)


def test_scores_that_were_changed_are_reported(undisturbed, folder, capsys):
    file = folder / "results/tiny/records.parquet"
    table = pd.read_parquet(file)
    table.assign(value=0.5).to_parquet(file)
    assert "0 of " in compared(undisturbed, capsys, 0)
