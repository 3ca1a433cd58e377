"""Attention matrices of a transformer, from a separate forward pass."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from backbones.attention_capture import AttentionCapture, Keep
from backbones.probe import evaluating
from backbones.token_layout import TokenLayout, as_tokens
from benchmark.explain import memory
from benchmark.explain.modes import Autocast, no_grad_no_autocast
from core.errors import NotAvailableError
from methods.attention import Attention

if TYPE_CHECKING:
    from backbones import Classifier

Reduce = Callable[[Tensor, Tensor], Tensor]


def parts(
    model: "Classifier", images: Tensor, findings: tuple[int, ...], memory_gib: float, autocast: Autocast
) -> list["Matrices"]:
    """Split (N,3,H,W) ``images`` into batches that fit in memory, with the attention of each.

    The network only runs when a method reads the matrices. Raises ``NotAvailableError`` for other networks.
    """
    layout = model.token_layout((images.shape[-2], images.shape[-1]))
    rows = layout.read_weights.to(images.device)
    step = memory.attended_at_once(images, layout.n_blocks * layout.heads * len(rows) ** 2, memory_gib)
    return [
        Matrices(rows, layout.shape, layout.grid, model, part, findings, layout, autocast)
        for part in torch.split(images, step)
    ]


@dataclass(frozen=True, eq=False)
class Matrices(Attention):
    """Attention of a batch of images."""

    model: "Classifier"
    images: Tensor
    """(N,3,H,W)."""
    findings: tuple[int, ...]
    layout: TokenLayout
    autocast: Autocast
    """Precision of forward passes."""

    def blocks(self, reduce: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return the reduced matrix of each block, by one forward pass without gradients.

        ``reduce`` takes (N, heads, T, T) float32, first block first, so that no matrix needs to be stored.
        """
        reduced: list[Tensor] = []

        def keep(A: Tensor) -> Tensor:
            reduced.append(reduce(A.float()))
            return A

        self._forward(keep)
        return reduced

    def gradients(self, reduce: Reduce) -> Iterator[list[Tensor]]:
        """Yield, per finding, the reduced gradient of every block.

        One forward pass with gradients from the first matrix on, then a backward pass per finding.
        """
        return self._graded(reduce, apart=False)

    def block_gradients(self, reduce: Reduce) -> Iterator[list[Tensor]]:
        """Yield the same for each block's own score, by one forward pass that is cut between the blocks."""
        return self._graded(reduce, apart=True)

    def _graded(self, reduce: Reduce, apart: bool) -> Iterator[list[Tensor]]:
        """Implement both: with ``apart`` gradients start at each block, else at the first."""
        matrices: list[Tensor] = []

        def keep(A: Tensor) -> Tensor:
            matrices.append(_leaf(A) if apart or not matrices else A)
            return matrices[-1]

        with self._cut() if apart else nullcontext():
            logits = self._forward(keep)
        for k in self.findings:
            yield _backward(logits, k, matrices, matrices if apart else matrices[:1], reduce)

    def _forward(self, keep: Keep) -> Tensor:
        """Return logits (N, all findings) in float32; ``keep`` may enable gradients."""
        eager = torch.compiler.set_stance("force_eager")  # compiled code ignores the mode
        with no_grad_no_autocast(), evaluating(self.model), eager, self.autocast(), AttentionCapture(keep):
            return self.model(self.images).float()

    @contextmanager
    def _cut(self) -> Iterator[None]:
        """Detach the tokens between blocks; the last block returns those of all blocks with gradients."""
        names, tokens = self.layout.blocks, list[Tensor]()
        if len(names) != self.layout.n_blocks > 1:
            raise NotAvailableError("this network's blocks are no modules of their own: they have no tokens to score")

        def cut(part: Any, inputs: Any, output: Any) -> Any:
            tokens.append(as_tokens(output))
            onward = tokens[-1].detach() if len(tokens) < len(names) else torch.cat(tokens)
            return (onward, *output[1:]) if isinstance(output, tuple) else onward

        with ExitStack() as hooks:
            for name in names:
                hooks.callback(self.model.get_submodule(name).register_forward_hook(cut).remove)
            yield


def _leaf(A: Tensor) -> Tensor:
    """Return ``A`` as a leaf and enable gradients; the enclosing pass disables them."""
    torch.set_grad_enabled(True)
    return A.detach().requires_grad_()


def _backward(logits: Tensor, k: int, matrices: list[Tensor], leaves: list[Tensor], reduce: Reduce) -> list[Tensor]:
    """Return ``reduce`` of each matrix and its gradient of logit k, freeing each gradient before the next."""
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
