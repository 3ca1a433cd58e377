"""Every flag of every door: frozen dataclasses with one sentence under each field, from which the command line is derived.

A door's class inherits its groups of flags; ``--help`` shows them group by group. Nothing here imports torch.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from core.cli import AtLeast, AtMost, Named
from core.errors import BadValueError
from core.names import BESIDE, CLASSIFICATION, PAIRED
from core.registry import Registry
from core.registry import spelled as spelled_as
from datasets import SPELLED, spelled


class Method(Named):
    """A method's word, in any spelling."""

    def spelled(self, word: str) -> str:
        """The word as it is registered: ``Grad-CAM++`` is ``gradcampp``."""
        return spelled_as(word, self.known())


METHOD = Method("methods", "method", ("all", "fast", "slow"), files=True, group="locus.methods")
"""A method's word, a group of methods, or path/to/file.py:Class."""


class Scored(Named):
    """What a record is made by: a protocol's word or one of ``also``, or the word of a validity check."""

    def known(self) -> list[str]:
        """All words that the flag takes."""
        return [*super().known(), *Registry("benchmark.validity", "check").names()]


class DataSet(Named):
    """A data set's word, or how earlier work spelled it."""

    def known(self) -> list[str]:
        """All words that the flag takes."""
        return [*super().known(), *SPELLED]


@dataclass(frozen=True)
class DataFlags:
    """Data."""

    dataset: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Name of the data set, options in the word (phantom:train=3000); its defaults come from configs/<name>.yaml."""
    data_root_dir: str | None = None
    """Folder of the data set's files; null is data/<dataset>, or $LOCUS_DATA/<dataset>; the phantom needs none."""
    download: bool = False
    """First fill --data_root_dir, absent or empty, with the data set's files; some have a public command (Kaggle's
    client)."""
    num_classes: Annotated[int | None, AtLeast(1)] = None
    """Number of findings, one of those the data set has (NIH: 14, 8 or 1); null is the data set's own."""
    partition: Literal["official", "patient", "kfold"] = "official"
    """Who trains and who tests: the published lists, a random cut by patient, or one of --folds folds by patient."""
    folds: Annotated[int, AtLeast(2)] = 5
    """Number of folds of --partition kfold."""
    fold: Annotated[int, AtLeast(0)] = 0
    """Which fold is held out for the test, counted from 0."""
    data_seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed of what is cut or drawn: validation patients, folds, the phantom's images; other training seeds see the same
    images."""
    train_on: Literal["all", "boxed", "unboxed"] = "all"
    """Images of the training side (training and validation) to use: those with a truth box, without one, or all; boxes
    stay unseen."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square image that the network sees (plain resize, no crop)."""
    max_bad_images: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Share of images that may be unreadable, left out and counted, before the run stops."""
    num_workers: Annotated[int | None, AtLeast(0)] = None
    """Processes that decode images into the cache; null is one per CPU, 0 is one."""
    cache_dir: str = "runs/cache"
    """Folder of the decoded images (uint8, memory-mapped), shared by all runs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", spelled(self.dataset))


