"""A transformer's attention matrices, by a pass of their own: what gave the feature maps is not touched."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from backbones.attention_capture import AttentionCapture, Keep
from backbones.probe import evaluating
from backbones.token_layout import TokenLayout, as_tokens
from benchmark.engine import memory
from benchmark.engine.modes import Autocast, no_grad_no_autocast
from core.errors import NotAvailableError
from methods.attention import Attention

if TYPE_CHECKING:
    from backbones import Classifier

Reduce = Callable[[Tensor, Tensor], Tensor]


def parts(
    model: "Classifier", images: Tensor, findings: tuple[int, ...], memory_gib: float, autocast: Autocast
) -> list["Matrices"]:
    """The attention of (N,3,H,W) ``images``, as many at a time as fit. Raises ``NotAvailableError`` for no such net.

    Nothing runs yet: each part runs the network when a method asks for its matrices.
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
    """The attention of some images."""

    model: "Classifier"
    images: Tensor
    """(N,3,H,W)."""
    findings: tuple[int, ...]
    layout: TokenLayout
    autocast: Autocast
    """The precision of forward passes."""

    def blocks(self, reduce: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """One forward pass without a graph.

        A reduced matrix per block, first to last: ``reduce`` sees (N, heads, T, T) float32, so none needs to be kept.
        """
        reduced: list[Tensor] = []

        def keep(A: Tensor) -> Tensor:
            reduced.append(reduce(A.float()))
            return A

        self._forward(keep)
        return reduced

    def gradients(self, reduce: Reduce) -> Iterator[list[Tensor]]:
        """One forward pass with the graph behind the first matrix, then a backward pass per finding.

        Per finding a reduced gradient for every block.
        """
        return self._graded(reduce, apart=False)

    def block_gradients(self, reduce: Reduce) -> Iterator[list[Tensor]]:
        """One forward pass that is cut between the blocks; the head sees the tokens of all of them."""
        return self._graded(reduce, apart=True)

    def _graded(self, reduce: Reduce, apart: bool) -> Iterator[list[Tensor]]:
        """Both: with blocks ``apart`` a graph begins at each of them, else at the first."""
        matrices: list[Tensor] = []

        def keep(A: Tensor) -> Tensor:
            matrices.append(_leaf(A) if apart or not matrices else A)
            return matrices[-1]

        with self._cut() if apart else nullcontext():
            logits = self._forward(keep)
        for k in self.findings:
            yield _backward(logits, k, matrices, matrices if apart else matrices[:1], reduce)

    def _forward(self, keep: Keep) -> Tensor:
        """(N, all findings) logits in float32; ``keep`` may begin a graph."""
        eager = torch.compiler.set_stance("force_eager")  # the mode is not for compiled code
        with no_grad_no_autocast(), evaluating(self.model), eager, self.autocast(), AttentionCapture(keep):
            return self.model(self.images).float()

    @contextmanager
    def _cut(self) -> Iterator[None]:
        """Each block gives its tokens on without their graph, the last those of all blocks, side by side, with it."""
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
    """``A`` where a graph begins, which is switched on with it; the pass that it is part of ends that."""
    torch.set_grad_enabled(True)
    return A.detach().requires_grad_()


def _backward(logits: Tensor, k: int, matrices: list[Tensor], leaves: list[Tensor], reduce: Reduce) -> list[Tensor]:
    """``reduce`` of each matrix and its gradient of logit k, which is gone when the next block's is made."""
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
