"""Cells of a suite, cells selected by flags, and records that stay."""

from dataclasses import replace
from pathlib import Path

import pytest

from locus import methods
from locus.benchmark import records
from locus.benchmark.executors._local import Local
from locus.benchmark.maps import code_of, method_code
from locus.benchmark.records import Record
from locus.benchmark.suite import cells, folders, missing, plan, request
from locus.benchmark.suite.run import record_failure
from locus.benchmark.suite.run import run as run_suite
from locus.config import RunConfig
from locus.core.errors import BadValueError, DataError, UnknownNameError

SUITE = """
title: Small
about: Nothing runs here.
train: {dataset: phantom, img_size: 64, pretrained: false}
models:
  - {backbone: custom, global_pool: [AVG, PCAM]}
"""
MAPS = {"center", "noise", "prior", "truth", "untrained"}
BASELINES = {"fixed_box", *MAPS}


@pytest.fixture
def suite(tmp_path):
    """suite(lines…): the suite with them instead of lines of the same key, read from its file."""

    def load(*lines):
        keys = tuple(line.partition(":")[0] + ":" for line in lines)
        kept = [line for line in SUITE.splitlines() if not line.startswith(keys)]
        (tmp_path / "small.yaml").write_text("\n".join([*kept, *lines]))
        return plan.load("small", tmp_path)

    return load


def of(suite, number=0, extra=()):
    return cells.cells(suite, plan.models(suite)[number], extra)


def words(found, **fields):
    return {c.method for c in found if all(getattr(c, name) == value for name, value in fields.items())}


def test_a_suite_has_all_methods_unless_it_says_fast_or_names_them(suite):
    assert words(of(suite()), protocol="single_box") == {*methods.names(), *BASELINES}
    assert words(of(suite("methods: fast")), protocol="single_box") == {*methods.expand(["fast"]), *BASELINES}
    assert words(of(suite("methods: [cam, slow]")), protocol="wang") == {"cam", *methods.expand(["slow"]), *MAPS}
    assert words(of(suite("methods: [Grad-CAM++, prior]")), protocol="wang") == {"gradcampp", *MAPS}


def test_cells_are_unique(suite):
    for lines in ([], ["methods: [cam, all, prior, fast]", "images: 9"]):
        keys = [cell.key for cell in of(suite(*lines))]
        assert len(keys) == len(set(keys))


def test_all_methods_and_seeds_of_a_suite_have_the_same_protocols_and_images(suite):
    small = suite("methods: [cam, scorecam]\nprotocols: [single_box, wang]\nseeds: [0, 1]\nimages: 9")
    scored = [[cell for cell in of(small, seed) if cell.method != "classifier"] for seed in (0, 1)]
    expected = {(method, protocol, 9) for method in {"cam", "scorecam", *MAPS} for protocol in ("single_box", "wang")}
    expected |= {("fixed_box", "single_box", 9)}
    assert [{(c.method, c.protocol, c.data["images"]) for c in of_seed} for of_seed in scored] == [expected] * 2
    assert [len(of_seed) for of_seed in scored] == [len(expected)] * 2


def with_models(suite, *models):
    return plan.Suite(**{**suite.model_dump(), "models": models})


def test_model_may_set_methods_for_all_seeds(suite):
    expected = {"backbone": "custom", "methods": ["cam", "scorecam"]}
    small = with_models(suite("methods: [layercam]\nseeds: [0, 1]"), expected, {"backbone": "resnet18"})
    assert [words(of(small, number)) - {"classifier", *BASELINES} for number in range(4)] == [{"cam", "scorecam"}] * 2 + [{"layercam"}] * 2


@pytest.mark.parametrize("words_of_model", ["cam", [], [1]])
def test_methods_of_a_model_must_be_a_list(suite, words_of_model):
    with pytest.raises(ValueError, match="methods"):
        with_models(suite(), {"methods": words_of_model})


