"""Capture attention matrices, which fused kernels do not return, by computing attention step by step.

The network is not changed: its function calls are intercepted while the mode is active. Supported are
``scaled_dot_product_attention`` (timm's ViT, DeiT and EVA, transformers' networks), ``nn.MultiheadAttention``
(torchvision's ViT), and a softmax over (N,heads,T,T), for networks that compute the matrices themselves.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from core.errors import NotAvailableError

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
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *_: Any, **options: Any
    ) -> tuple[Tensor, Tensor]:
        if options.get("is_causal") or options.get("enable_gqa"):
            raise NotAvailableError("the network's attention is causal or shares keys between heads: not supported")
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
        packed = linear(tokens, args[5], args[6]).unflatten(-1, (3, heads, -1))  # (T, N, 3, heads, C / heads)
        query, key, value = packed.permute(2, 1, 3, 0, 4)
        mixed, weights = self._attend(query, key, value, options.get("attn_mask"))
        mixed = mixed.permute(2, 0, 1, 3).flatten(2)  # (T, N, C)
        return linear(mixed, args[11], args[12]), weights.mean(1)


def _is_unusual(args: Any, options: dict[str, Any]) -> bool:
    """Return False if a call of ``multi_head_attention_forward`` is plain self-attention of tokens (T,N,C)."""
    apart = ("key_padding_mask", "static_k", "static_v")
    more = options.get("use_separate_proj_weight") or any(options.get(name) is not None for name in apart)
    is_self = args[0] is args[1] is args[2] and args[0].ndim == 3
    return bool(more) or not is_self or args[7] is not None or bool(args[9])
