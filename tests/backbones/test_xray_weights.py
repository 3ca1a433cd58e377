"""torchxrayvision's weights as initial weights."""

import functools

import pytest
import torch

from locus import backbones
from locus.backbones import weight_files
from locus.backbones.catalog import require_weights
from locus.core.errors import BadValueError, DataError, NotAvailableError, UnknownNameError
from locus.datasets.io import transforms

WORD = "densenet121-res224-nih"
IMAGES = torch.randint(0, 256, (2, 64, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.fixture
def xrv(tmp_path, monkeypatch):
    """Return the library, with torch's checkpoint folder in a temporary folder and without a connection."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for word in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(word, "http://127.0.0.1:9")
    return pytest.importorskip("torchxrayvision")


@functools.cache
def random_network(kind):
    torch.manual_seed(0)
    net = kind(weights=None, num_classes=18).train()
    net.features(torch.randn(4, 1, 64, 64) * 500)  # batch norm has seen something
    return net


@pytest.fixture
def net(xrv, tmp_path):
    """Write a pickled network with random weights to the path of the library's download."""
    net = random_network(xrv.models.DenseNet).train()
    place = tmp_path / "checkpoints" / xrv.models.model_urls[WORD]["weights_url"].rpartition("/")[2]
    place.parent.mkdir()
    torch.save(net, place)
    return net.eval()


@pytest.mark.oracle
@pytest.mark.parametrize(
    "flags", [{"name": "densenet121", "pretrained": WORD}, {"name": WORD, "pretrained": True}], ids=["pretrained", "backbone"]
)
def test_features_equal_those_of_torchxrayvision_without_internet(net, flags):
    require_weights(flags["name"], flags["pretrained"])
    model = backbones.build(num_classes=2, **flags).eval()
    theirs = net.features(((2 * IMAGES[:, None].float() / 255) - 1) * 1024).relu()
    ours = model.features(transforms.evaluation()(IMAGES))
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


def test_a_rebuilt_network_has_the_same_gray_values_and_needs_no_file(net, tmp_path):
    model = backbones.build("densenet121", 2, pretrained=WORD).eval()
    again = backbones.build(**model.build_options).eval()
    again.load_state_dict(model.state_dict())
    images = transforms.evaluation()(IMAGES)
    assert torch.equal(model(images), again(images))


def test_a_file_that_would_run_code_raises_an_error(net, xrv, tmp_path):
    """Pitfall: pickle checkpoints run code."""

    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save({"weights": Harm()}, next((tmp_path / "checkpoints").iterdir()))
    with pytest.raises(DataError, match=rf"{tmp_path}/checkpoints/.*io\.open.*--pretrained False"):
        backbones.build("densenet121", 2, pretrained=WORD)
    assert not (tmp_path / "harm").exists()


def test_weights_that_cannot_be_downloaded_are_reported_before_the_data_are_read(xrv, tmp_path):
    facts = rf"{WORD}.*https://github\.com/.*-best\.pt .*{tmp_path}/checkpoints/.*--pretrained False"
    with pytest.raises(NotAvailableError, match=facts):
        backbones.build("densenet121", 2, pretrained=WORD)
    with pytest.raises(NotAvailableError, match=facts):
        require_weights(WORD, True)


@pytest.mark.parametrize(
    ("name", "pretrained", "error", "facts"),
    [
        ("densenet121", "Flase", UnknownNameError, "'Flase'.*--pretrained.*'False'"),
        ("densenet121", "densenet121-res224-hin", UnknownNameError, "-hin'.*'densenet121-res224-nih'"),
        ("resnet18", WORD, BadValueError, f"--pretrained {WORD}.*--backbone densenet121.*resnet18"),
    ],
)
def test_an_unknown_name_raises_an_error_with_the_known_ones(name, pretrained, error, facts):
    with pytest.raises(error, match=facts):
        backbones.build(name, 2, pretrained=pretrained)


@pytest.mark.byhand
def test_black_and_white_are_minus_and_plus_1024():
    name, weights = weight_files.resolve("densenet121", WORD)
    model = backbones.build(name, 1)
    ends = model.rescale(transforms.evaluation()(torch.tensor([[[0, 255]]], dtype=torch.uint8)))
    assert weights == WORD
    assert ends.flatten().tolist() == pytest.approx([-1024, 1024] * 3, rel=1e-4)
