"""Tokens of a transformer: its attention matrices, and which tokens are patches or are read by the head.

``AttentionCapture`` computes attention step by step, because fused kernels do not return the matrices. The network is
not changed: its function calls are intercepted while the mode is active. Supported are ``scaled_dot_product_attention``
(timm's ViT, DeiT and EVA, transformers' networks), ``nn.MultiheadAttention`` (torchvision's ViT), and a softmax over
(N,heads,T,T), for networks that compute the matrices themselves.

``find_token_layout`` measures a ``TokenLayout`` with one image of noise. The size of the matrices gives the number of
tokens. The gradient with respect to the last matrix shows which tokens the head reads. The blocks are the modules that
compute the matrices.

Maps made of tokens are in ``locus.backbones.layers``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode
from torch.utils.module_tracker import ModuleTracker

from locus.backbones.layers import MAX_PREFIX_TOKENS, Network, TokensOf, noise, unchanged
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid

Keep = Callable[[Tensor], Tensor]


class AttentionCapture(TorchFunctionMode):
    """Within the ``with`` block, pass every self-attention matrix, (N,heads,T,T) after its softmax, through ``keep``.

    The network continues with the return value of ``keep``. Raises ``NotAvailableError`` for causal attention or keys
    shared between heads.
    """

    def __init__(self, keep: Keep) -> None:
        super().__init__()
        self._keep = keep

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Intercept one call of the network."""
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            return self._attend(*args, **kwargs)[0]
        if name == "multi_head_attention_forward" and not _is_unusual(args, kwargs):
            return self._multi_head(args, kwargs)
        result = func(*args, **kwargs)
        return self._capture(result) if name == "softmax" else result

    def _capture(self, weights: Tensor) -> Tensor:
        is_attention = weights.ndim == 4 and weights.shape[-1] == weights.shape[-2] > 1
        return self._keep(weights) if is_attention else weights

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        *_: Any,
        **options: Any,
    ) -> tuple[Tensor, Tensor]:
        if options.get("is_causal") or options.get("enable_gqa"):
            raise NotAvailableError(
                "the network's attention is causal or shares keys between heads: not supported"
            )
        scale = options.get("scale") or query.shape[-1] ** -0.5
        scores = (query * scale) @ key.mT
        if attn_mask is not None:
            is_bool = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if is_bool else scores + attn_mask
        weights = self._capture(scores.softmax(-1))
        return weights.to(value.dtype) @ value, weights

    def _multi_head(self, args: Any, options: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """``torch.nn.functional.multi_head_attention_forward`` of tokens (T,N,C) that attend to each other."""
        tokens, heads = args[0], args[4]
        packed = linear(tokens, args[5], args[6]).unflatten(
            -1, (3, heads, -1)
        )  # (T, N, 3, heads, C / heads)
        query, key, value = packed.permute(2, 1, 3, 0, 4)
        mixed, weights = self._attend(query, key, value, options.get("attn_mask"))
        mixed = mixed.permute(2, 0, 1, 3).flatten(2)  # (T, N, C)
        return linear(mixed, args[11], args[12]), weights.mean(1)


def _is_unusual(args: Any, options: dict[str, Any]) -> bool:
    """Return False if a call of ``multi_head_attention_forward`` is plain self-attention of tokens (T,N,C)."""
    apart = ("key_padding_mask", "static_k", "static_v")
    more = options.get("use_separate_proj_weight") or any(
        options.get(name) is not None for name in apart
    )
    is_self = args[0] is args[1] is args[2] and args[0].ndim == 3
    return bool(more) or not is_self or args[7] is not None or bool(args[9])


@dataclass(frozen=True, eq=False)
class TokenLayout:
    """Token layout for images of one size."""

    n_blocks: int
    n_logits: int
    heads: int
    """Number of attention heads per block."""
    shape: tuple[int, int]
    """(h, w) of the patches, which are the last h * w of the T tokens."""
    read_weights: Tensor
    """(T,), sums to 1: each class or distillation token that the head reads counts as much as all patches together.

    All 0 if the logits depend on no token (an all-zero head)."""
    blocks: tuple[str, ...]
    """Dotted names of the blocks, in forward order; empty if blocks are not modules."""
    grid: Grid
    """Grid of the patches."""


@torch.enable_grad()
@torch.inference_mode(False)
def find_token_layout(model: Network, size: tuple[int, int]) -> TokenLayout:
    """Return the token layout for images of ``size`` (H, W), without caching (``model.token_layout`` caches it).

    Raises ``NotAvailableError``, with the reason, for a network whose blocks do not all use global attention: one
    without attention, with windowed attention, or with several resolutions.
    """
    matrices, paths, logits = _recorded(model, size)
    if not isinstance(model.extractor, TokensOf) or not matrices:
        raise NotAvailableError(
            "this network has no attention between patches: use a vision transformer"
        )
    h, w = shape = (size[0] // model.extractor.patch, size[1] // model.extractor.patch)
    shapes = {tuple(A.shape) for A in matrices}
    prefix = matrices[0].shape[-1] - h * w
    if len(shapes) > 1 or len(matrices[0]) > 1 or not 0 <= prefix <= MAX_PREFIX_TOKENS:
        raise NotAvailableError(
            f"the attention matrices of this network do not all connect its {h * w} patches, because it attends within "
            "windows or at several resolutions (as Swin does): the formulas of attention methods follow the same "
            "patches from block to block, and there is none for patches that are merged; use fullgrad instead"
        )
    declared = getattr(model.extractor.net, "num_prefix_tokens", prefix)
    if declared != prefix:
        raise NotAvailableError(
            f"the network has {prefix} prefix tokens, but its num_prefix_tokens is {declared}: not supported"
        )
    rows = _rows(torch.autograd.grad(logits.sum(), matrices[-1])[0][0], prefix)
    grid, heads = model.extractor.grid(size, shape), matrices[0].shape[1]
    return TokenLayout(len(matrices), logits.shape[-1], heads, shape, rows, _blocks(paths), grid)


def _recorded(
    model: Network, size: tuple[int, int]
) -> tuple[list[Tensor], list[tuple[str, ...]], Tensor]:
    """Return the matrices for one image of noise, the modules that computed each (outermost first) and the logits."""
    matrices: list[Tensor] = []
    paths: list[tuple[str, ...]] = []
    running, root = ModuleTracker(), f"{type(model).__name__}."

    def keep(A: Tensor) -> Tensor:
        matrices.append(A.detach().requires_grad_() if not matrices else A)
        paths.append(tuple(name.removeprefix(root) for name in sorted(running.parents, key=len)))
        return matrices[-1]

    image = noise(model, model.channels, max(size))[..., : size[0], : size[1]]
    with (
        unchanged(model, image.device),
        torch.compiler.set_stance("force_eager"),
        running,
        AttentionCapture(keep),
    ):
        logits = model(image)
    return matrices, paths, logits


def _rows(gradient: Tensor, prefix: int) -> Tensor:
    """Return the weights of the rows (T,) from the gradient of the logits (heads,T,T)."""
    is_read = (gradient != 0).any(0).any(-1).float()
    patches = len(is_read) - prefix
    is_read[prefix:] = is_read[prefix:].amax() / patches
    return is_read / is_read.sum() if is_read.any() else is_read


def _blocks(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the modules at which the paths to the matrices diverge; empty if several matrices share one."""
    depth = next(
        (d for d, names in enumerate(zip(*paths, strict=False)) if len(set(names)) > 1), None
    )
    names = () if depth is None else tuple(path[depth] for path in paths)
    return names if len(set(names)) == len(names) else ()


def as_tokens(output: Any) -> Tensor:
    """Return the tokens (N,T,C) in a block's output: a tensor, or a tuple that begins with it."""
    tokens = output[0] if isinstance(output, tuple) else output
    if not isinstance(tokens, Tensor) or tokens.ndim != 3:
        raise NotAvailableError(
            "a block of this network does not return tokens (N, T, C): not supported"
        )
    return tokens
