"""Explain a batch: all methods share one forward pass and the gradients through the head.

``check_images``, ``finding_positions``  check the model, images and findings before they are explained
``collect_evidence``  runs the network
``run_methods``       runs methods on the evidence, in parts that fit in memory
``explain``           all of it, for the Python interface
``build_methods``, ``maps_of``  the methods of a list of words, and their maps

The evidence is in ``locus.explaining.evidence``.
"""

import logging
import operator
import traceback
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from locus import methods as method_registry
from locus.backbones import Classifier
from locus.core.errors import (
    BadValueError,
    LocusError,
    NotAvailableError,
    UnknownNameError,
    examples,
    one_line,
)
from locus.core.frames import Grid
from locus.core.names import find_finding
from locus.core.user_code import ANYTHING
from locus.drawing import as_grey, draw_panel
from locus.explaining._passes import current_autocast, no_grad_no_autocast
from locus.explaining.evidence import (
    Draw,
    LayerEvidence,
    NetworkEvidence,
    PooledEvidence,
    require_cover,
)
from locus.methods.base import Method
from locus.methods.evidence import NEEDS, Evidence
from locus.methods.fusion import moved
from locus.scoring.surface import min_max
from locus.scoring.surface.bilinear import to_frame

if TYPE_CHECKING:  # matplotlib is slow to import
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)
PANEL_INCHES = 3.0
"""Side of a panel of ``Maps.show``."""
MAX_PLAUSIBLE_INPUT = 20.0
"""Limit of plausible values: images normalised as for ImageNet are within ±2.7, grey values of 0 to 255 are not."""
NO_GRADIENT_PHRASES = (
    "not require grad",
    "not have been used in the graph",
    "torch.utils.checkpoint",
)
"""Words of the errors of autograd for a network that does not pass on gradients."""
FEATURE_MAP_NEEDS = frozenset({"features", "gradients", "class_maps", "head"})
"""Needs of methods whose maps show one feature map."""
OWN_PASSES = frozenset({"attention", "pixels"})
"""Needs of methods that run the network themselves and do not read the shared forward pass."""
ADVICE = "model.prepare(samples) returns images in the required form"


@dataclass(frozen=True, eq=False)
class MethodMaps:
    """The maps of one method for a batch."""

    maps: Tensor
    """(N,K,h,w) float32."""
    grid: Grid


class ModifiedInputError(BadValueError):
    """A method modified its inputs in place, so the maps of other methods would be wrong."""


def run_method(method: Method, evidence: Evidence) -> MethodMaps:
    """Return the maps of one method and their grid; the evidence can be used for other methods.

    Raises ``LocusError`` if the method fails or does not support the model.
    """
    maps = run_methods({method.name: method}, evidence)[method.name]
    if isinstance(maps, LocusError):
        raise maps
    return maps


def run_methods(
    methods: Mapping[str, Method], evidence: Evidence, guard: bool = True
) -> dict[str, MethodMaps | LocusError]:
    """Return, for each method in order, its maps or its error (``NotAvailableError`` if it is not supported).

    Methods that use gradients run on parts of the batch that fit in memory. Of a network with several paths, the maps
    of all paths are added on the finest grid. Raises ``ModifiedInputError`` after a method that modified the images or
    the evidence, unless ``guard`` is False.
    """
    if getattr(evidence, "other_paths", ()):
        return _run_on_all_paths(methods, cast(NetworkEvidence, evidence), guard)
    in_subsets = {name: method for name, method in methods.items() if "gradients" in method.needs}
    at_once = {name: method for name, method in methods.items() if name not in in_subsets}
    maps: dict[str, dict[int, list[Tensor]]] = {name: {} for name in methods}
    errors: dict[str, LocusError] = {}

    def run(group: Mapping[str, Method], first_image: int, subset: Evidence) -> None:
        for name, method in group.items():
            if name in errors:
                continue
            try:
                maps[name].setdefault(first_image, []).append(_call(method, subset))
            except LocusError as error:
                errors[name] = error
            if guard:
                _require_unmodified(name, cast(NetworkEvidence, subset))

    with no_grad_no_autocast():
        run(at_once, 0, evidence)
        if in_subsets:
            for images, subset in evidence.parts():
                run(in_subsets, images.start, subset)
        return {
            name: errors.get(name) or _joined(method, maps[name], evidence)
            for name, method in methods.items()
        }


