"""The part of a batch's evidence that does not depend on the layer: images, findings and outputs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor
from torch.func import functional_call
from tqdm import tqdm

from backbones import Classifier
from backbones.probe import evaluating
from benchmark.explain import attention, full_gradients, memory
from benchmark.explain.modes import Autocast, no_grad_no_autocast
from core.errors import BadValueError, NotAvailableError
from core.frames import Grid
from methods.attention import Attention
from methods.evidence import Evidence, Pass


@dataclass(frozen=True, eq=False)
class NetworkEvidence(Evidence):
    """Evidence of a batch. The network runs when ``outputs`` are first read; attention does not need that run."""

    model: Classifier
    images: Tensor
    """(N,3,H,W)."""
    requested: tuple[int, ...] | None
    """Indices of the outputs to explain; None for all of them."""
    layer: str | None
    """The layer of ``A``; None is the pooled map."""
    memory_gib: float
    progress: bool
    autocast: Autocast
    """Precision of forward passes."""
    collect_evidence: Callable[..., Evidence]
    """The function ``explain.collect_evidence``, for evidence at another layer."""
    given_outputs: tuple[Tensor, Tensor] | None = None
    """``outputs``, if the network has already run; else None."""

    def compute(self) -> tuple[Tensor, Tensor]:
        """Run the network and return ``outputs``."""
        raise NotImplementedError

    def run(self) -> Self:
        """Return the evidence after a run of the network; errors of the network and of the findings are raised now."""
        with no_grad_no_autocast():
            evidence = replace(self, given_outputs=self.compute())
        _ = evidence.findings, evidence.grid
        return evidence

    @cached_property
    def outputs(self) -> tuple[Tensor, Tensor]:
        """Feature map (N,C,h,w) and logits of all findings; at an earlier layer, with the graph between them."""
        return self.given_outputs or self.run().outputs

    @cached_property
    def findings(self) -> tuple[int, ...]:
        """Index of each finding. Raises ``BadValueError`` for one out of range; negative indices are invalid."""
        size = self.images.shape[-2], self.images.shape[-1]
        count = self.given_outputs[1].shape[1] if self.given_outputs else self.model.token_layout(size).n_logits
        chosen = tuple(range(count)) if self.requested is None else self.requested
        wrong = [finding for finding in chosen if finding not in range(count)]
        if wrong or not chosen:
            raise BadValueError(
                f"findings {wrong or '(none)'} are invalid: the outputs of the model are 0 to {count - 1}"
            )
        return chosen

    @cached_property
    def grid(self) -> Grid:
        """Grid of ``A``."""
        return self.grid_at(self.layer)

    @cached_property
    def A(self) -> Tensor:  # noqa: N802
        """The feature map, (N,C,h,w)."""
        return self.outputs[0].detach()

    @cached_property
    def logits(self) -> Tensor:
        """Logits of the requested findings, (N,K)."""
        return self.outputs[1].detach()[:, self._columns].float()

    @cached_property
    def all_findings(self) -> "NetworkEvidence":
        """The same evidence for all findings of the model instead of the requested ones, from the same forward pass."""
        return replace(self, requested=None, given_outputs=self.outputs)

    @property
    def _columns(self) -> list[int]:
        return list(self.findings)

    def network(self, images: Tensor) -> Tensor:
        """Return the logits (M,K) in float32 of images (M,3,H,W), differentiable in the images.

        Used by methods that modify the image: ``saliency``, ``rise``, ``occlusion``.
        """
        with evaluating(self.model):
            logits = functional_call(self.model, self._weights, (memory.channels_last_if_on_cpu(images),))
        return logits[:, self._columns]

    def batched_forward(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """Return the logits (count,K) of images rendered batch by batch, with the caller's autocast."""
        step = memory.forward_batch_size(self.images, self.memory_gib)
        batches = [torch.empty(0, len(self.findings), device=self.images.device)]
        hidden = None if self.progress else True
        bar = tqdm(total=count, desc="forward passes", unit="image", leave=False, delay=2, disable=hidden)
        with bar, no_grad_no_autocast(), evaluating(self.model):
            for start in range(0, count, step):
                images = memory.channels_last_if_on_cpu(render(slice(start, min(start + step, count))))
                with self.autocast():
                    logits = functional_call(self.model, self._weights, (images,))
                batches.append(logits[:, self._columns].float())
                bar.update(len(images))
        return torch.cat(batches)

    @cached_property
    def _weights(self) -> dict[str, Tensor]:
        """Weights of the convolutions in the memory format of the images; the model is not changed."""
        weights = self.model.named_parameters()
        return {name: memory.channels_last_if_on_cpu(value.detach()) for name, value in weights if value.ndim == 4}

    def at(self, layer: str | None) -> Evidence:
        """Return evidence of the same images and findings at another layer, from one more forward pass (cached).

        ``None`` is ``model.layer``. Raises ``UnknownNameError`` with the available layers for an unknown one.
        """
        if layer not in self._evidence_by_layer:
            rest = self.findings, layer, self.memory_gib, self.progress
            with self.autocast():
                self._evidence_by_layer[layer] = self.collect_evidence(self.model, self.images, *rest)
        return self._evidence_by_layer[layer]

    @cached_property
    def _evidence_by_layer(self) -> dict[str | None, Evidence]:
        return {}

    def for_images(self, images: Tensor) -> Evidence:
        """Return evidence for other images, from one more forward pass.

        Raises ``NotAvailableError`` if the network does not accept their size.
        """
        try:
            return replace(self, images=images, requested=self.findings).run()
        except (RuntimeError, ValueError, TypeError) as error:
            side = f"{images.shape[-2]}x{images.shape[-1]}"
            raise NotAvailableError(f"this network does not accept images of {side} pixels: {error}") from error

    @cached_property
    def patch_size(self) -> int:
        """Patch size of a transformer in pixels; 1 for any other network."""
        return int(getattr(self.model.extractor, "patch", 1))

    @cached_property
    def attention(self) -> Sequence[Attention]:
        """Attention of all blocks, one item per part of the batch that fits in memory; the same at all layers.

        Needs a separate forward pass on first access.
        """
        return attention.parts(self.model, self.images, self.findings, self.memory_gib, self.autocast)

    def full_gradients(self, image: Tensor) -> Iterator[list[tuple[Grid, Tensor]]]:
        """Yield, finding by finding, the terms of FullGrad for one image: (grid, (1,C,h,w)) of the pixels and biases.

        Needs a separate forward pass; the terms are the same at all layers.
        """
        return full_gradients.terms(self.model, image, self.findings)

    def grid_at(self, layer: str | None) -> Grid:
        """Return the grid of ``layer``; None is the pooled map (not ``model.layer``)."""
        return self.model.grid((self.images.shape[-2], self.images.shape[-1]), layer)

    def max_batch(self, what: Pass) -> int:
        """Return how many images fit in memory in a pass through the whole network.

        The same number is used for the part after an earlier layer.
        """
        count = memory.backward_batch_size if what == "backward" else memory.images_that_fit
        return count(self.images, self.memory_gib)
