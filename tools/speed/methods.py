"""Time heat maps of Locus, grad-cam, torchcam and captum, and measure their memory.

A contender prepares itself with a model, images and findings, and returns the call to time. The other packages are
called as in their documentation, in a loop over the findings. They get the model itself; its ``extractor`` is the
module with the explained feature map.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from locus import backbones
from locus.backbones import Classifier
from locus.benchmark.training.hardware import configure_torch
from locus.core.errors import BadValueError, LocusError
from locus.explaining.batch import explain
from locus.flags.parser import AtLeast
from tools.speed import timing
from tools.speed.timing import Time, compared, short, table

Call = Callable[[], object]
Contender = Callable[[Classifier, Tensor, Sequence[int]], Call]

SEVEN = ("cam", "gradcam", "gradcampp", "xgradcam", "hirescam", "layercam", "eigencam")
SIX = ("GradCAM", "GradCAMPlusPlus", "XGradCAM", "HiResCAM", "LayerCAM", "EigenCAM")
FINDINGS = 14
"""Number of the models' findings."""
TOLERANCE = 1e-3
"""Maximum difference of two maps, as a share of the maximum: the packages add 1e-7 in several places."""
TINY = 64
"""Side in pixels of the image for warming up."""


@dataclass(frozen=True)
class MethodsConfig:
    """Time the methods of Locus, grad-cam, torchcam and captum: ``python -m tools.speed methods``."""

    backbones: tuple[str, ...] = ("resnet18", "densenet121")
    """Networks to explain."""
    sizes: tuple[int, ...] = (224, 512)
    """Sides in pixels of the square images."""
    batches: tuple[int, ...] = (8, 2)
    """Images per call, one number for each of --sizes."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """Number of rounds. All contenders are timed in turn, and the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 5.0
    """Seconds after which a contender is not timed again. Each contender is timed at least once."""
    memory: bool = True
    """Also measure the peak memory of each contender in a separate process."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """Number of CPU threads of torch. Default: all CPUs available to the process."""


class NetworkAtSize(NamedTuple):
    """A network and its images."""

    backbone: str
    size: int
    batch: int

    def __str__(self) -> str:
        """Return the heading of a column."""
        return f"{self.backbone} at {self.size} px"

    def build(self) -> tuple[Classifier, Tensor]:
        """Return a model in evaluation mode and (N,3,H,W) images, the same for the same conditions.

        Weights are random, but the batch norms have seen one batch; otherwise the maps would be empty or constant.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = backbones.build(self.backbone, FINDINGS)
            torch.nn.init.normal_(model.weight)
            with torch.no_grad():
                model.train()(torch.randn(8, 3, 96, 96))
            return model.eval(), torch.randn(self.batch, 3, self.size, self.size)


def forward(model: Classifier, images: Tensor, findings: Sequence[int]) -> Call:
    """Bare forward pass in inference mode."""
    return partial(torch.inference_mode()(model.forward), images)


def plain(model: Classifier, images: Tensor, findings: Sequence[int]) -> Call:
    """Grad-CAM in plain PyTorch: one forward pass, then one gradient per finding; maps at the size of the feature map.

    Nobody's package: the least work that a user's own lines do, if they keep the graph of the forward pass.
    """

    def call() -> list[Tensor]:
        features = model.features(images)
        logits = model.head(features)
        maps = []
        for k in findings:
            (gradient,) = torch.autograd.grad(logits[:, k].sum(), features, retain_graph=True)
            maps.append((gradient.mean((-2, -1), keepdim=True) * features).sum(1).relu().detach())
        return maps

    return call


def channels_last(model: Classifier, images: Tensor, findings: Sequence[int]) -> Call:
    """Bare forward pass of images in the channels-last format, which is faster on CPUs."""
    return forward(model, images.contiguous(memory_format=torch.channels_last), findings)


def locus(*methods: str) -> Contender:
    """Maps of ``methods`` by Locus, at the size of the feature map."""

    def prepare(model: Classifier, images: Tensor, findings: Sequence[int]) -> Call:
        return partial(explain, model, images, methods, findings)

    return prepare


