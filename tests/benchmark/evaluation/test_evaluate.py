"""``locus.evaluate`` gives the scores of the command, for all kinds of networks, and refuses invalid arguments."""

import re
import runpy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import locus
from locus.benchmark import run
from locus.benchmark.report.grouping import COLUMNS
from locus.core.errors import BadValueError, DataError, LeakError, UnknownNameError
from tests.datasets import trees

DATA = "phantom:train=32,val=16,test=48"
SUITE = f"""
title: Tiny
about: Tiny.
train: {{dataset: "{DATA}", img_size: 64, epochs: 1, threads: 1, logger: [csv], plots: false, pretrained: false}}
models: [{{backbone: custom, global_pool: PCAM}}]
seeds: [0, 1]
methods: [gradcam, noise]
protocols: [single_box, pointing]
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Return a folder in which ``benchmark.run`` ran, with two training runs of one network."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "tiny.yaml").write_text(SUITE)
    places = [f"--{name}={folder / name}" for name in ("results", "runs", "cache_dir")]
    assert run.main(["--suite", "tiny", f"--suites={folder}", "--threads=1", *places]) == 0
    return folder


@pytest.fixture(scope="module")
def checkpoints(command):
    return sorted((command / "runs" / "tiny").glob("*/best.ckpt"))


@pytest.fixture(scope="module")
def splits():
    return {split: locus.load_dataset(DATA, split=split, img_size=64) for split in ("val", "test")}


@pytest.fixture(scope="module")
def both(command, checkpoints, splits):
    """Evaluate both training runs from their checkpoints."""
    scored_by = ["single_box", "pointing", "classification"]
    given = {"validation": splits["val"], "cache_dir": command / "cache_dir", "progress": False}
    return locus.evaluate(checkpoints, splits["test"], ["gradcam"], scored_by, **given)


def test_result_of_added_alone_prints_the_table_of_what_maps_add(tmp_path):
    data, model = locus.load_dataset("phantom:test=30", img_size=64), locus.load("demo-pcam")
    result = locus.evaluate(model, data, ["cam"], ["added"], cache_dir=tmp_path, progress=False)
    text = str(result)
    assert text == str(result.table())
    assert "what maps add to prior" in text
    assert all(word in text for word in ("alone", "combined", "added [95%]", "weight", "verdict"))
    assert "Mass" in text.splitlines()[-1], "a finding with boxes of fewer than five other patients"
    assert result.table().set_index("method")["added"]["truth"] == 1
    rows = result.cases("added").query("method == 'cam' and weight == weight")
    gain = (rows["iou"] > 0.3).astype(float) - (rows["iou_prior"] > 0.3)
    assert result.table().set_index("method")["added"]["cam"] == pytest.approx(gain.groupby(rows["finding"].astype(str)).mean().mean())


@pytest.mark.oracle
def test_evaluate_gives_the_numbers_of_the_command(command, both):
    stated = {(r.cell.seed, r.cell.method, r.cell.protocol): r for r in locus.records(command / "results" / "tiny")}
    assert len(both.records) == 2 * (2 * len(["gradcam", "fixed_box", "center", "noise", "prior", "truth"]) + len(["classifier"]))
    for record in both.records:
        one = stated[record.cell.seed, record.cell.method, record.cell.protocol]
        assert (list(record.scores), record.subgroups) == (list(one.scores), one.subgroups), record.cell.method
        assert record.thresholds == one.thresholds


@pytest.mark.oracle
def test_table_has_a_row_per_method_with_the_numbers_of_the_commands_leaderboard(command, both):
    table = both.table().set_index("method")
    assert list(table.index) == ["gradcam", "fixed_box", "prior", "center", "noise", "truth"]
    assert re.fullmatch(r"small CNN with \w+ on phantom.*: gradcam and 5 baselines", repr(both))
    board = pd.read_csv(command / "results" / "tiny" / "leaderboard.csv").set_index("method").loc[table.index]
    numbers = ["runs", "auroc", *COLUMNS, "low", "high"]
    pd.testing.assert_frame_equal(table[numbers], board[numbers], check_dtype=False, atol=1e-6)
    assert table[list(COLUMNS)].notna().all(axis=None)
    assert table.minus_prior["gradcam"] == pytest.approx(board.prior_difference["gradcam"], abs=1e-6)
    assert table.above_baselines["gradcam"] == board.above_baselines["gradcam"]
    main = both.scores().query("metric == 'hit@iou.3' and threshold_source == 'cross-fitted'").set_index("method")
    millionths = [(rounded * 1e6).round() for rounded in (main.value[table.index], table["hit@iou.3"])]  # 1e-6 apart is 1
    pd.testing.assert_series_equal(*millionths, rtol=0, atol=1, check_names=False)


def test_two_rows_are_compared_under_every_rule(both):
    table, stated = locus.rules(both, "gradcam", "center").set_index("rule"), both.table().set_index("method")
    assert len(table) >= 30
    for rule, column in (("IoU > .3", "hit@iou.3"), ("IoU > .7", "hit@iou.7"), ("IoBB > .5", "hit@iobb.5"), ("pointing", "pointing")):
        assert table.loc[rule, ["first", "second"]].tolist() == pytest.approx(stated.loc[["gradcam", "center"], column].tolist(), abs=1e-6)
    assert (table["low"] <= table["difference"]).all()
    assert (table["p_holm"] >= table["p"]).all()
    with pytest.raises(UnknownNameError, match=r"'gradcan'.*gradcam"):
        locus.rules(both, "gradcan")


def test_text_of_a_result_is_the_answer_and_then_its_table(both):
    first, *_ = str(both).splitlines()
    assert first.startswith("Best: gradcam on small CNN with ")
    assert first.startswith(f"Best: gradcam on {both.table().network[0]} (AUROC ")
    assert str(both).endswith(str(both.table()))


def test_a_printed_table_has_the_columns_of_the_markdown_table(command, both):
    markdown = (command / "results" / "tiny" / "leaderboard.md").read_text()
    (heading,) = [line for line in markdown.splitlines() if line.startswith("| network (AUROC) |") and "| verdict |" in line]
    words = heading.strip("| ").split(" | ")
    text = str(both.table())
    assert [word for word in words if word not in text.replace("\n", " ") and word.split()[0] not in text] == []
    assert "difference [95%]" in text
    numbers = both.table().set_index("method")
    assert numbers.minus_floor["gradcam"] == pytest.approx(numbers[["minus_prior", "minus_fixed_box"]].loc["gradcam"].min())
    assert "difference [95%]" not in str(numbers), "a frame that is derived from it prints its own columns"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Return a network, its data and its evaluation without the main protocol."""
    data, model = locus.load_dataset("phantom:test=40", img_size=96), locus.load("demo-pcam")
    given = {"protocols": ["energy", "pointing", "adaptive_threshold", "classification"], "cache_dir": tmp_path_factory.mktemp("cache")}
    return model, data, locus.evaluate(model, data, ["gradcam", "layercam"], progress=False, **given)