def _run_on_all_paths(
    methods: Mapping[str, Method], evidence: NetworkEvidence, guard: bool
) -> dict[str, MethodMaps | LocusError]:
    """Return the maps of a network with several paths, added for the methods that show a feature map."""
    on_first_path = run_methods(methods, replace(evidence, other_paths=()), guard)
    of_feature_map = {
        name: method for name, method in methods.items() if method.needs & FEATURE_MAP_NEEDS
    }
    on_other_paths = [
        run_methods(of_feature_map, evidence.at(path), guard) for path in evidence.other_paths
    ]
    summed = {}
    for name, answer in on_first_path.items():
        answers_of_other_paths = [answers[name] for answers in on_other_paths if name in answers]
        summed[name] = _summed([answer, *answers_of_other_paths])
    return summed


def _require_unmodified(name: str, evidence: NetworkEvidence) -> None:
    """Raise ``ModifiedInputError`` if the method ``name`` has modified what it was given."""
    modified = evidence.modified()
    if modified:
        raise ModifiedInputError(
            f"the method {name!r} modifies its inputs in place ({', '.join(modified)}), which the caller "
            "and other methods read: work on a copy, such as A.clone()"
        )


def _joined(method: Method, maps: Mapping[int, Sequence[Tensor]], evidence: Evidence) -> MethodMaps:
    """Join the maps of all findings of some images, then the images."""
    joined = torch.cat([torch.cat(list(chunks), 1) for chunks in maps.values()]).float()
    grid = method.grid(evidence)
    owner = f"the map of the method {method.name!r}"
    is_of_the_map = bool(method.needs & FEATURE_MAP_NEEDS)
    if is_of_the_map and grid == evidence.grid and joined.shape[-2:] != evidence.A.shape[-2:]:
        h, w = evidence.A.shape[-2:]
        raise BadValueError(
            f"{owner} has the grid of A, but not its {h}x{w} positions: override grid(evidence)"
        )
    require_cover(grid, joined, owner)
    return MethodMaps(joined, grid)


def _summed(answers: Sequence[MethodMaps | LocusError]) -> MethodMaps | LocusError:
    """Return the sum of the maps of several paths, the finest first, or the first error."""
    for answer in answers:
        if isinstance(answer, LocusError):
            return answer
    finest, *coarser = cast(list[MethodMaps], answers)
    shape = (finest.maps.shape[-2], finest.maps.shape[-1])
    moved_maps = [
        moved(path_maps.maps, path_maps.grid, finest.grid, shape) for path_maps in coarser
    ]
    return MethodMaps(finest.maps + sum(moved_maps), finest.grid)


def _call(method: Method, evidence: Evidence) -> Tensor:
    """Return the maps of a method. Raises ``LocusError``, with the line where it failed."""
    try:
        return method(evidence)
    except (LocusError, MemoryError):
        raise
    except ANYTHING as error:
        if isinstance(error, RuntimeError) and any(
            phrase in str(error) for phrase in NO_GRADIENT_PHRASES
        ):
            raise NotAvailableError(
                f"the method {method.name!r} requires gradients, which this network does not pass on: some of its "
                "layers run under no_grad, on integers or in checkpoints"
            ) from error
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise LocusError(
            f"the method {method.name!r} failed: {type(error).__name__}: {one_line(error)} "
            f"({line.filename}, line {line.lineno}); "
            f"to test it step by step, run `python -m benchmark.check method {method.name}`"
        ) from error


def prepare_model(model: Classifier, *, channels_last: bool, compiled: bool) -> Classifier:
    """Return ``model``, with its weights in the channels-last format and its features compiled if asked for."""
    if channels_last:
        model.to(memory_format=torch.channels_last)
    if compiled:
        model.extractor.compile()
    return model