def grad_cam(*names: str) -> Contender:
    """The package grad-cam: an object per method, a call per finding; maps at the images' size, scaled to [0,1]."""

    def prepare(model: Classifier, images: Tensor, findings: Sequence[int]) -> Call:
        import pytorch_grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        def call() -> list[object]:
            maps = []
            for name in names:
                with getattr(pytorch_grad_cam, name)(
                    model=model, target_layers=[model.extractor]
                ) as cam:
                    target_lists = ([ClassifierOutputTarget(k)] * len(images) for k in findings)
                    with contextlib.redirect_stderr(io.StringIO()):  # Score-CAM's progress bars
                        maps += [
                            cam(input_tensor=images, targets=targets) for targets in target_lists
                        ]
            return maps

        return call

    return prepare


def captum(model: Classifier, images: Tensor, findings: Sequence[int]) -> Call:
    """captum's LayerGradCam: an attribution per target; maps at the size of the feature map."""
    from captum.attr import LayerGradCam

    explainer = LayerGradCam(model, model.extractor)
    return lambda: [explainer.attribute(images, target=k, relu_attributions=True) for k in findings]


def torchcam(model: Classifier, images: Tensor, findings: Sequence[int]) -> Call:
    """torchcam's GradCAM: a forward pass and an extraction, which frees the graph, per finding."""
    from torchcam.methods import GradCAM

    def call() -> list[list[Tensor]]:
        with GradCAM(model, "extractor") as extractor:
            return [extractor(class_idx=k, scores=model(images)) for k in findings]

    return call


CONTENDERS: Mapping[str, Contender] = {
    "plain PyTorch, Grad-CAM": plain,
    "bare forward pass": forward,
    "the same, images channels last": channels_last,
    "Locus, seven methods": locus(*SEVEN),
    "Locus, Grad-CAM": locus("gradcam"),
    "Locus, Score-CAM": locus("scorecam"),
    "grad-cam, six methods": grad_cam(*SIX),
    "grad-cam, Grad-CAM": grad_cam("GradCAM"),
    "grad-cam, Score-CAM": grad_cam("ScoreCAM"),
    "captum, Grad-CAM": captum,
    "torchcam, Grad-CAM": torchcam,
}
OURS = {
    "plain PyTorch, Grad-CAM": "Locus, Grad-CAM",
    "grad-cam, six methods": "Locus, seven methods",
    "captum, Grad-CAM": "Locus, Grad-CAM",
    "torchcam, Grad-CAM": "Locus, Grad-CAM",
    "grad-cam, Score-CAM": "Locus, Score-CAM",
}
"""Contender that explains one finding after the other -> contender of Locus with which it is compared."""
Task = tuple[str, int]
"""A contender and its number of findings."""
TIMED: Sequence[Task] = (
    ("plain PyTorch, Grad-CAM", 8),
    ("bare forward pass", 0),
    ("the same, images channels last", 0),
    *(("Locus, seven methods", count) for count in (1, 8, FINDINGS)),
    ("Locus, Grad-CAM", 8),
    *(("grad-cam, six methods", count) for count in (1, 8)),
    ("captum, Grad-CAM", 8),
    ("torchcam, Grad-CAM", 8),
)
MEASURED: Sequence[Task] = (
    ("bare forward pass", 0),
    ("Locus, seven methods", FINDINGS),
    ("Locus, Grad-CAM", FINDINGS),
    *((name, 1) for name in ("grad-cam, six methods", "captum, Grad-CAM", "torchcam, Grad-CAM")),
)
"""Contenders whose memory is measured; a loop over findings needs as much for many findings as for one."""
SCORECAM = ("Locus, Score-CAM", "grad-cam, Score-CAM")


def report(config: MethodsConfig) -> Iterator[str]:
    """Yield the machine and the tables. Raises ``LocusError`` for a missing package and for maps that differ."""
    if len(config.sizes) != len(config.batches):
        counts = f"--sizes has {len(config.sizes)} values, --batches {len(config.batches)}"
        raise BadValueError(f"{counts}: give one batch size for each size")
    configure_torch(config.threads)
    yield timing.machine(
        torch.get_num_threads(), "torch", "timm", "numpy", "grad-cam", "torchcam", "captum"
    )
    images = tuple(zip(config.sizes, config.batches, strict=True))
    networks = [
        NetworkAtSize(backbone, *value) for backbone in config.backbones for value in images
    ]
    for network in networks:
        check(*network.build())
    times = {network: timed(network, TIMED, config) for network in networks}
    yield "Milliseconds per image:\n\n" + time_table(times)
    small = networks[0]._replace(batch=1)
    tasks = [(name, 8) for name in SCORECAM]
    yield f"Milliseconds of Score-CAM for one image:\n\n{time_table({small: timed(small, tasks, config)})}"
    if config.memory:
        measured = {
            network: {task: memory(network, task) for task in MEASURED} for network in networks
        }
        yield f"Peak memory in MiB:\n\n{memory_table(measured)}"
        of_scorecam = [("Locus, Score-CAM", 8), ("grad-cam, Score-CAM", 1)]
        peaks = {
            batch: {task: memory(small._replace(batch=batch), task) for task in of_scorecam}
            for batch in (1, 4)
        }
        yield "The same for Score-CAM:\n\n" + memory_table(
            {f"{small}, batch of {n}": value for n, value in peaks.items()}
        )