@dataclass(frozen=True)
class ModelFlags:
    """Model."""

    backbone: str = "densenet121"
    """densenet121, resnet18, resnet34, resnet50, efficientnet_b0 to b7, vgg16, squeezenet1_1, custom (small), timm's,
    torchxrayvision's."""
    global_pool: Annotated[str, Named("backbones.pooling", "pooling")] = "AVG"
    """How positions become one score per finding, options in the word (LSE:gamma=5); configs/phantom.yaml says PCAM."""
    lse_gamma: Annotated[float | None, AtLeast(0)] = None
    """The same as LSE:gamma=… in --global_pool; null is the pooling's own (10); other poolings take no notice."""
    attention_map: Annotated[str, Named("backbones.attention", "attention", ("none",))] = "none"
    """Attention applied once to the feature maps."""
    pretrained: bool | str = True
    """Start from ImageNet weights (downloaded once), or from those of torchxrayvision by their name
    (densenet121-res224-nih)."""
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
    """What is minimised, options in the word (focal:gamma=2); labels that are unknown count nowhere."""
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
    """Course of the learning rate: step is a tenth every 3 epochs, plateau a tenth after 2 epochs without a better
    validation loss."""
    step_epochs: Annotated[int, AtLeast(1)] = 3
    """Epochs between two steps of --scheduler step."""
    epochs: Annotated[int, AtLeast(1)] = 10
    """How often the training images are seen."""
    batch_size: int | str = 32
    """Images per step and device; auto is the largest power of two that the memory holds, printed and saved with the
    run's flags."""
    accumulate: Annotated[int, AtLeast(1)] = 1
    """Batches whose gradients make one step together: 2 of 16 images learn as 1 of 32 does, in half the memory."""
    sampler: Literal["none", "weighted"] = "none"
    """weighted draws images anew in every epoch, so that each class is seen equally often; an image's class is its
    rarest finding."""
    ema: Annotated[float, AtLeast(0), AtMost(0.99999)] = 0.0
    """Decay per step of a moving average of the weights, which is what is evaluated and kept in best.ckpt; 0 is
    none."""
    gradient_clip: Annotated[float, AtLeast(0)] = 0.0
    """Largest norm of the gradient; 0 is no limit."""
    augment: str = "none"
    """Random changes of the training images, options in the word (light:rotation=10): none, flip, light,
    affine_contrast, siim, jf."""
    preprocess: Literal["none", "jf"] = "none"
    """jf: histogram equalisation, blur and gray padding to a square, as jfhealthcare/Chexpert reads images; none: plain
    resize."""
    early_stopping: Annotated[bool | int, AtLeast(0)] = False
    """Stop after so many epochs without a better validation score; True is 5, False never."""
    keep: Literal["best", "last"] = "best"
    """Whose weights are evaluated and kept in best.ckpt: those of the epoch with the best validation score, or of the
    last one."""
    seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed of the weights, the order of images, the augmentation and the dropout."""

    def __post_init__(self) -> None:
        """Raises ``BadValueError`` for a batch size that is no number of images and not auto."""
        if self.batch_size != "auto" and (not isinstance(self.batch_size, int) or self.batch_size < 1):
            raise BadValueError(f"bad value {self.batch_size!r} of --batch_size: write 1 or more, or auto")

    @property
    def batch(self) -> int:
        """The number of ``batch_size``, which a training puts in the place of ``auto`` before anything is counted in batches."""
        if isinstance(self.batch_size, str):
            raise BadValueError("--batch_size auto has no number before a training has chosen one: write a number here")
        return self.batch_size

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
    channels_last: bool = True
    """Lay images and weights out by channels: faster convolutions, the same logits up to rounding."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


@dataclass(frozen=True)
class OutputFlags:
    """Output."""

    model_save_dir: str = "runs/train"
    """Folder in which each run gets its own folder."""
    log_dir: str = "runs/logs"
    """Folder of TensorBoard events, of what wandb and mlflow keep here, and of log files."""
    logger: tuple[Literal["csv", "tensorboard", "wandb", "mlflow"], ...] = ("csv", "tensorboard")
    """Where the curves go: metrics.csv in the run's folder (always there), TensorBoard events, Weights & Biases,
    MLflow."""
    plots: bool = True
    """Draw the finished run: curves.png, roc.png, precision_recall.png, calibration.png, confusion.png."""
    logtofile: bool = False
    """Also write the log to <log_dir>/<run>.log."""
    resume: bool | str = False
    """Go on with a run: True is the newest unfinished run of the same flags, or give the path of a last.ckpt or run
    folder."""
    threshold_choice: Literal["youden", "f1", "fixed"] = "youden"
    """What makes a finding present: the threshold with the largest TPR − FPR or F1 on the validation images, or a
    probability of .5."""
    evaluate: str | None = None
    """Train nothing: evaluate the best.ckpt of this finished or converted run, and write its metrics, predictions and
    pictures anew."""


