"""The small vision transformer with a class token, which the classifier reads."""

import pytest
import timm
import torch

import locus
from locus import backbones
from locus.backbones import extractors, wrapping
from locus.benchmark import opening
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import explain

NAME = "small_vit:class_token=True"
POSITIONS = (16, 16)
SIZE = (128, 128)
PLAIN_CODE = backbones.network_code({"name": "small_vit"})


def build(findings=3, seed=0):
    torch.manual_seed(seed)
    return locus.build(NAME, findings, "TOKEN", img_size=128).eval()


def images(count=1, size=SIZE):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.contract
def test_maps_have_one_position_per_patch_and_none_for_the_class_token():
    model = build()
    assert model.extractor.net.cls_token is not None
    assert model.features(images()).shape == (1, 96, *POSITIONS)
    assert model.grid(SIZE) == Grid(SIZE, (8, 8), (3.5, 3.5)) == backbones.build("small_vit", 2).grid(SIZE)
    assert model.grid(SIZE, "blocks.2") == model.grid(SIZE)
    names = ["gradcam", "layercam", "eigencam", "refinecam", "rollout", "chefer", "legrad", "attention"]
    maps = explain(model, images(2), names)
    assert {name: maps[name].shape for name in names} == dict.fromkeys(names, (2, 3, *POSITIONS))
    assert explain(model, images(), ["fullgrad"])["fullgrad"].shape == (1, 3, *SIZE)
    assert model.features(images(size=(64, 96))).shape == (1, 96, 8, 12)


@pytest.mark.contract
def test_the_logits_are_a_linear_function_of_the_class_token_after_the_final_norm():
    model = build()
    with torch.no_grad():
        tokens = model.extractor.net.forward_features(images(2))
        assert tokens.shape == (2, 1 + 16 * 16, 96)
        assert torch.allclose(model(images(2)), model.head.linear(tokens[:, 0]), atol=1e-6)
        assert torch.equal(model.predict(images(2)), model(images(2)))


@pytest.mark.oracle
def test_the_last_attention_map_is_the_row_of_the_class_token():
    model = build()
    matrices = []
    last = model.extractor.net.blocks[-1].attn

    def record(part, inputs):
        query, key, _ = part.qkv(inputs[0]).unflatten(-1, (3, part.num_heads, -1)).permute(2, 0, 3, 1, 4)
        matrices.append((query * part.scale @ key.mT).softmax(-1))

    with torch.no_grad():
        hook = last.register_forward_pre_hook(record)
        model(images())
        hook.remove()
    row = matrices[0].mean(1)[:, 0, 1:].reshape(1, *POSITIONS)
    maps = explain(model, images(), ["attention"])["attention"]
    assert torch.allclose(maps, row.expand(1, 3, *POSITIONS), atol=1e-6)
    weights = model.token_layout(SIZE).read_weights
    assert weights[0] == 1
    assert weights[1:].count_nonzero() == 0


@pytest.mark.oracle
def test_maps_are_those_of_the_same_network_wrapped_with_its_head():
    model = build()
    net = timm.create_model(
        "vit_tiny_patch16_224", img_size=128, patch_size=8, embed_dim=96, depth=6, num_heads=3, num_classes=3,
        dynamic_img_size=True,
    )  # fmt: skip
    net.patch_embed.proj = extractors.build("small_vit", pretrained=False).extractor.net.patch_embed.proj
    net.load_state_dict(model.extractor.net.state_dict() | {"head.weight": model.weight, "head.bias": model.bias})
    wiring = wrapping.ModelSpec(features="blocks.5.norm1", head=None, patch=8, prefix=1)
    wrapped = wrapping.connect(net.eval(), wiring, 3)
    names = ["gradcam", "hirescam", "layercam", "xgradcam", "eigencam", "rollout", "chefer", "legrad", "saliency", "fullgrad"]
    ours, theirs = (explain(each, images(), names) for each in (model, wrapped))
    for name in names:
        scale = float(theirs[name].abs().max())
        assert torch.allclose(ours[name], theirs[name], atol=1e-5 * scale), name


