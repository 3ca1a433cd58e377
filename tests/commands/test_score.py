"""``python -m benchmark.score`` as a user types it, by the lines of its page."""

import csv
import re
import shlex
from pathlib import Path

import pytest

from locus.benchmark import records
from locus.benchmark.suite import comparison
from tests.benchmark.external.given import DATA, SIZE, WORD, write

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMAND, DATASET = "benchmark.score", ("--dataset", WORD, "--img_size", str(SIZE))
pytestmark = pytest.mark.commands


def typed(page, command, **given):
    """The flags of the line of a page that begins with ``command``, its words in capitals replaced."""
    (line,) = re.findall(rf"^python -m {command}(.*)$", (DOCS / page).read_text(), re.MULTILINE)
    words = shlex.split(line.replace("--dataset NIH --data_root_dir PATH", shlex.join(DATASET)))
    return [str(given.get(word, word)) for word in words]


def test_external_maps_are_scored(succeed, tmp_path):
    flags = [*typed("score.md", "benchmark.score(?=.*--maps)", FOLDER=write(tmp_path / "maps")), "--results", tmp_path]
    told = succeed(COMMAND, *flags).stdout
    for word in ("My maps", "prior", "center", "noise", "truth", "fixed_box needs at least 5", "leaderboard.md"):
        assert word in told
    folder = tmp_path / "my-maps"
    entered = {r.cell.protocol: r for r in records.load(folder) if r.source == "external"}
    assert {"locus", "wang", "seed", "pointing", "energy", "maxbox", "pxap", "chexlocalize"} == set(entered)
    answer = told[told.index("Yours: ") :].splitlines()
    assert answer[0].startswith("Yours: My maps: ")
    assert answer[1].startswith("Above the prior (")
    assert "My maps at IoU > .3" in answer[1]
    with (folder / "leaderboard.csv").open(newline="") as file:
        gap = next(float(line["prior_difference"]) for line in csv.DictReader(file) if line["method"] == "My maps")
    assert gap > 0
    assert any(stratum.variable == "size" for stratum in entered["locus"].strata)
    assert len((folder / "sources.csv").read_text().splitlines()) == 1 + len(list((tmp_path / "maps").iterdir()))
    row = comparison.find("my-maps/external/prior", tmp_path, [*DATA])
    _, said = comparison.compare_with_row(entered["locus"], folder, row)
    assert f"{gap:+.3f}" in said


def test_boxes_are_scored_by_every_protocol_that_takes_boxes(succeed, tmp_path):
    rows = [f"{s.image_id},{f},{','.join(map(str, box))},.9" for s in DATA for f, boxes in s.boxes.items() for box in boxes.tolist()]
    (tmp_path / "boxes.csv").write_text("\n".join(["image,finding,x0,y0,x1,y1,score", *rows]) + "\n")
    flags = typed("score.md", "benchmark.score(?=.*--boxes)", **{"FILE.csv": tmp_path / "boxes.csv"})
    succeed(COMMAND, *flags, "--results", tmp_path)
    entered = {r.cell.protocol: r for r in records.load(tmp_path / "my-detector") if r.source == "external"}
    assert {"locus", "pointing", "detection", "froc", "lroc"} == set(entered)
    for protocol, metric in (("detection", "ap@iou.4"), ("froc", "froc@iou.3"), ("lroc", "lroc"), ("locus", "hit@iou.3")):
        assert entered[protocol].find(metric).value == 1


def test_invalid_entry_is_an_error_and_writes_nothing(run_command, sentence, tmp_path):
    flags = ["--maps", tmp_path / "absent", "--alignment", "pixels", "--entry", "x", "--results", tmp_path / "out"]
    assert "absent" in sentence(run_command(COMMAND, *DATASET, *flags))
    assert not (tmp_path / "out").exists()
