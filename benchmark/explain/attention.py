"""Attention matrices of a transformer, from a separate forward pass."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backbones import Classifier
from backbones.attention_capture import AttentionCapture, Keep
from backbones.probe import evaluating
from backbones.token_layout import TokenLayout, as_tokens
from benchmark.explain import memory
from benchmark.explain.modes import Autocast, no_grad_no_autocast
from core.errors import NotAvailableError
from methods.attention import Attention

Reduce = Callable[[Tensor, Tensor], Tensor]


def parts(
    model: Classifier, images: Tensor, findings: tuple[int, ...], memory_gib: float, autocast: Autocast
) -> list["Matrices"]:
    """Return the attention of (N,3,H,W) ``images``, in batches that fit in memory.

    The network runs when a method reads the matrices. Raises ``NotAvailableError`` for a network without attention.
    """
    layout = model.token_layout((images.shape[-2], images.shape[-1]))
    rows = layout.read_weights.to(images.device)
    step = memory.attention_batch_size(images, layout.n_blocks * layout.heads * len(rows) ** 2, memory_gib)
    return [
        Matrices(rows, layout.shape, layout.grid, model, part, findings, layout, autocast)
        for part in torch.split(images, step)
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
            yield _backward(logits, k, matrices, matrices if separately else matrices[:1], reduce)

    def _forward(self, keep: Keep) -> Tensor:
        """Return the logits (N, all findings) in float32; ``keep`` may enable gradients."""
        eager = torch.compiler.set_stance("force_eager")  # compiled code ignores the mode
        with no_grad_no_autocast(), evaluating(self.model), eager, self.autocast(), AttentionCapture(keep):
            return self.model(self.images).float()

    @contextmanager
    def _cut(self) -> Iterator[None]:
        """Detach the tokens between blocks; the last block returns the tokens of all blocks with gradients."""
        names, tokens = self.layout.blocks, list[Tensor]()
        if len(names) != self.layout.n_blocks > 1:
            raise NotAvailableError(
                "the blocks of this network are not separate modules, so scores per block are not available"
            )

        def cut(part: Any, inputs: Any, output: Any) -> Any:
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


def _backward(logits: Tensor, k: int, matrices: list[Tensor], leaves: list[Tensor], reduce: Reduce) -> list[Tensor]:
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