BASELINES = ["fixed_box", "prior", "center", "noise", "truth"]


def test_table_without_the_main_protocol_has_every_score_of_every_protocol(demo):
    result = demo[2]
    table = result.table().set_index("method")
    scores = result.scores().query("threshold_source in ('none', 'cross-fitted')").set_index(["protocol", "method", "metric"])
    assert [name for name in table.index if name in BASELINES] == BASELINES
    assert list(table.index[:2]) == list(table.energy[["gradcam", "layercam"]].sort_values(ascending=False).index)
    assert (table.auroc == scores.value["classification", "classifier", "auroc"]).all()
    maps = scores[scores.index.get_level_values("protocol") != "classification"]
    for (protocol, method, metric), score in maps.iterrows():
        assert table.loc[method, metric] == score.value or np.isnan(score.value), (protocol, metric)
        if metric == {"adaptive_threshold": "hit@iou.3"}.get(protocol, protocol):
            assert table.loc[method, [f"{metric} low", f"{metric} high"]].tolist() == [score.low, score.high]
    assert result._repr_html_().count("<tr") == len(table) + 1


@pytest.mark.oracle
def test_a_protocol_alone_gives_the_scores_of_the_plain_arrays(demo):
    model, data, result = demo
    boxed = [sample for sample in data if sample.boxes]
    maps = locus.explain(model, model.prepare(boxed), methods=["gradcam"])
    arrays = {(s.image_id, f): maps["gradcam"][n, k].numpy() for n, s in enumerate(boxed) for k, f in enumerate(data.findings)}
    truth = {(s.image_id, finding): boxes for s in boxed for finding, boxes in s.boxes.items()}
    frames, patients = {s.image_id: s.frame for s in boxed}, {s.image_id: s.patient_id for s in boxed}
    cases = {pair: arrays[pair] for pair in truth}
    direct = locus.score(cases, truth, frames=frames, grids=maps.grids["gradcam"], patients=patients, protocol="pointing")
    for finding in ("mean", "Mass"):
        rows = result.scores(finding).query("protocol == 'pointing' and method == 'gradcam'").set_index("metric")
        stated = [score for score in direct.scores if score.finding == finding]
        assert list(rows.index) == [score.metric for score in stated]
        for score in stated:
            expected = [np.nan if value is None else value for value in (score.value, score.low, score.high, score.n)]
            np.testing.assert_array_equal(rows.loc[score.metric, ["value", "low", "high", "n"]].to_numpy(float), expected)
    assert len(result.cases("pointing").query("method == 'gradcam'")) == len(truth)


