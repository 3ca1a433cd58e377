"""docs/published_checkpoints.md: each net.py as on the page, with random weights under the names that its file has."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
import timm
import torch
import torchvision

from locus.backbones.published import JFHealthcare
from locus.benchmark.training.load import extract_weights, load_external
from locus.core.user_code import from_file
from locus.datasets.chexpert import FINDINGS as CHEXPERT
from locus.datasets.nih import FINDINGS

pytestmark = pytest.mark.commands
PAGE = (Path(__file__).resolve().parents[2] / "docs/published_checkpoints.md").read_text()
SECTIONS = {text.partition("\n")[0]: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for text in PAGE.split("\n## ")[1:]}
CHEXNET = "CheXNet: arnoweng and zoogzog"
JF_FINDINGS = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Effusion")
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


def test_every_file_has_at_most_ten_lines_and_a_builder_and_fourteen_is_the_order_of_nihs_findings():
    blocks = [block for blocks in SECTIONS.values() for block in blocks]
    assert len(blocks) == 6
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 10 for block in blocks)
    assert all(re.search(r"(def|class) build", block) for block in blocks)
    assert PAGE.partition("`FOURTEEN` with `")[2].partition("`")[0].split() == list(FINDINGS)


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
    grey = IMAGES[:, :1]
    assert torch.equal(logits(net("torchxrayvision"), grey), logits(original, grey))
    assert len(library.models.model_urls["densenet121-res224-nih"]["labels"]) == logits(original, grey).shape[1] == 18


def test_eva_xs_convolutional_files_are_read_by_the_key_model(net):
    built = net("EVA-X")
    other = torchvision.models.densenet121(num_classes=14)
    state = extract_weights({"model": other.state_dict(), "epoch": 3})
    said = load_external(built, state, "densenet121_medical_mae_pt_cxr14_ft.pth", "net.py:build")
    assert "none missing, none unexpected" in said
    assert torch.equal(logits(built), logits(other))


@pytest.fixture
def eva_x(tmp_path: Path) -> dict[str, torch.Tensor]:
    """The weights of a ViT-S under timm's names, after writing them to a file under the names of EVA-X."""
    torch.manual_seed(0)
    state = timm.create_model("eva02_small_patch14_224", patch_size=16, num_classes=14).state_dict()
    named = {name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): value for name, value in state.items()}
    assert (named["blocks.0.mlp.w12.weight"].shape, named["blocks.0.mlp.w3.weight"].shape) == ((2048, 384), (384, 1024))
    rope = {f"{part}rope.freqs_{word}": torch.ones(196, 64) for part in ("", "blocks.0.attn.") for word in ("cos", "sin")}
    content = {"model": {**named, **rope}, "epoch": 3, "args": argparse.Namespace(lr=1e-3)}
    torch.save(content, tmp_path / "eva_x_small_patch16_merged520k_mim_cxr14_ft.pth")
    return state


def test_eva_xs_vit_reads_its_own_names_and_has_a_linear_layer_behind_the_norm_of_the_mean(net, eva_x):
    built = net("EVA-X", 1)
    assert tuple(built.patch_embed.proj.weight.shape) == (384, 3, 16, 16)
    assert {n: v.tolist() for n, v in built.state_dict().items() if "bias" in n} == {n: v.tolist() for n, v in eva_x.items() if "bias" in n}
    assert torch.equal(built.blocks[3].mlp.fc1.weight, eva_x["blocks.3.mlp.fc1.weight"])
    images = torch.zeros(1, 3, 224, 224)
    with torch.inference_mode():
        tokens = built.forward_features(images)[:, 1:]
        expected = built.head(built.fc_norm(tokens.mean(1)))
    assert logits(built, images).shape == (1, 14)
    assert torch.allclose(logits(built, images), expected, atol=1e-5)


def test_eva_xs_vit_counts_positions_in_patches_of_16(net, eva_x):
    """The rotary embedding of EVA-X: sine and cosine of position times 10000^(-k / 16), each twice, y before x."""
    positions = torch.cartesian_prod(torch.arange(14.0), torch.arange(14.0))
    angles = positions[:, :, None] * 10000 ** (-torch.arange(16) / 16)
    expected = torch.cat([angles.sin().repeat_interleave(2, 2).flatten(1), angles.cos().repeat_interleave(2, 2).flatten(1)], 1)
    assert torch.allclose(net("EVA-X", 1).rope.get_embed(), expected, atol=1e-5)


def test_medicalpatchnet_is_the_mean_of_64_gray_patches_alone_and_reads_its_file_by_its_names(net):
    built = net("MedicalPatchNet")
    images = torch.linspace(0, 1, 512 * 512).reshape(1, 1, 512, 512)
    patches = torch.cat([images[:, :, y : y + 64, x : x + 64] for y in range(0, 512, 64) for x in range(0, 512, 64)])
    assert torch.allclose(logits(built, images), logits(built.baseBackbone, patches).mean(0, keepdim=True), atol=1e-5)
    original = torchvision.models.efficientnet_v2_s(num_classes=1000)
    original.features[0][0] = torch.nn.Conv2d(1, 24, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
    original.classifier[1] = torch.nn.Linear(1280, 14)
    state = {f"_orig_mod.baseBackbone.{name}": value for name, value in original.state_dict().items()}
    assert "none missing, none unexpected" in load_external(built, state, "MedicalPatchNet_weights.pt", "net.py:build")
    assert tuple(shlex.split(re.search(r"CheXpert's order: `([^`]*)`", PAGE)[1])) == CHEXPERT


def test_jfhealthcares_file_is_read_by_its_names_with_the_flags_of_its_normalisation_and_findings(net):
    """The names and shapes themselves: tests/backbones/published/test_jfhealthcare.py."""
    torch.manual_seed(0)
    built, other = net("jfhealthcare"), JFHealthcare()
    assert "none missing, none unexpected" in load_external(built, other.state_dict(), "pre_train.pth", "net.py:build")
    assert logits(built).shape == (2, len(JF_FINDINGS))
    assert torch.equal(logits(built), logits(other))
    text = PAGE.partition("\n## jfhealthcare")[2]
    assert f"| outputs | `{' '.join(JF_FINDINGS)}` |" in text
    mean, std = map(float, re.findall(r"--mean ([\d.]+) --std ([\d.]+)", text)[0])
    assert (round(255 * mean, 2), round(255 * std, 2)) == (128, 64)
    assert "--img_size 512 --preprocess jf" in text


@pytest.mark.parametrize("section", ["jfhealthcare", "MedicalPatchNet", "EVA-X"])
def test_what_was_not_verified_is_marked(section: str):
    text = PAGE.partition(f"\n## {section}")[2].partition("\n## ")[0]
    assert re.search(r"Not (verified|built here)", text)
