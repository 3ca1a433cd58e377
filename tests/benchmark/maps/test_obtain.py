"""Maps and cases of a trained model: generated once, then read from disk."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from locus.benchmark import records
from locus.benchmark.evaluation.network import stored_cases
from locus.benchmark.maps.cases import make_cases
from locus.benchmark.maps.generate import build_method, load_or_generate, make_request, requests_of, validation_requests
from locus.benchmark.maps.runs import ModelRun, Untrained, select_samples, subset
from locus.benchmark.maps.store import NotMadeError
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.score import finished_runs, score, scored_model
from locus.benchmark.training import fit
from locus.config import EngineFlags, RunConfig
from locus.core.errors import LocusError, NotAvailableError
from locus.core.types import Sample
from locus.datasets.io import transforms
from locus.explaining.batch import explain
from locus.scoring import protocols

FLAGS = EngineFlags()
WORDS = ["cam", "pcam", "ablationcam", "saliency", "noise", "prior", "truth"]
TRAIN = {
    "dataset": "phantom:train=32,val=16,test=56", "backbone": "custom", "img_size": 64, "pretrained": False, "epochs": 1, "batch_size": 16,
    "threads": 1, "logger": ["csv"], "plots": False,
}  # fmt: skip
MINE = """
import locus
class Mine(locus.GradientMethod):
    name = "mine"
    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True) ** 1
"""


def obtain(trained, words, folder, flags, images=None, protocols=()):
    """Return the stored maps or the error of each method; missing maps are generated with ``flags``."""
    requests, broken = requests_of(trained, words, folder, images, protocols)
    return broken | load_or_generate(requests, flags)


def suite(**fields):
    return plan.Suite(**{"name": "s", "title": "S", "about": "A.", "train": TRAIN, "models": [{"global_pool": "AVG"}], **fields})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (model,) = plan.models(plan.with_flags(suite(), cache_dir=str(folder / "cache")))
    for run, config in model.run_configs(folder / "runs").items():
        fit(config, run)
    return finished_runs(model, folder / "runs")


@pytest.fixture(scope="module")
def first(trained, tmp_path_factory):
    """Return the folder of the maps and the result of the run that generated them."""
    folder = tmp_path_factory.mktemp("maps")
    return folder, obtain(trained, WORDS, folder, FLAGS, 6)


def again(trained):
    """Return the same training runs without cached data."""
    return [ModelRun(run.config, run.folder) for run in trained]


def test_more_images_than_a_batch_have_a_map_for_every_finding(trained, first):
    cam = first[1]["cam"]
    assert len(cam.index.images) == len(trained[0].scorable_images) > 32
    assert len(cam.values) == len(cam.index.images) * 8
    assert (cam.peaks > 0).all()


def test_a_later_run_scores_the_same_bytes_and_needs_no_model(trained, first):
    folder, before = first
    later = again(trained)
    digests = [(run.digest, run.pixels_digest) for run in later]  # what a key holds of the checkpoint and the images
    hidden = later[0].checkpoint.rename(later[0].folder / "hidden")
    try:
        after = obtain(later, WORDS, folder, FLAGS, 6)
    finally:
        hidden.rename(later[0].checkpoint)
    assert digests
    for word in set(WORDS) - {"pcam"}:
        for one, other in zip(make_cases(trained, before[word], "aligned", 6), make_cases(later, after[word], "aligned", 6), strict=True):
            assert one.map.tobytes() == other.map.tobytes()
            assert not one.map.flags.owndata
            assert one.map.dtype == np.float16
            assert one.grid == other.grid


def test_unsupported_method_has_its_reason_in_both_runs(trained, first):
    folder, before = first
    assert isinstance(before["pcam"], NotAvailableError)
    assert "PCAM" in str(before["pcam"])
    assert str(obtain(again(trained), ["pcam"], folder, FLAGS)["pcam"]) == str(before["pcam"])


def test_truncated_file_is_reported_and_generated_again(trained, first, tmp_path, caplog):
    made = obtain(trained, ["cam"], tmp_path, FLAGS)["cam"].values.tobytes()
    whole = (tmp_path / "cam.safetensors").read_bytes()
    (tmp_path / "cam.safetensors").write_bytes(whole[:-100])
    assert obtain(trained, ["cam"], tmp_path, FLAGS)["cam"].values.tobytes() == made
    assert (tmp_path / "cam.safetensors").read_bytes() == whole
    assert "are broken" in caplog.text


BREAKS = """
import locus
from locus.core.errors import NotAvailableError
class Breaks(locus.Method):
    name = "breaks"
    needs = frozenset({"features"})
    asked = 0
    def maps(self, evidence):
        Breaks.asked += 1
        if Breaks.asked >= WHEN:
            raise ERROR("out of luck")
        return evidence.A[:, :1].expand(-1, len(evidence.findings), -1, -1)
