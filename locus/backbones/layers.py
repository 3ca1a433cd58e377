"""Run any network: up to one of its layers, with a layer replaced, or after it.

Layers are submodules with public names, the dotted names in the original network (``layer3``,
``features.denseblock2``); layers of a plain ``nn.Sequential`` are named ``features.N``, as in timm and torchvision.
``path`` finds the submodule, ``run`` returns its map and the logits, and ``tail`` the rest of the network.

Extractors return the map of a network that was not made by Locus: ``Extractor`` of any layer, ``TokensOf`` and
``Patches`` of tokens (timm's ViT, DeiT, EVA, Swin). ``ModelSpec`` names its features and its head.
"""

import contextlib
import difflib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from locus.core.errors import BadValueError, NotAvailableError, UnknownNameError
from locus.core.frames import Grid

NOISE_SIDE = 224
"""Side in pixels of the image of noise."""
INPUT_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
)
"""Errors of a network that does not accept such an image."""

Step = Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, Step] = {
    "": lambda A: A,
    **{
        name: getattr(nn.functional, name)
        for name in ("relu", "silu", "gelu", "hardswish", "elu", "mish", "softplus")
    },
    **{
        f"leaky_relu({s})": functools.partial(nn.functional.leaky_relu, negative_slope=s)
        for s in (0.01, 0.1, 0.2)
    },
    **{name: getattr(torch, name) for name in ("tanh", "sigmoid")},
}
"""Functions that a network may apply to a map between its last submodule and the pooling."""


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put ``module`` in evaluation mode within the block, and restore the mode of each submodule afterwards."""
    trained = [part for part in module.modules() if part.training]
    if not trained:
        yield
        return
    try:
        module.eval()
        yield
    finally:
        for part in trained:
            part.training = True


@contextlib.contextmanager
def unchanged(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluate ``module`` within the block, in the precision of its weights: without autocast on ``device``."""
    with evaluating(module), torch.autocast(device.type, enabled=False):
        yield


@contextlib.contextmanager
def hooked(module: nn.Module, hooks: Mapping[str, Any]) -> Iterator[None]:
    """Run forward ``hooks`` on submodules, by their dotted names, within the block."""
    with contextlib.ExitStack() as stack:
        for name, hook in hooks.items():
            stack.callback(module.get_submodule(name).register_forward_hook(hook).remove)
        yield


def logits_of(output: Any) -> Tensor:
    """Return the logits (N,K) in a network's output: a tensor, or an object with ``logits`` (transformers).

    Raises ``BadValueError`` for a tuple, a dict or a tensor of another shape.
    """
    logits = getattr(output, "logits", output)
    if isinstance(logits, Tensor) and logits.ndim == 2:
        return logits
    kind = (
        f"a tensor of shape {tuple(logits.shape)}"
        if isinstance(logits, Tensor)
        else f"a {type(output).__name__}"
    )
    raise BadValueError(
        f"the network returns {kind}: it must return its logits as one tensor (N, K)"
    )


def native(module: nn.Module) -> int:
    """Return the native input side length of a network from timm or transformers, else 224."""
    size = getattr(module, "pretrained_cfg", {}).get("input_size", (0, 0, 0))[-1]
    size = size or getattr(getattr(module, "config", None), "image_size", 0) or NOISE_SIDE
    return int(size[0] if isinstance(size, list | tuple) else size)


def noise(module: nn.Module, channels: int, side: int | None) -> Tensor:
    """Return fixed noise (1,channels,side,side) of the network's type and device, without changing torch's seed.

    Default of ``side``: see ``native``.
    """
    side, weight = side or native(module), next(module.parameters(), torch.empty(0))
    image = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(0))
    return image.to(weight.device, weight.dtype)


def until(module: nn.Module, name: str) -> Step:
    """Return a function from images to the output of the submodule ``name``; the network stops there."""
    target = submodule(module, name)

    def stop(target: nn.Module, inputs: Any, A: Tensor) -> None:
        raise _ReachedError(target, A)

    def run(images: Tensor) -> Tensor:
        hook = target.register_forward_hook(stop)
        try:
            module(images)
        except _ReachedError as reached:
            if reached.module is not target:  # raised for an outer call
                raise
            return reached.A
        finally:
            hook.remove()
        raise NotAvailableError(
            f"the submodule {name!r} does not run in the forward pass: choose other features"
        )

    return run