def check_model(model: Any) -> None:
    """Raise ``BadValueError`` unless ``model`` is a ``locus.backbones.Classifier``."""
    if not isinstance(model, Classifier):
        advice = "wrap it first: locus.wrap(network, findings=[...], img_size=...)"
        raise BadValueError(
            f"the model is a {type(model).__name__}, not a locus.backbones.Classifier: {advice}"
        )


def check_images(model: Classifier, images: Any, any_size: bool = False) -> None:
    """Check that ``model`` can be explained on ``images``.

    Args:
        model: a built, loaded or wrapped network.
        images: (N,C,H,W) float tensor, C the network's channels.
        any_size: accept a size that differs from the training size of the network.

    Raises:
        BadValueError: if they are not a tensor, have a dtype, number of channels or size that the network does not
            accept, or values that are not finite or not normalised.
    """
    check_batch(model, images)
    if images.shape[1] == 1 and model.channels == 3:
        advice = "images.expand(-1, 3, -1, -1) repeats a normalised channel"
        raise BadValueError(
            f"images have 1 channel, but the network requires 3: {advice}; {ADVICE}"
        )
    _check_values(model, images)
    size = (images.shape[-2], images.shape[-1])
    if not any_size and model.img_size is not None and size != (model.img_size, model.img_size):
        actual = f"{size[0]}x{size[1]}"
        advice = "resize them, or set any_size=True to explain them as they are"
        raise BadValueError(
            f"images have {actual} pixels, but the network was trained with {model.img_size}: {advice}; {ADVICE}"
        )


def check_batch(model: Classifier, images: Any) -> None:
    """Raise ``BadValueError`` unless ``images`` are a (N,C,H,W) tensor with N at least 1 and the model's dtype."""
    if not isinstance(images, Tensor):
        advice = "use torch.from_numpy(array) for an array"
        raise BadValueError(
            f"images must be a torch.Tensor, not {type(images).__name__}: {advice}; {ADVICE}"
        )
    if images.is_sparse:
        raise BadValueError("images are sparse: convert them with images.to_dense()")
    if images.ndim != 4 or not images.numel():
        shape = tuple(images.shape)
        raise BadValueError(
            f"images have the shape {shape}, but must be (N,3,H,W) with at least one image"
        )
    types = {weight.dtype for weight in model.parameters()} or {images.dtype}
    if images.dtype not in types:
        wanted = types.pop()
        advice = f"convert them with images.to({wanted})" if images.is_floating_point() else ADVICE
        raise BadValueError(
            f"images are {images.dtype}, but the weights of the model are {wanted}: {advice}"
        )


def _check_values(model: Classifier, images: Tensor) -> None:
    """Raise if ``images`` have values that are not finite or not normalised; warn if they may not be normalised."""
    if not bool(images.isfinite().all()):
        count = int((~images.isfinite()).flatten(1).any(1).sum())
        raise BadValueError(f"{count} of {len(images)} images have NaN or infinite values")
    low, high = (float(value) for value in images.aminmax())
    if model.build_options is not None and max(-low, high) > MAX_PLAUSIBLE_INPUT:
        raise BadValueError(
            f"images have values of {low:.4g} to {high:.4g} and are not normalised (normalised values are within ±3): "
            f"{ADVICE}"
        )
    if 0 <= low < high and (high <= 1 or high > MAX_PLAUSIBLE_INPUT):
        log.warning(
            "images have values of %.4g to %.4g: are they normalised? %s", low, high, ADVICE
        )


def finding_positions(
    model: Classifier, findings: "Sequence[int | str] | str | None"
) -> tuple[int, ...] | None:
    """Return the indices of ``findings`` among the model's outputs; None (all findings) stays None.

    Args:
        model: a network; its ``findings`` are the names of its outputs.
        findings: indices, names of findings (or their aliases), or one name.

    Raises:
        UnknownNameError: a name that the model does not have. BadValueError: a name if the model's outputs have none,
            or a value that is neither an index nor a name.
    """
    if findings is None:
        return None
    if not isinstance(findings, str | list | tuple | range):
        raise BadValueError(f"findings is {findings!r}: give a list of names or indices, in order")
    return tuple(
        _position(model, finding)
        for finding in ([findings] if isinstance(findings, str) else findings)
    )


