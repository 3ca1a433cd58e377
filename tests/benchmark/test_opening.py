import pytest
import torch
from torch import nn

from locus.backbones import encoders
from locus.backbones.classifier import normalised
from locus.benchmark import opening
from locus.config import SOURCES, NetworkFlags
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.core.types import IMAGENET_MEAN, IMAGENET_STD
from locus.datasets.io import transforms

FILE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.body = nn.Conv2d(1, 4, 4, stride=4)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, images):
        return self.fc(self.body(images).relu().mean((2, 3)))

def broken():
    raise ValueError("no such file")

def fixed():
    return Net()

def number():
    return 7

def left():
    raise SystemExit(3)

class Odd(Exception):
    pass

def odd():
    raise Odd("of its own class")
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "net.py").write_text(FILE)
    return tmp_path / "net.py"


def test_the_command_line_knows_all_libraries():
    assert tuple(opening.SOURCES) == SOURCES


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("broken", "ValueError: no such file"),
        ("number", "int.*nn.Module"),
        ("left", "SystemExit"),
        ("odd", "Odd: of its own class"),
        ("nets", "'Net'"),
    ],
)
def test_a_build_function_without_a_network_raises_a_clear_error(file, name, facts):
    with pytest.raises(LocusError, match=facts):
        opening.network_of(f"{file}:{name}", 3)


@pytest.mark.parametrize("word", ["timm:resnet181", "torchvision:resnet181", "xrv:densenet12"])
def test_an_unknown_network_of_a_library_raises_an_error_with_the_nearest(word):
    pytest.importorskip("torchxrayvision")
    with pytest.raises(UnknownNameError, match=r"resnet18'|densenet121"):
        opening.network_of(word, 3)


def test_a_timm_network_of_a_file_keeps_its_own_mean_and_std(tmp_path):
    code = "import timm\n\ndef build():\n    return timm.create_model('test_vit', num_classes=2)\n"
    (tmp_path / "net.py").write_text(code)
    network = opening.network_of(f"{tmp_path / 'net.py'}:build", 2)
    assert (network.mean, network.std) == (network.module.pretrained_cfg["mean"], network.module.pretrained_cfg["std"])
    assert network.mean != IMAGENET_MEAN


def test_an_unknown_number_of_outputs_raises_an_error():
    with pytest.raises(BadValueError, match="--findings"):
        opening.network_of("timm:test_vit", None)


def grey(side):
    return torch.randint(0, 256, (2, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def opened(word, findings, channels, mean, std):
    flags = NetworkFlags(model=word, findings=findings, channels=channels, img_size=32, mean=mean, std=std)
    network = opening.network_of(word, len(findings) or None, channels)
    return network.module.eval(), opening.build(flags).model


@pytest.mark.parametrize(
    ("mean", "std", "channels"),
    [((0.5,), (1 / 2048,), 1), ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 3), (IMAGENET_MEAN, IMAGENET_STD, 3), ((0.0,), (1.0,), 3)],
)
def test_images_are_normalised_by_the_networks_mean_and_std(mean, std, channels):
    rescale = normalised(mean, std, channels) or nn.Identity()
    images = transforms.evaluation()(grey(8))[:, :channels]
    expected = (grey(8)[:, None] / 255 - torch.tensor(mean).reshape(1, -1, 1, 1)) / torch.tensor(std).reshape(1, -1, 1, 1)
    assert torch.allclose(rescale(images), expected.expand(-1, channels, -1, -1), rtol=1e-5, atol=1e-5 / min(std))


@pytest.mark.parametrize(("mean", "std"), [((0.5, 0.5), (1.0,)), ((0.5,), (0.0,)), ((123.675,), (58.395,))])
def test_an_invalid_normalisation_raises_a_clear_error(mean, std):
    with pytest.raises(BadValueError, match=r"(mean|std) is .*channels"):
        normalised(mean, std, 3)


def test_a_network_is_rebuilt_from_a_checkpoint_unless_its_file_changed(file):
    module, model = opened(f"{file}:Net", ("A", "B", "C"), 1, (0.5,), (0.25,))
    again = opening.rebuild(model.build_options, "its run", trust=True)
    again.load_state_dict(model.state_dict())
    images = transforms.evaluation()(grey(32))
    assert torch.equal(again.eval()(images), model.eval()(images))
    assert torch.allclose(model(images), module((grey(32)[:, None] / 255 - 0.5) / 0.25), atol=1e-6)
    file.write_text(FILE + "\nchanged = True")
    with pytest.raises(DataError, match=r"net\.py.* changed"):
        opening.rebuild(model.build_options, "its run", trust=True)


def test_a_network_of_transformers_is_loaded_from_its_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.ViTConfig(**size, image_size=32, patch_size=8, id2label={0: "Mass", 1: "Nodule"})
    own = transformers.ViTForImageClassification(config).eval()
    own.save_pretrained(tmp_path)
    _, model = opened(f"hf:{tmp_path}", (), 3, (0.5,), (0.5,))
    assert opening.network_of(f"hf:{tmp_path}", None).findings == ("Mass", "Nodule")
    images = ((grey(32)[:, None] / 255 - 0.5) / 0.5).expand(-1, 3, -1, -1)
    assert torch.allclose(model.eval()(transforms.evaluation()(grey(32))), own(images).logits, atol=1e-5)
    again = opening.rebuild(model.build_options, "its run", trust=True)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(transforms.evaluation()(grey(32))), model(transforms.evaluation()(grey(32))))


@pytest.mark.parametrize(
    ("processor", "statistics", "size"),
    [
        ({"image_mean": [0.2] * 3, "image_std": [0.4] * 3, "size": {"height": 40, "width": 40}}, (0.2, 0.4), 40),
        ({"do_normalize": False, "do_resize": False}, (0.0, 1.0), None),
        ({"do_normalize": False, "do_rescale": False, "size": {"height": 40, "width": 40}}, (0.0, 1 / 255), 40),
        ({"image_mean": [51.0], "image_std": [255.0], "rescale_factor": 1.0}, (0.2, 1.0), 224),
    ],
)
def test_the_flags_of_an_image_processor_are_obeyed(processor, statistics, size):
    made = pytest.importorskip("transformers").ViTImageProcessor(**processor)
    mean, std = encoders.statistics(made)
    assert (mean[0], std[0]) == pytest.approx(statistics)
    assert encoders.processed_size(made) == size


def test_a_processor_of_images_that_are_not_square_is_refused():
    made = pytest.importorskip("transformers").ViTImageProcessor(size={"height": 40, "width": 32})
    with pytest.raises(BadValueError, match="height=40"):
        encoders.processed_size(made)
