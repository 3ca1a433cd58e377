"""Every flag of every door: frozen dataclasses with one sentence under each field, from which the command line is derived.

A door's class inherits its groups of flags; ``--help`` shows them group by group. Nothing here imports torch.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from benchmark.words import BESIDE, CLASSIFICATION, PAIRED
from core.cli import AtLeast, AtMost, Named
from core.registry import Registry

METHOD = Named("methods", "method", ("all", "fast", "slow"), files=True, group="locus.methods")
"""A method's word, a group of methods, or path/to/file.py:Class."""


class Scored(Named):
    """What a record is made by: a protocol's word or one of ``also``, or the word of a validity check."""

    def known(self) -> list[str]:
        """All words that the flag takes."""
        return [*super().known(), *Registry("benchmark.validity", "check").names()]


@dataclass(frozen=True)
class DataFlags:
    """Data."""

    dataset: Annotated[str, Named("datasets", "dataset")] = "phantom"
    """Name of the data set, options in the word (phantom:train=3000); its defaults come from configs/<name>.yaml."""
    data_root_dir: str | None = None
    """Folder of the data set's files; the phantom needs none."""
    num_classes: Annotated[int | None, AtLeast(1)] = None
    """Number of findings, one of those the data set has (NIH: 14, 8 or 1); null is the data set's own."""
    partition: Literal["official", "patient", "kfold"] = "official"
    """Who trains and who tests: the published lists, a random cut by patient, or one of --folds folds by patient."""
    folds: Annotated[int, AtLeast(2)] = 5
    """Number of folds of --partition kfold."""
    fold: Annotated[int, AtLeast(0)] = 0
    """Which fold is held out for the test, counted from 0."""
    data_seed: Annotated[int, AtLeast(0)] = 0
    """Seed of what is cut or drawn: validation patients, folds, the phantom's images; other training seeds see the same images."""
    train_on: Literal["all", "boxed", "unboxed"] = "all"
    """Images of the training side (training and validation) to use: those with a truth box, without one, or all; boxes stay unseen."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square image that the network sees (plain resize, no crop)."""
    max_bad_images: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Share of images that may be unreadable, left out and counted, before the run stops."""
    num_workers: Annotated[int | None, AtLeast(0)] = None
    """Processes that decode images into the cache; null is one per CPU."""
    cache_dir: str = "runs/cache"
    """Folder of the decoded images (uint8, memory-mapped), shared by all runs."""


@dataclass(frozen=True)
class ModelFlags:
    """Model."""

    backbone: str = "densenet121"
    """densenet121, resnet18, resnet34, resnet50, efficientnet_b0 to b7, vgg16, squeezenet1_1, custom (small), or any timm name."""
    global_pool: Annotated[str, Named("backbones.pooling", "pooling")] = "AVG"
    """How positions become one score per finding, options in the word (LSE:gamma=5)."""
    lse_gamma: Annotated[float | None, AtLeast(0)] = None
    """The same as LSE:gamma=… in --global_pool; null is the pooling's own (10); other poolings take no notice."""
    attention_map: Annotated[str, Named("backbones.attention", "attention", ("none",))] = "none"
    """Attention applied once to the feature maps."""
    pretrained: bool = True
    """Start from ImageNet weights (they are downloaded once)."""
    dropout: Annotated[float, AtLeast(0), AtMost(0.99)] = 0.0
    """Share of pooled features dropped in training."""
    init_from: str | None = None
    """Checkpoint to start the weights from, with the same or another head; what was taken over is logged."""


@dataclass(frozen=True)
class RecipeFlags:
    """Recipe."""

    multi_label: bool = True
    """True: a sigmoid per finding; False: abnormality with one class, softmax with more."""
    loss: Annotated[str, Named("benchmark.training.losses", "loss")] = "bce"
    """What is minimised; labels that are unknown count nowhere."""
    weighted_loss: bool = False
    """The same as --loss weighted_bce."""
    optimizer: Literal["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta"] = "Adam"
    """Optimizer, as in torch.optim."""
    lr: Annotated[float, AtLeast(0)] = 1e-4
    """Learning rate; the peak of --scheduler onecycle."""
    momentum: Annotated[float, AtLeast(0)] = 0.9
    """Momentum of SGD and RMSprop."""
    weight_decay: Annotated[float | None, AtLeast(0)] = None
    """Weight decay; null is the optimizer's own (.01 for AdamW, 0 for the others)."""
    amsgrad: bool = False
    """The AMSGrad variant of Adam and AdamW."""
    scheduler: Literal["none", "step", "cosine", "plateau", "onecycle"] = "none"
    """Course of the learning rate: step is a tenth every 3 epochs, plateau a tenth after 2 epochs without a better validation loss."""
    epochs: Annotated[int, AtLeast(1)] = 10
    """How often the training images are seen."""
    batch_size: Annotated[int, AtLeast(1)] = 32
    """Images per step and device."""
    gradient_clip: Annotated[float, AtLeast(0)] = 0.0
    """Largest norm of the gradient; 0 is no limit."""
    augment: str = "none"
    """Random changes of the training images: none, light (flip, small affine), affine_contrast, siim."""
    early_stopping: Annotated[bool | int, AtLeast(0)] = False
    """Stop after so many epochs without a better validation score; True is 5, False never."""
    seed: Annotated[int, AtLeast(0)] = 0
    """Seed of the weights, the order of images, the augmentation and the dropout."""

    def exclusive(self, findings: int) -> bool:
        """Whether an image has exactly one of so many ``findings`` (softmax), not any number of them (a sigmoid each)."""
        return not self.multi_label and findings > 1