def timed(network: NetworkAtSize, tasks: Sequence[Task], config: MethodsConfig) -> dict[Task, Time]:
    """Time ``tasks`` in turn, per image."""
    model, images = network.build()
    calls = {(name, count): CONTENDERS[name](model, images, range(count)) for name, count in tasks}
    times = timing.fastest(calls, config.rounds, config.budget)
    return {
        task: Time(measured.wall / len(images), measured.cpu / len(images))
        for task, measured in times.items()
    }


def memory(network: NetworkAtSize, task: Task) -> float | None:
    """Return the peak memory of a call in MiB, in addition to that of packages, model and images."""
    return timing.in_new_process(_memory, network, task, torch.get_num_threads())


def _memory(network: NetworkAtSize, task: Task, threads: int) -> float | None:
    """Measure in the new process, after a call with one tiny image, which loads packages and thread pools."""
    torch.set_num_threads(threads)
    name, count = task
    model, images = network.build()
    CONTENDERS[name](model, images[:1, :, :TINY, :TINY].contiguous(), [0])()
    call = CONTENDERS[name](model, images, range(count))
    before = timing.reset_peak()
    result = call()  # the memory of the result counts
    after = timing.peak()
    del result
    return None if before is None or after is None else max(0.0, after - before)


def time_table(times: Mapping[NetworkAtSize, Mapping[Task, Time]]) -> str:
    """Return a table of the times per image; brackets compare plain PyTorch and packages with Locus."""

    def cell(column: Mapping[Task, Time], name: str, count: int) -> str:
        wall = column[name, count].wall
        ours = column.get((OURS.get(name, ""), count))
        return compared(wall, wall / ours.wall if ours else None)

    rows = (
        (name, count, (cell(column, name, count) for column in times.values()))
        for name, count in _tasks(times)
    )
    return table(_header(times), [(name, str(count or ""), *cells) for name, count, cells in rows])


def memory_table(measured: Mapping[Any, Mapping[Task, float | None]]) -> str:
    """Return a table of peak memory."""
    rows = (
        (*task, (short(peaks[task]) for peaks in measured.values())) for task in _tasks(measured)
    )
    return table(
        _header(measured), [(name, str(count or ""), *cells) for name, count, cells in rows]
    )


def _tasks(times: Mapping[Any, Mapping[Task, object]]) -> list[Task]:
    return list(next(iter(times.values())))


def _header(columns: Mapping[Any, object]) -> list[str]:
    return ["contender", "findings", *map(str, columns)]


def check(model: Classifier, images: Tensor) -> None:
    """Raise ``LocusError`` if the Grad-CAM of a package, scaled to [0,1], differs from that of Locus."""
    ours = explain(model, images, ("gradcam",))["gradcam"]
    finding = int(
        ours.amax((2, 3)).amin(0).argmax()
    )  # one with a map that is not empty for any image
    for name in (
        "grad-cam, Grad-CAM",
        "captum, Grad-CAM",
        "torchcam, Grad-CAM",
        "plain PyTorch, Grad-CAM",
    ):
        theirs: Any = CONTENDERS[name](model, images, [finding])()
        while isinstance(theirs, list):  # lists of one item each
            (theirs,) = theirs
        theirs = torch.as_tensor(theirs).detach().flatten(0, -3)
        maps = scaled(ours[:, finding])
        if maps.shape != theirs.shape:
            size = theirs.shape[-2:]
            maps = scaled(
                interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
            )
        difference = float((scaled(theirs) - maps).abs().max())
        if not difference <= TOLERANCE:
            raise LocusError(
                f"{name} of finding {finding} differs from that of Locus by {difference:.2g} of its maximum "
                f"(the limit for rounding errors is {TOLERANCE}): not timed"
            )


def scaled(maps: Tensor) -> Tensor:
    """Scale each map of (N,h,w) to [0,1]; a constant map becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny)
