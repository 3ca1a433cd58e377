"""Attention, rollout, Chefer's relevance and LeGrad compared with results by hand and the papers' formulas."""

from contextlib import contextmanager

import pytest
import timm
import torch
import torchvision

from locus import backbones
from locus.core.errors import NotAvailableError
from locus.explaining.batch import collect_evidence, explain
from locus.methods.attention import LastAttention
from locus.methods.chefer import Chefer
from locus.methods.evidence import Attention
from locus.methods.legrad import LeGrad
from locus.methods.rollout import Rollout

WORDS = ["attention", "rollout", "chefer", "legrad"]
SIDE = 32


def images(count=2):
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def vit(kind="vit_tiny_patch16_224", **options):
    """A timm transformer of two blocks over 16 patches of 8 px."""
    torch.manual_seed(0)
    given = {"embed_dim": 32, "num_heads": 2, "patch_size": 8, "img_size": SIDE}
    return timm.create_model(kind, num_classes=3, depth=2, **(given | options)).eval()


def hugging(kind, **options):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = getattr(transformers, f"{kind}Config")(**sizes, image_size=SIDE, patch_size=8, num_labels=3, **options)
    return getattr(transformers, f"{kind}ForImageClassification")(config).eval()


def torchvision_vit():
    torch.manual_seed(0)
    net = torchvision.models.VisionTransformer(SIDE, 8, 2, 2, 32, 64, num_classes=3).eval()
    torch.nn.init.normal_(net.heads.head.weight)  # initialised with zeros
    return net


class ByHand(Attention):
    """Two blocks of one head over a class token and two patches, with given gradients."""

    A = (
        torch.tensor([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        torch.tensor([[0.0, 0.5, 0.5], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]),
    )
    G = (torch.full((3, 3), 1.0), torch.tensor([[0.0, 2.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))

    def blocks(self, reduce):
        return [reduce(A[None, None]) for A in self.A]

    def gradients(self, reduce):
        yield [reduce(A[None, None], G[None, None]) for A, G in zip(self.A, self.G, strict=True)]

    block_gradients = gradients


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (LastAttention, [0.5, 0.5]),  # the first row of A_2
        (Rollout, [0.125 + 0.25, 0.25]),  # the row (.5, .25, .25) of (A_2 + I) / 2 times (A_1 + I) / 2
        (Chefer, [0.5 + 1 * 1 + 1, 0.0]),  # the row (1, 1, 0) of I + ReLU(G_2 A_2) times I + A_1
        (LeGrad, [(1 + 2 / 3) / 2, 0.5]),  # means of three rows, then of two blocks
    ],
)
def test_maps_of_two_blocks_equal_those_by_hand(method, expected):
    attention = ByHand(torch.tensor([1.0, 0.0, 0.0]), (1, 2), None)
    maps = attention.maps(method().relevance(attention, 1))
    assert maps.shape == (1, 1, 1, 2)
    assert maps.flatten().tolist() == pytest.approx(expected)


@contextmanager
def unfused(net):
    """Return timm's attention matrices and the blocks' tokens by hooks on the unfused network."""
    matrices, tokens, hooks = [], [], []
    for block in net.blocks:
        block.attn.fused_attn = False
        hooks.append(block.attn.attn_drop.register_forward_hook(lambda part, inputs, A: matrices.append(A)))
        hooks.append(block.register_forward_hook(lambda part, inputs, x: tokens.append(x)))
    yield matrices, tokens
    for hook in hooks:
        hook.remove()


def expected_maps(logits, matrices, tokens, head, rows):
    """Compute the papers' formulas with full matrices R and autograd."""
    eye = torch.eye(matrices[0].shape[-1])
    R = eye
    for A in matrices:
        R = (A.mean(1) + eye) / 2 @ R
    maps = {"attention": [rows @ matrices[-1].mean(1)] * 3, "rollout": [rows @ R] * 3, "chefer": [], "legrad": []}
    for k in range(3):
        gradients, R = torch.autograd.grad(logits[:, k].sum(), matrices, retain_graph=True), eye.expand(len(logits), -1, -1)
        for A, G in zip(matrices, gradients, strict=True):
            R = R + (A * G).clamp(min=0).mean(1) @ R
        maps["chefer"].append(rows @ R)
        scores = [head(x)[:, k].sum() for x in tokens]
        gradients = [torch.autograd.grad(s, A, retain_graph=True)[0] for s, A in zip(scores, matrices, strict=True)]
        maps["legrad"].append(sum(G.clamp(min=0).mean((1, 2)) for G in gradients) / 2)
    return {word: torch.stack(parts, 1)[..., -16:].unflatten(-1, (4, 4)).detach() for word, parts in maps.items()}


def same(ours, theirs):
    scale = theirs.abs().amax()
    torch.testing.assert_close(ours / scale, theirs / scale, atol=1e-5, rtol=0)


CLASS, PATCHES = [1.0, *[0.0] * 16], [0.0, *[1 / 16] * 16]


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("net", "rows"),
    [
        (vit(), CLASS),
        (vit(reg_tokens=4), [1.0, *[0.0] * 20]),
        (vit(class_token=False, global_pool="avg"), PATCHES[1:]),
        (vit("deit_tiny_distilled_patch16_224"), [0.5, 0.5, *[0.0] * 16]),
        (vit("eva02_tiny_patch14_224"), PATCHES),
    ],
    ids=["vit", "registers", "mean", "deit", "eva"],
)
def test_maps_equal_the_formulas_on_the_unfused_network(net, rows):
    model, given = backbones.wrap(net, img_size=SIDE), images()
    assert model.token_layout((SIDE, SIDE)).read_weights.tolist() == pytest.approx(rows)
    with unfused(net) as (matrices, tokens):
        logits = net(given if model.rescale is None else model.rescale(given))
    maps = explain(model, given, WORDS)
    theirs = expected_maps(logits, matrices, tokens, lambda x: net.forward_head(net.norm(x)), torch.tensor(rows))
    for word in WORDS:
        same(maps[word], theirs[word])


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["ViT", "Dinov2", "Dinov2WithRegisters"])
def test_maps_of_a_network_of_transformers_equal_the_formulas(kind):
    net, given = hugging(kind), images()
    ours = explain(backbones.wrap(net, img_size=SIDE), given, WORDS)
    net.set_attn_implementation("eager")
    eager = explain(backbones.wrap(net, img_size=SIDE), given, WORDS)
    said = net(given, output_attentions=True, output_hidden_states=True)
    patches = torch.cat([torch.zeros(said.attentions[0].shape[-1] - 16), torch.full((16,), 1 / 16)])
    first = torch.eye(len(patches))[0]
    rows = first if kind == "ViT" else (first + patches) / 2  # DINOv2's head reads both
    norm = next(part for name, part in net.named_modules() if name.count(".") == 1 and name.endswith("layernorm"))

    def head(x):
        x = norm(x)
        return net.classifier(x[:, 0] if kind == "ViT" else torch.cat([x[:, 0], x[:, -16:].mean(1)], 1))

    theirs = expected_maps(said.logits, said.attentions, said.hidden_states[1:], head, rows)
    for word in WORDS:
        same(ours[word], eager[word])
        same(ours[word], theirs[word])