def test_cases_and_pictures_do_not_need_the_main_protocol(demo):
    result = demo[2]
    cases = result.cases()
    assert "energy" in cases
    assert {"image", "finding", "iou"} <= {*result.cases("adaptive_threshold")}
    assert result.table().method[0] in result.show(cases.image[0], cases.finding[0]).get_suptitle()
    with pytest.raises(BadValueError, match="classification"):
        result.cases("classification")


def test_saved_results_are_a_folder_that_the_command_could_have_written_and_replace_no_others(both, command, tmp_path):
    folder = both.save(tmp_path / "mine")
    assert [r.key for r in locus.records(folder)] == [r.key for r in both.records]
    assert {"index.html", "leaderboard.md", "records.parquet", "cases.parquet"} <= {path.name for path in folder.iterdir()}
    both.save(folder)
    assert not (folder / "records").exists()
    with pytest.raises(BadValueError):
        both.save(command / "results" / "tiny")


def test_every_case_has_a_row_with_its_box_and_overlap(both, splits):
    cases = both.cases()
    n_truth = sum(len(sample.boxes) for sample in splits["test"])
    about = ["model_id", "method", "image", "patient", "finding"]
    assert list(cases) == [*about, "threshold", "box", "IoU", "IoBB", "hit", "pointing", "reason"]
    assert {*cases, "hit@iou.1", "threshold_oracle"} < {*both.cases(all_columns=True)}
    assert len(cases[cases.method == "truth"]) == 2 * n_truth
    assert (cases.hit == (cases.IoU > 0.3)).all()
    found = cases[cases.method == "truth"].box.dropna()
    assert all(x0 < x1 and y0 < y1 for x0, y0, x1, y1 in found)
    assert {*cases[cases.box.notna()].model_id} == {*cases.model_id}  # both networks
    assert len(both.cases("pointing")) == len(cases)
    with pytest.raises(UnknownNameError):
        both.cases("froc")


def test_rows_of_ms_cxr_have_the_phrase_beside_the_finding(tmp_path):
    root = trees.write(tmp_path / "ms_cxr", trees.ms_cxr(more=9))
    data = locus.load_dataset("ms_cxr", root, img_size=64)
    result = locus.evaluate(
        built(data.findings, img_size=64), data, ["gradcam"], ["single_box", "pointing"], cache_dir=tmp_path, progress=False
    )
    cases = result.cases()
    assert list(cases)[4:7] == ["finding", "phrase", "threshold"]
    assert "phrase" in result.cases("pointing")
    phrases = {sample.image_id: sample.meta["phrase"] for sample in data}
    for _, rows in cases.groupby("method"):
        assert dict(zip(rows.image, rows.phrase, strict=True)) == phrases
    packed = pd.read_parquet(result.save(tmp_path / "saved") / "cases.parquet")
    assert list(packed)[6:8] == ["finding", "phrase"]
    assert set(packed.phrase) == set(phrases.values())


def test_case_is_shown_with_its_truth_and_map(both):
    case = both.cases().iloc[0]
    figure = both.show(case.image, case.finding, method="gradcam")
    assert len(figure.axes) == 4
    assert f"{case.finding} · gradcam" in figure.get_suptitle()
    for wrong in ({"image": "no.png"}, {"finding": "Gout"}, {"method": "cam"}):
        with pytest.raises(UnknownNameError):
            both.show(**{"image": case.image, "finding": case.finding, "method": "gradcam", **wrong})


class Mine(locus.GradientMethod):
    """As a notebook defines it."""

    name = "mine"

    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True)


def built(findings=(), **more):
    torch.manual_seed(0)
    return locus.build("custom", 8, pretrained=False, findings=findings, **more)


def scored(model, data, tmp_path, methods=("gradcam",), **more):
    return locus.evaluate(model, data, methods, ["pointing"], cache_dir=tmp_path, progress=False, **more)


def test_class_from_a_notebook_scores_like_the_equal_method(splits, tmp_path):
    model = built(splits["test"].findings, img_size=64)
    table = scored(model, splits["test"], tmp_path, [Mine, "gradcam"]).scores().set_index(["method", "metric"])
    assert table.loc["mine"].equals(table.loc["gradcam"])
    assert "mine" not in locus.evaluate.__globals__["method_registry"].names()
    Mine.name, before = "layercam", Mine.name
    try:
        with pytest.raises(BadValueError):
            scored(model, splits["test"], tmp_path, [Mine])
    finally:
        Mine.name = before
    with pytest.raises(BadValueError, match="from locus import GradientMethod"):  # derived from another copy of the class
        scored(model, splits["test"], tmp_path, [type("Other", (), {"name": "other", "needs": frozenset()})])


