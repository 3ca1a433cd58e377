"""Results that someone else made on NIH: what is checked, what is refused, and the row that is merged."""

import resource
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from locus import backbones, load_dataset
from locus.benchmark import records, run
from locus.benchmark.baselines import is_blind
from locus.benchmark.check import main as check
from locus.benchmark.inspect import results as results_check
from locus.benchmark.inspect.results import accepted
from locus.benchmark.maps import method_code
from locus.benchmark.records import Score, cases
from locus.core.errors import DataError
from locus.core.names import MAIN, MAIN_PROTOCOL

pytestmark = pytest.mark.commands
RESULTS = Path(__file__).resolve().parents[2] / "results"
EXTERNAL = {"external": {"entry": "mine", "kind": "maps", "files": "0", "geometry": "pixels", "missing": "error"}}


def recipe(**options):
    """The recipe of maps made elsewhere, with other declarations."""
    return {"external": {**EXTERNAL["external"], **options}}


def published(suite, method, model):
    """A record of the committed results and its rows per case."""
    chosen = (r for r in records.load(RESULTS / suite) if (r.cell.method, r.cell.model_id) == (method, model))
    record = next(r for r in chosen if r.cell.protocol == MAIN_PROTOCOL)
    return record, cases.read(record.cell, RESULTS / suite).drop(columns=["key", *cases.CELL]).to_dict("records")


@pytest.fixture(scope="module")
def best_possible():
    return published("nih", "truth", "7x7")


@pytest.fixture
def write(tmp_path):
    """write(record, rows): the folder that benchmark.score or benchmark.run would write for them."""

    def folder(record, rows):
        made = tmp_path / "mine"
        cases.write(rows, record.cell, made)
        records.pack(made, [record])
        shutil.rmtree(made / "records")
        return made

    return folder


@pytest.fixture
def mine(best_possible):
    """Maps made elsewhere, as a record and rows: they are the best possible maps on a grid of 7×7."""
    record, rows = best_possible
    cell = record.cell.model_copy(update={"method": "mine", "model_id": "external", "recipe": EXTERNAL})
    fields = {"cell": cell, "source": "external", "code": {}, "created": "2026-05-04T03:02:01+00:00", "scores": tuple(record.scores)}
    return record.model_copy(update=fields), [dict(row) for row in rows]


@pytest.fixture
def results(tmp_path):
    """A copy of the published results."""
    shutil.copytree(RESULTS / "nih", tmp_path / "results/nih")
    return tmp_path / "results"


def higher_score(record, rows):
    scores = [Score(*s[:2], s.value + 0.1, *s[3:]) if (s.metric, s.finding) == (MAIN, "mean") else s for s in record.scores]
    return record.model_copy(update={"scores": tuple(scores)}), rows


def score_of_larger_overlaps(record, rows):
    """Consistent, but the boxes give less."""
    rows = [{**row, "iou": 0.9, "hit@iou.1": True, "hit@iou.3": True, "hit@iou.5": True} for row in rows]
    return record.model_copy(update={"scores": tuple(s._replace(value=1.0) for s in record.scores)}), rows


def fewer_cases(record, rows):
    return record, rows[:-3]


def another_image(record, rows):
    return record, [{**rows[0], "image": "00000001_000.png"}, *rows[1:]]


def other_labels(record, rows):
    return record.model_copy(update={"fingerprint": "0" * 16}), rows


def fewer_patients(record, rows):
    return record.model_copy(update={"rests_on": {**record.rests_on, "patients": 700}}), rows


def other_code(record, rows):
    cell = record.cell.model_copy(update={"method": "cam", "recipe": {"grid": [7, 7]}})
    return record.model_copy(update={"cell": cell, "code": {"method": "0" * 16}}), rows


def other_data(record, rows):
    return record.model_copy(update={"cell": record.cell.model_copy(update={"dataset": "phantom"})}), rows


def forged_column(name):
    def change(record, rows):
        return record, [{**row, name: True} for row in rows]

    change.__name__ = f"forged_column_{name}"
    return change


def huge_share(record, rows):
    return record.model_copy(update={"scores": (*record.scores, Score("mean", "hit@iou.7", 7.0, n=984))}), rows


