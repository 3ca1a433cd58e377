"""The suite ``grounding``: its figures from the tables with NumPy alone, differences, printed counts."""

import csv
import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from locus.benchmark import records
from locus.benchmark.audit import grounding
from locus.benchmark.records import Cell, Record, papers
from locus.benchmark.records.record import Reference
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.core.scores import Score

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "grounding"
CENTRES = (np.arange(224) + 0.5) * 1024 / 224


@pytest.fixture(scope="module")
def published():
    return records.load(ROOT / "results/grounding")


def of(published, dataset, options=""):
    of_dataset = (record for record in published if record.cell.dataset == dataset)
    return [r for r in of_dataset if r.source == "paper" or str(r.cell.data["dataset"]).endswith(f"False{options}")]


def shared(name):
    return gzip.decompress((SHARED / name).read_bytes()).decode()


@pytest.mark.oracle
@pytest.mark.slow
def test_the_region_on_pneumothorax_is_that_of_numpy(published):
    """Dice, IoU, and the share of images without the finding, from the run lengths: no code of Locus."""
    package = importlib.util.find_spec("torchxrayvision") or pytest.skip("torchxrayvision is not installed")
    if not SHARED.is_dir():
        pytest.skip("no ../shared/grounding")
    runs = {}
    with gzip.open(Path(package.submodule_search_locations[0]) / "data/siim-pneumothorax-train-rle.csv.gz", "rt") as file:
        for image, text in [*csv.reader(file)][1:]:
            runs.setdefault(image, []).extend([] if text.strip() == "-1" else [text])
    listed = {part: shared(f"lovt_siim_{part}.csv.gz").split()[1:] for part in ("train", "test")}
    train, test = (np.array([sum(map(drawn, runs[image])) > 0 for image in listed[part] if runs[image]]) for part in listed)
    mean = train.mean(0)
    scores = {}
    for name in ("dice", "iou"):
        best = max(np.linspace(0, mean.max(), 101)[1:-1], key=lambda level: overlap(train, mean > level, name).mean())
        scores[name] = overlap(test, mean > best, name).mean()
    siim = of(published, "siim_pneumothorax")
    for name, value in scores.items():
        assert grounding.blind(siim, name).value == pytest.approx(value, abs=1e-5)
    assert [round(value, 3) for value in scores.values()] == [0.141, 0.084]


def drawn(text):
    numbers, mask, at = np.array(text.split(), int), np.zeros(1024 * 1024, int), 0
    for gap, length in numbers.reshape(-1, 2):
        mask[at + gap : at + gap + length], at = 1, at + gap + length
    rows = CENTRES.astype(int)
    return mask.reshape(1024, 1024).T[np.ix_(rows, rows)]


def overlap(masks, region, name):
    inside, both = (masks & region).sum((1, 2)), masks.sum((1, 2)) + region.sum()
    return 2 * inside / both if name == "dice" else inside / (both - inside)


