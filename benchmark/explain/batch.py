"""Explain a batch: all methods share one forward pass and the gradients through the head."""

import logging
from collections.abc import Mapping, Sequence, Set
from functools import cached_property

from torch import Tensor

import methods as method_registry
from backbones import Classifier
from benchmark.explain import checks
from benchmark.explain.layer import LayerEvidence, PooledEvidence
from benchmark.explain.modes import current_autocast, no_grad_no_autocast
from benchmark.explain.network import NetworkEvidence
from benchmark.explain.run import run_methods
from core.errors import BadValueError, LocusError, NotAvailableError
from core.frames import Grid
from methods.base import Method
from methods.evidence import NEEDS

log = logging.getLogger(__name__)


def collect_evidence(
    model: Classifier,
    images: Tensor,
    findings: Sequence[int] | None = None,
    layer: str | None = None,
    memory_gib: float = 2.0,
    progress: bool = False,
    needs: Set[str] = NEEDS,
) -> NetworkEvidence:
    """Run a forward pass and return its ``methods.evidence.Evidence``.

    Arguments are those of ``explain.explain``, but ``findings`` are indices of outputs, not names. ``needs`` are the
    inputs of the methods that will use the evidence (``methods.evidence.NEEDS``): if only attention, the forward pass
    is delayed until something else is read.
    """
    checks.check_batch(model, images)
    if not memory_gib > 0:
        raise BadValueError(f"memory_gib is {memory_gib}: it must be above 0")
    only_attention, layer = layer is None and needs == {"attention"}, model.layer if layer is None else layer
    with no_grad_no_autocast():
        images = images.clone() if images.is_inference() else images.detach()
    indices = None if findings is None else tuple(int(finding) for finding in findings)
    rest = memory_gib, progress, current_autocast(images), collect_evidence
    if layer is None:
        evidence: NetworkEvidence = PooledEvidence(model, images, indices, None, *rest)
    else:
        evidence = LayerEvidence(model, images, indices, layer, *rest)
    return evidence if only_attention else evidence.run()


class Maps(dict[str, Tensor]):
    """Raw maps: name of a method -> (N,K,h,w) float32; ``grids[name]`` is their grid, ``logits`` is (N,K).

    ``absent``: method of a requested group that does not support the model -> reason. It has no map.
    """

    def __init__(self, evidence: NetworkEvidence) -> None:
        """Create an empty set of maps for a batch; the evidence is kept only if the network has not run."""
        super().__init__()
        self.grids: dict[str, Grid] = {}
        self.absent: dict[str, str] = {}
        if evidence.given_outputs is None:
            self._deferred = evidence
        else:
            self.logits = evidence.logits

    @cached_property
    def logits(self) -> Tensor:
        """Logits of the requested findings, (N,K); runs a forward pass if all methods use only attention."""
        return self._deferred.logits


def explain(
    model: Classifier,
    images: Tensor,
    methods: str | Sequence[str | Method | type[Method]] = ("cam", "gradcampp"),
    findings: Sequence[int | str] | str | None = None,
    layer: str | None = None,
    memory_gib: float = 2.0,
    progress: bool = False,
    any_size: bool = False,
) -> Maps:
    """Compute raw maps of several methods for a batch, with one shared forward pass.

    The forward pass uses the caller's autocast; gradients and maps are float32. Methods that use only attention do not
    need it.

    Args:
        model: a ``backbones.Classifier`` (built or wrapped); it runs in evaluation mode and is not changed.
        images: (N,3,H,W) float, normalised, on the model's device: ``model.prepare(samples)``.
        methods: names, ``path/to/file.py:Class``, classes or instances; maps do not depend on their order or number.
            Unsupported methods of the groups ``all``, ``fast`` and ``slow`` are left out, and listed in ``.absent`` and
            in the log.
        findings: indices of the model's outputs to explain, or names of its findings; all by default.
        layer: an earlier layer (one of ``model.layer_names``, or any submodule whose output is a map).
            None: ``model.layer``, which is the pooled map by default.
        memory_gib: memory budget of gradients and forward passes; larger batches are split.
        progress: show a bar while a slow method runs.
        any_size: accept images whose size differs from that of the training images.

    Returns:
        ``Maps``: name -> (N,K,h,w) float32, K in the order of ``findings``; with ``.grids[name]`` and ``.logits``
        (N,K).

    Raises:
        UnknownNameError: for an unknown method or layer.
        NotAvailableError: for a method requested by name that does not support this model (``cam`` requires a linear
            head; a model wrapped with a callable head has none).
        BadValueError: for images of a wrong shape or size, values that are not normalised or not finite, and a finding
            that the model does not have; see ``benchmark.explain.checks``.
    """
    checks.check_model(model)
    checks.check_images(model, images, any_size)
    positions = checks.finding_positions(model, findings)
    requested = [
        method_registry.normalize_name(method) if isinstance(method, str) else method
        for method in ([methods] if isinstance(methods, str) else methods)
    ]
    parts = build_methods(requested)
    groups = [word for word in requested if word in method_registry.GROUPS]
    of_groups = set(method_registry.expand(groups)).difference(requested)
    needs = frozenset[str]().union(*(method.needs for method in parts.values()))
    return maps_of(parts, collect_evidence(model, images, positions, layer, memory_gib, progress, needs), of_groups)


def maps_of(methods: Mapping[str, Method], evidence: NetworkEvidence, optional: Set[str] = frozenset()) -> Maps:
    """Return the maps of ``methods`` (name -> method) without checking the images; ``optional`` ones may be absent."""
    maps = Maps(evidence)
    for word, answer in run_methods(methods, evidence).items():
        if isinstance(answer, NotAvailableError) and word in optional:
            maps.absent[word] = str(answer)
            log.info("left out: %s: %s", word, answer)
        elif isinstance(answer, LocusError):
            raise answer
        else:
            maps[word], maps.grids[word] = answer.maps, answer.grid
    return maps


def build_methods(methods: Sequence[str | Method | type[Method]]) -> dict[str, Method]:
    """Return name -> method, with groups (``fast``) expanded. Raises ``BadValueError`` if two methods share a name."""
    words = [
        word
        for method in methods
        for word in (method_registry.expand([method]) if isinstance(method, str) else [method])
    ]
    parts: dict[str, Method] = {}
    for word, part in map(_named, dict.fromkeys(words)):
        if word in parts:
            modules = f"{type(parts[word]).__module__} and {type(part).__module__}"
            raise BadValueError(f"two methods have the name {word!r} ({modules}): use one of them")
        parts[word] = part
    return parts


def _named(method: str | Method | type[Method]) -> tuple[str, Method]:
    """Return the name of a method (with its options, as in ``noise:seed=3``) and the method."""
    if not isinstance(method, str):
        part = method if isinstance(method, Method) else method()
        return part.name, part
    part = method_registry.build(method)
    return (method if method.split(":")[0] == part.name else part.name), part
