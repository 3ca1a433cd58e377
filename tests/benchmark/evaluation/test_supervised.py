"""The rows of a network that is fine-tuned on boxes: what it sees, what it learns, and its published weights."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from locus import backbones, datasets
from locus.benchmark.baselines import fine_tuned
from locus.benchmark.evaluation import supervised
from locus.benchmark.evaluation.supervised import Supervised, box_loss

RESULTS = Path(__file__).resolve().parents[3] / "results"
FILES = sorted(RESULTS.glob(f"*/weights/{supervised.FOLDER}/*{backbones.SUFFIX}"))


@pytest.fixture(scope="module")
def runs():
    """A run whose images with boxes are those of a small phantom, and the same as two folds of patients."""
    data = datasets.load("phantom:train=4,val=4,test=60", split="test")
    boxed = [sample for sample in data if sample.boxes]
    config = SimpleNamespace(data_seed=0, seed=0)
    parts = boxed[: len(boxed) // 2], boxed[len(boxed) // 2 :]
    one, *folds = (SimpleNamespace(data=data, config=config, scorable_images=part) for part in (boxed, *parts))
    return {"one run": [one], "a run per fold": folds}


@pytest.mark.parametrize("kind", ["one run", "a run per fold"])
@pytest.mark.parametrize("word", fine_tuned())
def test_no_patient_of_the_scored_fold_is_in_the_fine_tuning(runs, kind, word):
    rows = Supervised(word, runs[kind], {})
    patients = np.array([sample.patient_id for sample in rows.samples])
    for fold in np.unique(rows.folds).tolist():
        taught = rows.taught(fold)
        assert not {*patients[taught.any(1)]} & {*patients[rows.folds == fold]}
        assert (taught <= rows.boxed).all()
        outside = (rows.boxed & (rows.folds != fold)[:, None]).sum(0)
        assert taught.sum(0).tolist() == np.minimum(outside, 5 if word.endswith("=5") else len(patients)).tolist()


def test_fine_tuning_learns_where_the_boxes_are(monkeypatch):
    """A bright square anywhere; the network sees 32 of 40 images."""
    monkeypatch.setattr(supervised, "EPOCHS", 40)
    random, pixels = np.random.default_rng(0), np.zeros((40, 64, 64), np.uint8)
    truth = np.zeros((40, 1, supervised.MASK_SIDE, supervised.MASK_SIDE), np.float32)
    for n, (y, x) in enumerate(random.integers(0, 40, (40, 2))):
        pixels[n, y : y + 24, x : x + 24] = 200
        truth[n, 0, y // 2 : y // 2 + 12, x // 2 : x // 2 + 12] = 1
    torch.manual_seed(0)
    model = backbones.build("custom", 1, "PCAM", pretrained=False).eval()

    def losses():
        maps = torch.from_numpy(supervised.predict(model, torch.from_numpy(pixels[32:])))
        return float(box_loss(maps.logit(eps=1e-6), torch.from_numpy(truth[32:]), torch.ones(8, 1, dtype=torch.bool)))

    before, frozen = losses(), {name: w.clone() for name, w in model.state_dict().items() if name.startswith("extractor.0")}
    supervised.fine_tune(model, torch.from_numpy(pixels[:32]), torch.from_numpy(truth[:32]), torch.ones(32, 1, dtype=torch.bool), 0)
    assert losses() < 0.8 * before
    assert all(torch.equal(model.state_dict()[name], weight) for name, weight in frozen.items())


@pytest.mark.byhand
def test_loss_is_cross_entropy_plus_dice_of_the_cases_with_a_box_to_use():
    logits, masks = torch.zeros(1, 2, 2, 2), torch.tensor([[[[1.0, 0], [0, 0]], [[1.0, 1], [1, 1]]]])
    loss = box_loss(logits, masks, torch.tensor([[True, False]]))
    assert float(loss) == pytest.approx(np.log(2) + 1 - (2 * 0.5 + 1) / (2 + 1 + 1))


@pytest.mark.freshness
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-4]} {file.stem}")
def test_published_weights_saw_no_patient_of_their_fold(file):
    about = backbones.described(file)
    patients = [{image.partition("_")[0] for image in images} for images in ([image for image, _ in about["taught"]], about["held out"])]
    assert all(patients)
    assert not patients[0] & patients[1]
    assert file.stat().st_size <= 1_000_000