def negative_count(record, rows):
    return record.model_copy(update={"scores": (*record.scores, Score("mean", "hit@iou.7", 0.5, n=-984))}), rows


def negative_count_of_a_case(record, rows):
    return record, [{**rows[0], "boxes": -1}, *rows[1:]]


def renamed(name):
    def change(record, rows):
        cell = record.cell.model_copy(update={"method": name, "recipe": recipe(entry=name)})
        return record.model_copy(update={"cell": cell}), rows

    change.__name__ = f"renamed_{name!r}"
    return change


def shown_as_a_published_method(record, rows):
    return record.model_copy(update={"method_name": "gradcam"}), rows


def recipe_without_kind(record, rows):
    cell = record.cell.model_copy(update={"recipe": {"external": {"entry": "mine"}}})
    return record.model_copy(update={"cell": cell}), rows


def network_of_the_benchmark(record, rows):
    return record.model_copy(update={"cell": record.cell.model_copy(update={"backbone": "densenet121"})}), rows


def changed_cell(name, value):
    def change(record, rows):
        return record.model_copy(update={"cell": record.cell.model_copy(update={name: value})}), rows

    change.__name__ = f"changed_{name}"
    return change


def thresholds_of_another_suite(record, rows):
    data = {**record.cell.data, "fitted_on": "nih-sample"}
    return record.model_copy(update={"cell": record.cell.model_copy(update={"data": data})}), rows


def code_of_the_benchmark(record, rows):
    return record.model_copy(update={"code": {"method": "0" * 16}}), rows


def another_entry(record, rows):
    return record.model_copy(update={"cell": record.cell.model_copy(update={"recipe": recipe(entry="theirs")})}), rows


def unknown_handling_of_missing_maps(record, rows):
    return record.model_copy(update={"cell": record.cell.model_copy(update={"recipe": recipe(missing="zero")})}), rows


def another_key_of_the_recipe(record, rows):
    return record.model_copy(update={"cell": record.cell.model_copy(update={"recipe": recipe(note="![x](y)")})}), rows


def date_in_the_future(record, rows):
    return record.model_copy(update={"created": "2199-01-01T00:00:00+00:00"}), rows


def a_case_twice(record, rows):
    return record, [*rows, rows[0]]


def one_patient(record, rows):
    return record, [{**rows[0], "patient": "00000001"}, *rows[1:]]


def one_overlap(record, rows):
    return record, [{**rows[0], "iou": rows[0]["iou"] + 0.0002}, *rows[1:]]


def a_box_one_pixel_aside(record, rows):
    return record, [{**rows[0], "x1": rows[0]["x1"] + 1}, *rows[1:]]


def checkpoint_of_the_benchmark(record, rows):
    return record.model_copy(update={"checkpoints": ("0" * 16,)}), rows


def box_outside_its_image(record, rows):
    return record, [{**rows[0], "x1": 5000.0}, *rows[1:]]


def no_date(record, rows):
    return record.model_copy(update={"created": "![x](y)"}), rows


