"""docs/published_checkpoints.md: each net.py as on the page, with random weights under the names that its file has."""

import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision

from benchmark.training.load_weights import extract_weights, load_foreign
from core.user_code import from_file
from datasets.nih.tables import FINDINGS

pytestmark = pytest.mark.commands
PAGE = (Path(__file__).resolve().parents[2] / "docs/published_checkpoints.md").read_text()
SECTIONS = {text.partition("\n")[0]: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for text in PAGE.split("\n## ")[1:]}
CHEXNET = "CheXNet: arnoweng and zoogzog"
IMAGES = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)


@pytest.fixture
def net(tmp_path: Path, monkeypatch):
    """net(section, number): what the section's net.py builds, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)

    def build(section: str, number: int = 0) -> torch.nn.Module:
        (tmp_path / "net.py").write_text(SECTIONS[section][number])
        return from_file("net.py:build", "network", "function or class")().eval()

    return build


def logits(network: torch.nn.Module, images: torch.Tensor = IMAGES) -> torch.Tensor:
    with torch.inference_mode():
        return network.eval()(images)


def test_every_file_has_at_most_ten_lines_and_a_builder():
    blocks = [block for blocks in SECTIONS.values() for block in blocks]
    assert len(blocks) == 6
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 10 for block in blocks)
    assert all(re.search(r"(def|class) build", block) for block in blocks)


def test_fourteen_is_the_order_of_nihs_findings():
    assert PAGE.partition("`FOURTEEN` stands for `")[2].partition("`")[0].split() == list(FINDINGS)


def test_chexnets_old_names_give_the_same_logits(net, tmp_path: Path):
    torch.manual_seed(0)
    original = torchvision.models.densenet121(num_classes=14)
    state = {re.sub(r"(norm|conv)(\d)\.", r"\1.\2.", n) if "denselayer" in n else n: v for n, v in original.state_dict().items()}
    state = {n.replace("classifier", "classifier.0"): v for n, v in state.items() if "num_batches" not in n}  # as saved in 2017
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    torch.save({"state_dict": {f"module.densenet121.{n}": v for n, v in state.items()}}, tmp_path / "model.pth.tar")
    built = net(CHEXNET)
    assert logits(built).shape == (2, 14)
    assert torch.equal(logits(built), logits(original))


def test_torchxrayvisions_pickle_gives_18_outputs_of_gray_images(net, tmp_path: Path):
    library = pytest.importorskip("torchxrayvision")
    torch.manual_seed(0)
    original = library.models.DenseNet(weights=None, num_classes=18)
    torch.save(original, tmp_path / "densenet121.pt")
    gray = IMAGES[:, :1]
    assert torch.equal(logits(net("torchxrayvision"), gray), logits(original, gray))
    assert len(library.models.model_urls["densenet121-res224-nih"]["labels"]) == logits(original, gray).shape[1] == 18


def test_eva_xs_convolutional_files_are_read_by_the_key_model(net):
    built = net("EVA-X")
    other = torchvision.models.densenet121(num_classes=14)
    state = extract_weights({"model": other.state_dict(), "epoch": 3})
    said = load_foreign(built, state, "densenet121_medical_mae_pt_cxr14_ft.pth", "net.py:build")
    assert "none missing, none unexpected" in said
    assert torch.equal(logits(built), logits(other))


def test_eva_xs_vit_has_patches_of_16_and_a_linear_layer_behind_the_norm_of_the_mean(net):
    built = net("EVA-X", 1)
    assert tuple(built.patch_embed.proj.weight.shape) == (384, 3, 16, 16)
    images = torch.zeros(1, 3, 224, 224)
    with torch.inference_mode():
        tokens = built.forward_features(images)[:, 1:]
        expected = built.head(built.fc_norm(tokens.mean(1)))
    assert logits(built, images).shape == (1, 14)
    assert torch.allclose(logits(built, images), expected, atol=1e-5)
    assert timm.is_model("eva02_small_patch14_224")


def test_medicalpatchnet_is_the_mean_of_64_patches_alone(net):
    built = net("MedicalPatchNet")
    images = torch.linspace(0, 1, 3 * 512 * 512).reshape(1, 3, 512, 512)
    patches = torch.cat([images[:, :, y : y + 64, x : x + 64] for y in range(0, 512, 64) for x in range(0, 512, 64)])
    assert torch.allclose(logits(built, images), logits(built.model, patches).mean(0, keepdim=True), atol=1e-5)
    state = {f"_orig_mod.{name}": value for name, value in built.state_dict().items()}
    assert "none missing" in load_foreign(built, state, "file", "net.py:build")


@pytest.mark.parametrize("section", ["jfhealthcare", "MedicalPatchNet", "EVA-X"])
def test_what_was_not_verified_is_marked(section: str):
    text = PAGE.partition(f"\n## {section}")[2].partition("\n## ")[0]
    assert re.search(r"Not (verified|built here)", text)
