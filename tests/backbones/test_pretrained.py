import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import timm
import torch
from safetensors.torch import save

from locus import backbones
from locus.backbones.extractors import reachable, require, weights_file
from locus.core.errors import NotAvailableError


@pytest.fixture(autouse=True)
def without_network(tmp_path, monkeypatch):
    """Remove cached weights and the connection."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_missing_weights_raise_an_error_with_url_and_path(name, tmp_path):
    facts = rf"'{name}' not found: .*https://.* {tmp_path}/hub/checkpoints/{name}.*--pretrained False$"
    with pytest.raises(NotAvailableError, match=facts):
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


@pytest.fixture
def store():
    """Return a function that writes weights to the path of a download."""

    def write(name, content):
        weights_file(name).parent.mkdir(parents=True)
        weights_file(name).write_bytes(content)

    return write


def test_weights_in_the_checkpoint_folder_are_loaded(store):
    source = timm.create_model("resnet18")
    store("resnet18", save(source.state_dict()))
    model = backbones.build("resnet18", 2, pretrained=True)
    assert torch.equal(model.extractor.net.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    assert model.build_options["pretrained"] is False  # a rebuilt model needs no download


def test_weights_of_a_transformer_are_loaded_for_any_image_size(store):
    source = timm.create_model("vit_tiny_patch16_224")
    store("vit_tiny_patch16_224", save(source.state_dict()))
    model = backbones.build("vit_tiny_patch16_224", 2, pretrained=True)
    assert torch.equal(model.extractor.net.pos_embed, source.pos_embed)
    assert model.features(torch.zeros(1, 3, 96, 64)).shape == (1, 192, 6, 4)


OTHER = save({"conv1.weight": torch.zeros(1)})


@pytest.mark.parametrize(("content", "facts"), [(OTHER, "ResNet.*conv1"), (b"nothing", "header")])
def test_weights_of_another_network_and_a_damaged_file_raise_a_clear_error(store, content, facts):
    store("resnet18", content)
    with pytest.raises(NotAvailableError, match=rf"/resnet18\..*'resnet18'.*{facts}.*--pretrained False"):
        backbones.build("resnet18", 2, pretrained=True)


@pytest.mark.parametrize("name", ["custom", pytest.param("efficientnet_b7", marks=pytest.mark.slow)])
def test_weights_that_were_not_published_raise_a_clear_error(name):
    with pytest.raises(NotAvailableError, match=rf"'{name}'.*--pretrained False"):
        backbones.build(name, 2, pretrained=True)