REFUSED = {
    **{forged_column(f"hit@{word}"): f"hit@{word}" for word in ("iou.2", "iou.4", "iou.6", "iou.7", "iobb.25", "iobb.9")},
    forged_column("energy"): "columns that its protocol does not write (energy)",
    huge_share: "hit@iou.7 is 7: allowed are 0 to 1",
    negative_count: "n is -984: allowed are 0 or more",
    negative_count_of_a_case: "boxes is -1: allowed are 0 or more",
    renamed("Grad-CAM"): "name of a method or baseline",
    renamed("Fixed Box"): "name of a method or baseline",
    renamed("prior"): "no method with a score on NIH",
    renamed("gnp\u202e.cam"): "control or invisible characters",
    shown_as_a_published_method: "name of a method or baseline",
    recipe_without_kind: "cell.recipe.external.kind",
    renamed("gradсam"): "not ASCII",  # the Cyrillic letter es
    renamed("CheXNet (ADPD)"): "name of a method or baseline",
    renamed("Wang 20l7"): "name of a method or baseline",
    renamed("prlor"): "name of a method or baseline",
    code_of_the_benchmark: "cannot have hashes of this benchmark's code",
    another_entry: "has the entry 'theirs' in its recipe",
    unknown_handling_of_missing_maps: "cell.recipe.external.missing",
    another_key_of_the_recipe: "cell.recipe.external.note",
    date_in_the_future: "which is in the future",
    a_case_twice: "has several rows of 1 cases (00000032_037.png, Infiltration)",
    one_patient: "says patient of 00000032_037.png, Infiltration is 00000001",
    one_overlap: "says iou of 00000032_037.png, Infiltration",
    a_box_one_pixel_aside: "says iou of 00000032_037.png, Infiltration",
    network_of_the_benchmark: "cannot name a network",
    checkpoint_of_the_benchmark: "cannot name a network",
    changed_cell("model_id", "densenet121-PCAM-512px"): "cannot name a network",
    changed_cell("img_size", 1024): "cannot name a network",
    changed_cell("attention_map", "FPA"): "cannot name a network",
    changed_cell("split", "train"): "other images, labels or boxes",
    changed_cell("partition", "kfold"): "other images, labels or boxes",
    changed_cell("data", {"findings": 14}): "other images, labels or boxes",
    thresholds_of_another_suite: "other images, labels or boxes",
    box_outside_its_image: "outside its image of 1024×1024 pixels",
    no_date: "is not a date",
    higher_score: "hit@iou.3 of mean",
    score_of_larger_overlaps: "but its boxes give",
    fewer_cases: "lacks 3 of 984 cases",
    another_image: "and has 1 others (00000001_000.png",
    other_labels: "other images, labels or boxes",
    fewer_patients: "other images, labels or boxes",
    other_code: "other code",
    other_data: "no method with a score on NIH",
}


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_changed_results_are_refused_in_one_sentence(change, write, mine, capsys):
    assert check(["results", str(write(*change(*mine))), "--results", str(RESULTS)]) == 2
    (error,) = capsys.readouterr().err.splitlines()[-1:]
    assert error.startswith("error: ")
    assert REFUSED[change] in error


def test_one_changed_hit_of_the_centre_of_submitted_boxes_is_refused(write, mine):
    record, rows = mine
    of_boxes = record.model_copy(update={"cell": record.cell.model_copy(update={"recipe": recipe(kind="boxes")})})
    ours, _ = published("nih", "truth", "7x7")
    again, rows_again = results_check._rescored(of_boxes, ours, pd.DataFrame(rows), load_dataset("NIH", images=False))
    given = rows_again.to_dict("records")
    (checked, checked_rows), *_ = accepted(write(again, given), RESULTS / "nih")
    assert "pointing" in checked_rows
    assert {score.metric for score in checked.scores} >= {"pointing", MAIN}
    given[5]["pointing"] = not given[5]["pointing"]
    with pytest.raises(DataError, match=f"says pointing of {given[5]['image']}"):
        accepted(write(again, given), RESULTS / "nih")


@pytest.mark.parametrize("name", ["install.sh", "weights/mine.safetensors", "weights/supervised/a/b.json", "records/cases/x/y.png"])
def test_unknown_files_and_weights_are_refused(name, tmp_path):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(DataError, match=f"files that are not results .{name}"):
        accepted(tmp_path, RESULTS / "nih")


@pytest.mark.parametrize("target", ["/etc/hostname", "/etc"])
def test_links_are_refused(target, tmp_path):
    (tmp_path / "index.html").symlink_to(target)
    with pytest.raises(DataError, match=r"has links .index\.html"):
        accepted(tmp_path, RESULTS / "nih")


def test_pointing_of_maps_and_other_protocols_and_baselines_are_not_taken(write, mine, tmp_path):
    record, rows = mine
    folder = write(record, [{**row, "pointing": True} for row in rows])
    energy = record.cell.model_copy(update={"protocol": "energy"})
    records.write(record.model_copy(update={"cell": energy, "scores": (Score("mean", "energy", 1.0, n=984),)}), folder)
    low = record.cell.model_copy(update={"method": "prior"})
    records.write(
        record.model_copy(update={"cell": low, "scores": (Score("mean", MAIN, 0.0, n=984, threshold_source="cross-fitted"),)}), folder
    )
    records.pack(folder)
    shutil.rmtree(folder / "records")
    (mine_again, rows_again), *baselines = accepted(folder, RESULTS / "nih")
    assert mine_again.cell == record.cell
    assert "pointing" not in rows_again
    assert {score.metric for score in mine_again.scores} == {
        "hit@iou.1",
        MAIN,
        "hit@iou.5",
        "hit@iobb.1",
        "hit@iobb.5",
        "mean_iou",
        "center_inside",
    }
    of_suite = {r.method: r for r in records.load(RESULTS / "nih") if is_blind(r.cell.method)}
    assert {r.method: [*r.scores] for r, _ in baselines} == {name: [*r.scores] for name, r in of_suite.items()}


