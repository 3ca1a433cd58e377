"""examples/*.py: each network reads a file with the names of its project (random weights) and gives its logits."""

import argparse
import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import nn

from locus.backbones.weight_files import load_external, weights
from locus.benchmark import opening
from locus.config import NetworkFlags
from locus.core.user_code import from_file
from locus.datasets.chexpert import FINDINGS as CHEXPERT
from locus.datasets.nih import FINDINGS as NIH

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
IMAGES = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)


def built(file: str, name: str = "build", **options) -> nn.Module:
    """The network of an example, as ``--model examples/FILE:NAME`` builds it."""
    torch.manual_seed(1)
    return from_file(f"{EXAMPLES / file}:{name}", "network", "function or class")(**options).eval()


def logits(network: nn.Module, images: torch.Tensor = IMAGES) -> torch.Tensor:
    with torch.inference_mode():
        return network.eval()(images)


def loaded(network: nn.Module, content: object, folder: Path) -> nn.Module:
    """The network with the weights of a file, which contains all of them and no others."""
    torch.save(content, folder / "weights.pth")
    assert "none missing, none unexpected" in load_external(network, weights(folder / "weights.pth"), "weights.pth", "net")
    return network


def chexnet() -> tuple[nn.Module, dict]:
    """torchvision's network and the file of 2017: old names of layers, no counters, a head before a sigmoid."""
    net = torchvision.models.densenet121(num_classes=14)
    state = {re.sub(r"(norm|conv)(\d)\.", r"\1.\2.", n) if "denselayer" in n else n: v for n, v in net.state_dict().items()}
    state = {n.replace("classifier", "classifier.0"): v for n, v in state.items() if "num_batches" not in n}
    return net, {"state_dict": {f"module.densenet121.{n}": v for n, v in state.items()}}


@pytest.mark.oracle
def test_chexnets_old_names_give_the_same_logits(tmp_path: Path):
    torch.manual_seed(0)
    original, content = chexnet()
    assert "module.densenet121.features.denseblock1.denselayer1.norm.1.weight" in content["state_dict"]
    assert torch.equal(logits(loaded(built("chexnet.py"), content, tmp_path)), logits(original))


@pytest.mark.commands
def test_the_flag_model_finds_the_maps_and_the_linear_layer_of_chexnet(tmp_path: Path):
    torch.save(chexnet()[1], tmp_path / "model.pth.tar")
    word = f"{EXAMPLES / 'chexnet.py'}:build"
    network = opening.build(NetworkFlags(model=word, weights=str(tmp_path / "model.pth.tar"), img_size=64, findings=NIH))
    assert network.model.build_options["wiring"]["head"] == "classifier.0"
    assert network.model.grid((224, 224)).offset == (14, 14)


class XRayDense(nn.Module):
    """alinstein/X_RAY's DenseNet121: no ReLU after the features, with torchvision's unused classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.img_model, self.FF = torchvision.models.densenet121(), nn.Sequential(nn.Conv2d(1024, 8, 1))

    def forward(self, images):
        A = self.img_model.features(images)
        most = A.amax((2, 3), keepdim=True)
        return self.FF(most + torch.log(torch.exp(0.5 * (A - most)).mean((2, 3), keepdim=True)) / 0.5).flatten(1)


class XRayResNet(nn.Module):
    """alinstein/X_RAY's ResNet18 without its sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.img_model = torchvision.models.resnet18()
        self.img_model.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 8))

    def forward(self, images):
        return self.img_model(images)


class XRayPcam(nn.Module):
    """alinstein/X_RAY's PCAM_Model with ResNet18 without its dropout."""

    def __init__(self) -> None:
        super().__init__()
        net = torchvision.models.resnet18()
        self.img_model = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4)
        for index in range(8):
            self.add_module(f"fc_{index}", nn.Conv2d(512, 1, 1))

    def forward(self, images):
        A, logits = self.img_model(images), []
        for index in range(8):
            layer = self.get_submodule(f"fc_{index}")
            log_chance = nn.functional.logsigmoid(layer(A)).flatten(2)
            pooled = (A.flatten(2) * log_chance.softmax(2)).sum(2)
            logits.append(pooled @ layer.weight.flatten() + layer.bias)
        return torch.stack(logits, 1)