def submodule(module: nn.Module, name: str) -> nn.Module:
    """Return the submodule with the dotted ``name``. Raises ``UnknownNameError`` with the nearest names."""
    parts = dict(module.named_modules())
    if name not in parts:
        near = difflib.get_close_matches(name, parts, n=5)
        raise UnknownNameError(
            "submodule", name, dict.fromkeys([*near, *dict(module.named_children())])
        )
    return parts[name]


class _ReachedError(Exception):
    """Stops the forward pass and carries A."""

    def __init__(self, module: nn.Module, A: Tensor) -> None:
        super().__init__()
        self.module, self.A = module, A


OPTIONS: dict[str, dict[str, Any]] = {
    "vision_transformer": {"dynamic_img_size": True}, "deit": {"dynamic_img_size": True},
    "eva": {"dynamic_img_size": True},
    "swin_transformer": {"strict_img_size": False}, "swin_transformer_v2": {"strict_img_size": False},
}  # fmt: skip
"""timm's module -> options that allow other image sizes than the native one."""

MAX_PREFIX_TOKENS = 16
"""Maximum number of class and register tokens in front of the patches."""


def options(name: str) -> dict[str, Any]:
    """Return timm's options for a supported transformer ``name``; empty for all other networks."""
    import timm  # slow import, only needed for its networks

    return next(
        (
            given
            for module, given in OPTIONS.items()
            if timm.models.is_model_in_modules(name, [module])
        ),
        {},
    )


