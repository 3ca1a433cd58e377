"""MobileNetV2 with SAME padding at two strides, initialised from a file of weights without a classifier."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from locus import backbones
from locus.backbones import weight_files
from locus.core.errors import DataError, NotAvailableError

WEIGHTS = Path(__file__).resolve().parents[3] / "shared/weights/mobilenetv2_100_imagenet.safetensors"
WORDS = ("mobilenetv2_100_same", "mobilenetv2_100_same16")


def extractor_weights(model) -> dict[str, torch.Tensor]:
    return {name.removeprefix("extractor.net."): value for name, value in model.state_dict().items() if "extractor" in name}


@pytest.mark.parametrize(("word", "stride"), zip(WORDS, (32, 16), strict=True))
def test_maps_have_the_stride_in_the_name(word: str, stride: int):
    model = backbones.build(f"{word}:mean=127.5,std=127.5", 3, "PCAM").eval()
    with torch.inference_mode():
        assert model.features(torch.zeros(1, 3, 64, 64)).shape == (1, 1280, 64 // stride, 64 // stride)
    assert model.grid((64, 64)).stride == (stride, stride)


def test_a_half_precision_file_initialises_both_strides(tmp_path: Path):
    torch.manual_seed(1)
    first = backbones.build(WORDS[0], 3)
    names = extractor_weights(first)
    half = {name: value.half() if value.is_floating_point() else value for name, value in names.items()}
    save_file({name: value.contiguous() for name, value in half.items()}, tmp_path / "w.safetensors")
    state = weight_files.weights(tmp_path / "w.safetensors")
    for word in WORDS:
        model = backbones.build(word, 3)
        weight_files.load_initial(model, state, "w.safetensors")
        taken = extractor_weights(model)
        assert all(torch.equal(taken[name], value.to(taken[name].dtype)) for name, value in half.items())
    with pytest.raises(DataError, match=r"w\.safetensors"):
        weight_files.load_initial(backbones.build("resnet18", 3), state, "w.safetensors")


def test_pretrained_weights_raise_an_error_with_advice():
    with pytest.raises(NotAvailableError, match="--init_from FILE"):
        backbones.build(WORDS[0], 3, pretrained=True)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the ImageNet weights are not beside the checkout")
def test_the_optional_weights_give_finite_maps_of_gray_images():
    model = backbones.build(f"{WORDS[1]}:mean=127.5,std=127.5", 8, "PCAM").eval()
    weight_files.load_initial(model, weight_files.weights(WEIGHTS), WEIGHTS)
    assert len(load_file(WEIGHTS)) == len(extractor_weights(model))
    with torch.inference_mode():
        maps = model.features(torch.randn(2, 1, 96, 96).expand(-1, 3, -1, -1))
    assert (torch.isfinite(maps).all(), maps.std() > 0.01) == (True, True)
