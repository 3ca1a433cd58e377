"""The row ``second readers``: ChestX-Det's boxes against NIH's."""

import gzip
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from locus.benchmark.evaluation import readers
from locus.benchmark.maps.runs import ModelRun
from locus.benchmark.report import main_table
from locus.benchmark.suite import cells, finalize, plan
from locus.config import TrainConfig
from locus.core.errors import NotAvailableError
from locus.core.names import ABSENT, PRIOR, SECOND_READERS
from tests.datasets.trees import nih_tree  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
ANNOTATIONS = SHARED / "chestx-det/annotations.json"
PACKAGE = importlib.util.find_spec("torchxrayvision")
HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
ENTRIES = "Image Index,Finding Labels,Patient ID"


def mark(image, *marks):
    return {"image": image, "file_name": "36200.png", "syms": [f for f, _ in marks], "boxes": [b for _, b in marks], "polygons": []}


def trained(root):
    return [ModelRun(TrainConfig(dataset="NIH", num_classes=8, data_root_dir=str(root)), root)]


def values(result, finding="mean"):
    return {score.metric: score.value for score in result.scores if score.finding == finding}


@pytest.fixture
def read(nih_tree):  # noqa: F811
    """read(marks…): NIH's tiny copy, whose test images 4, 5 and 5 have a box each, with these marks beside it."""

    def write(*marks):
        root = nih_tree()
        (root / "chestx_det").mkdir()
        (root / "chestx_det/annotations.json").write_text(json.dumps(list(marks)))
        return trained(root)

    return write


@pytest.mark.byhand
def test_a_consolidation_counts_for_infiltration_and_an_unmarked_finding_is_a_miss(read):
    """One of two consolidations is NIH's box; the nodule was not marked; the third image was not read."""
    runs = read(
        mark("00000004_000.png", ("Consolidation", [100, 200, 400, 600]), ("Consolidation", [900, 900, 950, 950])),
        mark("00000005_000.png", ("Mass", [900, 950, 1024, 1024])),
    )
    result = readers.score_second_readers(runs, runs[0].data.findings)
    assert values(result, "Infiltration")["hit@iou.3"] == 0.5
    assert values(result, "Nodule")["hit@iou.3"] == 0
    assert values(result)["hit@iou.3"] == values(result)["hit@iou.3@pooled"] == 0.25
    assert values(result)["hit@iou.3@marked"] == 0.5
    assert [(row["image"], row["agreement"]) for row in result.rows] == [("00000004_000.png", 0.5), ("00000005_000.png", 0)]
    assert "0.25 [" in result.remark
    assert "no upper bound" in result.remark


def test_without_annotations_or_common_images_there_is_no_row_but_a_reason(read, nih_tree):  # noqa: F811
    runs = trained(nih_tree())
    with pytest.raises(NotAvailableError, match=f"^{ABSENT}.*annotations.json"):
        readers.score_second_readers(runs, runs[0].data.findings)
    runs = read(mark("00000001_000.png"))
    with pytest.raises(NotAvailableError, match="none of these images"):
        readers.score_second_readers(runs, runs[0].data.findings)


@pytest.mark.parametrize("asked", [True, False])
def test_second_readers_have_one_cell_per_model(asked):
    suite = plan.Suite(name="s", title="", about="", train={"dataset": "NIH"}, models=[{"seed": [0, 1]}], second_readers=asked)
    for model in plan.models(suite):
        assert [c.protocol for c in cells.cells(suite, model) if c.method == SECOND_READERS] == ["single_box"] * asked


def test_people_and_methods_are_compared_on_the_cases_that_people_marked():
    (made,) = finalize.tables_of(ROOT / "results/nih-sample")
    rows = {name: (score.split()[0], n) for name, score, n in main_table.people(made.leaderboard).rows}
    assert {name: rows[name] for name in (SECOND_READERS, "fullgrad", PRIOR)} == {
        SECOND_READERS: (".307", "48"), "fullgrad": (".261", "48"), PRIOR: (".189", "48"),
    }  # fmt: skip


@pytest.mark.skipif(not ANNOTATIONS.is_file(), reason="ChestX-Det under NIH's names is not beside the checkout")
@pytest.mark.skipif(PACKAGE is None, reason="torchxrayvision, whose wheel has all boxes of NIH, is not installed")
def test_the_two_teams_agree_on_nihs_85_common_cases_as_published_beside_the_checkout(tmp_path):
    """../shared/EXPORTS.md, section B."""
    table = Path(PACKAGE.submodule_search_locations[0]) / "data/BBox_List_2017.csv.gz"
    boxes = gzip.decompress(table.read_bytes()).decode().splitlines()[1:]
    (tmp_path / "BBox_List_2017.csv").write_text("\n".join([HEADER, *boxes]) + "\n")
    images = sorted({line.split(",")[0] for line in boxes})
    entries = [f"{image},No Finding,{int(image[:8])}" for image in images]
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text("\n".join([ENTRIES, *entries]) + "\n")
    (tmp_path / "test_list.txt").write_text("\n".join(images))
    (tmp_path / "train_val_list.txt").touch()
    for folder in ("images", "chestx_det"):
        (tmp_path / folder).mkdir()
    for name in images:
        (tmp_path / "images" / name).touch()
    shutil.copy(ANNOTATIONS, tmp_path / "chestx_det/annotations.json")
    runs = trained(tmp_path)
    result = readers.score_second_readers(runs, runs[0].data.findings)
    assert (len(images), len(result.rows)) == (880, 85)
    assert [len({row[name] for row in result.rows}) for name in ("image", "patient")] == [77, 71]
    counts = {s.finding: (s.n, round(s.value, 2)) for s in result.scores if s.metric == "hit@iou.3" and s.finding != "mean"}
    assert counts == {
        "Atelectasis": (13, 0.15), "Cardiomegaly": (6, 0.67), "Effusion": (4, 0.25), "Infiltration": (8, 0.62),
        "Mass": (5, 0.2), "Nodule": (3, 0.33), "Pneumonia": (40, 0.57), "Pneumothorax": (6, 0.5),
    }  # fmt: skip
    overall = [s for s in result.scores if s.metric in ("hit@iou.3@pooled", "hit@iou.3@marked")]
    intervals = {s.metric: (s.n, round(s.value, 2), round(s.low, 2), round(s.high, 2)) for s in overall}
    assert intervals == {"hit@iou.3@pooled": (85, 0.47, 0.35, 0.59), "hit@iou.3@marked": (61, 0.66, 0.51, 0.78)}
    ends = {s.finding: (round(s.low, 2), round(s.high, 2)) for s in result.scores if s.metric == "hit@iou.3"}
    assert (ends["Pneumonia"], ends["Infiltration"], ends["Effusion"]) == ((0.41, 0.73), (0.24, 0.91), (0.01, 0.81))