@dataclass(frozen=True)
class MachineFlags:
    """Machine."""

    devices: str = "auto"
    """GPUs to use, as in Lightning: auto (one, where there is one) or a number."""
    device_ids: str | None = None
    """Which GPUs, by number: 0,1."""
    num_GPU: Annotated[int | None, AtLeast(0)] = None  # noqa: N815 - the name that earlier command lines use
    """The same as --devices; 0 is the CPU."""
    num_nodes: Annotated[int, AtLeast(1)] = 1
    """Machines that train together, as in Lightning."""
    strategy: str = "auto"
    """How devices share the work, as in Lightning (auto, ddp …)."""
    precision: Literal["auto", "32", "64", "16-mixed", "bf16-mixed"] = "auto"
    """Lightning's precision; auto is bf16-mixed where the GPU or the CPU has fast bfloat16, else 32."""
    compile: bool = False
    """Compile the network with torch.compile (slow start, faster steps)."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


@dataclass(frozen=True)
class OutputFlags:
    """Output."""

    model_save_dir: str = "runs/train"
    """Folder in which each run gets its own folder."""
    log_dir: str = "runs/logs"
    """Folder of TensorBoard events and of log files."""
    logger: tuple[Literal["csv", "tensorboard"], ...] = ("csv", "tensorboard")
    """Where the curves go: metrics.csv in the run's folder (always there), TensorBoard events."""
    logtofile: bool = False
    """Also write the log to <log_dir>/<run>.log."""
    resume: bool | str = False
    """Go on with a run: True is the newest unfinished run of the same flags, or give the path of a last.ckpt or run folder."""


@dataclass(frozen=True)
class TrainConfig(OutputFlags, MachineFlags, RecipeFlags, ModelFlags, DataFlags):
    """Train one classifier on one data set and evaluate it: ``python main.py``."""


WHERE = frozenset({field.name for part in (OutputFlags, MachineFlags) for field in fields(part)} | {"cache_dir", "num_workers"})
"""Flags of a training that say where and on what machine it is made, not what it learns."""


@dataclass(frozen=True)
class EngineFlags:
    """Engine."""

    memory_gib: Annotated[float, AtLeast(0.001)] = 2.0
    """GiB that gradients and forward passes of an explanation may take at once; more than that is done in parts."""
    channels_last: bool = False
    """Lay the network's weights out by channels (faster convolutions on some machines, the same maps)."""
    compile: bool = False
    """Compile the network with torch.compile (slow start, the same maps)."""


@dataclass(frozen=True)
class HeatmapConfig(EngineFlags):
    """Explain images with a trained model: pictures, boxes and raw maps, one per image, finding and method: ``python heatmap.py``."""

    checkpoint: str | None = None
    """A best.ckpt or its run folder; null is the newest finished run below --runs."""
    runs: str = "runs"
    """Folder in which the newest run is looked for."""
    image: str | None = None
    """An image file or a folder of images; null explains test images with a truth box of the checkpoint's own data set."""
    cases: Annotated[int, AtLeast(1)] = 8
    """How many test images with a truth box are explained when no --image is given."""
    data_root_dir: str | None = None
    """Folder of the data set's files; null is the one that the checkpoint was trained on."""
    findings: tuple[str, ...] = ()
    """Findings to explain; none: those with a truth box, for --image the one with the highest score."""
    method: Annotated[tuple[str, ...], METHOD] = ("gradcam",)
    """Methods, by name or as path/to/file.py:Class; fast are all that cost about one forward pass together, slow the rest."""
    threshold: Annotated[float, AtLeast(0), AtMost(1)] = 0.5
    """Score threshold on the min-max scaled map above which boxes are drawn (origin: fixed)."""
    alignment: Literal["aligned", "conventional"] = "aligned"
    """Where the map's positions look: the network's true grid, or the one that plain interpolation assumes."""
    max_bad_images: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Share of the images of a folder that may be unreadable, left out and counted, before the run stops."""
    save_raw: bool = True
    """Also write the raw maps (h x w, not scaled) as .npy."""
    layer: str | None = None
    """Feature level to explain instead of the pooled map (layer3, features.denseblock2 …); an unknown one is told those there are."""
    precision: Literal["32", "bf16"] = "32"
    """Precision of the forward pass; gradients and maps are float32 always."""
    output_dir: str = "runs/heatmaps"
    """Folder of the pictures, of boxes.json and of the raw maps."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


