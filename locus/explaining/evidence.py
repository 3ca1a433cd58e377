"""Evidence of a batch, as methods read it (the interface is ``locus.methods.evidence``).

``NetworkEvidence``  the part that does not depend on the layer: images, findings, outputs and further passes
``PooledEvidence``   at the pooled feature map, whose gradients only need the head of the classifier
``LayerEvidence``    at an earlier layer, whose gradients are backward passes of the layers behind it

``locus.explaining.batch`` creates it and runs the methods.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from tqdm import tqdm

from locus.backbones import Classifier, layers
from locus.backbones.layers import evaluating
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.explaining import _passes
from locus.explaining._contributions import pixel_terms
from locus.explaining._passes import Autocast, no_grad_no_autocast
from locus.methods.evidence import Attention, Dense, Evidence, Factored, Gradients, Pass

T = TypeVar("T")
Draw = Callable[[int, int, int], Tensor]
"""Index of an image of the batch, number of images and seed -> images (count,3,H,W) of other patients."""


@dataclass(frozen=True, eq=False)
class NetworkEvidence(Evidence):
    """Evidence of a batch. The network runs when ``outputs`` are first read; some methods do without that run."""

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
    collect_evidence: "Callable[..., NetworkEvidence]"
    """The function ``locus.explaining.batch.collect_evidence``, for evidence at another layer."""
    given_outputs: tuple[Tensor, Tensor] | None = None
    """``outputs``, if the network has already run; else None."""
    other_paths: tuple[str, ...] = ()
    """Layers of the other paths of a network that joins several; their maps are added."""
    draw: Draw | None = None
    """Function for ``references``; None: there is no data set."""

    def __post_init__(self) -> None:
        self._watched("images", self.images)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Run the network and return ``outputs``."""
        raise NotImplementedError

    @cached_property
    def _checksums(self) -> dict[str, list[tuple[Tensor, int]]]:
        return {}

    def _watched(self, name: str, value: T, *tensors: Tensor) -> T:
        """Return ``value``, which all methods read, and record checksums of its ``tensors`` (default: itself)."""
        watched = tensors or ((value,) if isinstance(value, Tensor) else ())
        self._checksums[name] = [(tensor, checksum(tensor)) for tensor in watched]
        return value

    def modified(self) -> list[str]:
        """Return the names of the tensors that a method has modified, in any way, here and at other layers."""
        related: list[NetworkEvidence] = [
            *self._evidence_by_layer.values(),
            *filter(None, [vars(self).get("all_findings")]),
        ]
        tensors = self._checksums.items()
        names = [
            name
            for name, pairs in tensors
            if any(checksum(tensor) != value for tensor, value in pairs)
        ]
        return list(
            dict.fromkeys([*names, *(name for evidence in related for name in evidence.modified())])
        )

    def run(self) -> Self:
        """Return the evidence after a run of the network; errors of the network and of the findings are raised now."""
        with no_grad_no_autocast():
            evidence = replace(self, given_outputs=self.compute())
        _ = evidence.findings
        require_cover(evidence.grid, evidence.outputs[0], f"the feature map of {self.model.name}")
        return evidence

    @cached_property
    def outputs(self) -> tuple[Tensor, Tensor]:
        """Feature map (N,C,h,w) and logits of all findings; at an earlier layer, with the graph between them."""
        return self.given_outputs or self.run().outputs

    @cached_property
    def findings(self) -> tuple[int, ...]:
        """Index of each finding. Raises ``BadValueError`` for one out of range; negative indices are invalid."""
        count = self._output_count()
        chosen = tuple(range(count)) if self.requested is None else self.requested
        wrong = [finding for finding in chosen if finding not in range(count)]
        if wrong or not chosen:
            outputs = f"the outputs of the model are 0 to {count - 1}"
            raise BadValueError(f"findings {wrong or '(none)'} are invalid: {outputs}")
        return chosen

    def _output_count(self) -> int:
        """Return the number of outputs of the model; the network need not have run."""
        if self.given_outputs is not None:
            return self.given_outputs[1].shape[1]
        if self.model.head.num_classes is not None:
            return int(self.model.head.num_classes)
        size = self.images.shape[-2], self.images.shape[-1]
        return self.model.token_layout(size).n_logits

    @cached_property
    def grid(self) -> Grid:
        """Grid of ``A``."""
        return self.grid_at(self.layer)

    @cached_property
    def A(self) -> Tensor:  # noqa: N802
        """The feature map, (N,C,h,w)."""
        return self._watched("A", self.outputs[0].detach())

    @cached_property
    def logits(self) -> Tensor:
        """Logits of the requested findings, (N,K)."""
        return self._watched("logits", self.outputs[1].detach()[:, self._columns].float())

    @cached_property
    def G(self) -> Tensor:  # noqa: N802
        """All gradients, (N,K,C,h,w)."""
        return self._watched("G", self.gradients.full())

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
            logits = functional_call(
                self.model, self._weights, (_passes.channels_last_if_on_cpu(images),)
            )
        return logits[:, self._columns]

    def batched_forward(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """Return the logits (count,K) of images rendered batch by batch, with the caller's autocast."""
        step = _passes.forward_batch_size(self.images, self.memory_gib)
        batches = [torch.empty(0, len(self.findings), device=self.images.device)]
        hidden = None if self.progress else True
        bar = tqdm(
            total=count, desc="forward passes", unit="image", leave=False, delay=2, disable=hidden
        )
        with bar, no_grad_no_autocast(), evaluating(self.model):
            for start in range(0, count, step):
                images = _passes.channels_last_if_on_cpu(
                    render(slice(start, min(start + step, count)))
                )
                with self.autocast():
                    logits = functional_call(self.model, self._weights, (images,))
                batches.append(logits[:, self._columns].float())
                bar.update(len(images))
        return torch.cat(batches)

    @cached_property
    def _weights(self) -> dict[str, Tensor]:
        """Weights of the convolutions in the memory format of the images; the model is not changed."""
        weights = self.model.named_parameters()
        return {
            name: _passes.channels_last_if_on_cpu(value.detach())
            for name, value in weights
            if value.ndim == 4
        }

    def at(self, layer: str | None) -> "NetworkEvidence":
        """Return evidence of the same images and findings at another layer, from one more forward pass (cached).

        ``None`` is ``model.layer``. Raises ``UnknownNameError`` with the available layers for an unknown one.
        """
        if layer not in self._evidence_by_layer:
            arguments = self.findings, layer, self.memory_gib, self.progress
            with self.autocast():
                self._evidence_by_layer[layer] = self.collect_evidence(
                    self.model, self.images, *arguments
                )
        return self._evidence_by_layer[layer]

    @cached_property
    def _evidence_by_layer(self) -> "dict[str | None, NetworkEvidence]":
        return {}

    def for_images(self, images: Tensor) -> Evidence:
        """Return evidence for other images, from one more forward pass.

        Raises ``NotAvailableError`` if the network does not accept their size.
        """
        try:
            return replace(self, images=images, requested=self.findings).run()
        except (RuntimeError, ValueError, TypeError) as error:
            side = f"{images.shape[-2]}x{images.shape[-1]}"
            raise NotAvailableError(
                f"this network does not accept images of {side} pixels: {error}"
            ) from error

    @cached_property
    def patch_size(self) -> int:
        """Patch size of a transformer in pixels; 1 for any other network."""
        return int(getattr(self.model.extractor, "patch", 1))

    @cached_property
    def attention(self) -> Sequence[Attention]:
        """Attention of all blocks, one item per part of the batch that fits in memory; the same at all layers.

        Needs a separate forward pass on first access.
        """
        return _passes.attention(
            self.model, self.images, self.findings, self.memory_gib, self.autocast
        )

    @property
    def layer_names(self) -> Sequence[str]:
        """Names of the layers before the pooled one."""
        return self.model.layer_names

    def references(self, index: int, count: int, seed: int) -> Tensor:
        """Return images of other patients (count,3,H,W), of the size of this batch."""
        if self.draw is None:
            raise NotAvailableError(
                "this method compares with images of other patients, which only a data set has: run it in a suite"
            )
        images = self.draw(index, count, seed).to(self.images)
        if images.shape[-2:] == self.images.shape[-2:]:
            return images
        return nn.functional.interpolate(
            images, self.images.shape[-2:], mode="bilinear", antialias=True
        )

    def full_gradients(
        self,
        image: Tensor,
        bias: bool = True,
        reduce: Callable[[Tensor], Tensor] = torch.clone,
        balanced: bool = True,
    ) -> Iterator[list[tuple[Grid, Tensor]]]:
        """Yield, finding by finding, the terms of FullGrad: (grid, (N,C,h,w)) of the pixels and of the biases.

        Needs a separate forward pass per image; the terms are the same at all layers.

        Args:
            image: (N,3,H,W).
            bias: also yield the terms of the biases.
            reduce: applied to each term when it is made.
            balanced: use balanced gradients where the usual ones are not complete.
        """
        images = [
            pixel_terms(
                self.model,
                image=single_image,
                findings=self.findings,
                bias=bias,
                reduce=reduce,
                is_balanced=balanced,
            )
            for single_image in image.split(1)
        ]
        for terms in zip(*images, strict=True):
            grids = [grid for grid, _ in terms[0]]
            values = zip(*([value for _, value in term] for term in terms), strict=True)
            yield [
                (grid, torch.cat(image_values))
                for grid, image_values in zip(grids, values, strict=True)
            ]

    def grid_at(self, layer: str | None) -> Grid:
        """Return the grid of ``layer``; None is the pooled map (not ``model.layer``)."""
        return self.model.grid((self.images.shape[-2], self.images.shape[-1]), layer)

    def max_batch(self, what: Pass) -> int:
        """Return how many images fit in memory in a pass through the whole network.

        The same number is used for the part after an earlier layer.
        """
        count = _passes.backward_batch_size if what == "backward" else _passes.images_that_fit
        return count(self.images, self.memory_gib)


def checksum(values: Tensor) -> int:
    """Return a checksum of the bytes of a float tensor, which NumPy and ``.data`` cannot change unnoticed."""
    whole = (
        values.detach()
        .contiguous()
        .view(torch.int32 if values.element_size() % 4 == 0 else torch.int16)
    )
    return int(whole.sum(dtype=torch.int64))


def require_cover(grid: Grid, maps: Tensor, owner: str) -> None:
    """Raise ``BadValueError`` if ``grid`` cannot be that of ``maps`` (N,C,h,w): see ``Grid.covers``."""
    shape = (maps.shape[-2], maps.shape[-1])
    if not grid.covers(shape):
        raise BadValueError(
            f"{owner} has {shape[0]}x{shape[1]} positions, which {grid} does not place on its image: give the grid of "
            "these positions (override grid(evidence) of a method; --grid or grid= of a network)"
        )


def _precision(model: nn.Module) -> torch.dtype:
    return next((weight.dtype for weight in model.parameters()), torch.float32)


@dataclass(frozen=True, eq=False)
class PooledEvidence(NetworkEvidence):
    """Evidence at the pooled map, the output of ``model.features``."""

    @cached_property
    def pooling(self) -> str:
        """Name of the model's pooling."""
        return self.model.pooling

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the pooled map (N,C,h,w) and all logits, in batches that fit in memory."""
        batches = torch.split(self.images, _passes.images_that_fit(self.images, self.memory_gib))
        with evaluating(self.model):
            with self.autocast():
                features = [
                    self.model.features(_passes.channels_last_if_on_cpu(batch)) for batch in batches
                ]
            A = torch.cat(features).float().contiguous()
            return A, self.model.head(A.to(_precision(self.model))).float()

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (M,K) float32 of maps (M,C,h,w), computed in the precision of the weights."""
        with evaluating(self.model):
            return self.model.head(features.to(_precision(self.model)))[:, self._columns].float()

    def max_batch(self, what: Pass) -> int:
        """Return the number of feature maps for the head; for other passes as at any layer."""
        return (
            _passes.head_batch_size(self.A, self.memory_gib)
            if what == "head"
            else super().max_batch(what)
        )

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients in closed form if the head has one, else from one vectorised backward pass of the head."""
        with no_grad_no_autocast(), evaluating(self.model):
            factors = self.model.head.factors(self.A)
        if factors is None:
            A = self.A.detach().requires_grad_()
            with no_grad_no_autocast(), torch.enable_grad():
                G = jacobian_batched(self.head(A), A)
            return self._watched("gradients", Dense(G), G)
        w, D = factors
        w = w[self._columns]
        D = D if D.shape[1] == 1 else D[:, self._columns]
        return self._watched("gradients", Factored(w, D), w, D)

    @cached_property
    def class_maps(self) -> Tensor:
        """Class maps of the requested findings, (N,K,h,w)."""
        with no_grad_no_autocast(), evaluating(self.model):
            return self._watched("class_maps", self.model.class_maps(self.A)[:, self._columns])

    @cached_property
    def bias(self) -> Tensor:
        """The classifier's bias for the requested findings, (K,)."""
        return self._watched("bias", self.model.bias.detach()[self._columns])

    @cached_property
    def ablation_drops(self) -> Tensor | None:
        """Drops of the logits without each channel, (N,K,C), in closed form; None if the head has none."""
        with no_grad_no_autocast(), evaluating(self.model):
            drops: Tensor | None = self.model.head.ablated_drops(self.A)
        return None if drops is None else self._watched("ablation_drops", drops[:, self._columns])

    def parts(self) -> Iterator[tuple[slice, "PooledEvidence"]]:
        """Yield slices of the images with their part of the evidence; its gradients fit in memory."""
        max_pairs = _passes.gradient_pairs_that_fit(self.A, self.memory_gib)
        images = max(1, max_pairs // len(self.findings))
        findings = min(max_pairs, len(self.findings))
        for i in range(0, len(self.A), images):
            rows = slice(i, min(i + images, len(self.A)))
            subset = replace(
                self,
                images=self.images[rows],
                given_outputs=(self.outputs[0][rows], self.outputs[1][rows]),
            )
            for k in range(0, len(self.findings), findings):
                yield rows, replace(subset, requested=self.findings[k : k + findings])


@dataclass(frozen=True, eq=False)
class LayerEvidence(NetworkEvidence):
    """Evidence at the output of ``layer``: each gradient is a backward pass of the layers behind it.

    A batch whose graph exceeds the memory is split into chunks; each needs a second forward pass for its gradients.
    """

    layer: str
    pooling = ""
    ablation_drops = None

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the output of the layer and all logits, from one forward pass with a graph from the layer on."""
        if len(self.images) > self._chunk_size:
            A, logits = zip(
                *((chunk.A, chunk.outputs[1].detach()) for chunk in self._chunks()), strict=True
            )
            return torch.cat(A), torch.cat(logits)
        with evaluating(self.model), self.autocast():
            return layers.run(self.model, self.images, self.layer)

    @property
    def _chunk_size(self) -> int:
        return _passes.backward_batch_size(self.images, self.memory_gib)

    def _chunks(self) -> "Iterator[LayerEvidence]":
        """Yield evidence of ``_chunk_size`` images at a time, so that the graph of one chunk is in memory."""
        return (
            replace(self, images=images).run()
            for images in torch.split(self.images, self._chunk_size)
        )

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (M,K) with the output of the layer replaced by ``features`` (M,C,h,w)."""
        with evaluating(self.model):
            return self._layers_after(features)[:, self._columns]

    @cached_property
    def _layers_after(self) -> layers.Step:
        return layers.tail(self.model, self.images, self.layer)

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients, from one backward pass per finding."""
        if len(self.images) > self._chunk_size:
            G = torch.cat([chunk.gradients.full() for chunk in self._chunks()])
        else:
            A, logits = self.outputs
            with no_grad_no_autocast(), torch.enable_grad():
                G = jacobian_per_finding(logits[:, self._columns], A)
        return self._watched("gradients", Dense(G), G)

    @cached_property
    def class_maps(self) -> Tensor:
        """Raise ``NotAvailableError``: only the pooled map has class maps."""
        reason = f"they are not available at the layer {self.layer!r}"
        raise NotAvailableError(f"class maps require the pooled map; {reason}")

    @cached_property
    def bias(self) -> Tensor:
        """Raise ``NotAvailableError``: see ``class_maps``."""
        return self.class_maps

    def parts(self) -> Iterator[tuple[slice, "LayerEvidence"]]:
        """Split a batch into its chunks, and each by findings, because the images of a chunk share one graph."""
        if len(self.images) > self._chunk_size:
            for n, chunk in enumerate(self._chunks()):
                rows = slice(n * self._chunk_size, n * self._chunk_size + len(chunk.images))
                yield from ((rows, subset) for _, subset in chunk.parts())
            return
        step = max(1, _passes.gradient_pairs_that_fit(self.A, self.memory_gib) // len(self.A))
        for k in range(0, len(self.findings), step):
            subset = replace(
                self, requested=self.findings[k : k + step], given_outputs=self.outputs
            )
            yield slice(0, len(self.A)), subset


def jacobian_batched(logits: Tensor, A: Tensor) -> Tensor:
    """Return the gradients (N,K,C,h,w) of logits (N,K) from one vectorised backward pass, or from K without vmap.

    ``logits`` must depend on ``A`` through a graph, which is retained.

    >>> A = torch.tensor([[[[2.0]]]], requires_grad=True)
    >>> jacobian_batched(torch.cat([A.flatten(1), 3 * A.flatten(1)], dim=1), A).flatten().tolist()
    [1.0, 3.0]
    """
    n, k = logits.shape
    directions = torch.eye(k, device=A.device, dtype=logits.dtype).unsqueeze(1).expand(k, n, k)
    try:
        (G,) = torch.autograd.grad(logits, A, directions, retain_graph=True, is_grads_batched=True)
    except RuntimeError:
        return jacobian_per_finding(logits, A)
    return G.transpose(0, 1)  # (K, N, C, h, w) -> (N, K, C, h, w)


def jacobian_per_finding(logits: Tensor, A: Tensor) -> Tensor:
    """Return the gradients (N,K,C,h,w) of logits (N,K) from one backward pass per finding: slower, but less memory."""
    return torch.stack(
        [torch.autograd.grad(logit.sum(), A, retain_graph=True)[0] for logit in logits.unbind(1)],
        dim=1,
    )