@pytest.mark.oracle
def test_legrad_equals_torchcam_if_both_score_the_class_token():
    methods = pytest.importorskip("torchcam.methods")
    net, given = torchvision_vit(), images()
    ours = explain(backbones.wrap(net, img_size=SIDE), given, ["legrad"])["legrad"]

    def score(tokens):
        return net.heads(net.encoder.ln(tokens)[:, 0])

    with methods.LeGrad(net, list(net.encoder.layers), score_projection=score) as cam:
        for k in range(3):
            net(given)
            (theirs,) = cam.compute_cams(class_idx=k, scores=net(given), normalized=False)
            same(ours[:, k], theirs)


def test_the_network_is_unchanged_even_after_an_exception():
    net = vit()
    model = backbones.wrap(net, img_size=SIDE)
    with pytest.raises(ZeroDivisionError):
        collect_evidence(model, images()).attention[0].blocks(lambda A: 1 / 0)
    assert all(block.attn.fused_attn for block in net.blocks)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert torch.overrides._get_current_function_mode_stack() == []


def test_a_small_memory_budget_does_not_change_the_maps():
    model = backbones.wrap(vit(), img_size=SIDE)
    assert len(collect_evidence(model, images(3), memory_gib=1e-9).attention) == 3
    small, whole = (explain(model, images(3), WORDS, memory_gib=gib) for gib in (1e-9, 2))
    for word in WORDS:
        same(small[word], whole[word])


@pytest.mark.parametrize(
    ("name", "reason"), [("test_resnet", "no attention between patches"), ("swin_tiny_patch4_window7_224", "within windows.*Swin")]
)
def test_an_unsupported_network_raises_an_error_with_the_reason(name, reason):
    small = {"img_size": SIDE, "window_size": 2, "embed_dim": 16, "depths": [1], "num_heads": [1]} if "swin" in name else {}
    model = backbones.wrap(timm.create_model(name, num_classes=3, **small).eval(), img_size=SIDE)
    for word in WORDS:
        with pytest.raises(NotAvailableError, match=reason):
            explain(model, images(1), [word])


def test_a_zero_head_gives_maps_of_zeros():
    model = backbones.build("test_vit", 3).eval()
    with torch.no_grad():
        model.weight.zero_()
        assert (explain(model, images(), ["rollout"])["rollout"] == 0).all()
        model.weight.normal_()
        assert (explain(model, images(), ["rollout"])["rollout"] > 0).all()


@pytest.mark.parametrize("findings", [None, [2, 0]])
def test_rollout_runs_the_network_once_with_the_same_maps_as_alone(findings):
    net = vit()
    model, calls = backbones.wrap(net, img_size=SIDE), []
    explain(model, images(), ["rollout"])  # the token layout is cached
    net.register_forward_hook(lambda *_: calls.append(1))
    alone = explain(model, images(), ["rollout"], findings)
    assert len(calls) == 1
    beside = explain(model, images(), ["rollout", "noise"], findings)
    assert torch.equal(alone["rollout"], beside["rollout"])
    assert torch.equal(alone.logits, beside.logits)
    assert alone.grids["rollout"] == beside.grids["rollout"]