@dataclass(frozen=True)
class RunConfig(EngineFlags):
    """Run benchmark suites, cell by cell, and write their tables: ``python -m benchmark.run``."""

    all: bool = False
    """Every suite there is."""
    suite: tuple[str, ...] = ()
    """Names of suites."""
    suites: str | None = None
    """Folder of the suites' YAML files; null is configs/suites."""
    method: Annotated[tuple[str, ...], METHOD._replace(also=(*METHOD.also, *BESIDE))] = ()
    """Run the cells of these methods only; one that a suite does not list, or path/to/file.py:Class, is added to it; none: all it lists."""
    protocol: Annotated[tuple[str, ...], Scored("benchmark.protocols", "protocol", ("all", CLASSIFICATION, PAIRED))] = ()
    """Run the cells of these protocols only, or of a suite's check; none or all: all that the suite has. paired runs no cell."""
    overwrite: Literal["never", "missing", "always"] = "missing"
    """never: keep every record that is there; missing: also try again what failed or lacked its data; always: all cells anew."""
    dry_run: bool = False
    """Say what would run and stop."""
    compare: tuple[str, ...] = ()
    """Run nothing: how two differ on the same cases. Each is suite[/model][/method], or a checkpoint of a suite's model by its path."""
    output: str | None = None
    """CSV file to which --compare also writes every comparison."""
    verify: bool = False
    """Run nothing: score again from stored maps, without a model, and say which records hold; status 1 unless every one does."""
    data_root_dir: str | None = None
    """Folder of the data set's files, instead of the one that the suite names."""
    results: str = "results"
    """Folder of records and tables, one folder per suite."""
    runs: str = "runs/suites"
    """Folder of checkpoints and stored maps, one folder per suite."""
    cache_dir: str | None = None
    """Folder of the decoded images; null is main.py's own."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


@dataclass(frozen=True)
class CheckConfig:
    """Hold methods against what every method keeps to, on small networks with random weights: ``python -m benchmark.check method NAME``."""

    method: Annotated[tuple[str, ...], METHOD] = ()
    """Methods, by name, with options, or as path/to/file.py:Class."""
    threads: Annotated[int, AtLeast(1)] = 1
    """CPU threads of torch; the networks are too small for more."""


@dataclass(frozen=True)
class SpeedConfig:
    """Time all methods beside grad-cam, torchcam and captum, on one machine in one run: ``python -m benchmark.speed.methods``."""

    page: bool = False
    """Measure nothing: write the page again from the record."""
    quick: bool = False
    """A tiny network in a minute, written below runs/speed: shows that everything works, its figures say nothing."""
    backbones: tuple[str, ...] = ("resnet18", "densenet121")
    """Networks to explain."""
    sizes: tuple[int, ...] = (224, 512)
    """Sides in pixels of the square images."""
    batches: tuple[int, ...] = (8, 2)
    """Images per call, one number for each of --sizes; the same for all contenders."""
    findings: Annotated[tuple[int, ...], AtLeast(1)] = (1, 8, 14)
    """How many findings are explained."""
    sweep: Annotated[tuple[int, ...], AtLeast(1)] = (1, 2, 4, 8, 16, 32)
    """Batch sizes of the table that shows what they cost."""
    images: Annotated[tuple[int, ...], AtLeast(1)] = (1, 4)
    """Images per call for which the memory of Score-CAM is measured."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """How often each contender is timed, in turn with the others; the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 5.0
    """Seconds after which a contender has no further round; everyone has one."""
    patience: Annotated[float, AtLeast(0)] = 50.0
    """Seconds that one call may take, judged by fewer findings; slower ones are left out, and the page says so."""
    memory: bool = True
    """Also measure peak memory, each contender in a process of its own."""
    record: str = "benchmark/speed/methods.json"
    """The record to write, or to read for --page."""
    output: str = "docs/speed.md"
    """The page."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


@dataclass(frozen=True)
class ScoringSpeedConfig:
    """Time scoring beside contour searches and component labelling, on one machine in one run: ``python -m benchmark.speed.scoring``."""

    page: bool = False
    """Measure nothing: write the page again from the record."""
    quick: bool = False
    """Very little of everything in a minute, written below runs/speed: shows that it works, its figures say nothing."""
    positions: Annotated[tuple[int, ...], AtLeast(2)] = (7, 14, 32)
    """Sides of the small maps that are scored in a frame of 1024 pixels."""
    thresholds: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """How many score thresholds they are tried at."""
    sizes: Annotated[tuple[int, ...], AtLeast(8)] = (224, 28, 112, 512, 1024)
    """Sides in pixels of the maps that live on pixels; the original evaluator's way is timed at the first."""
    levels: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Score thresholds there: few and many."""
    grids: Annotated[tuple[int, ...], AtLeast(2)] = (7, 16)
    """Sides of the maps with which a whole data set is scored."""
    methods: Annotated[int, AtLeast(1)] = 10
    """How many methods are scored on it."""
    images: Annotated[int, AtLeast(20), AtMost(880)] = 880
    """How many of its images there are."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """How often each contender is timed, in turn with the others; the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 2.0
    """Seconds after which a contender has no further round; everyone has one."""
    record: str = "benchmark/speed/scoring.json"
    """The record to write, or to read for --page."""
    output: str = "docs/scoring_speed.md"
    """The page."""