@pytest.mark.parametrize(
    ("line", "kind", "facts"),
    [("images: 0", DataError, r"small\.yaml.*images: .* 1"), ("methods: quick", UnknownNameError, "method.*'quick'.*gradcampp")],
)
def test_invalid_methods_are_refused_when_the_suite_is_read(suite, line, kind, facts):
    with pytest.raises(kind, match=facts):
        suite(line)


def configured(tmp_path, *method, **flags):
    return RunConfig(suite=("small",), suites=str(tmp_path), results=str(tmp_path / "results"), method=method, **flags)


def asked(suite, tmp_path, *method, **flags):
    existing = folders.existing_records(tmp_path / "results/small")
    work = missing.missing_cells(cells.planned_cells(suite, method), configured(tmp_path, *method, **flags), existing)
    return [cell for part in work for cell in part.cells]


def test_method_flag_limits_the_cells_to_its_methods_and_the_baselines(suite, tmp_path):
    small = suite("methods: [cam, gradcam, scorecam]")
    assert words(asked(small, tmp_path)) >= {"classifier", "cam", "gradcam", "scorecam", "prior"}
    assert words(asked(small, tmp_path, "cam")) == {"cam", *BASELINES}
    assert words(asked(small, tmp_path, "fast")) == {"cam", "gradcam", *BASELINES}
    assert words(asked(small, tmp_path, "slow")) == {"scorecam", *BASELINES}
    assert words(asked(small, tmp_path, "prior")) == BASELINES


def test_a_method_that_the_suite_does_not_list_is_added_when_it_is_named(suite, tmp_path):
    (tmp_path / "mine.py").write_text("import locus\nclass Mine(locus.Method):\n    name = 'mine'\n    needs = {'forwards'}\n")
    word = f"{tmp_path}/mine.py:Mine"
    small = suite("methods: [cam]")
    assert words(asked(small, tmp_path, "layercam", word)) == {"layercam", word, *BASELINES}
    assert {c.images for c in asked(suite("images: 9"), tmp_path, word)} == {9}


def test_cells_of_older_weights_always_run_again(suite, tmp_path):
    def write(weights, day, *cells):
        for cell in cells:
            records.write(Record(cell=cell, checkpoints=(weights,), created=f"2026-01-0{day}T00:00:00+00:00"), tmp_path / "results/small")

    small = suite("methods: [cam]", "protocols: [single_box]")
    (first, *others), untouched = of(small, extra=["layercam"]), of(small, number=1)
    write("old", 1, *others, *untouched, others[0].model_copy(update={"protocol": "wang"}))
    assert asked(small, tmp_path) == [first]
    write("new", 2, first)
    assert {cell.key for cell in asked(small, tmp_path, "center")} == {cell.key for cell in others}
    write("new", 3, *others)
    assert asked(small, tmp_path) == []


def test_only_records_of_other_code_run_again_and_a_failure_replaces_them(suite, tmp_path):
    small, folder = suite("methods: [cam, gradcam]", "protocols: [single_box]"), tmp_path / "results/small"
    model, other = plan.models(small)
    network = model.code
    code = {"cam": code_of(network, "other"), "gradcam": code_of("other", method_code("gradcam")), "center": {}}
    for cell in of(small):
        records.write(Record(cell=cell, code=code.get(cell.method, code_of(network, method_code(cell.method)))), folder)
    for cell in of(small, number=1):
        records.write(Record(cell=cell, code=code_of("other", method_code(cell.method))), folder)
    again = asked(small, tmp_path, overwrite="never")
    assert words(again, model_id=model.id) == {"cam", "gradcam"}
    assert words(again, model_id=other.id) == words(of(small, number=1))
    record_failure(cells.ModelTask(model, tuple(of(small))), "no memory", folder)
    assert {r.cell.method for r in records.load(folder) if r.reason} == {"cam", "gradcam"}
    assert words(asked(small, tmp_path, overwrite="never")) == words(of(small, number=1))