def test_damaged_files_are_refused(write, mine, capsys):
    folder = write(*mine)
    content = bytearray((folder / "cases.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "cases.parquet").write_bytes(content)
    assert check(["results", str(folder), "--results", str(RESULTS)]) == 2
    assert "checksum" in capsys.readouterr().err


def test_merged_row_is_marked_stays_and_does_not_change_when_merged_again(write, mine, results, capsys, monkeypatch):
    monkeypatch.chdir(results.parent)
    words = ["--merge", str(write(*mine)), "--results", str(results), "--by"]
    files = lambda: {path: path.read_bytes() for path in (results / "nih").iterdir()}  # noqa: E731
    assert run.main([*words, "A. Radiologist"]) == 0
    before = files()
    (row,) = [r for r in records.load(results / "nih") if r.cell.method == "mine"]
    assert row.select(MAIN, "mean")[0] == mine[0].select(MAIN, "mean")[0]
    assert "| maps (external, by A. Radiologist, 2026-05-04) | mine | .976 |" in (results / "nih/leaderboard.md").read_text()
    assert run.main([*words, "A. Radiologist"]) == 0
    assert run.main(["--suite", "nih", "--results", str(results)]) == 0, "tables only: the images are not in the current folder"
    assert files() == before
    assert run.main([*words, "Someone Else"]) == 2
    assert "by A. Radiologist, 2026-05-04" in capsys.readouterr().err
    assert files() == before


def test_run_of_the_same_code_is_accepted_with_the_scores_of_its_cases(write):
    record, rows = published("nih-sample", "gradcam", "custom-PCAM-128px-seed0")
    cell = record.cell.model_copy(update={"recipe": {**record.cell.recipe, "epochs": 17}})  # the suite has its own row of this cell
    code = {"network": backbones.network_code({"name": "custom"}), "method": method_code("gradcam")}
    folder = write(record.model_copy(update={"cell": cell, "code": code, "scores": tuple(record.scores)}), rows)
    (again, _), *_ = accepted(folder, RESULTS / "nih-sample")
    assert {score.threshold_source for score in again.scores} == {"cross-fitted"}
    assert again.select(MAIN) == [score for score in record.select(MAIN) if score.threshold_source == "cross-fitted"]


def test_failed_merge_leaves_the_published_folder_unchanged(write, mine, results, monkeypatch, capsys):
    monkeypatch.chdir(results.parent)
    before = {path: path.read_bytes() for path in (results / "nih").iterdir()}
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    words = ["--merge", str(write(*mine)), "--results", str(results), "--by", "A. Radiologist"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))  # below the size of the page
    try:
        assert run.main(words) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert "File too large" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (results / "nih").iterdir()} == before


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_folder_of_benchmark_score_is_accepted(succeed, tmp_path):
    random, maps = np.random.default_rng(0), tmp_path / "maps"
    maps.mkdir()
    for sample in load_dataset("NIH", images=False):
        for finding in sample.boxes:
            np.save(maps / f"{sample.image_id}_{finding}.npy", random.random((4, 4)))
    words = ["--dataset", "NIH:images=False", "--maps", maps, "--alignment", "conventional", "--entry", "random", "--results", tmp_path]
    succeed("benchmark.score", *map(str, words))
    assert "can be merged" in succeed("benchmark.check", "results", str(tmp_path / "random")).stdout


def test_results_are_checked_in_a_folder_without_the_checkout(write, mine, tmp_path, monkeypatch, capsys):
    folder = write(*mine)
    monkeypatch.chdir(tmp_path)
    assert check(["results", str(folder)]) == 0
    assert "can be merged into nih" in capsys.readouterr().out
