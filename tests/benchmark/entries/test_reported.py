"""What users reported: boxes, masks, maps and arguments that were scored without a word, ten variants of each kind."""

import dataclasses

import numpy as np
import pytest

import locus
from locus.benchmark import records
from locus.benchmark.entries import entry, files, geometry, readings
from locus.benchmark.maps.store import compress
from locus.benchmark.records import Record
from locus.benchmark.suite import external
from locus.core.errors import BadValueError, DataError, HeldError, LocusError
from locus.core.frames import resolve
from locus.core.types import Sample
from locus.datasets.io.annotations import Names
from locus.scoring import protocols
from locus.scoring.protocols.base import Case
from tests.benchmark.entries.given import DATA, PAIRS, config, shown, write

TEN = pytest.mark.parametrize("seed", range(10))
FRAME = (80, 96)
NAMES = Names([f"{n}.png" for n in range(12)], ["Mass"])
FRAMES = dict.fromkeys((f"{n}.png" for n in range(12)), FRAME)


def truth_of(random):
    """Return a truth box xyxy of each of twelve images."""
    corner = random.integers(8, 40, (12, 2))
    return np.concatenate([corner, corner + random.integers(10, 30, (12, 2))], 1).astype(float)


def read(folder, rows):
    lines = [f"{n}.png,Mass,{','.join(map(str, row))},.9" for n, row in enumerate(rows.tolist())]
    (folder / "b.csv").write_text("\n".join(["image,finding,x0,y0,x1,y1,score", *lines]))
    return entry.read_boxes(folder / "b.csv", "xyxy", NAMES, FRAMES)


@TEN
def test_box_partly_outside_its_image_is_clipped_and_counted_and_one_wholly_outside_is_refused(tmp_path, caplog, seed):
    random = np.random.default_rng(seed)
    rows, edge, n = truth_of(random), seed % 4, random.integers(12)
    limit = (0, 0, 96, 80)[edge]
    rows[n, edge] = limit + (random.integers(1, 9) if edge > 1 else -random.integers(1, 9))
    assert read(tmp_path, rows)[f"{n}.png", "Mass"][0, edge] == limit
    assert "clipped 1 of 12 boxes" in caplog.text
    rows[n] += (200 if edge > 1 else -200) * (np.arange(4) % 2 == edge % 2)
    with pytest.raises(DataError, match=r"1 of 12 boxes are outside"):
        read(tmp_path, rows)


@TEN
def test_boxes_of_another_frame_are_named_and_boxes_near_the_truth_are_not(tmp_path, caplog, seed):
    random = np.random.default_rng(seed)
    truth = truth_of(random)
    samples = [Sample(f"{n}.png", f"{n}", FRAME, np.ones(1), {"Mass": box[None]}, None) for n, box in enumerate(truth)]
    factor = (0.2, 0.25, 0.5, 0.6, 1.5)[seed % 5]
    for change, word in ((lambda b: b[:, [1, 0, 3, 2]], "x and y swapped"), (lambda b: b * factor, f"by {1 / factor:.3g}")):
        caplog.clear()
        given = {(f"{n}.png", "Mass"): [[*box, 0.9]] for n, box in enumerate(change(truth))}
        readings.log_other_boxes({pair: np.array(rows) for pair, rows in given.items()}, samples, tmp_path)
        assert word in caplog.text
    caplog.clear()
    near = truth + random.uniform(-6, 6, truth.shape)
    readings.log_other_boxes({(f"{n}.png", "Mass"): np.array([[*box, 0.9]]) for n, box in enumerate(near)}, samples, tmp_path)
    assert not caplog.text


@TEN
def test_mask_with_the_sides_of_its_image_swapped_is_refused(seed):
    frame = tuple(np.random.default_rng(seed).choice(np.arange(8, 99), 2, replace=False).tolist())
    mask = np.eye(*frame[::-1], dtype=np.float32)
    with pytest.raises(DataError, match="swapped"):
        geometry.check_shape(mask, frame, geometry.geometry_of("pixels"), "mask")
    geometry.check_shape(mask.T, frame, geometry.geometry_of("pixels"), "mask")


@pytest.mark.parametrize("missing", ["error", "miss", "skip"])
def test_map_of_nan_is_an_error_a_miss_or_skipped(tmp_path, caplog, missing):
    folder = write(tmp_path / "maps")
    sample, finding = next((s, f) for s, f in PAIRS if f in s.boxes)
    np.save(folder / f"{sample.image_id}_{finding}.npy", np.full((8, 8), np.nan))
    if missing == "error":
        with pytest.raises(DataError, match="NaN"):
            entry.read(config(maps=str(folder)))
        return
    given = entry.read(config(maps=str(folder), missing=missing))
    assert given.missing_maps == {(sample.image_id, finding)}
    assert "1 of" in caplog.text


