import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import timm
import torch
from safetensors.torch import save_file

import backbones
from backbones.pretrained import reachable, require, weights_file
from core.errors import NotAvailableError


@pytest.fixture(autouse=True)
def without_network(tmp_path, monkeypatch):
    """Remove cached weights and the connection."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_missing_weights_raise_an_error_with_url_and_path(name, tmp_path):
    file = f"{tmp_path}/hub/checkpoints/{name}"
    sentence = f"^ImageNet weights of '{name}' not found: download https://.* to {file}.*, or use --pretrained False$"
    with pytest.raises(NotAvailableError, match=sentence):
        backbones.build(name, 2, pretrained=True)


def test_weights_that_cannot_be_downloaded_are_reported_quickly():
    with pytest.raises(NotAvailableError, match=r"'resnet18'.*https://.*--pretrained False"):
        require("resnet18")


def test_a_server_that_answers_with_an_error_is_reachable(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # has no answer to HEAD: 501
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.handle_request).start()
    assert reachable(address)
    server.server_close()
    assert not reachable(address)


def laid_by_hand(name):
    """Write weights to the path of a download and return the network."""
    source = timm.create_model(name)
    place = weights_file(name)
    place.parent.mkdir(parents=True)
    save_file(source.state_dict(), place)
    return source


def test_weights_in_the_checkpoint_folder_are_loaded():
    source = laid_by_hand("resnet18")
    model = backbones.build("resnet18", 2, pretrained=True)
    assert torch.equal(model.extractor.net.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    assert model.build_options["pretrained"] is False  # a rebuilt model needs no download


def test_weights_of_a_transformer_are_loaded_for_any_image_size():
    source = laid_by_hand("vit_tiny_patch16_224")
    model = backbones.build("vit_tiny_patch16_224", 2, pretrained=True)
    assert torch.equal(model.extractor.net.pos_embed, source.pos_embed)
    assert model.features(torch.zeros(1, 3, 96, 64)).shape == (1, 192, 6, 4)


def test_weights_of_another_network_raise_clear_errors():
    place = weights_file("resnet18")
    place.parent.mkdir(parents=True)
    save_file({"conv1.weight": torch.zeros(1)}, place)
    with pytest.raises(NotAvailableError, match=r"/resnet18\..*'resnet18'.*ResNet.*conv1.*--pretrained False"):
        backbones.build("resnet18", 2, pretrained=True)


def test_a_damaged_weights_file_raises_a_clear_error():
    place = weights_file("resnet18")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"nothing")
    with pytest.raises(NotAvailableError, match=r"/resnet18\..*'resnet18'.*header.*--pretrained False"):
        backbones.build("resnet18", 2, pretrained=True)


@pytest.mark.slow
def test_unpublished_weights_raise_a_clear_error():
    with pytest.raises(NotAvailableError, match=r"'efficientnet_b7'.*--pretrained False"):
        backbones.build("efficientnet_b7", 2, pretrained=True)


def test_the_small_network_has_no_pretrained_weights():
    with pytest.raises(NotAvailableError, match=r"'custom'.*--pretrained False"):
        backbones.build("custom", 2, pretrained=True)
