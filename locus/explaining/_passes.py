"""Memory and speed of passes through a network, and passes for evidence that the shared forward pass does not have.

Batch sizes depend on a fixed budget, not on the free memory, so maps do not depend on the state of the machine. Methods
run without gradients and autocast (``no_grad_no_autocast``), forward passes with the caller's autocast
(``current_autocast``). Memory that runs out in training is handled by ``locus.benchmark.training.hardware``.

``attention``  attention matrices of a transformer (``Matrices``), one forward pass per use

Which tokens are patches is found by ``locus.backbones.tokens``.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from locus.backbones import Classifier
from locus.backbones.layers import evaluating
from locus.backbones.tokens import AttentionCapture, Keep, TokenLayout, as_tokens
from locus.core.errors import NotAvailableError
from locus.methods.evidence import Attention

GIB = 2**30
FLOATS_PER_PIXEL = 128
"""Activations in memory during a forward pass, per input pixel: an upper bound for common networks."""
BACKWARD_MEMORY_FACTOR = 5
"""Memory of a pass with gradients, relative to a pass without."""
GRADIENT_COPIES = 6
"""Assumed number of temporary tensors of the size of G in a method."""
CACHE_BYTES = 8 * 2**20
"""Bytes of G per part on a CPU, so that they fit into the cache and sums are several times faster."""
ATTENTION_COPIES = 3
"""Assumed number of tensors of the size of all attention matrices in a pass that records them."""
MAX_FORWARD_PIXELS = 8 * 224 * 224
"""Input pixels per forward pass on a CPU, eight images of 224 px: more are not faster and need memory."""


def images_that_fit(images: Tensor, memory_gib: float) -> int:
    """Return how many images of the size of ``images`` (N,3,H,W) fit a forward pass, at least 1.

    >>> images_that_fit(torch.empty(1, 3, 224, 224), 2.0) > images_that_fit(torch.empty(1, 3, 448, 448), 2.0)
    True
    """
    bytes_per_image = images.shape[-2] * images.shape[-1] * FLOATS_PER_PIXEL * 4
    return max(1, int(memory_gib * GIB / bytes_per_image))


def backward_batch_size(images: Tensor, memory_gib: float) -> int:
    """Return how many images fit a pass with gradients, which stores the outputs of all layers."""
    return max(1, images_that_fit(images, memory_gib) // BACKWARD_MEMORY_FACTOR)


def head_batch_size(A: Tensor, memory_gib: float) -> int:
    """Return how many maps of the size of ``A`` (N,C,h,w) fit one call of the head."""
    return max(1, int(memory_gib * GIB / GRADIENT_COPIES / (A[0].numel() * 4)))


def forward_batch_size(images: Tensor, memory_gib: float) -> int:
    """Return the number of images per forward pass.

    On a CPU they are fewer than fit in memory: a batch larger than the processor's cache is slower per image.
    """
    fits = images_that_fit(images, memory_gib)
    return (
        fits
        if images.is_cuda
        else max(1, min(fits, MAX_FORWARD_PIXELS // (images.shape[-2] * images.shape[-1])))
    )


def gradient_pairs_that_fit(A: Tensor, memory_gib: float) -> int:
    """Return the number of (image, finding) pairs whose gradients G, (C,h,w) each, fit in memory; at least 1."""
    fits = head_batch_size(A, memory_gib)
    return fits if A.is_cuda else max(1, min(fits, CACHE_BYTES // (A[0].numel() * 4)))


def attention_batch_size(images: Tensor, floats: int, memory_gib: float) -> int:
    """Return how many images fit a pass with gradients that stores ``floats`` attention values per image."""
    fits = min(
        backward_batch_size(images, memory_gib),
        int(memory_gib * GIB / (ATTENTION_COPIES * floats * 4)),
    )
    return max(
        1,
        fits
        if images.is_cuda
        else min(fits, MAX_FORWARD_PIXELS // (images.shape[-2] * images.shape[-1])),
    )


def channels_last_if_on_cpu(images: Tensor) -> Tensor:
    """Convert (N,C,H,W) to channels-last format on a CPU, where convolutions are then up to 1.5 times as fast.

    Returns the tensor itself on a GPU, or if it already has this format.
    """
    return images if images.is_cuda else images.contiguous(memory_format=torch.channels_last)


@contextmanager
def no_grad_no_autocast() -> Iterator[None]:
    """Disable inference mode, gradients and autocast within the block; restore the caller's settings afterwards.

    >>> with torch.inference_mode(), no_grad_no_autocast():
    ...     torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    (False, False)
    """
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


Autocast = Callable[[], torch.autocast]
"""Function that returns a context manager with the autocast settings for forward passes."""


def current_autocast(images: Tensor) -> Autocast:
    """Return the caller's settings on the device of ``images``."""
    device = images.device.type
    return partial(
        torch.autocast, device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    )


Reduce = Callable[[Tensor, Tensor], Tensor]