def test_a_network_of_other_code_has_another_run_folder_and_the_same_cells(suite, tmp_path, monkeypatch):
    (model, _), (cell, *_) = plan.models(suite()), of(suite())
    (before,) = model.run_configs(tmp_path)
    monkeypatch.setattr("locus.backbones.files_of", lambda options: {Path(__file__)})
    (after,) = model.run_configs(tmp_path)
    assert before.name.rpartition("-")[0] == after.name.rpartition("-")[0]
    assert before != after
    assert of(suite())[0].key == cell.key


def test_protocol_flag_limits_the_cells(suite, tmp_path):
    small = suite("methods: [cam]", "protocols: [single_box, pointing]")
    assert {c.protocol for c in asked(small, tmp_path, protocol=("pointing",))} == {"pointing"}
    assert asked(small, tmp_path, protocol=("all",)) == asked(small, tmp_path)
    assert words(asked(small, tmp_path, protocol=("classification",))) == {"classifier"}


def run(suite, tmp_path, *method):
    """What a run leaves of the records, all of whose cells are done."""
    folder = tmp_path / "results/small"
    config = configured(tmp_path, *method, overwrite="never")
    for model in plan.models(suite):
        for cell in cells.cells(suite, model, method):
            records.write(Record(cell=cell), folder)
    run_suite(request.requested_suite("small", config), config, lambda line: None, Local(1))
    return {(record.cell.method, record.cell.protocol) for record in records.load(folder)}


def test_the_records_of_an_added_method_stay_and_those_of_a_dropped_protocol_go(suite, tmp_path):
    small = suite("methods: [cam]", "protocols: [single_box, pointing]")
    assert ("layercam", "single_box") in run(small, tmp_path, "layercam")
    assert ("layercam", "single_box") in run(small, tmp_path)
    left = run(suite("methods: [cam]", "protocols: [single_box]"), tmp_path)
    assert ("layercam", "single_box") in left
    assert {protocol for _, protocol in left} == {"single_box", "classification"}


@pytest.mark.parametrize(
    ("flags", "kind", "facts"),
    [
        ({"method": ("gradcamp",)}, UnknownNameError, "'gradcamp'.*'gradcampp'"),
        ({"method": ("nowhere/mine.py:Mine",)}, DataError, r"'nowhere/mine\.py'"),
        ({"method": (f"{__file__}:Mine",)}, UnknownNameError, r"test_cells\.py.*'Mine'"),
        ({"protocol": ("wang",)}, BadValueError, "'small'.*'wang'.*single_box, classification$"),
    ],
)
def test_unknown_method_or_protocol_is_refused_before_anything_runs(suite, tmp_path, flags, kind, facts):
    suite("protocols: [single_box]")
    with pytest.raises(kind, match=facts):
        request.requested_suite("small", replace(configured(tmp_path), **flags))


def test_wrong_data_folder_loses_no_result(suite, tmp_path):
    typo = f"train: {{dataset: NIH, data_root_dir: {tmp_path}/typo, pretrained: false}}"
    small = suite("methods: [cam]", "protocols: [single_box]", typo)
    first, *_ = [cell for model in plan.models(small) for cell in cells.cells(small, model)]
    folder, config = tmp_path / "results/small", configured(tmp_path, overwrite="always")
    records.write(Record(cell=first), folder)
    run_suite(request.requested_suite("small", config), config, print, Local(1))
    status = {record.key: record.status for record in records.load(folder)}
    assert status == {first.key: "ok"}


def test_rows_without_an_image_are_the_baselines_once_and_the_truth_on_each_grid(suite):
    small = suite("methods: [cam]", "train: {dataset: NIH, data_root_dir: none, pretrained: false}", "grids: [7, 16]")
    without_network = [model for model in plan.models(small) if model.grid is not None]
    planned = {model.id: [(cell.method, cell.protocol) for cell in cells.cells(small, model)] for model in without_network}
    rows = [(name, "single_box") for name in ("fixed_box", "prior", "center", "noise", "truth")]
    assert planned == {"7x7": [("truth", "single_box")], "16x16": rows}
    todo = missing.missing_cells(cells.planned_cells(small), RunConfig(), [])
    assert [task.model.id for task in todo] == ["7x7", "16x16"], "the networks cannot run without images"
