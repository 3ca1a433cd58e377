"""Contenders: attention methods and a loop over the findings; Finer-CAM and LeGrad of Locus and other packages.

A contender is a function of (model, images, findings) that returns the call to time, as in ``tools.speed.methods``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import timm
import torch
import torchvision
from torch import Tensor, nn

import backbones
from benchmark.validity.faithfulness.curves import in_batches
from benchmark.validity.faithfulness.imputation import NOISE
from benchmark.validity.faithfulness.perturbation import REMOVED, STEPS, order, perturbation_curves
from core.frames import conventional
from tools.speed import names
from tools.speed.methods.contenders import Contender, forward, locus

if TYPE_CHECKING:
    from backbones import Classifier

Call = Callable[[], Any]
SHAPES = {"tiny ViT": (2, 2, 32), "small ViT": (12, 6, 384), "base ViT": (12, 12, 768)}
"""Network -> blocks, heads and channels; all have patches of 16 px and read the class token."""


def of_timm(name: str, size: int, findings: int) -> nn.Module:
    """Return a network of timm."""
    depth, heads, width = SHAPES[name]
    given: dict[str, Any] = {"depth": depth, "num_heads": heads, "embed_dim": width, "num_classes": findings}
    net: nn.Module = timm.create_model("vit_base_patch16_224", img_size=size, **given)
    return net


def of_torchvision(name: str, size: int, findings: int) -> nn.Module:
    """Return a network of torchvision, which torchcam's LeGrad requires."""
    depth, heads, width = SHAPES[name]
    net = torchvision.models.VisionTransformer(size, 16, depth, heads, width, 4 * width, num_classes=findings)
    nn.init.normal_(net.heads.head.weight)  # initialised with zeros
    return net


def wrapped(make: Callable[[str, int, int], nn.Module], name: str, size: int, findings: int) -> "Classifier":
    """Return a random network as a classifier, the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return backbones.wrap(make(name, size, findings).eval(), img_size=size)


def unfused(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """Forward pass of timm's network with fused attention switched off."""

    def call() -> Tensor:
        _switch(model, False)
        logits = forward(model, images, findings)()
        _switch(model, True)
        return logits  # type: ignore[return-value]

    return call


def loop(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """Chefer's relevance as in its authors' code: matrices by hooks, a forward and backward pass per finding."""
    net: Any = model.extractor.net if hasattr(model.extractor, "net") else model

    def one(k: int) -> Tensor:
        matrices: list[Tensor] = []
        keep = partial(_keep, matrices)
        hooks = [block.attn.attn_drop.register_forward_hook(keep) for block in net.blocks]
        model.zero_grad()
        model(images)[:, k].sum().backward()
        R = torch.eye(matrices[0].shape[-1]).expand(len(images), -1, -1)
        for A in matrices:
            G = torch.zeros_like(A) if A.grad is None else A.grad
            R = R + (G * A.detach()).clamp(min=0).mean(1) @ R
        for hook in hooks:
            hook.remove()
        return R[:, 0, 1:]

    def call() -> Tensor:
        _switch(model, False)
        maps = torch.stack([one(k) for k in findings], 1)
        _switch(model, True)
        model.zero_grad()
        return maps

    return call


def _keep(matrices: list[Tensor], part: nn.Module, inputs: Any, A: Tensor) -> None:
    A.retain_grad()
    matrices.append(A)


def _switch(model: "Classifier", fused: bool) -> None:
    parts: list[Any] = [part for part in model.modules() if hasattr(part, "fused_attn")]
    for part in parts:
        part.fused_attn = fused


def torchcam_legrad(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """torchcam's LeGrad of all blocks with the class token as score: a forward pass and an extraction per finding."""
    from torchcam.methods import LeGrad

    net: Any = next(part for part in model.modules() if isinstance(part, torchvision.models.VisionTransformer))

    def score(tokens: Tensor) -> Tensor:
        scores: Tensor = net.heads(net.encoder.ln(tokens)[:, 0])
        return scores

    def call() -> Tensor:
        with LeGrad(net, list(net.encoder.layers), score_projection=score) as cam:
            return torch.stack([cam(class_idx=k, scores=net(images), normalized=False)[0] for k in findings], 1)

    return call


def torchcam_finer(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """torchcam's FinerCAM: a forward pass and an extraction per finding."""
    from torchcam.methods import FinerCAM

    def call() -> Tensor:
        with FinerCAM(model, "extractor") as cam:
            return torch.stack([cam(class_idx=k, scores=model(images), normalized=False)[0] for k in findings], 1)

    return call


def package_finer(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """grad-cam's FinerCAM: a call per finding; maps at the images' size, scaled to [0, 1]."""
    import pytorch_grad_cam

    def call() -> list[Any]:
        with pytorch_grad_cam.FinerCAM(model, [model.extractor]) as cam:
            return [cam(input_tensor=images, target_idx=k) for k in findings]

    return call


def faithfulness(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """Insertion, deletion and ROAD of one image, with one random map per finding."""
    draws, size = np.random.default_rng(0), (images.shape[-2], images.shape[-1])
    orders = np.stack([order(draws.random((7, 7)), conventional(size, (7, 7))) for _ in findings])
    noise = NOISE * torch.from_numpy(draws.standard_normal(tuple(images.shape[1:]))).float()
    ask = partial(in_batches, model, memory_gib=2.0)
    return partial(perturbation_curves, images[0], orders, noise, lambda pictures: ask(pictures).sigmoid())


def pictures(orders: int) -> int:
    """Return the number of pictures that the network classifies for ``orders`` of one image; the ends are shared."""
    return 3 + orders * 2 * (STEPS - 1 + len(REMOVED))


CONTENDERS: dict[str, dict[str, Contender]] = {
    "attention": {
        names.BARE: forward,
        names.UNFUSED: unfused,
        names.ROLLOUT: locus("rollout"),
        names.CHEFER: locus("chefer"),
        names.CHEFER_LOOP: loop,
    },
    "legrad": {names.BARE: forward, names.LEGRAD: locus("legrad"), names.TORCHCAM_LEGRAD: torchcam_legrad},
    "contrast": {
        names.BARE: forward,
        names.FINER: locus("finercam"),
        names.PACKAGE_FINER: package_finer,
        names.TORCHCAM_FINER: torchcam_finer,
    },
    "faithfulness": {names.BARE: forward, names.FAITHFULNESS: faithfulness},
}
"""Group -> name in the record -> contender."""
ALIKE = frozenset({names.CHEFER_LOOP, names.TORCHCAM_LEGRAD, names.TORCHCAM_FINER})
"""Contenders that must give the same maps as Locus (``names.OURS``). This is checked before they are timed."""