@dataclass(frozen=True)
class SearchFlags:
    """Search."""

    search: str | None = None
    """YAML file of a search (configs/search.yaml): Optuna tries values of any flags; the flags typed beside it hold for
    all trials."""
    search_storage: str | None = None
    """SQLite file (or SQLAlchemy's URL) of its trials, which a search that was killed goes on with; null is the one
    that the YAML says."""


@dataclass(frozen=True)
class TrainConfig(SearchFlags, OutputFlags, MachineFlags, RecipeFlags, ModelFlags, DataFlags):
    """Train one classifier on one data set and evaluate it: ``python main.py``."""

    def __post_init__(self) -> None:
        """Raises ``BadValueError`` also for flags that ask for two things at once."""
        RecipeFlags.__post_init__(self)
        DataFlags.__post_init__(self)
        asked = [f"--{name}" for name in ("search", "evaluate", "resume") if getattr(self, name)]
        if len(asked) > 1:
            raise BadValueError(f"{' and '.join(asked)} are two things to do: leave one of them out")
        if self.search_storage and not self.search:
            raise BadValueError("--search_storage is of --search: write --search FILE too, or leave it out")


WHERE = frozenset(
    {field.name for part in (SearchFlags, OutputFlags, MachineFlags) for field in fields(part)}
    | {"cache_dir", "download", "num_workers"}
)
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
class OneImageFlags:
    """One image: a single overlay of a single finding."""

    image_path: str | None = None
    """The image (PNG, JPEG or DICOM), short -i; the overlay goes to --output_path, at the image's own size, and nothing
    else is written."""
    label: str | None = None
    """The finding, short -l, in any spelling (covid_19, lung-opacity); null is the one with the highest score."""
    model: str | None = None
    """A backbone, short -m: the newest finished run below --runs that has it; or a checkpoint's path; null is the
    newest run."""
    output_path: str = "runs/heatmaps/overlay.png"
    """The picture (.png, .jpg …) or a folder that exists, short -o."""


@dataclass(frozen=True)
class HeatmapConfig(EngineFlags, OneImageFlags):
    """Explain images with a trained model: pictures, boxes and raw maps, one per image, finding and method.

    ``python heatmap.py``.
    """

    checkpoint: str | None = None
    """A best.ckpt or its run folder; null is the newest finished run below --runs."""
    runs: str = "runs"
    """Folder in which the newest run is looked for."""
    image: str | None = None
    """An image file or a folder of images; null explains test images of the checkpoint's own data set, with a truth box
    if it has any."""
    cases: Annotated[int, AtLeast(1)] = 8
    """How many test images are explained when no --image is given."""
    data_root_dir: str | None = None
    """Folder of the data set's files; null is the one that the checkpoint was trained on."""
    findings: tuple[str, ...] = ()
    """Findings to explain; none: those with a truth box, for --image the one with the highest score."""
    method: Annotated[tuple[str, ...], METHOD] = ("gradcam",)
    """Methods, by name or as path/to/file.py:Class; fast are all that cost about one forward pass together, slow the
    rest."""
    threshold: Annotated[float | None, AtLeast(0), AtMost(1)] = None
    """Score threshold on the min-max scaled map above which boxes are drawn; null is what a suite chose for this
    network, else .5."""
    format: tuple[Literal["png", "pdf", "svg"], ...] = ("png",)
    """Kinds of pictures to write."""
    alignment: Literal["aligned", "conventional"] = "aligned"
    """Where the map's positions look: the network's true grid, or the one that plain interpolation assumes."""
    max_bad_images: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Share of the images of a folder that may be unreadable, left out and counted, before the run stops."""
    save_raw: bool = True
    """Also write the raw maps (h x w, not scaled) as .npy."""
    layer: str | None = None
    """Feature level to explain instead of the pooled map (layer3, features.denseblock2 …); an unknown one is told those
    there are."""
    precision: Literal["32", "bf16"] = "32"
    """Precision of the forward pass; gradients and maps are float32 always."""
    output_dir: str = "runs/heatmaps"
    """Folder of the pictures, of boxes.json and of the raw maps."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


