"""Encoders of transformers: a folder without a classifier becomes a backbone whose patch tokens are pooled."""

import pytest
import torch

import locus
from locus.backbones import encoders, weight_files
from locus.benchmark import opening
from locus.benchmark.training import fit
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.types import IMAGENET_MEAN, IMAGENET_STD

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.contract
SIZE = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14}
GREY = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}


@pytest.fixture(params=["Dinov2", "Dinov2WithRegisters", "ViT"])
def folder(request, tmp_path):
    torch.manual_seed(0)
    config = getattr(transformers, f"{request.param}Config")(**SIZE)
    getattr(transformers, f"{request.param}Model")(config).save_pretrained(tmp_path / "encoder")
    transformers.BitImageProcessor(**GREY).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_the_map_of_an_encoder_is_its_patch_tokens_in_rows(folder):
    model = locus.build(f"hf:{folder}", num_classes=2, pretrained=True).eval()
    own = transformers.AutoModel.from_pretrained(folder).eval()
    images = torch.randn(2, 3, 56, 56)
    with torch.no_grad():
        A, tokens = model.extractor(images), own(images).last_hidden_state
    prefix = tokens.shape[1] - 16
    assert A.shape == (2, 24, 4, 4)
    torch.testing.assert_close(A[:, :, 1, 2], tokens[:, prefix + 6])


def test_tokens_of_larger_images_are_placed_at_their_patches(folder):
    model = locus.build(f"hf:{folder}", num_classes=1, pretrained=True).eval()
    assert model.features(torch.randn(1, 3, 84, 112)).shape == (1, 24, 6, 8)
    assert model.grid((84, 112)).offset == (6.5, 6.5)


def test_grey_values_are_normalised_as_its_processor_says(folder):
    model = locus.build(f"hf:{folder}", num_classes=1, pretrained=True)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    black = (torch.zeros(1, 3, 1, 1) - mean) / std
    torch.testing.assert_close(model.rescale(black), torch.full((1, 3, 1, 1), -2.0))


def test_a_probe_of_an_encoder_is_trained_and_opened_without_its_folder(folder, tiny_in, tmp_path):
    flags = {"backbone": f"hf:{folder}", "pretrained": True, "freeze": True, "global_pool": "LSE", "img_size": 56, "epochs": 1}
    before = {name: weight.clone() for name, weight in transformers.AutoModel.from_pretrained(folder).state_dict().items()}
    run = fit(tiny_in(tmp_path, **flags), tmp_path / "probe")
    after = weight_files.weights(run)
    assert all(torch.equal(before[name], after[f"extractor.net.{name}"]) for name in before)
    folder.rename(tmp_path / "elsewhere")
    model = opening.load(run)
    maps = locus.explain(model, torch.randn(1, 3, 56, 56), methods=["gradcam", "rollout"])
    assert maps["gradcam"].shape[-2:] == maps["rollout"].shape[-2:] == (4, 4)


def test_an_encoder_without_patches_is_refused(tmp_path):
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1])
    transformers.ResNetModel(config).save_pretrained(tmp_path)
    transformers.BitImageProcessor(**GREY).save_pretrained(tmp_path)
    with pytest.raises(NotAvailableError, match="no vision transformer with square patches"):
        locus.build(f"hf:{tmp_path}", num_classes=1, pretrained=True)


def test_an_encoder_that_does_not_say_how_images_are_normalised_is_refused(tmp_path):
    transformers.Dinov2Model(transformers.Dinov2Config(**SIZE)).save_pretrained(tmp_path)
    with pytest.raises(NotAvailableError, match=r"preprocessor_config\.json"):
        locus.build(f"hf:{tmp_path}", num_classes=1, pretrained=True)


def test_an_empty_folder_is_no_encoder(tmp_path):
    with pytest.raises(NotAvailableError, match="cannot be loaded"):
        encoders.build(str(tmp_path), pretrained=True)


def test_weights_of_another_package_do_not_fit_an_encoder(tmp_path):
    with pytest.raises(BadValueError, match="--pretrained densenet121-res224-nih"):
        locus.build(f"hf:{tmp_path}", num_classes=1, pretrained="densenet121-res224-nih")