def _position(model: Classifier, finding: Any) -> int:
    """Return the position of a finding, given by index or name, in the outputs of ``model``."""
    if not isinstance(finding, str):
        try:
            return operator.index(finding)
        except TypeError as error:
            raise BadValueError(
                f"finding {finding!r} is invalid: use an index, such as 0, or a name, such as 'Mass'"
            ) from error
    if not model.findings:
        advice = "set model.findings in the order of the outputs, or use indices"
        raise BadValueError(
            f"finding {finding!r}: the outputs of this model have no names: {advice}"
        )
    name = find_finding(finding, model.findings)
    if name is None:
        raise UnknownNameError("finding", finding, model.findings)
    return model.findings.index(name)


def collect_evidence(
    model: Classifier,
    images: Tensor,
    findings: Sequence[int] | None = None,
    layer: str | None = None,
    memory_gib: float = 2.0,
    progress: bool = False,
    needs: Set[str] = NEEDS,
    draw: Draw | None = None,
) -> NetworkEvidence:
    """Run a forward pass and return its ``locus.methods.evidence.Evidence``.

    Args:
        model: the network.
        images: (N,3,H,W) images, preprocessed for the network.
        findings: indices of the explained outputs; None: all.
        layer: submodule whose output is explained, several joined by ``+``; None: the network's default.
        memory_gib: memory limit in GiB of gradients and forward passes.
        progress: show the progress of slow methods.
        needs: inputs of the methods that will use the evidence (``locus.methods.evidence.NEEDS``): if they need only
            ``OWN_PASSES``, the forward pass is delayed until something else is read.
        draw: function that returns images of other patients; None: there are none.

    Raises:
        BadValueError: invalid images, layer or ``memory_gib``.
    """
    check_batch(model, images)
    if not isinstance(memory_gib, int | float) or not memory_gib > 0:
        raise BadValueError(f"memory_gib is {memory_gib!r}: it must be a number above 0")
    if not isinstance(layer, str | None):
        raise BadValueError(f"layer is {layer!r}: give the name of a submodule, such as layer3")
    is_delayed = layer is None and _have_own_passes(model, needs)
    layer = model.layer if layer is None else layer
    other_paths: list[str] = []
    if layer is not None:
        layer, *other_paths = _finest_first(model, layer, images)
    with no_grad_no_autocast():
        images = images.clone() if images.is_inference() else images.detach()
    indices = None if findings is None else tuple(int(finding) for finding in findings)
    autocast = current_autocast(images)
    if layer is None:
        evidence: NetworkEvidence = PooledEvidence(
            model,
            images,
            indices,
            None,
            memory_gib,
            progress,
            autocast,
            collect_evidence,
            draw=draw,
        )
    else:
        evidence = LayerEvidence(
            model,
            images,
            indices,
            layer,
            memory_gib,
            progress,
            autocast,
            collect_evidence,
            other_paths=tuple(other_paths),
            draw=draw,
        )
    return evidence if is_delayed else evidence.run()


def _have_own_passes(model: Classifier, needs: Set[str]) -> bool:
    """Return True if methods with these ``needs`` run the network themselves, and how many outputs it has is known."""
    is_count_known = needs == {"attention"} or model.head.num_classes is not None
    return bool(needs) and needs <= OWN_PASSES and is_count_known


def _finest_first(model: Classifier, layers: str, images: Tensor) -> list[str]:
    """Return the layers joined by ``+``, that with the finest grid first."""
    names = layers.split("+")
    if len(names) == 1:
        return names
    size = (images.shape[-2], images.shape[-1])
    return sorted(names, key=lambda name: model.grid(size, name).stride)


