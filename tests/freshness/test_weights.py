"""Published weights: they are complete, fit the records, and give the published scores again."""

import re
from pathlib import Path

import pytest

import locus
from locus import backbones
from locus.benchmark import opening
from locus.benchmark.suite import plan
from locus.benchmark.suite.comparison import compare_folders
from locus.benchmark.suite.publish import PUBLISHED_SEED
from locus.benchmark.training import weights

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [path for path in sorted(ROOT.glob("results/*/weights")) if path.parent.name in plan.suites()]
pytestmark = pytest.mark.freshness


@pytest.mark.parametrize("folder", FOLDERS, ids=[path.parent.name for path in FOLDERS])
def test_every_published_network_has_a_small_file_with_the_weights_that_were_scored(folder):
    scored = {(r.cell.model_id, r.checkpoints) for r in locus.records(folder.parent) if r.checkpoints}
    suite = plan.load(folder.parent.name)
    given = [model.external for model in plan.models(suite) if model.external is not None]
    assert all((model_id, (one.digest,)) in scored for one in given for model_id in [one.checkpoint.stem])
    trained = [model for model in plan.models(suite) if model.external is None and model.trainings[0].seed == PUBLISHED_SEED]
    rounded = [model for model in trained if model.trainings[0].weights_dtype == "float16"]
    initial, final = ({*folder.glob(f"{prefix}*")} for prefix in (plan.INITIAL, plan.FINAL))
    scored_files = {*folder.glob("*.safetensors")} - initial - final
    if not scored_files:
        rounded = []  # only networks trained on all images
    assert rounded or given or final
    for model in rounded:
        files = model.weights_files(folder)
        assert all(file.stat().st_size <= 2_000_000 for file in files)
        assert (model.id, tuple(opening.checkpoint(file).digest for file in files)) in scored
        settings = [plan.settings_hash(config, model.init) for config in model.trainings]
        assert [backbones.described(file)["settings"] for file in files] == settings
    assert all(backbones.described(file)["locus"]["config"]["partition"] == "all" for file in final)
    assert len(scored_files) == sum(len(model.trainings) for model in rounded) + len(given)
    starts = {plan.settings_hash(model.init, None) for model in rounded if model.init is not None}
    assert {backbones.described(file)["settings"] for file in initial} <= starts


def test_all_weights_together_take_less_than_45_mb():
    assert sum(file.stat().st_size for file in ROOT.glob("results/*/weights/**/*") if file.is_file()) < 45e6


def test_cards_are_those_of_the_files(tmp_path):
    for folder in ROOT.glob("results/*/weights"):
        for file in folder.glob("*.safetensors"):
            (tmp_path / folder.parent.name).mkdir(exist_ok=True)
            (tmp_path / folder.parent.name / file.name).symlink_to(file)
        weights.write_card(tmp_path / folder.parent.name)
        assert (tmp_path / folder.parent.name / "README.md").read_text() == (folder / "README.md").read_text()


def test_networks_of_the_package_are_those_of_the_suite_demo():
    for name, pooling in (("demo-avg", "AVG"), ("demo-pcam", "PCAM")):
        packaged = backbones.path_of(name).read_bytes()
        assert packaged == (ROOT / f"results/demo/weights/custom-{pooling}-96px-seed0.safetensors").read_bytes()
        assert locus.load(name).pooling == pooling


@pytest.mark.slow
def test_published_weights_of_the_demo_give_its_scores_again(tmp_path):
    """The commands of ``make verify``; another processor may change the last digits."""
    from locus.benchmark import run

    folders = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "suites")]
    assert run.main(["--suite", "demo", *folders, "--threads", "1"]) == 0
    assert not list(tmp_path.rglob("last.ckpt"))  # nothing was trained
    line = compare_folders(str(ROOT / "results/demo"), str(tmp_path / "results/demo"))
    equal, common, gap = re.search(r"(\d+) of (\d+) common cells.* difference of hit@iou\.3 is ([\d.e-]+)", line).groups()
    assert int(common) == len([r for r in locus.records(ROOT / "results/demo") if r.scores])
    assert float(gap) <= 0.01 or equal == common