@pytest.mark.oracle
@pytest.mark.parametrize(("kind", "name"), [(XRayDense, "build"), (XRayResNet, "resnet18"), (XRayPcam, "Pcam")])
def test_x_rays_names_give_its_logits(kind, name: str, tmp_path: Path):
    torch.manual_seed(0)
    original = kind()
    content = {"model_state_dict": original.state_dict(), "epoch": 3}
    network = loaded(built("x_ray.py", name), content, tmp_path)
    assert torch.allclose(logits(network), logits(original), rtol=1e-3, atol=1e-5)


@pytest.fixture
def eva_x(tmp_path: Path, monkeypatch) -> dict[str, torch.Tensor]:
    """The weights of a ViT-S under timm's names, after writing them to a file under the names of EVA-X."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    state = timm.create_model("eva02_small_patch14_224", patch_size=16, num_classes=14).state_dict()
    named = {name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): value for name, value in state.items()}
    rope = {f"{part}rope.freqs_{word}": torch.ones(196, 64) for part in ("", "blocks.0.attn.") for word in ("cos", "sin")}
    content = {"model": {**named, **rope}, "epoch": 3, "args": argparse.Namespace(lr=1e-3)}
    torch.save(content, tmp_path / "eva_x_small_patch16_merged520k_mim_cxr14_ft.pth")
    return state


@pytest.mark.oracle
def test_eva_x_reads_its_own_names_and_counts_positions_in_patches_of_16(eva_x):
    """The rotary embedding of EVA-X: sine and cosine of position times 10000^(-k / 16), each twice, y before x."""
    network = built("eva_x.py")
    assert all(torch.equal(value, eva_x[name]) for name, value in network.state_dict().items() if "patch_embed.proj.weight" not in name)
    assert logits(network, torch.zeros(1, 3, 224, 224)).shape == (1, 14)
    positions = torch.cartesian_prod(torch.arange(14.0), torch.arange(14.0))
    angles = positions[:, :, None] * 10000 ** (-torch.arange(16) / 16)
    expected = torch.cat([angles.sin().repeat_interleave(2, 2).flatten(1), angles.cos().repeat_interleave(2, 2).flatten(1)], 1)
    assert torch.allclose(network.rope.get_embed(), expected, atol=1e-5)


@pytest.mark.oracle
def test_medicalpatchnet_is_the_mean_of_64_gray_patches_and_reads_its_file(tmp_path: Path):
    original = torchvision.models.efficientnet_v2_s(num_classes=14)
    original.features[0][0] = nn.Conv2d(1, 24, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
    state = {f"_orig_mod.baseBackbone.{name}": value for name, value in original.state_dict().items()}
    network = loaded(built("medical_patch_net.py"), state, tmp_path)
    images = torch.linspace(0, 1, 512 * 512).reshape(1, 1, 512, 512)
    patches = torch.cat([images[:, :, y : y + 64, x : x + 64] for y in range(0, 512, 64) for x in range(0, 512, 64)])
    assert torch.allclose(logits(network, images), logits(original, patches).mean(0, keepdim=True), atol=1e-5)


@pytest.mark.parametrize(("file", "findings"), [("chexnet.py", NIH), ("eva_x.py", NIH), ("medical_patch_net.py", CHEXPERT)])
def test_the_command_in_an_example_names_the_findings_in_the_order_of_the_outputs(file: str, findings):
    typed = re.sub(r'[\s\\"]+', " ", (EXAMPLES / file).read_text())
    assert f"--findings {' '.join(findings)} " in typed


PAGES = {"coco_export.py": "reproduce.md", "ray_executor.py": "cluster.md", "search.py": "train.md"}
"""Example that is no network -> the page that explains it."""


@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_is_named_on_its_page(file: str):
    assert f"examples/{file}" in (EXAMPLES.parent / "docs" / PAGES.get(file, "your_own.md")).read_text()