@pytest.mark.oracle
def test_the_point_on_emphysema_is_that_of_numpy(published):
    """Rules A and C of ChestX-Det10, with all training images: .923 and 1.359."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/grounding")
    train, test = (json.loads(shared(f"chestxdet10_{part}.json.gz")) for part in ("train", "test"))
    centres = (np.arange(128) + 0.5) * 8

    def credit(entry, pad):
        boxes = [box for box, name in zip(entry["boxes"], entry["syms"], strict=True) if name == "Emphysema"]
        covered = [
            ((centres >= y0 - pad) & (centres <= y1 + pad))[:, None] & ((centres >= x0 - pad) & (centres <= x1 + pad))[None]
            for x0, y0, x1, y1 in (boxes[:1] if pad else boxes)
        ]
        return np.any(covered, 0) * (len(boxes) if pad else 1)

    records_of_all = of(published, "chestx_det10", ",by_patient=False")
    for pad, metric, expected in ((0, "pointing", 0.923), (20, "pointing@first_box", 1.359)):
        maps = [np.array([credit(e, pad) for e in part if "Emphysema" in e["syms"]], float) for part in (train, test)]
        total = maps[0].sum(0)
        best = np.argwhere(total == total.max())
        y, x = best[((best - best.mean(0)) ** 2).sum(1).argmin()]
        (score,) = [s for r in records_of_all if r.source == "run" for s in r.select(metric, "Emphysema")]
        assert score.value == pytest.approx(maps[1][:, y, x].mean(), abs=1e-5)
        assert round(score.value, 3) == expected


def test_figures_of_the_first_look_are_in_the_records(published):
    rsna, mgca = of(published, "rsna_pneumonia"), of(published, "rsna_pneumonia", ",lists=mgca")
    found = {metric: round(grounding.blind(rsna, metric).value, 3) for metric in ("dice", "iou", "dice@pooled")}
    assert found == {"dice": 0.428, "iou": 0.296, "dice@pooled": 0.163}
    assert round(grounding.blind(mgca, grounding.EMPTY_IS_1).value, 3) == 0.766
    siim = of(published, "siim_pneumothorax")
    assert round(grounding.blind(siim, grounding.EMPTY_IS_1).value, 3) == 0.731
    assert {(458, 1704), (1218, 5337)} <= {counts[:2] for counts in grounding.printed_counts(published)}
    everyone = of(published, "chestx_det10", ",by_patient=False")
    assert round(grounding.blind(everyone, "pointing").value, 3) == 0.315
    assert round(grounding.blind(everyone, "pointing@first_box").value, 2) == 0.48


@pytest.mark.byhand
def test_the_count_of_fine_tuned_results_names_those_left_out_because_they_were_not_reviewed(published):
    boards = leaderboards(published, CaseFolders(ROOT / "results/grounding"))
    (line,) = {text for board in boards if "siim" in board.dataset for text in grounding.GroundingSection(board).sentences()}
    assert "above 30 of 30 fine-tuned results. Left out: 3 results that were not reviewed (up to .887)." in line


def paper(name, value, n="25 images", model=""):
    stated = {"authors": "A", "year": 2024, "identifier": "i", "table": "t", "split": "s", "tuned_on": "t"}
    reference = Reference(**stated, hand="first", n=n, model=model)
    one = Cell(dataset="siim_pneumothorax", method=name)
    return Record(cell=one, source="paper", reference=reference, scores=(Score("mean", "dice", value, n=25),))


REGION = Score("mean", "dice", 0.4, 0.39, 0.41, 100, "validation")


def test_a_result_on_unknown_images_has_no_arrow_and_no_interval():
    base = Record(cell=Cell(dataset="siim_pneumothorax", method="fixed_region"), scores=(REGION,))
    unknown = grounding.gap(paper("a", 0.9, n="not stated"), "dice", [base])
    known = grounding.gap(paper("a", 0.9), "dice", [base])
    assert (unknown.value, unknown.mark, known.mark) == (known.value, "", "above")


@pytest.mark.byhand
def test_a_model_is_counted_once_by_its_highest_result_whatever_its_settings_ablations_and_reprints():
    region = Cell(dataset="siim_pneumothorax", method="fixed_region", data={"dataset": "siim_pneumothorax"})
    results = [
        paper("Model, 224 px", 0.9, model="Model"),
        paper("Model, ablation a", 0.1, model="Model"),
        paper("Model, as printed by others", 0.2, model="Model"),
        paper("other", 0.1),
        paper("third", 0.8, n="not stated"),
    ]
    (board,) = leaderboards([Record(cell=region, scores=(REGION,)), *results], CaseFolders(Path("absent")))
    (line,) = grounding.GroundingSection(board).sentences()
    assert "3 published models, each counted once by its highest result: 1 above it, 1 below it and 1 not compared" in line


def test_the_draw_of_papers_that_cannot_be_listed_is_named(published):
    about = grounding.comparison("siim_pneumothorax", of(published, "siim_pneumothorax"), ["dice"]).intro
    assert "(458 positives of 1,704) cannot be listed: they are compared with the baseline on 515 images" in about
    about = grounding.comparison("rsna_pneumonia", of(published, "rsna_pneumonia"), ["dice"]).intro
    assert "cannot be listed" not in about  # their list is that of the baseline


def test_readers_of_vindr_are_named_beside_pneumonia(published):
    boards = leaderboards(published, CaseFolders(ROOT / "results/grounding"))
    (line,) = {text for board in boards if "rsna" in board.dataset for text in grounding.GroundingSection(board).sentences()}
    assert "One radiologist against another on VinDr-CXR (Consolidation): .710." in line


def test_a_difference_has_the_spread_of_the_baseline():
    """Baseline .4 ± .03 on 100 images, a value of .45 on 25: ± .03 · √(1 + 4)."""
    base = Record(cell=Cell(dataset="d", method="fixed_region"), scores=(Score("mean", "dice", 0.4, 0.37, 0.43, 100, "validation"),))
    mine = Record(cell=Cell(dataset="d", method="mine"), source="external", scores=(Score("mean", "dice", 0.45, n=25),))
    gap = grounding.gap(mine, "dice", [base])
    assert gap[:3] == pytest.approx((0.05, 0.05 - 0.03 * 5**0.5, 0.05 + 0.03 * 5**0.5))
    assert "not significantly different from fixed_region" in grounding.sentence(mine, "dice", [base])


@pytest.mark.parametrize("word", papers.names())
def test_a_paper_says_where_it_was_read_and_names_no_index(word):
    for record in papers.read(word):
        assert record.reference.table
        assert "index id" not in json.dumps(record.model_dump(mode="json"))