def attention(
    model: Classifier,
    images: Tensor,
    findings: tuple[int, ...],
    memory_gib: float,
    autocast: Autocast,
) -> list["Matrices"]:
    """Return the attention of images, in batches that fit in memory. The network runs when a method reads the matrices.

    Args:
        model: the network.
        images: (N,3,H,W).
        findings: indices of the explained outputs.
        memory_gib: memory limit in GiB.
        autocast: precision of the forward passes.

    Raises:
        NotAvailableError: the network has no attention.
    """
    layout = model.token_layout((images.shape[-2], images.shape[-1]))
    rows = layout.read_weights.to(images.device)
    step = attention_batch_size(images, layout.n_blocks * layout.heads * len(rows) ** 2, memory_gib)
    return [
        Matrices(rows, layout.shape, layout.grid, model, batch, findings, layout, autocast)
        for batch in torch.split(images, step)
    ]


@dataclass(frozen=True, eq=False)
class Matrices(Attention):
    """Attention of a batch of images."""

    model: Classifier
    images: Tensor
    """(N,3,H,W)."""
    findings: tuple[int, ...]
    layout: TokenLayout
    autocast: Autocast
    """Precision of forward passes."""

    def blocks(self, reduce: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return the reduced matrix of each block, from one forward pass without gradients.

        ``reduce`` receives (N, heads, T, T) float32, block by block, so that no matrix needs to be stored.
        """
        reduced: list[Tensor] = []

        def keep(A: Tensor) -> Tensor:
            reduced.append(reduce(A.float()))
            return A

        self._forward(keep)
        return reduced

    def gradients(self, reduce: Reduce) -> Iterator[list[Tensor]]:
        """Yield, for each finding, the reduced gradients of all blocks.

        It uses one forward pass with gradients from the first matrix on, and one backward pass per finding.
        """
        return self._gradients(reduce, separately=False)

    def block_gradients(self, reduce: Reduce) -> Iterator[list[Tensor]]:
        """Yield the same for a separate score of each block, from one forward pass that is cut between the blocks."""
        return self._gradients(reduce, separately=True)

    def _gradients(self, reduce: Reduce, separately: bool) -> Iterator[list[Tensor]]:
        """Yield the gradients; with ``separately`` the graph starts at each block, else at the first block."""
        matrices: list[Tensor] = []

        def keep(A: Tensor) -> Tensor:
            matrices.append(_leaf(A) if separately or not matrices else A)
            return matrices[-1]

        with self._cut() if separately else nullcontext():
            logits = self._forward(keep)
        for k in self.findings:
            yield _backward(
                logits,
                k=k,
                matrices=matrices,
                leaves=matrices if separately else matrices[:1],
                reduce=reduce,
            )

    def _forward(self, keep: Keep) -> Tensor:
        """Return the logits (N, all findings) in float32; ``keep`` may enable gradients."""
        eager = torch.compiler.set_stance("force_eager")  # compiled code ignores the mode
        with (
            no_grad_no_autocast(),
            evaluating(self.model),
            eager,
            self.autocast(),
            AttentionCapture(keep),
        ):
            return self.model(self.images).float()

    @contextmanager
    def _cut(self) -> Iterator[None]:
        """Detach the tokens between blocks; the last block returns the tokens of all blocks with gradients."""
        names = self.layout.blocks
        tokens = list[Tensor]()
        if len(names) != self.layout.n_blocks > 1:
            raise NotAvailableError(
                "the blocks of this network are not separate modules, so scores per block are not available"
            )

        def cut(module: Any, inputs: Any, output: Any) -> Any:
            tokens.append(as_tokens(output))
            passed = tokens[-1].detach() if len(tokens) < len(names) else torch.cat(tokens)
            return (passed, *output[1:]) if isinstance(output, tuple) else passed

        with ExitStack() as hooks:
            for name in names:
                hooks.callback(self.model.get_submodule(name).register_forward_hook(cut).remove)
            yield


def _leaf(A: Tensor) -> Tensor:
    """Return ``A`` as a leaf and enable gradients; the enclosing pass disables them."""
    torch.set_grad_enabled(True)
    return A.detach().requires_grad_()


def _backward(
    logits: Tensor, k: int, matrices: list[Tensor], leaves: list[Tensor], reduce: Reduce
) -> list[Tensor]:
    """Return ``reduce`` of each matrix and its gradient of logit k; each gradient is freed before the next one."""
    reduced = matrices.copy()
    direction = torch.zeros_like(logits)
    direction[:, k] = 1

    def hook(block: int) -> Callable[[Tensor], None]:
        def keep(G: Tensor) -> None:
            reduced[block] = reduce(matrices[block].detach().float(), G.float())

        return keep

    with ExitStack() as hooks:
        for block, A in enumerate(matrices):
            hooks.callback(A.register_hook(hook(block)).remove)
        torch.autograd.grad(logits, leaves, direction, retain_graph=True)
    return reduced
