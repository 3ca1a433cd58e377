"""Token layout of a transformer: the patch tokens, the tokens that the head reads, and the modules of the blocks.

Measured with one image of noise. The size of the attention matrices gives the number of tokens. The gradient with
respect to the last matrix shows which tokens the head reads. The blocks are the modules that compute the matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.module_tracker import ModuleTracker

from backbones.attention_capture import AttentionCapture
from backbones.consistency import noise
from backbones.layers import Network
from backbones.probe import evaluating
from backbones.tokens import MOST_PREFIX, TokensOf
from core.errors import NotAvailableError
from core.frames import Grid


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
        raise NotAvailableError("this network has no attention between patches: use a vision transformer")
    h, w = shape = (size[0] // model.extractor.patch, size[1] // model.extractor.patch)
    shapes = {tuple(A.shape) for A in matrices}
    prefix = matrices[0].shape[-1] - h * w
    if len(shapes) > 1 or len(matrices[0]) > 1 or not 0 <= prefix <= MOST_PREFIX:
        raise NotAvailableError(
            f"the attention matrices of this network do not all connect its {h * w} patches, because it attends within "
            "windows or at several resolutions (as Swin does): not supported"
        )
    declared = getattr(model.extractor.net, "num_prefix_tokens", prefix)
    if declared != prefix:
        raise NotAvailableError(
            f"the network has {prefix} prefix tokens, but its num_prefix_tokens is {declared}: not supported"
        )
    rows = _rows(torch.autograd.grad(logits.sum(), matrices[-1])[0][0], prefix)
    grid, heads = model.extractor.grid(size, shape), matrices[0].shape[1]
    return TokenLayout(len(matrices), logits.shape[-1], heads, shape, rows, _blocks(paths), grid)


def _recorded(model: Network, size: tuple[int, int]) -> tuple[list[Tensor], list[tuple[str, ...]], Tensor]:
    """Return the matrices for one image of noise, the modules that computed each (outermost first) and the logits."""
    matrices: list[Tensor] = []
    paths: list[tuple[str, ...]] = []
    running, root = ModuleTracker(), f"{type(model).__name__}."

    def keep(A: Tensor) -> Tensor:
        matrices.append(A.detach().requires_grad_() if not matrices else A)
        paths.append(tuple(name.removeprefix(root) for name in sorted(running.parents, key=len)))
        return matrices[-1]

    image = noise(model, model.channels, max(size))[..., : size[0], : size[1]]
    plain = torch.autocast(image.device.type, enabled=False)
    with evaluating(model), torch.compiler.set_stance("force_eager"), plain, running, AttentionCapture(keep):
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
    depth = next((d for d, names in enumerate(zip(*paths, strict=False)) if len(set(names)) > 1), None)
    names = () if depth is None else tuple(path[depth] for path in paths)
    return names if len(set(names)) == len(names) else ()


def as_tokens(output: Any) -> Tensor:
    """Return the tokens (N,T,C) in a block's output: a tensor, or a tuple that begins with it."""
    tokens = output[0] if isinstance(output, tuple) else output
    if not isinstance(tokens, Tensor) or tokens.ndim != 3:
        raise NotAvailableError("a block of this network does not return tokens (N, T, C): not supported")
    return tokens