def test_wrapped_module_and_plain_samples_are_scored_and_left_as_they_were(splits, tmp_path):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU())
    module = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8)).train()
    model = locus.wrap(module, features="0", head="3", findings=splits["test"].findings, img_size=64)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    samples = [sample for sample in splits["test"] if sample.boxes][:12]
    result = scored(model, samples, tmp_path, name=".hidden/name")
    assert {*result.scores().method} == {"gradcam", "center", "prior", "noise", "truth"}
    assert "fixed_box needs at least 5" in result.absent["fixed_box"]
    assert {record.cell.backbone for record in result.records} == {".hidden/name"}
    with pytest.raises(UnknownNameError, match="Nope"):
        result.scores("Nope")
    (tmp_path / "file").touch()
    with pytest.raises(BadValueError, match="file"):
        result.save(tmp_path / "file")
    assert result.cases("pointing").image.nunique() == 12
    assert module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_invalid_arguments_are_refused_before_anything_runs(splits, checkpoints, tmp_path):
    data = splits["test"]
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    named = built(data.findings, img_size=64)
    for model in (module, built(img_size=64), built(data.findings), [named, checkpoints[0]], 3):
        with pytest.raises(BadValueError):
            scored(model, data, tmp_path)
    for wrong in ({"methods": ["gradcamp"]}, {"protocols": ["loccus"]}):
        with pytest.raises(UnknownNameError):
            locus.evaluate(named, data, **wrong)
    for model, images, facts in (([], data, "model is empty"), (named, [], "data is empty")):
        with pytest.raises(BadValueError, match=facts):
            scored(model, images, tmp_path)
    with pytest.raises(LeakError):  # images of the same patients
        scored(named, data, tmp_path, validation=data)
    for more in ({"img_size": -1}, {"img_size": "32"}):
        with pytest.raises(BadValueError, match="img_size is"):
            built(data.findings, **more)
    with pytest.raises(BadValueError, match="mean over findings"):
        built(["mean", *data.findings[1:]])
    with pytest.raises(DataError):
        scored(named, [sample for sample in data if not sample.boxes], tmp_path)
    swapped = built(data.findings[::-1], img_size=64)
    with pytest.raises(BadValueError):  # plain samples do not say whose labels they have
        scored(swapped, [sample for sample in data if sample.boxes], tmp_path)


def test_findings_in_another_order_score_the_same_maps(splits, tmp_path):
    data = splits["test"]
    model, turned = (built(findings, img_size=64) for findings in (data.findings, data.findings[::-1]))
    state = {name: value.flip(0) if name.startswith("head.") and len(value) == 8 else value for name, value in model.state_dict().items()}
    turned.load_state_dict(state)
    one, other = (scored(each, data, tmp_path).cases("pointing").set_index(["method", "image", "finding"]) for each in (model, turned))
    assert np.allclose(*(table.loc["gradcam"][["x", "y"]].sort_index() for table in (one, other)), equal_nan=True)


def test_images_of_training_patients_are_left_out(checkpoints, tmp_path, caplog):
    seen = locus.load_dataset(DATA, split="val", img_size=64)
    with pytest.raises(LeakError):
        scored(checkpoints[0], seen, tmp_path)
    other = locus.load_dataset(DATA, split="test", partition="patient", img_size=64)
    kept = scored(checkpoints[0], other, tmp_path).cases("pointing").patient
    assert 0 < kept.nunique() < len({sample.patient_id for sample in other if sample.boxes})
    assert "of patients in the training data" in caplog.text


SCALED_BY_BATCH = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, 8)

    def forward(self, x):
        x = (x - x.min()) / (x.max() - x.min())
        return self.head(self.layers(x).mean((2, 3)))
"""


@pytest.mark.planted
def test_a_network_that_scales_each_batch_by_its_own_range_is_an_error_on_the_data(command, splits, tmp_path, capsys):
    file = tmp_path / "net.py"
    file.write_text(SCALED_BY_BATCH)
    findings = splits["test"].findings
    model = locus.wrap(runpy.run_path(str(file))["Net"](), findings=findings, img_size=64, channels=1)
    with pytest.raises(BadValueError, match="batch of 7 than alone"):
        locus.evaluate(model, splits["test"], ["gradcam"], ["single_box"], cache_dir=command / "cache_dir")
    given = [f"--model={file}:Net", "--img_size=64", "--channels=1", "--findings", *findings, "--method", "gradcam"]
    places = [f"--results={tmp_path}", f"--runs={command / 'runs'}", f"--cache_dir={command / 'cache_dir'}"]
    assert run.main(["--suite", "tiny", f"--suites={command}", "--threads=1", *given, *places]) == 2
    assert "than alone" in capsys.readouterr().err