@pytest.mark.planted
@pytest.mark.parametrize("patch", [(2, 5), (13, 9)])
def test_maps_have_their_maximum_at_the_only_patch_on_which_the_logit_depends(patch):
    """The class token attends to one patch, by its position embedding, and only that patch's value raises the logit."""
    model = build(findings=1)
    net = model.extractor.net
    index = 1 + patch[0] * POSITIONS[1] + patch[1]
    random = torch.Generator().manual_seed(2)
    direction = torch.randn(96, generator=random)
    direction[94:] = 0
    attn = net.blocks[-1].attn
    with torch.no_grad():
        for block in net.blocks:
            block.attn.proj.weight.zero_()
            block.mlp.fc2.weight.zero_()
        net.cls_token.zero_()
        net.pos_embed.mul_(0.01)
        net.pos_embed[0, 0, 95] = 20
        net.pos_embed[0, index, 94] = 20
        weight = torch.zeros(3, 3, 32, 96)
        weight[0, :, 0, 95] = 6
        weight[1, :, 0, 94] = 6
        value = torch.randn(96, 96, generator=random) * 0.05
        value[:, 94] = direction
        weight[2] = value.reshape(3, 32, 96)
        attn.qkv.weight.copy_(weight.flatten(0, 2))
        attn.qkv.bias.zero_()
        attn.proj.weight.copy_(torch.eye(96))
        model.head.linear.weight.copy_(direction)
        given = images()
        inside = given.clone()
        outside = given.clone()
        rows, columns = (slice(8 * place + 4, 8 * place + 8) for place in patch)
        inside[..., rows, columns] = 3
        outside[..., :8, :8] = 3
        change = (model(inside) - model(given)).abs()
        assert change > 0
        assert (model(outside) - model(given)).abs() < 1e-3 * change
    names = ["attention", "rollout", "legrad", "chefer", "layercam", "gradcam"]
    for name, maps in explain(model, given, names).items():
        values = maps[0, 0].abs() if name == "gradcam" else maps[0, 0]
        assert divmod(int(values.argmax()), POSITIONS[1]) == patch, name


@pytest.mark.contract
def test_weights_load_into_the_network_that_its_options_rebuild():
    model, again = build(), opening.rebuild(build().build_options, "a test").eval()
    again.load_state_dict(build(seed=1).state_dict())
    assert not torch.equal(again(images()), model(images()))
    again.load_state_dict(model.state_dict())
    assert again.build_options == model.build_options
    assert again.pooling == model.build_options["global_pool"] == "TOKEN"
    assert torch.equal(again(images()), model(images()))


@pytest.mark.parametrize(
    ("name", "pooling", "attention", "words"),
    [
        (NAME, "AVG", None, "'AVG'.*class token.*--global_pool TOKEN"),
        (NAME, "PCAM", None, "'PCAM'.*class token.*--global_pool TOKEN"),
        (NAME, "TOKEN", "SAM", "'SAM'.*--attention_map none"),
        ("small_vit", "TOKEN", None, "TOKEN requires a class token.*'small_vit'.*class_token=True"),
        ("resnet18", "TOKEN", None, "TOKEN requires a class token.*'resnet18'"),
        ("resnet18:class_token=True", "TOKEN", None, "'resnet18' has no option 'class_token'.*small_vit"),
        ("small_vit:class_token=yes", "TOKEN", None, "'yes'.*True or False"),
    ],
)
def test_a_pooling_that_does_not_apply_is_refused(name, pooling, attention, words):
    with pytest.raises(BadValueError, match=words):
        locus.build(name, 2, pooling, attention)
    with pytest.raises(BadValueError, match=words):
        backbones.require_pooling(name, pooling, attention)


def test_class_maps_and_the_head_alone_are_not_available():
    model = build()
    with pytest.raises(NotAvailableError, match="class token"):
        model.class_maps(model.features(images()))
    with pytest.raises(NotAvailableError, match="class token"):
        model.head(model.features(images()))
    with pytest.raises(NotAvailableError, match="small_vit"):
        locus.build(NAME, 2, "TOKEN", pretrained=True)
    with pytest.raises(BadValueError, match="do not fit patches of 8x8"):
        model(images(size=(96, 101)))


def test_only_a_network_with_a_class_token_has_its_file_in_the_hash_of_its_code():
    files = {path.name for path in backbones.files_of({"name": NAME})}
    assert files == {"extractors.py", "layers.py", "grids.py", "pooling.py", "class_token.py"}
    without = backbones.files_of({"name": "small_vit:class_token=False"})
    assert without == backbones.files_of({"name": "resnet18"})
    assert backbones.network_code({"name": NAME}) != PLAIN_CODE


def test_without_a_class_token_the_option_changes_nothing():
    torch.manual_seed(0)
    plain = locus.build("small_vit", 2).eval()
    torch.manual_seed(0)
    off = locus.build("small_vit:class_token=False", 2).eval()
    with torch.no_grad():
        assert torch.equal(plain(images()), off(images()))