class PatchTokens:
    """Tokens of a transformer that are the patches of an image, as a map and back."""

    patch: int
    """Patch size in pixels; 0 if the output is a map and not tokens."""
    prefix: int
    """Number of tokens before the patches (class, registers)."""
    stages: int
    """1 + number of patch-merging steps; each step halves the sides."""

    def strides(self, size: tuple[int, int]) -> dict[tuple[int, int], int]:
        """Return (h, w) of the tokens of each stage -> stride in pixels, for images of ``size`` (H, W).

        Each merging step halves the sides, rounding up. Raises ``BadValueError`` for a size that is not a multiple of
        the patch size.
        """
        if min(size) < self.patch or any(side % self.patch for side in size):
            near = [max(side // self.patch, 1) * self.patch for side in size]
            raise BadValueError(
                f"images of {size[0]}x{size[1]} pixels do not fit patches of {self.patch}x{self.patch}: "
                f"give a multiple of {self.patch}, such as {near[0]}x{near[1]}"
            )
        h, w, strides = size[0] // self.patch, size[1] // self.patch, {}
        for stage in range(self.stages):
            strides[h, w] = self.patch * 2**stage
            h, w = (h + 1) // 2, (w + 1) // 2
        return strides

    def as_map(self, tokens: Any, size: tuple[int, int]) -> Tensor | None:
        """Return (N, prefix + h*w, C) or (N,h,w,C) as (N,C,h,w); None if not tokens of images of ``size`` (H, W).

        An output that is already a map (N,C,h,w) is unchanged, also without patches.
        """
        if not isinstance(tokens, Tensor) or not self.patch:
            return tokens if isinstance(tokens, Tensor) else None
        strides = self.strides(size)
        if tokens.ndim == 4 and tuple(tokens.shape[2:]) in strides:
            return tokens
        for h, w in strides:
            if tokens.ndim == 3 and tokens.shape[1] == self.prefix + h * w:
                tokens = tokens[:, self.prefix :].reshape(len(tokens), h, w, -1)
            if tokens.ndim == 4 and tokens.shape[1:3] == (h, w):
                return tokens.permute(0, 3, 1, 2).contiguous()
        return None

    def as_tokens(self, A: Tensor, tokens: Tensor) -> Tensor:
        """Return maps (M,C,h,w) in the form of ``tokens``, with their class, distillation and register tokens."""
        if tokens.shape[1:] == A.shape[1:]:
            return A
        patches = A.permute(0, 2, 3, 1)  # (M, h, w, C)
        if tokens.ndim == 4:
            return patches.contiguous()
        return torch.cat(
            [tokens[:, : self.prefix].to(A.dtype).expand(len(A), -1, -1), patches.flatten(1, 2)], 1
        )


@dataclass(frozen=True)
class ModelSpec(PatchTokens):
    """Names of the submodules of a network that return A and the logits. JSON-able by ``dataclasses.asdict``."""

    features: str
    """Dotted name of the submodule with output A."""
    head: str | None
    """Dotted name of the linear layer after the pooling; None: the rest of the network is an opaque head."""
    pooling: str = "AVG"
    """Pooling between features and a named head."""
    activation: str = ""
    """Function from ``ACTIVATIONS`` that the network applies to the submodule's output before pooling (DenseNet)."""
    patch: int = 0
    """Patch size in pixels if the output is tokens; 0 if it is a map."""
    prefix: int = 0
    """Number of tokens before the patches (class, registers)."""
    outputs: tuple[int, ...] | None = None
    """Outputs that are used, in their order: rows of the head, or columns of the output of a network with an opaque
    head. None: all of them."""
    stages: int = 1
    """1 + number of patch-merging steps before the map; each step halves the sides."""
    grid: tuple[float, float] | None = None
    """Stride and offset of the map in pixels, if given; None: measured, or that of the patches."""
    softmax: bool = False
    """True if the outputs exclude each other, so that probabilities are their softmax and not sigmoids."""
    difference: bool = False
    """True if each logit is explained less the mean of the other logits."""

    def explained(self, logits: Tensor) -> Tensor:
        """Return the logits (N,K) that methods explain, from those of the network, (N,J)."""
        if self.difference:
            count = logits.shape[1]
            logits = (count * logits - logits.sum(1, keepdim=True)) / (count - 1)
        return logits if self.outputs is None else logits[:, list(self.outputs)]

    def predicted(self, logits: Tensor) -> Tensor:
        """Return logits (N,K) whose sigmoids are the probabilities, from the logits of the network, (N,J).

        >>> ModelSpec("", None, softmax=True).predicted(torch.tensor([[1.0, 3.0]])).tolist()
        [[-2.0, 2.0]]
        """
        if self.softmax:
            itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
            others = logits.unsqueeze(1).masked_fill(itself, -torch.inf)  # (N, J, J)
            logits = logits - others.logsumexp(2)
        return logits if self.outputs is None else logits[:, list(self.outputs)]

    def __str__(self) -> str:
        tokens = f", tokens of {self.patch}x{self.patch} pixels" if self.patch else ""
        activation = f", {self.activation}" if self.activation else ""
        used = "" if self.outputs is None else f", outputs {' '.join(map(str, self.outputs))}"
        used += ", softmax" * self.softmax + ", explained by their differences" * self.difference
        if self.head is None:
            return (
                f"features {self.features!r}{tokens}; head: the rest of the network (opaque){used}"
            )
        return f"features {self.features!r}{tokens}{activation}; pooling {self.pooling}; head {self.head!r}{used}"


class TokensOf(PatchTokens, nn.Module):
    """timm transformer without its head: images -> tokens after the final norm, as a map.

    A token may depend on the whole image, so gradients cannot locate it. By convention, its position is that of its
    patch.

    Class, distillation and register tokens are left out. The position embedding of a ViT is resized to the image
    (timm's ``dynamic_img_size``); Swin's windows keep their size, with padding at the lower right edge.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.native: tuple[int, int] = net.pretrained_cfg["input_size"][-2:]
        """Native input size (H, W)."""
        self.patch = net.patch_embed.patch_size[0]
        self.prefix = getattr(net, "num_prefix_tokens", 0)
        self.stages = len(getattr(net, "layers", [None]))

    @staticmethod
    def serves(net: Any) -> bool:
        """Return True if the tokens of ``net`` are patches of the image, without a convolutional stem."""
        kind = type(getattr(net, "patch_embed", None))
        return (kind.__module__, kind.__name__) == ("timm.layers.patch_embed", "PatchEmbed")

    def forward(self, images: Tensor) -> Tensor:
        """Return the token map (N,C,h,w) of images (N,3,H,W). Raises ``BadValueError`` if patches do not fill them."""
        size = (images.shape[-2], images.shape[-1])
        self.strides(size)
        A = self.as_map(self.tokens(images), size)
        if A is None:
            raise BadValueError(
                f"the tokens of {size[0]}x{size[1]} images do not form a grid: use the network's native size"
            )
        return A

    def tokens(self, images: Tensor) -> Any:
        """Return the tokens (N,T,C) or (N,h,w,C) of images (N,3,H,W)."""
        tokens = self.net.forward_features(images)
        # the final norm, which timm applies after mean pooling
        return self.net.fc_norm(tokens) if hasattr(self.net, "fc_norm") else tokens

    def grid(self, size: tuple[int, int], shape: tuple[int, int] | None = None) -> Grid:
        """Return the grid of A, or of a level's map of ``shape`` (h, w): token i is at the centre of its patch.

        >>> import timm
        >>> net = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1)
        >>> TokensOf(net).grid((224, 224))
        Grid(size=(224, 224), stride=(16, 16), offset=(7.5, 7.5))
        """
        strides = self.strides(size)
        stride = max(strides.values()) if shape is None else strides[shape]
        return Grid(size, (stride, stride), ((stride - 1) / 2, (stride - 1) / 2))


class Patches(TokensOf):
    """Third-party transformer up to its submodule ``features``, with patch tokens as a map."""

    def __init__(self, net: nn.Module, spec: ModelSpec) -> None:
        nn.Module.__init__(self)
        self.net, self.features = net, spec.features
        self.patch, self.prefix, self.stages = spec.patch, spec.prefix, spec.stages

    def tokens(self, images: Tensor) -> Any:
        """Return the output of ``features`` for images (N,channels,H,W)."""
        return until(self.net, self.features)(images)


class Extractor(nn.Module):
    """An external network, run up to the feature map A.

    ``features``: the submodule with output A, or a callable that returns A. ``activation``: the function from
    ``ACTIVATIONS`` that follows the submodule.
    """

    def __init__(self, module: nn.Module, features: str | Step, activation: str = "") -> None:
        super().__init__()
        self.module = module
        self.features, self.activation = features, ACTIVATIONS[activation]
        if isinstance(features, str):
            submodule(module, features.split("+")[0])  # reports a typo early

    def forward(self, images: Tensor) -> Tensor:
        """Return A (N,C,h,w) of images (N,channels,H,W)."""
        take = (
            until(self.module, self.features) if isinstance(self.features, str) else self.features
        )
        return self.activation(take(images.clone()))  # the network may change its input in place


class Network(nn.Module):
    """Attributes of ``Classifier`` that this module needs."""

    extractor: nn.Module
    attention: nn.Module | None
    channels: int

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Public names of the layers before the pooled map that return feature maps."""
        raise NotImplementedError


def path(model: Network, layer: str) -> str:
    """Return the dotted name within ``model`` for a public layer name. Raises ``UnknownNameError`` with the nearest."""
    paths = _paths(model)
    if layer not in paths:
        names = model.layer_names or list(dict.fromkeys(name.split(".")[0] for name in paths))
        near = difflib.get_close_matches(layer, paths, n=5)
        raise UnknownNameError(
            "layer", layer, names, near, also="other submodules by their dotted names"
        )
    return paths[layer]


def _paths(model: Network) -> dict[str, str]:
    """Return public name -> dotted name within ``model``, for all parts of the extractor."""
    root = next((name for name in ("net", "module") if hasattr(model.extractor, name)), "")
    parts = [name for name, _ in model.extractor.get_submodule(root).named_modules() if name]
    if root:
        return {name: f"extractor.{root}.{name}" for name in parts}
    return {f"features.{name}": f"extractor.{name}" for name in parts}


@torch.inference_mode(False)
def run(model: Network, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Return the map of a layer (N,C,h,w), a float32 leaf that requires gradients, and the logits (N,K).

    One forward pass in evaluation mode. Layers before ``layer`` do not record a graph; the network continues with a
    copy of the leaf, so that in-place operations cannot change it. Raises ``UnknownNameError`` for an unknown submodule
    and ``NotAvailableError`` for one that does not return a map exactly once.
    """
    leaves: list[Tensor] = []

    def leave(A: Tensor) -> Tensor:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
        ):  # the layer may run in inference mode
            leaves.append(
                A.detach().float().clone(memory_format=torch.contiguous_format).requires_grad_()
            )
            copy = leaves[0].clone()
        torch.set_grad_enabled(True)
        return copy

    logits = _replaced(model, images, layer, leave)
    if not logits.requires_grad:  # earlier layers of the network run under no_grad
        leaves.clear()
        logits = _replaced(model, images, layer, leave, tracked=True)
    return leaves[0], logits


def tail(model: Network, images: Tensor, layer: str) -> Step:
    """Return a differentiable function for the rest of the network: maps (M,C,h,w) of the layer -> logits (M,K).

    The network runs with the output of the layer replaced. If all paths pass through the layer, the layers before it
    run for one image only. If a path bypasses it (as within a dense or residual block), they run for each of the M
    maps, which must be grouped by image in the order of ``images`` (N,3,H,W), M/N maps per image.
    """
    passes = _everything_passes(model, images[:1], layer)

    def logits(A: Tensor) -> Tensor:
        tracked = torch.is_grad_enabled()

        def put(output: Tensor) -> Tensor:
            torch.set_grad_enabled(tracked)
            return A.clone()

        owner = torch.arange(len(A), device=images.device) * len(images) // len(A)
        part = images[:1] if passes else images[owner]
        result = _replaced(model, part, layer, put)
        again = tracked and A.requires_grad and not result.requires_grad
        return _replaced(model, part, layer, put, tracked=True) if again else result

    return logits


def _replaced(
    model: Network,
    images: Tensor,
    layer: str,
    replace: Callable[[Tensor], Tensor],
    tracked: bool = False,
) -> Tensor:
    """Return the logits of ``images`` with the output A of the layer replaced by ``replace(A)``."""
    calls: list[bool] = []

    def hook(part: Any, inputs: Any, output: Any) -> Tensor:
        if calls:
            raise NotAvailableError(
                f"the layer {layer!r} runs several times in a forward pass: choose another layer"
            )
        calls.append(True)
        A = replace(map_of(model, layer, output, (images.shape[-2], images.shape[-1])))
        A = model.extractor.as_tokens(A, output) if isinstance(model.extractor, TokensOf) else A
        return A.to(output.dtype)

    with (
        hooked(model, {path(model, layer): hook}),
        evaluating(model),
        torch.set_grad_enabled(tracked),
        torch.compiler.set_stance("force_eager"),  # compiled code ignores hooks
    ):
        logits = model(images)
    if not calls:
        raise NotAvailableError(
            f"the layer {layer!r} does not run in the forward pass: choose another layer"
        )
    return logits


def map_of(model: Network, layer: str, output: Any, size: tuple[int, int]) -> Tensor:
    """Convert the output of a layer to a map.

    Args:
        model: the network, which knows how its tokens become a map.
        layer: the dotted name of the layer, for the error.
        output: what the layer returned.
        size: height and width (H, W) of the network's input in pixels.

    Returns:
        The map (N,C,h,w).

    Raises:
        NotAvailableError: the output is no map.
    """
    A = model.extractor.as_map(output, size) if isinstance(model.extractor, TokensOf) else output
    if not isinstance(A, Tensor) or A.ndim != 4:
        is_tensor = isinstance(output, Tensor)
        kind = (
            f"a tensor of shape {tuple(output.shape)}"
            if is_tensor
            else f"a {type(output).__name__}"
        )
        raise NotAvailableError(
            f"the layer {layer!r} returns {kind}, not a map (N, C, h, w): choose another layer"
        )
    return A


def _everything_passes(model: Network, image: Tensor, layer: str) -> bool:
    """Return True if the logits depend on the image only through the layer: an image of nan must not affect them."""
    with torch.no_grad():
        return bool(
            _replaced(model, torch.full_like(image, torch.nan), layer, torch.zeros_like)
            .isfinite()
            .all()
        )