"""


@pytest.fixture
def breaks(tmp_path):
    """Return breaks(when, error): the word of a method that raises ``error`` at batch ``when``."""

    def write(when, error):
        (tmp_path / "breaks.py").write_text(BREAKS.replace("WHEN", str(when)).replace("ERROR", error))
        return f"{tmp_path}/breaks.py:Breaks"

    return write


@pytest.mark.parametrize("batch", [1, 2])
def test_failing_method_stores_nothing_and_is_tried_again(trained, first, breaks, tmp_path, batch):
    word, folder = breaks(batch, "RuntimeError"), tmp_path / "maps"
    result = obtain(trained, ["cam", word], folder, FLAGS)
    assert result["cam"].values.tobytes() == first[1]["cam"].values.tobytes()
    assert isinstance(result[word], LocusError)
    assert not isinstance(result[word], NotAvailableError)
    assert "out of luck" in str(result[word])
    assert {path.name for path in folder.iterdir()} == {"cam.safetensors"}
    assert "out of luck" in str(obtain(trained, [word], folder, FLAGS)[word])
    mended = breaks(99, "RuntimeError")
    assert len(obtain(trained, [mended], folder, FLAGS)[mended].values) == len(result["cam"].values)


@pytest.mark.parametrize(("line", "told"), [("1 / 0", "ZeroDivisionError"), ("import nowhere_at_all", "nowhere_at_all")])
def test_method_that_cannot_be_built_fails(trained, breaks, tmp_path, line, told):
    word = breaks(1, "RuntimeError")
    file = tmp_path / "breaks.py"
    file.write_text(file.read_text() + f"    def __init__(self):\n        {line}\n")
    result = obtain(trained, ["cam", word], tmp_path / "maps", FLAGS)
    assert told in str(result[word])
    assert len(result["cam"].values)


def test_changed_method_is_explained_again(trained, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    before = obtain(trained, [f"{file}:Mine"], tmp_path / "maps", FLAGS)[f"{file}:Mine"].values.tobytes()
    file.write_text(MINE.replace("** 1", "* -1.0"))
    after = obtain(trained, [f"{file}:Mine"], tmp_path / "maps", FLAGS)[f"{file}:Mine"].values.tobytes()
    assert before != after
    assert len(list((tmp_path / "maps").iterdir())) == 1


def test_slow_methods_explain_only_the_findings_that_an_image_shows(trained, first, tmp_path):
    shown, every = obtain(trained, ["cam", "saliency"], tmp_path, FLAGS, 6, protocols=["pointing"]), first[1]
    assert shown["cam"].values.tobytes() == every["cam"].values.tobytes()
    slow, pairs = shown["saliency"], [(s.image_id, f) for s in select_samples(trained, 6) for f in s.boxes]
    assert len(slow.values) == len(pairs) < 6 * 8
    for image, finding in pairs:
        assert np.array_equal(slow.map(image, finding), every["saliency"].map(image, finding))
    again = obtain(trained, ["saliency"], tmp_path, None, 6, protocols=["pointing"])["saliency"]
    assert again.values.tobytes() == slow.values.tobytes()


def test_missing_map_raises_when_a_protocol_reads_it(trained, tmp_path):
    maps = obtain(trained, ["saliency"], tmp_path, FLAGS, 6, protocols=["pointing"])["saliency"]
    cases = make_cases(trained, maps, "aligned", 6)
    assert len(cases) == 6 * 8
    pointing = protocols.get("pointing")().evaluate(cases, trained[0].data.findings)
    assert len(pointing.rows) == len(maps.values)
    assert not pointing.failed
    with pytest.raises(NotMadeError, match="no map of"):
        protocols.get("wang")().evaluate(cases, trained[0].data.findings)


def test_maps_of_all_images_serve_a_request_for_some_images(trained, tmp_path):
    every = obtain(trained, ["ablationcam"], tmp_path, FLAGS, protocols=["pointing"])["ablationcam"]
    some = obtain(trained, ["ablationcam"], tmp_path, None, 6, protocols=["pointing"])["ablationcam"]
    assert some.index == every.index


@pytest.mark.parametrize(
    ("scoring", "in_part"),
    [(["single_box", "pointing", "energy"], True), (["single_box", "wang"], False), (["single_box", "froc"], False), ([], False)],
)
def test_slow_methods_explain_all_findings_only_where_a_protocol_reads_them(trained, scoring, in_part):
    slow, fast = (make_request(trained, word, build_method(word), trained[0].folder, None, scoring) for word in ("saliency", "cam"))
    assert (bool(slow.index.shown), bool(fast.index.shown)) == (in_part, False)


def keys(trained, *words, images=None):
    return [make_request(trained, word, build_method(word), trained[0].folder, images).keys[0] for word in words]


def test_key_changes_only_with_what_the_maps_depend_on(trained):
    assert keys(trained, "noise") == keys(trained, "noise:seed=0") != keys(trained, "noise:seed=1")
    assert keys(trained, "cam") == keys(trained, "cam", images=6)
    assert keys(trained, "ablationcam") != keys(trained, "ablationcam", images=6)
    assert len({*keys(trained, *WORDS)}) == len(WORDS)
    for change in ({"global_pool": "MAX"}, {"img_size": 96}):
        assert keys([ModelRun(replace(trained[0].config, **change), trained[0].folder)], "cam") != keys(trained, "cam")
    elsewhere = ModelRun(replace(trained[0].config, threads=2, model_save_dir="elsewhere"), trained[0].folder)
    assert keys([elsewhere], "cam") == keys(trained, "cam")


def test_slow_methods_explain_some_images_and_fast_ones_all(trained, first):
    few = tuple(sample.image_id for sample in select_samples(trained, 6))
    assert len(few) == 6
    assert first[1]["ablationcam"].index.images == few
    assert set(few) < set(first[1]["cam"].index.images)
    assert [case.image_id for case in make_cases(trained, first[1]["cam"], "aligned", 6)][::8] == list(few)


def test_slow_methods_explain_images_of_as_many_patients_as_possible_the_same_for_all_models_and_folds():
    def sample(name):
        return Sample(name, name[0], (64, 64), np.zeros(0, np.float32), {}, lambda: np.zeros((64, 64), np.uint8))

    def names(samples, count, seed=0):
        return [each.image_id for each in subset(samples, count, seed)]

    every = list(map(sample, ("a1", "b1", "a2", "c1", "b2", "c2")))
    result = {count: names(every, count) for count in range(1, 8)}
    assert [len(each) for each in result.values()] == [1, 2, 3, 4, 5, 6, 6]
    assert all(set(result[count]) < set(result[count + 1]) for count in range(1, 6))
    assert [len({name[0] for name in result[count]}) for count in (1, 2, 3, 6)] == [1, 2, 3, 3]
    assert sorted(names(every[3:] + every[:3], 2)) == sorted(result[2])
    assert len({tuple(names(every, 2, seed)) for seed in range(9)}) == 3


def test_cell_of_a_subset_has_the_number_of_images_in_its_record(trained, first, tmp_path):
    tiny = suite(methods=["cam", "ablationcam"], images=6)
    (model,) = plan.models(plan.with_flags(tiny, cache_dir=trained[0].config.cache_dir))
    chosen = [c for c in cells.cells(tiny, model) if c.protocol == "single_box" and c.method in ("cam", "ablationcam")]
    score(ModelTask(model, tuple(chosen)), trained[0].folder.parent, tmp_path / "results", RunConfig())
    result = [record.model_dump(mode="json") for record in records.load(tmp_path / "results")]
    n = {(r["cell"]["method"], r["cell"]["data"].get("images")): r for r in result}
    assert set(n) == {("cam", 6), ("ablationcam", 6)}
    assert n["cam", 6]["rests_on"] == n["ablationcam", 6]["rests_on"]
    assert n["cam", 6]["rests_on"]["explained images"] == 6
    scored = {key: next(s["n"] for s in r["scores"] if s["metric"] == "hit@iou.3") for key, r in n.items()}
    assert scored["cam", 6] == scored["ablationcam", 6]


def test_untrained_network_is_the_same_architecture_with_the_weights_of_a_seed(trained, tmp_path):
    (run,) = trained
    one, other = (Untrained(config, run.folder) for config in (run.config, replace(run.config, seed=1)))
    weights, again_, others, learned = (each.model("cpu").state_dict() for each in (one, one, other, run))
    assert weights.keys() == learned.keys()
    assert all(torch.equal(value, again_[name]) for name, value in weights.items())
    name = next(name for name, value in weights.items() if value.ndim == 4)
    assert not torch.equal(weights[name], others[name])
    assert not torch.equal(weights[name], learned[name])


def test_baseline_untrained_is_gradcam_of_the_untrained_network(trained, tmp_path):
    result = obtain(trained, ["gradcam", "untrained"], tmp_path, FLAGS)
    (run,) = trained
    images = transforms.evaluation()(torch.from_numpy(run.pixels[:4]))
    maps = explain(Untrained(run.config, run.folder).model("cpu"), images, ["gradcam"])["gradcam"].numpy()
    for n, finding in ((0, 0), (3, 5)):
        kept = result["untrained"].map(run.scorable_images[n].image_id, run.data.findings[finding])
        assert np.allclose(kept, maps[n, finding], atol=1e-3 * np.abs(maps[n, finding]).max())
    assert result["untrained"].values.tobytes() != result["gradcam"].values.tobytes()


def test_validation_maps_are_those_of_the_fast_methods_on_images_of_the_validation_split(trained, tmp_path):
    held = [run.validation for run in trained]
    result = load_or_generate(validation_requests(trained, ["cam", "ablationcam", "prior"], tmp_path), FLAGS)
    assert set(result) == {"cam", "prior"}
    assert set(result["cam"].index.images) == {sample.image_id for sample in held[0].scorable_images}
    assert not {sample.image_id for sample in held[0].scorable_images} & {sample.image_id for sample in trained[0].scorable_images}


def test_protocols_of_a_method_share_their_cases_and_choose_on_its_validation_cases(trained, tmp_path):
    tiny = suite(methods=["cam", "ablationcam"], images=6)
    (model,) = plan.models(plan.with_flags(tiny, cache_dir=trained[0].config.cache_dir))
    of = {(c.method, c.protocol): c for c in cells.cells(tiny, model)}
    shown = stored_cases(scored_model(model, trained, tmp_path), ["cam", "ablationcam"], FLAGS)
    assert shown.cases(of["cam", "single_box"]) is shown.cases(of["cam", "wang"])
    assert {case.image_id for case in shown.validation(of["cam", "single_box"])} == {
        s.image_id for s in trained[0].validation.scorable_images
    }
    assert shown.validation(of["ablationcam", "single_box"]) == []
    assert len(shown.cases(of["ablationcam", "single_box"])) == 6 * 8