@pytest.mark.parametrize("axes", [lambda a: a[:, None], lambda a: a[None], lambda a: a[None, :, None]])
def test_maps_of_an_image_may_have_axes_of_length_one_and_another_shape_is_named(tmp_path, axes):
    stack = np.stack([shown(PAIRS[0][0], finding) for finding in DATA.findings])
    names = Names([PAIRS[0][0].image_id], DATA.findings)
    np.save(tmp_path / f"{PAIRS[0][0].image_id}.npy", axes(stack))
    found = files.find(tmp_path, names, DATA.findings)
    np.testing.assert_array_equal(np.stack([one.read() for one in found.values()]), stack)
    np.save(tmp_path / f"{PAIRS[0][0].image_id}.npy", np.stack([stack, stack]))
    with pytest.raises(DataError, match=r"\(2, 8, 8, 8\)"):
        files.find(tmp_path, names, DATA.findings)


GRIDS = [
    *[((224, 224), (32, 32), (offset, offset), (7, 7)) for offset in (0, 14, 15.5, 31)],
    *[((299, 299), (32, 32), (37, 37), (8, 8)), ((224, 224), (16, 16), (7.5, 7.5), (14, 14))],
    *[((320, 256), (32, 32), (15.5, 15.5), (10, 8)), ((224, 224), (224, 224), (111.5, 111.5), (1, 1))],
    *[((96, 96), (8, 8), (-4, -4), (13, 13)), ((512, 512), (1, 1), (0, 0), (512, 512))],
]


@pytest.mark.parametrize(("size", "stride", "offset", "shape"), GRIDS)
def test_grid_of_another_network_is_refused(size, stride, offset, shape):
    resolve(locus.Grid(size, stride, offset), shape, size)
    wrong = [locus.Grid(size, stride, (1e6, 0)), locus.Grid(size, stride, (-1e6, 0))]
    if min(shape) > 6:
        wrong += [locus.Grid(size, [side * factor for side in stride], offset) for factor in (0.5, 2)]
    if size[0] != size[1]:
        wrong.append(locus.Grid(size[::-1], stride, offset))
    for grid in wrong:
        maps, truth = {("a", "Mass"): np.eye(*shape)}, {("a", "Mass"): [[0, 0, 9, 9]]}
        with pytest.raises(BadValueError, match="positions"):
            locus.score(maps, truth, frames=size, grids=grid)


@TEN
def test_offset_and_scale_of_a_map_change_no_score_of_arrays_files_and_stored_maps(seed):
    random = np.random.default_rng(seed)
    values, box = random.random((7, 7)), {("a", "Mass"): [[2, 2, 8, 7]]}
    given = {"frames": (9, 9), "grids": "conventional", "protocol": "single_box"}

    def rows(array):
        return [row["iou"] for row in locus.score({("a", "Mass"): array}, box, **given).rows]

    stored = rows(np.float16(values / values.max()))
    for change in (lambda v: v + 1000, lambda v: v * 1e-50, lambda v: v * 1e30, lambda v: -1000 + v):
        assert rows(change(values)) == pytest.approx(rows(values), abs=1e-9)
        assert rows(files.as_2d_map(change(values), "a")) == pytest.approx(rows(values), abs=1e-9)
    scaled, peaks, offsets = compress((values + 1000).astype(np.float32)[None, None])
    assert rows(scaled[0, 0].astype(float) + offsets[0, 0] / peaks[0, 0]) == pytest.approx(stored, abs=3e-3)
    assert compress(values.astype(np.float32)[None, None])[2] == 0


@TEN
def test_equal_confidences_give_one_score_in_any_order_of_rows_and_are_counted(seed):
    random = np.random.default_rng(seed)
    truth = truth_of(random)
    made = [np.stack([box, box + random.uniform(-4, 4, 4), *truth_of(random)[:3]]) for box in truth]
    rows = [np.column_stack([some, random.integers(1, 4, len(some)) / 4]) for some in made]

    def scored(names, order):
        cases = [
            Case(name, name, "Mass", None, "conventional", FRAME, truth[n : n + 1] if n < 9 else np.zeros((0, 4)),
                                label=float(n < 9), submitted_boxes=rows[n][order[n]])
            for n, name in enumerate(names)
        ]  # fmt: skip
        return [protocols.get(word)().evaluate(cases, ["Mass"]) for word in ("detection", "froc", "single_box", "pointing")]

    first = scored([f"{n}.png" for n in range(12)], [np.arange(5)] * 12)
    other = scored([f"{99 - n}.png" for n in range(12)], [random.permutation(5) for _ in range(12)])
    for one, again in zip(first[:2], other[:2], strict=True):
        assert [score.value for score in one.scores] == [score.value for score in again.scores]
        assert "60 of 60 boxes have equal confidences" in again.remark
    for one, again in zip(first[2:], other[2:], strict=True):
        names = ("pointing", "mean_iou")
        assert [s.value for s in one.scores if s.metric in names] == [s.value for s in again.scores if s.metric in names]