class Maps(dict[str, Tensor]):
    """Raw maps: name of a method -> (N,K,h,w) float32; ``grids[name]`` is their grid, ``logits`` is (N,K).

    ``absent``: method that does not support the model -> reason. It has no map. ``images``: the (N,C,H,W) images.
    ``findings``: the K names, ``output 0`` … if the outputs of the model have none.
    """

    def __init__(self, evidence: NetworkEvidence) -> None:
        """Create an empty set of maps for a batch; the evidence is kept only if the network has not run."""
        super().__init__()
        self.grids: dict[str, Grid] = {}
        self.absent: dict[str, str] = {}
        self.images = evidence.images
        self._names = evidence.model.findings
        self._requested = evidence.requested
        if evidence.given_outputs is None:
            self._deferred = evidence
        else:
            self.logits = evidence.logits

    @cached_property
    def logits(self) -> Tensor:
        """Logits of the requested findings, (N,K); runs the network if the methods did without the shared pass."""
        return self._deferred.logits

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the K findings, in their order."""
        count = next((maps.shape[1] for maps in self.values()), len(self._names))
        positions = self._requested if self._requested is not None else range(count)
        return tuple(self._names[k] if self._names else f"output {k}" for k in positions)

    def show(self, image: int = 0, finding: str | int | None = None) -> "Figure":
        """Draw the maps of one image: the image, then each method's map over it.

        Args:
            image: index in the batch.
            finding: a name of ``findings``, or its index; None: the finding with the highest logit.

        Returns:
            A matplotlib figure, which a notebook shows; ``figure.savefig("maps.png")`` writes it.

        Raises:
            UnknownNameError: for a finding that was not explained. BadValueError: for an index outside the batch.
        """
        from matplotlib.figure import Figure

        if not 0 <= image < len(self.images):
            raise BadValueError(
                f"image {image} is not in the batch: use 0 to {len(self.images) - 1}"
            )
        position = self._position(image, finding)
        pixels = as_grey(self.images[image])
        frame = (pixels.shape[0], pixels.shape[1])
        figure = Figure(figsize=(PANEL_INCHES * (len(self) + 1), PANEL_INCHES + 0.6), dpi=100)
        axes = figure.subplots(1, len(self) + 1, squeeze=False)[0]
        figure.subplots_adjust(0.01, 0.01, 0.99, 0.85, 0.03)
        figure.suptitle(
            f"{self.findings[position]}, logit {self.logits[image, position]:.2f}", fontsize=11
        )
        draw_panel(axes[0], frame, pixels)
        for axis, (name, maps) in zip(axes[1:], self.items(), strict=True):
            heat = to_frame(min_max(maps[image, position]), frame, self.grids[name])
            draw_panel(axis, frame, pixels, heat)
            axis.set_title(name, fontsize=9)
        return figure

    def _position(self, image: int, finding: str | int | None) -> int:
        """Return the index of a finding among ``findings``."""
        if finding is None:
            return int(self.logits[image].argmax())
        if isinstance(finding, str):
            name = find_finding(finding, self.findings)
            if name is not None:
                return self.findings.index(name)
        if isinstance(finding, int) and 0 <= finding < len(self.findings):
            return finding
        raise UnknownNameError("finding", finding, self.findings)

    def __repr__(self) -> str:
        """Say what the maps are: ``Maps of 2 images, 1 findings (Mass): cam 7×7, gradcampp 7×7``."""
        sizes = [f"{name} {maps.shape[-2]}×{maps.shape[-1]}" for name, maps in self.items()]
        absent = f"; not supported: {', '.join(self.absent)}" if self.absent else ""
        description = f"{len(self.images)} images, {len(self.findings)} findings ({examples(self.findings, 8)})"
        return f"Maps of {description}: {', '.join(sizes) or 'none'}{absent}"


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

    The forward pass uses the caller's autocast; gradients and maps are float32. Methods of attention or of whole
    gradients run the network themselves: without others, there is no shared pass.

    Args:
        model: a ``locus.backbones.Classifier`` (built or wrapped); it runs in evaluation mode and is not changed.
        images: (N,3,H,W) float, normalised, on the model's device: ``model.prepare(samples)``.
        methods: names, ``path/to/file.py:Class``, classes or instances; maps do not depend on their order or number.
            Unsupported methods are left out, and listed in ``.absent`` and in the log.
        findings: indices of the model's outputs to explain, or names of its findings; all by default.
        layer: an earlier layer (one of ``model.layer_names``, or any submodule whose output is a map).
            None: ``model.layer``, which is the pooled map by default.
        memory_gib: memory budget of gradients and forward passes; larger batches are split.
        progress: show a bar while a slow method runs.
        any_size: accept images whose size differs from that of the training images.

    Returns:
        ``Maps``: name -> (N,K,h,w) float32, K in the order of ``findings``; with ``.grids[name]`` and ``.logits``
        (N,K). ``print(maps)`` says what they are, and ``maps.show()`` draws those of one image.

    Raises:
        UnknownNameError: for an unknown method or layer.
        NotAvailableError: no method requested by name supports this model (``cam`` requires a linear head; a model
            wrapped with a callable head has none).
        BadValueError: for images of a wrong shape or size, values that are not normalised or not finite, and a finding
            that the model does not have; see ``check_images``.

    Example::

        model = locus.load("demo-pcam")
        samples = locus.load_dataset("phantom")[:4]
        maps = locus.explain(model, model.prepare(samples), ["gradcam", "pcam"])
        print(maps["gradcam"].shape)
    """
    check_model(model)
    check_images(model, images, any_size)
    positions = finding_positions(model, findings)
    listed = [methods] if isinstance(methods, str) else methods
    built = build_methods(listed)
    requested = [
        method_registry.normalize_name(method) if isinstance(method, str) else method
        for method in listed
    ]
    groups = [name for name in requested if name in method_registry.GROUPS]
    optional = set(method_registry.expand(groups)).difference(requested)
    needs = frozenset[str]().union(*(method.needs for method in built.values()))
    evidence = collect_evidence(model, images, positions, layer, memory_gib, progress, needs)
    return maps_of(built, evidence, optional)


