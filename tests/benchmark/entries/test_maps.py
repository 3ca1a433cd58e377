"""External maps: all layouts give the same maps, and invalid maps are errors."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from locus.benchmark.baselines import without_training
from locus.benchmark.entries import entry, maps
from locus.benchmark.entries.geometry import Geometry
from locus.benchmark.entries.score import EntryCases, score
from locus.benchmark.records import Cell
from locus.core.errors import BadValueError, DataError, LocusError
from locus.core.frames import Grid, box_coverage, resample, resolve
from locus.core.types import Sample
from locus.datasets.base import Samples
from locus.scoring import protocols
from locus.scoring.protocols.base import make_case
from locus.scoring.protocols.detection import Detection
from locus.scoring.protocols.single_box import SingleBox
from locus.scoring.surface import min_max
from locus.scoring.surface.bilinear import boxes
from tests.benchmark.entries.given import DATA, PAIRS, config, shown, write
from tests.oracles import coco

BOXED = [sample for sample in DATA if sample.boxes]
CHOSEN = ("hit@iou.3", "cross-fitted")
CELL = Cell(dataset="phantom", method="mine", protocol="single_box")
pytestmark = pytest.mark.byhand


def stacked(sample):
    return np.stack([shown(sample, finding) for finding in DATA.findings])


def as_arrays(folder):
    for sample in BOXED:
        np.save(folder / f"{sample.image_id}.npy", stacked(sample))
    return {"maps": str(folder), "findings": DATA.findings}


def as_archives(folder):
    for sample in BOXED:
        np.savez_compressed(folder / sample.image_id, **dict(zip(DATA.findings, stacked(sample), strict=True)))
    return {"maps": str(folder)}


def named_with_the_images_ending(folder):
    for sample, finding in PAIRS:
        np.save(folder / f"{sample.image_id}.png_{finding}.npy", shown(sample, finding))
    return {"maps": str(folder)}


@pytest.mark.parametrize("layout", [as_arrays, as_archives, named_with_the_images_ending])
def test_every_layout_gives_the_maps_of_a_file_per_image_and_finding_and_a_bar_counts_them(tmp_path, terminal, layout):
    single = entry.read(config(maps=str(write(tmp_path / "single"))))
    assert re.search(f"read maps:   0%.* 0/{len(PAIRS)}", terminal())
    (tmp_path / "other").mkdir()
    other = entry.read(config(**layout(tmp_path / "other")))
    assert other.values.keys() == single.values.keys() == {(sample.image_id, finding) for sample, finding in PAIRS}
    for pair, values in single.values.items():
        np.testing.assert_array_equal(other.values[pair], values)


def test_png_masks_and_run_length_masks_are_equal(tmp_path):
    runs: dict = {}
    for sample, finding in PAIRS:
        mask = np.zeros((4, 4), dtype=bool)
        mask[1:3, DATA.findings.index(finding) % 4] = True
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / f"{sample.image_id}_{finding}.png")
        column = 4 * (DATA.findings.index(finding) % 4) + 1
        runs.setdefault(sample.image_id, {})[finding] = {"size": [4, 4], "counts": [column, 2, 13 - column + 1]}
    (tmp_path / "masks.json").write_text(json.dumps(runs))
    pictures, masks = (entry.read(config(maps=str(path))) for path in (tmp_path, tmp_path / "masks.json"))
    for pair, values in pictures.values.items():
        np.testing.assert_array_equal(masks.values[pair], values / 255)


def test_grid_is_read_from_json_and_hashes_name_each_file(tmp_path):
    (tmp_path / "grid.json").write_text('{"size": [224, 224], "stride": [32, 32], "offset": [0, 0]}')
    given = entry.read(config(maps=str(write(tmp_path / "maps")), alignment=str(tmp_path / "grid.json")))
    assert given.geometry.grid == Grid((224, 224), (32, 32), (0, 0))
    assert len(given.hashes) == len(PAIRS)
    assert given.recipe["external"]["geometry"] == {"size": [224, 224], "stride": [32, 32], "offset": [0, 0]}


def another(name):
    def made(folder):
        np.save(write(folder) / name, np.eye(8))
        return folder

    return made


def shortened(folder):
    file = write(folder) / f"{PAIRS[0][0].image_id}_{PAIRS[0][1]}.npy"
    file.write_bytes(file.read_bytes()[:-8])
    return folder


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda folder: write(folder, lambda values: values * np.nan), "NaN or inf"),
        (lambda folder: write(folder, lambda values: values * np.float64(1e300)), "beyond"),
        (lambda folder: write(folder, lambda values: values * 0), "constant"),
        (lambda folder: write(folder, lambda values: values[0]), "shape"),
        (lambda folder: write(folder, lambda values: values.astype(complex)), "complex"),
        (another("nobody_Mass.npy"), "nobody_Mass"),
        (another(f"{BOXED[0].image_id}_Fracture.npy"), "Fracture"),
        (another(f"{BOXED[0].image_id}_mass.npy"), "several maps"),
        (lambda folder: write(folder, every=False).parent / "absent", "not found"),
        (shortened, "length"),
    ],
)
def test_invalid_maps_are_an_error(tmp_path, made, said):
    with pytest.raises(DataError, match=said):
        entry.read(config(maps=str(made(tmp_path / "maps"))))


def test_missing_map_is_an_error_a_miss_or_skipped(tmp_path):
    folder = write(tmp_path / "maps", every=False)
    next(folder.iterdir()).unlink()
    with pytest.raises(DataError, match="--missing"):
        entry.read(config(maps=str(folder)))
    for missing in ("miss", "skip"):
        assert len(entry.read(config(maps=str(folder), missing=missing)).values) == sum(len(s.boxes) for s in BOXED) - 1


def test_transposed_maps_log_a_warning(tmp_path, caplog):
    entry.read(config(maps=str(write(tmp_path / "right"))))
    assert "transposed" not in caplog.text
    entry.read(config(maps=str(write(tmp_path / "wrong", np.transpose))))
    assert re.search(r"transposed .*\(0\.\d+ instead of 0\.\d+ of their heat", caplog.text)


def test_inverted_maps_log_a_warning(tmp_path, caplog):
    entry.read(config(maps=str(write(tmp_path / "right"))))
    assert "fit the truth better" not in caplog.text
    entry.read(config(maps=str(write(tmp_path / "wrong", lambda values: 1 - values))))
    assert re.search(r"inverted maps .*1 - map", caplog.text)


def portraits_and_landscapes(folder):
    """A data set of 120x80 and 80x120 pixels with a box each, and the exact map of each case in pixels."""
    (folder / "images").mkdir(parents=True)
    generator, rows, boxes, maps = np.random.default_rng(1), [], [], {}
    for number in range(24):
        height, width = ((120, 80), (80, 120))[number % 2]
        x, y = int(generator.integers(0, width - 20)), int(generator.integers(0, height - 24))
        name = f"{number:02d}.png"
        Image.fromarray(generator.integers(40, 90, (height, width), dtype=np.uint8)).save(folder / "images" / name)
        rows.append(f"{name},p{number},test,1")
        boxes.append(f"{name},Mass,{x},{y},{x + 20},{y + 24}")
        maps[number] = np.zeros((height, width), dtype=np.float32)
        maps[number][y : y + 24, x : x + 20] = 1
    (folder / "labels.csv").write_text("\n".join(["image,patient,split,Mass", *rows]))
    (folder / "boxes.csv").write_text("\n".join(["image,finding,x0,y0,x1,y1", *boxes]))
    return maps


def squared(values, side):
    """A map padded with 0 to a square of ``side``, or cut to it, around its middle."""
    for axis, length in enumerate(values.shape):
        missing = side - length
        if missing > 0:
            values = np.pad(values, [(missing // 2, missing // 2) if n == axis else (0, 0) for n in range(2)])
        else:
            values = np.take(values, np.arange(-missing // 2, side - missing // 2), axis=axis)
    return values


@pytest.mark.byhand
@pytest.mark.parametrize(("word", "side"), [("padded", 120), ("cropped", 80)])
def test_maps_of_a_square_of_the_image_are_placed_and_named_by_a_hint(tmp_path, caplog, word, side):
    exact = portraits_and_landscapes(tmp_path / "data")
    (tmp_path / "maps").mkdir()
    for number, values in exact.items():
        np.save(tmp_path / f"maps/{number:02d}_Mass.npy", squared(values, side))
    flags = {"dataset": "folder", "data_root_dir": str(tmp_path / "data"), "maps": str(tmp_path / "maps"), "missing": "miss"}
    right = entry.read(config(alignment=word, **flags))
    assert "fit the truth better" not in caplog.text
    for case in right.answers.cases("single_box"):
        picture = resample(case.map, resolve(case.grid, case.map.shape, case.frame), case.frame)
        expected = exact[int(case.image_id[:2])]
        seen = np.zeros_like(expected, dtype=bool)
        top, left = ((length - min(side, length)) // 2 for length in case.frame)
        seen[top : case.frame[0] - top, left : case.frame[1] - left] = True
        np.testing.assert_allclose(picture[seen], expected[seen], atol=1e-6)
        assert not picture[~seen].any()
    entry.read(config(alignment="pixels", **flags))
    assert f"--alignment {word}" in caplog.text


def test_a_map_of_a_square_is_square(tmp_path):
    portraits_and_landscapes(tmp_path / "data")
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps/00_Mass.npy", np.eye(3, 4))
    flags = {"dataset": "folder", "data_root_dir": str(tmp_path / "data"), "maps": str(tmp_path / "maps"), "missing": "miss"}
    with pytest.raises(DataError, match=r"00_Mass.*\(3, 4\).*--alignment padded must be square"):
        entry.read(config(alignment="padded", **flags))


def test_findings_as_the_last_axis_of_a_cube_log_a_warning(tmp_path, caplog):
    count = len(DATA.findings)
    for sample in BOXED:
        maps = np.random.default_rng(0).random((count, count, count)) * 0.1
        for finding, truth in sample.boxes.items():
            maps[DATA.findings.index(finding)] += box_coverage(truth, sample.frame, (count, count))
        for axes, folder in (((0, 1, 2), tmp_path / "right"), ((1, 2, 0), tmp_path / "wrong")):
            folder.mkdir(exist_ok=True)
            np.save(folder / f"{sample.image_id}.npy", maps.transpose(axes))
    flags = {"findings": DATA.findings, "alignment": "conventional"}
    entry.read(config(maps=str(tmp_path / "right"), **flags))
    assert "fit the truth better" not in caplog.text
    entry.read(config(maps=str(tmp_path / "wrong"), **flags))
    assert "(h, w, K)" in caplog.text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"entry": " "}, "--entry"),
        ({"entry": "prior"}, "baseline"),
        ({"maps": None}, "--maps"),
        ({"alignment": None}, "--alignment"),
        ({"alignment": "guess"}, "--alignment"),
        ({"predictions": "twice.csv"}, "duplicate"),
    ],
)
def test_missing_or_wrong_flags_are_named(tmp_path, monkeypatch, flags, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twice.csv").write_text("image,Mass\n" + f"{BOXED[0].image_id},.5\n" * 2)
    with pytest.raises(LocusError, match=said):
        entry.read(config(**{"maps": str(write(tmp_path / "maps")), **flags}))


def test_file_of_several_maps_requires_as_many_findings(tmp_path):
    flags = as_arrays(tmp_path)
    for names, error, said in (((), BadValueError, "--findings"), (("Mass", "Nodule"), DataError, "8 maps.* 2 names")):
        with pytest.raises(error, match=said):
            entry.read(config(**{**flags, "findings": names}))


@pytest.mark.oracle
def test_maps_and_boxes_from_files_score_as_in_python(tmp_path):
    given = entry.read(config(maps=str(write(tmp_path / "maps"))))
    cases = EntryCases(given).cases(CELL)
    direct = [make_case(s, f, 1.0, shown(s, f), "conventional") for s, f in PAIRS]
    result, expected = (SingleBox().evaluate(some, DATA.findings) for some in (cases, direct))
    assert result.scores == expected.scores
    rows = [row for row in result.rows if row["x0"] is not None]
    found = [(row["image"], row["finding"], xywh(*(row[edge] for edge in ("x0", "y0", "x1", "y1")))) for row in rows]
    most = [{"image_id": image, "category_id": finding, "score": 1, "bbox": box} for image, finding, box in found]
    (tmp_path / "boxes.json").write_text(json.dumps(most))
    boxed = EntryCases(entry.read(config(boxes=str(tmp_path / "boxes.json"))))
    again = SingleBox().evaluate(boxed.cases(CELL), DATA.findings)
    chosen = [[s for s in one.scores if (s.metric, s.threshold_source) == CHOSEN] for one in (again, result)]
    assert [(s.finding, s.value) for s in chosen[0]] == [(s.finding, s.value) for s in chosen[1]]


@pytest.mark.oracle
def test_boxes_of_maps_are_ranked_by_the_probabilities_of_a_file(tmp_path):
    said = {(s.image_id, f): 0.9 if f in s.boxes else 0.1 for s, f in PAIRS}
    rows = [",".join([image, *(str(said[image, f]) for f in DATA.findings)]) for image in dict.fromkeys(i for i, _ in said)]
    (tmp_path / "said.csv").write_text("\n".join([",".join(["image", *DATA.findings]), *rows]))
    given = entry.read(config(maps=str(write(tmp_path / "maps")), predictions=str(tmp_path / "said.csv")))
    cases = EntryCases(given).cases(CELL.model_copy(update={"protocol": "froc"}))
    direct = [make_case(s, f, float(f in s.boxes), shown(s, f), "conventional", probability=said[s.image_id, f]) for s, f in PAIRS]
    result, expected = (protocols.get("froc")().evaluate(some, DATA.findings) for some in (cases, direct))
    assert result.scores == expected.scores
    assert next(score.value for score in result.scores if (score.finding, score.metric) == ("mean", "froc@iou.3")) > 0.5


@pytest.mark.oracle
def test_average_precision_of_a_coco_json_equals_pycocotools(tmp_path):
    """Average precision of boxes of present and absent findings, with random confidences."""
    pytest.importorskip("pycocotools")
    confidence = np.random.default_rng(0)
    images = [{"id": n, "file_name": sample.image_id} for n, sample in enumerate(DATA)]
    categories = [{"id": k, "name": finding} for k, finding in enumerate(DATA.findings)]
    pairs = [(n, k, s, f) for n, s in enumerate(DATA) for k, f in enumerate(DATA.findings)]
    drawn = [(n, k, box) for n, k, s, f in pairs for box in boxes(min_max(shown(s, f)), 0.7, s.frame, "conventional")]
    made = [(n, k, box) for n, k, box in drawn if min(box[2:] - box[:2]) >= 1]
    each = [{"image_id": n, "category_id": k, "bbox": xywh(*box.tolist()), "score": confidence.random()} for n, k, box in made]
    truth = [{"image_id": n, "category_id": k, "bbox": xywh(*box.tolist())} for n, k, s, f in pairs for box in s.boxes.get(f, ())]
    (tmp_path / "boxes.json").write_text(json.dumps({"images": images, "categories": categories, "annotations": each}))
    given = EntryCases(entry.read(config(boxes=str(tmp_path / "boxes.json"))))
    result = Detection().evaluate(given.cases(CELL.model_copy(update={"protocol": "detection"})), DATA.findings)
    theirs = coco.average_precision({"images": images, "categories": categories, "annotations": truth}, each, (0.3, 0.5))
    for metric, expected in zip(("ap101@iou.3", "ap101@iou.5"), theirs, strict=True):
        ours = {s.finding: s.value for s in result.scores if s.metric == metric}
        assert [ours[finding] for finding in DATA.findings] == pytest.approx(expected.tolist(), abs=1e-6)
    assert 0 < theirs.mean() < 1


FEW = ("chexlocalize", "energy", "single_box")


@pytest.mark.parametrize("protocol", FEW)
def test_maps_read_from_files_score_as_those_in_memory(tmp_path, monkeypatch, protocol):
    given = config(maps=str(write(tmp_path)))
    cell = CELL.model_copy(update={"protocol": protocol})
    kept = EntryCases(entry.read(given)).cases(cell)
    monkeypatch.setattr(maps, "MAX_CACHED_BYTES", 0)
    streamed = EntryCases(entry.read(given)).cases(cell)
    assert {type(case.map).__name__ for case in streamed} == {"LazyMap"}
    one, other = (protocols.get(protocol)().evaluate(cases[:24], DATA.findings) for cases in (kept, streamed))
    assert (one.scores, one.rows) == (other.scores, other.rows)


def xywh(x0, y0, x1, y1):
    return [x0, y0, x1 - x0, y1 - y0]


def test_baselines_skip_protocols_that_the_entry_does_not_support(tmp_path):
    given = entry.read(config(maps=str(write(tmp_path, every=False))))
    scored = {(r.cell.method, r.cell.protocol): r.status for r, _ in score(given, ["center"])}
    assert {scored["mine", word] for word in ("wang", "chexlocalize")} == {"n/a"}
    assert {word for method, word in scored if method == "center"} == {word for (_, word), s in scored.items() if s == "ok"}


USUAL, OTHER = [16.0, 32.0, 48.0, 64.0], [80.0, 96.0, 112.0, 120.0]


def an_entry(boxes, kind="maps", missing="error", lacking=(), **describe):
    """Return an entry for one image per patient with one of the ``boxes`` of a mass, in a frame of 128 pixels."""
    labels, truth = np.ones(1, np.float32), [{"Mass": np.array([box])} for box in boxes]
    samples = [Sample(f"{n}.png", str(n), (128, 128), labels, of_image, None) for n, of_image in enumerate(truth)]
    data = Samples(samples, ["Mass"], "test")
    data.describe |= describe
    pairs = [(s.image_id, "Mass") for s in samples if s.image_id not in lacking]
    values = {pair: np.eye(4, dtype=np.float32) for pair in pairs} if kind == "maps" else {}
    given = None if kind == "maps" else {pair: np.array([[*USUAL, 0.5]]) for pair in pairs}
    boxless = frozenset(lacking if kind == "boxes" else ())
    return entry.ExternalEntry(
        name="mine",
        data=data,
        values=values,
        boxes=given,
        boxless=boxless,
        probabilities={},
        geometry=Geometry("conventional", "conventional"),
        missing=missing,
        hashes={},
        trained_on="",
    )


@pytest.mark.parametrize("kind", ["maps", "boxes"])
def test_fixed_box_is_the_usual_box_of_the_other_patients_in_the_protocols_of_boxes(kind):
    given = an_entry([USUAL] * 9 + [OTHER], kind)
    scored = {r.cell.protocol: (r, rows) for r, rows in score(given, ["fixed_box"]) if r.cell.method == "fixed_box"}
    assert {*scored} == {"single_box", "pointing"}
    record, rows = scored["single_box"]
    assert [[row[edge] for edge in ("x0", "y0", "x1", "y1")] for row in rows] == [USUAL] * 10
    assert (record.source, record.find(*CHOSEN[:1], threshold_source=CHOSEN[1]).value) == ("run", 0.9)
    assert scored["pointing"][0].find("pointing").value == 0.9


@pytest.mark.parametrize(("patients", "describe", "reason"), [(4, {}, "4 patients"), (6, {"patients": "unknown"}, "unknown")])
def test_fixed_box_without_enough_known_patients_is_not_available_and_the_other_rows_stay(patients, describe, reason):
    given = an_entry([USUAL] * patients, **describe)
    scored = [r for r, _ in score(given, ["fixed_box", "center"])]
    lacking = [r for r in scored if r.status != "ok"]
    assert {(r.cell.method, r.cell.protocol, r.status) for r in lacking} == {
        ("fixed_box", word, "n/a") for word in ("pointing", "single_box")
    }
    assert all(reason in r.reason for r in lacking)
    assert len(scored) == 2 * len(protocols.of_maps()) + 2


@pytest.mark.parametrize("kind", ["maps", "boxes"])
@pytest.mark.parametrize("name", without_training())
def test_baselines_have_the_cases_of_the_entry_when_missing_ones_are_skipped(name, kind):
    given = an_entry([USUAL] * 7, kind, "skip", ("2.png",))
    cases = EntryCases(given).cases(CELL.model_copy(update={"method": name}))
    assert [case.image_id for case in cases] == [f"{n}.png" for n in (0, 1, 3, 4, 5, 6)]