@pytest.mark.byhand
def test_true_and_false_box_of_equal_confidence_have_a_precision_of_one_half():
    case = Case("a", "a", "Mass", None, "conventional", FRAME, np.array([[0.0, 0, 9, 9]]), label=1.0)
    for rows in ([[0, 0, 9, 9, 1], [50, 50, 60, 60, 1]], [[50, 50, 60, 60, 1], [0, 0, 9, 9, 1]]):
        scores = protocols.get("detection")().evaluate([dataclasses.replace(case, submitted_boxes=np.array(rows, float))], ["Mass"])
        assert {s.value for s in scores.scores if s.metric in ("ap@iou.4", "ap101@iou.4")} == {0.5}


@pytest.mark.parametrize(
    "change",
    [
        *[{"methods": given} for given in (None, {"cam", "gradcam"}, (word for word in ["cam"]), [], 3)],
        *[{"protocols": given} for given in (None, {"single_box"}, iter(["single_box"]), [3])],
        *[{"data": given} for given in (None, iter([]), {1}, "NIH")],
        *[{"seed": given} for given in (-1, 1.5, True, "0")],
        *[{"memory_gib": 0}, {"memory_gib": "much"}, {"name": 3}, {"validation": "NIH"}, {"validation": None}],
    ],
)
def test_arguments_of_evaluate_are_checked(change):
    with pytest.raises(LocusError) as raised:
        locus.evaluate(**{"model": object(), "data": DATA, "methods": ["cam"], **change})
    assert next(iter(change)) in str(raised.value)


@pytest.mark.parametrize(
    ("call", "fact"),
    [
        (lambda: locus.load(None), "run is None"), (lambda: locus.records(3), "folder is 3"),
        (lambda: locus.iou(None, []), "boxes are NoneType"), (lambda: locus.iobb([[1, 2, 3]], []), "boxes are list"),
    ],
)  # fmt: skip
def test_paths_and_boxes_of_other_functions_are_checked(call, fact):
    with pytest.raises(BadValueError, match=fact):
        call()


@pytest.mark.parametrize("change", [{"meta": None}, {"meta": 3}, {"boxes": None}, {"boxes": []}])
def test_boxes_and_metadata_of_a_sample_are_dictionaries(change):
    model = locus.build("custom", len(DATA.findings), pretrained=False, findings=DATA.findings, img_size=64)
    with pytest.raises(BadValueError, match=rf"the {next(iter(change))} of sample .*give a dict"):
        locus.evaluate(model, [dataclasses.replace(DATA[0], **change)], ["cam"])


def test_one_network_is_not_two_training_runs():
    model = locus.build("custom", len(DATA.findings), pretrained=False, findings=DATA.findings, img_size=64)
    with pytest.raises(BadValueError, match="2 models have the same weights"):
        locus.evaluate([model, model], DATA, ["cam"])


@pytest.mark.parametrize("change", [{"negatives": v} for v in (None, 3, [["a"]])] + [{"patients": v} for v in (3, ["a"])])
def test_negatives_and_patients_of_arrays_are_checked(change):
    given = {"maps": {("a", "Mass"): [[0, 1]]}, "truth": {("a", "Mass"): [[0, 0, 9, 9]]}, "frames": (9, 9), "grids": "conventional"}
    with pytest.raises(BadValueError, match=next(iter(change))):
        locus.score(**given, **change)


def test_folder_of_an_entry_has_one_name_and_one_writer(tmp_path, monkeypatch):
    given = entry.read(config(maps=str(write(tmp_path / "maps")), entry="my/maps", results=str(tmp_path)))
    earlier = Record.model_construct(cell=records.Cell(dataset="phantom", method="My maps", model_id="external"), source="external")
    monkeypatch.setattr(external.records, "load", lambda _: [earlier])
    (tmp_path / "my-maps").mkdir()
    with pytest.raises(BadValueError, match=r"'My maps'.*'my/maps'"):
        external.run(config(entry="my/maps", results=str(tmp_path)), given, print)
    monkeypatch.setattr(external.records, "load", lambda _: [])

    def locked(*_):
        raise HeldError("another run")

    monkeypatch.setattr(external.records, "only_writer", locked)
    with pytest.raises(HeldError):
        external.run(config(entry="my/maps", results=str(tmp_path)), given, print)