def maps_of(
    methods: Mapping[str, Method],
    evidence: NetworkEvidence,
    optional: Set[str] = frozenset(),
    guard: bool = True,
) -> Maps:
    """Return the maps of some methods without checking the images; unsupported ones are ``absent``.

    Args:
        methods: name -> method.
        evidence: the evidence of a network for a batch of images.
        optional: methods whose absence is no warning.
        guard: see ``run_methods``.

    Raises:
        NotAvailableError: no method has maps and one of them is not optional.
    """
    maps = Maps(evidence)
    refused: list[NotAvailableError] = []
    for name, answer in run_methods(methods, evidence, guard).items():
        if isinstance(answer, NotAvailableError):
            maps.absent[name] = str(answer)
            level = logging.INFO
            if name not in optional:
                refused.append(answer)
                level = logging.WARNING
            log.log(level, "left out: %s: %s", name, answer)
        elif isinstance(answer, LocusError):
            raise answer
        else:
            maps[name] = answer.maps
            maps.grids[name] = answer.grid
    if refused and not maps:
        raise refused[0]
    return maps


def build_methods(methods: Sequence[str | Method | type[Method]]) -> dict[str, Method]:
    """Return name -> method, with groups (``fast``) expanded. Raises ``BadValueError`` if two methods share a name."""
    if not isinstance(methods, list | tuple):
        raise BadValueError(
            f"methods is {methods!r}: give a list of names and classes, such as ['gradcam']"
        )
    listed: list[str | Method | type[Method]] = []
    for method in methods:
        listed += method_registry.expand([method]) if isinstance(method, str) else [method]
    built: dict[str, Method] = {}
    for name, method in map(_named, dict.fromkeys(listed)):
        if name in built:
            modules = f"{type(built[name]).__module__} and {type(method).__module__}"
            raise BadValueError(f"two methods have the name {name!r} ({modules}): use one of them")
        built[name] = method
    return built


def _named(method: str | Method | type[Method]) -> tuple[str, Method]:
    """Return the name of a method (with its options, as in ``noise:seed=3``) and the method."""
    if not isinstance(method, str):
        built = method if isinstance(method, Method) else method()
        return built.name, built
    built = method_registry.build(method)
    is_own_name = method.split(":")[0] == built.name
    return (method if is_own_name else built.name), built
