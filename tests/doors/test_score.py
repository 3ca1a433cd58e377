"""``python -m benchmark.score`` as a user types it."""

import pytest

from benchmark import records
from benchmark.external import against
from tests.benchmark.external.given import DATA, SIZE, WORD, write

DOOR, DATASET = "benchmark.score", ("--dataset", WORD, "--img_size", str(SIZE))
pytestmark = pytest.mark.doors


def test_maps_of_others_have_a_row_beside_the_baselines_and_hold_when_verified(door, tmp_path):
    flags = (*DATASET, "--maps", write(tmp_path / "maps"), "--alignment", "conventional", "--entry", "Their maps", "--results", tmp_path)
    done = door(DOOR, *flags)
    assert done.returncode == 0, done.stderr
    for word in ("Their maps", "prior", "center", "noise", "truth", "leaderboard.md"):
        assert word in done.stdout
    folder = tmp_path / "their-maps"
    entered = {r.cell.protocol: r for r in records.load(folder) if r.source == "external"}
    assert {"locus", "wang", "seed", "pointing", "energy", "maxbox", "pxap", "chexlocalize", "paired"} == set(entered)
    assert entered["paired"].find("above_prior").value > 0
    assert any(stratum.variable == "size" for stratum in entered["locus"].strata)
    assert len((folder / "sources.csv").read_text().splitlines()) == 1 + len(list((tmp_path / "maps").iterdir()))
    row = against.find("their-maps/external/prior", tmp_path, [*DATA])
    _, said = against.compare(entered["locus"], folder, row)
    assert f"{entered['paired'].find('above_prior').value:+.3f}" in said
    again = door(DOOR, *flags, "--verify")
    assert (again.returncode, "0 differ" in again.stdout) == (0, True), again.stdout + again.stderr


def test_boxes_of_a_detector_have_every_protocol_that_takes_boxes(door, tmp_path):
    rows = [f"{s.image_id},{f},{','.join(map(str, box))},.9" for s in DATA for f, boxes in s.boxes.items() for box in boxes.tolist()]
    (tmp_path / "boxes.csv").write_text("\n".join(["image,finding,x0,y0,x1,y1,score", *rows]) + "\n")
    flags = ("--boxes", tmp_path / "boxes.csv", "--box_format", "xyxy", "--entry", "detector", "--results", tmp_path)
    done = door(DOOR, *DATASET, *flags)
    assert done.returncode == 0, done.stderr
    entered = {r.cell.protocol: r for r in records.load(tmp_path / "detector") if r.source == "external"}
    assert {"locus", "pointing", "detection", "froc", "lroc", "paired"} == set(entered)
    for protocol, metric in (("detection", "ap@iou.4"), ("froc", "froc@iou.3"), ("lroc", "lroc"), ("locus", "hit@iou.3")):
        assert entered[protocol].find(metric).value == 1


def test_what_cannot_be_scored_is_one_sentence_and_writes_nothing(door, sentence, tmp_path):
    done = door(DOOR, *DATASET, "--maps", tmp_path / "absent", "--alignment", "pixels", "--entry", "x", "--results", tmp_path / "out")
    assert "absent" in sentence(done)
    assert not (tmp_path / "out").exists()
