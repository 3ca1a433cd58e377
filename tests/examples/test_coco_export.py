"""examples/coco_export.py: truth and boxes for other tools, read back by pycocotools."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from examples import coco_export
from examples.coco_export import boxes_json, truth_json
from locus.core.errors import DataError
from locus.core.types import Sample

pytestmark = pytest.mark.commands
ROOT = Path(__file__).resolve().parents[2]
FINDINGS = ("Mass", "Nodule")


def sample(name: str, **boxes: list[list[float]]) -> Sample:
    truth = {finding: np.array(each, dtype=np.float64) for finding, each in boxes.items()}
    return Sample(name, name, (100, 200), np.zeros(2, np.float32), truth, lambda: np.zeros((10, 20), np.uint8))


SAMPLES = [sample("a", Mass=[[10, 20, 30, 60], [50, 50, 60, 60]]), sample("b.png"), sample("c", Nodule=[[1, 2, 11, 12]])]


def rows(*each: tuple) -> pd.DataFrame:
    return pd.DataFrame(each, columns=["image", "finding", "x0", "y0", "x1", "y1", "confidence"])


@pytest.fixture
def coco(tmp_path: Path):
    """coco(truth, boxes): both written and read by pycocotools."""
    pycocotools = pytest.importorskip("pycocotools.coco")

    def read(truth: dict, boxes: list[dict]):
        for name, content in (("truth.json", truth), ("boxes.json", boxes)):
            (tmp_path / name).write_text(json.dumps(content))
        known = pycocotools.COCO(tmp_path / "truth.json")
        return known, known.loadRes(str(tmp_path / "boxes.json"))

    return read


@pytest.mark.byhand
def test_ids_start_at_one_and_negatives_are_listed(coco):
    truth = truth_json(SAMPLES, FINDINGS, "made up")
    boxes = boxes_json(rows(("a", "Mass", 10, 20, 30, 60, 0.5), ("c", "Nodule", *[np.nan] * 4, 1.0)), truth)
    known, read = coco(truth, boxes)
    assert known.getImgIds() == [1, 2, 3]
    assert [image["file_name"] for image in truth["images"]] == ["a.png", "b.png", "c.png"]
    assert sorted(known.getAnnIds()) == [1, 2, 3]
    assert known.getAnnIds(imgIds=[2]) == []
    assert known.loadAnns([1])[0]["bbox"] == [10, 20, 20, 40]
    (box,) = read.loadAnns(read.getAnnIds())
    assert (box["image_id"], box["category_id"], box["bbox"], box["score"]) == (1, 1, [10, 20, 20, 40], 0.5)


@pytest.mark.oracle
def test_boxes_equal_to_the_truth_have_an_average_precision_of_one(coco):
    """With an annotation 0, which pycocotools takes for no match, it would be lower."""
    truth = truth_json(SAMPLES, FINDINGS, "made up")
    perfect = rows(("a", "Mass", 10, 20, 30, 60, 1), ("a", "Mass", 50, 50, 60, 60, 0.9), ("c", "Nodule", 1, 2, 11, 12, 1))
    known, read = coco(truth, boxes_json(perfect, truth))
    evaluation = pytest.importorskip("pycocotools.cocoeval").COCOeval(known, read, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval["precision"][..., 0, -1].mean() == pytest.approx(1)


def test_boxes_of_unknown_images_and_images_that_occur_twice_are_refused():
    truth = truth_json(SAMPLES, FINDINGS, "made up")
    assert boxes_json(rows(), truth) == []
    with pytest.raises(DataError, match=r"^1 images or findings .*: d$"):
        boxes_json(rows(("d", "Mass", 1, 1, 9, 9, 1)), truth)
    with pytest.raises(DataError, match=r"^1 images .*twice.*a\.png"):
        truth_json([SAMPLES[0], SAMPLES[0]], FINDINGS, "made up")


def test_published_suite_is_exported_and_read_back(tmp_path: Path, capsys, monkeypatch):
    coco = pytest.importorskip("pycocotools.coco")
    monkeypatch.chdir(ROOT)
    assert coco_export.main(["demo", "--images", "True", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    truth = coco.COCO(tmp_path / "truth.json")
    boxes = truth.loadRes(str(tmp_path / "boxes.json"))
    assert f"{len(truth.imgs)} images, {len(truth.anns)} truth boxes, {len(boxes.anns)} boxes" in said
    assert "all scores are 1.0" in said
    assert set(boxes.imgToAnns) < set(truth.imgs)
    assert len(truth.imgToAnns) < len(truth.imgs)  # negatives
    first = truth.imgs[1]
    assert Image.open(tmp_path / "data" / first["file_name"]).size == (first["width"], first["height"])


def boxes_of(suite, method, folder, *flags):
    """The counts of images, truth boxes and boxes of an exported suite."""
    words = ["--method", method, "--output", str(folder), "--model_id", "custom-PCAM-128px-seed0"]
    assert coco_export.main([suite, *words, *flags]) == 0
    truth, boxes = (json.loads((folder / name).read_text()) for name in ("truth.json", "boxes.json"))
    return len(truth["images"]), len(truth["annotations"]), len(boxes)


def test_boxes_are_those_of_all_images(nih_sample, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert boxes_of("nih-sample", "pcam", tmp_path, "--data_root_dir", str(nih_sample)) == (1537, 604, 604)
    assert "a part of the boxed images only" not in capsys.readouterr().out


def test_a_suite_on_some_images_has_the_truth_of_these(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert boxes_of("phantom-120", "rise", tmp_path) == (120, 209, 204)
    assert "a part of the boxed images only" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        (["demi"], "'demi'.*'demo'"),
        (["demo", "--method", "camm"], "'camm'.*'cam'"),
        (["demo", "--model_id", "custom"], "'custom'"),
        (["phantom", "--model_id", "custom-PCAM-128px-seed1"], "custom-PCAM-128px-seed1.* no boxes.*lowest seed.*--model_id"),
    ],
)
def test_records_without_boxes_are_an_error(flags, facts, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert coco_export.main([*flags, "--output", str(tmp_path / "out")]) == 2
    assert re.search(facts, capsys.readouterr().err.splitlines()[-1])
    assert not (tmp_path / "out").exists()