@dataclass(frozen=True)
class ConvertFlags:
    """Conversion."""

    checkpoint: str | None = None
    """The other project's file (a state dict, alone or within a training's checkpoint; .safetensors too)."""
    findings: tuple[str, ...] = ()
    """What its outputs stand for, in their order; none: the findings of --dataset, whose files must then be at hand."""
    output_dir: str | None = None
    """Run folder to write: best.ckpt and config.yaml."""


@dataclass(frozen=True)
class ConvertConfig(TrainConfig, ConvertFlags):
    """Make a run of another project's weights: ``python -m benchmark.convert``.

    --backbone, --global_pool … say of which network.
    """


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
    """Run the cells of these methods only; one that a suite does not list, or path/to/file.py:Class, is added to it;
    none: all it lists."""
    protocol: Annotated[
        tuple[str, ...], Scored("benchmark.protocols", "protocol", ("all", CLASSIFICATION, PAIRED))
    ] = ()
    """Run the cells of these protocols only, or of a suite's check; none or all: all that the suite has. paired runs no
    cell."""
    overwrite: Literal["never", "missing", "always"] = "missing"
    """never: keep every record that is there; missing: also try again what failed or lacked its data; always: all cells
    anew."""
    dry_run: bool = False
    """Say what would run and stop."""
    compare: tuple[str, ...] = ()
    """Run nothing: how two differ on the same cases. Each is suite[/model][/method], or a checkpoint of a suite's model
    by its path."""
    output: str | None = None
    """CSV file to which --compare also writes every comparison."""
    verify: bool = False
    """Run nothing: score again from stored maps, without a model, and say which records hold; status 1 unless every one
    does."""
    data_root_dir: str | None = None
    """Folder of the data set's files, instead of the one that the suite names."""
    columns: tuple[str, ...] = ()
    """Columns of leaderboard.tex, by their headings in leaderboard.md; none: as many as a page holds."""
    results: str | None = None
    """Folder of records and tables, one per suite; null is results, or runs/results for what is unlike the published
    plan."""
    runs: str = "runs/suites"
    """Folder of checkpoints and stored maps, one folder per suite."""
    cache_dir: str | None = None
    """Folder of the decoded images; null is main.py's own."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""


@dataclass(frozen=True)
class CheckConfig:
    """Hold methods against what every method keeps to, on small networks with random weights.

    ``python -m benchmark.check method NAME``.
    """

    method: Annotated[tuple[str, ...], METHOD] = ()
    """Methods, by name, with options, or as path/to/file.py:Class."""
    threads: Annotated[int, AtLeast(1)] = 1
    """CPU threads of torch; the networks are too small for more."""


@dataclass(frozen=True)
class DoctorConfig:
    """Read a data set whole and say what is wrong with it: ``python -m benchmark.check dataset NAME --root PATH``."""

    name: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Name of the data set, options in the word."""
    root: str | None = None
    """Folder of the data set's files; null is data/<name>, or $LOCUS_DATA/<name>."""
    download: bool = False
    """First fill --root, absent or empty, with the data set's files; some have a public command (Kaggle's client)."""
    partition: Literal["official", "patient", "kfold"] = "official"
    """Whose splits are examined: the published lists, a random cut by patient, or folds by patient."""
    folds: Annotated[int, AtLeast(2)] = 5
    """Number of folds of --partition kfold."""
    fold: Annotated[int, AtLeast(0)] = 0
    """Which fold is held out, counted from 0."""
    num_classes: Annotated[int | None, AtLeast(1)] = None
    """Number of findings; null is the data set's own."""
    data_seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed of what is cut or drawn."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side of images that are drawn (the phantom's); files are read as they are."""
    images: Annotated[int | None, AtLeast(0)] = None
    """Open at most so many images per split; null is all, which is what finds every duplicate and unreadable file."""
    output: str = "runs/doctor"
    """Folder of the page, one folder per data set."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", spelled(self.name))
