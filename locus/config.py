"""Flags and configuration of every command, as frozen dataclasses from which the command line is generated.

A group of flags (``DataFlags``, ``RecipeFlags`` …) is a base class; the configuration of a command (``TrainConfig``,
``RunConfig`` …) combines groups and adds its own flags. The docstring below a field is its help text.

Each flag of a training run has roles (``Role``): those of its group (``role``), or those in its own annotation. Keys of
records, and the flags that a resumed, evaluated or given run may change, follow from the roles.

Flags refer to registered parts by name and never import them; nothing here imports torch. Parsing is in
``locus.flags.cli`` and ``locus.flags.parser``.
"""

import enum
import functools
import inspect
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from locus.core.errors import BadValueError
from locus.core.names import CLASSIFICATION, normalize_data_set
from locus.core.registry import BASELINES, CHECKS, DATASETS, METHODS, PROTOCOLS, normalize_name
from locus.core.user_code import runs_code
from locus.flags.parser import AtLeast, AtMost, Named, constraints_of

POOLINGS = ("AVG", "AVG_MAX", "AVG_MAX_LSE", "EXP", "LINEAR", "LSE", "MAX", "PCAM", "TOKEN")
ATTENTIONS = ("ADL", "CAM", "FPA", "SAM")
LOSSES = ("batch_pos_weight", "bce", "ce", "focal", "frequency", "pos_weight", "weighted_bce")
SOURCES = ("timm", "torchvision", "xrv", "efficientnet_pytorch", "hf")
"""Libraries whose networks can be given by name: ``timm:NAME``."""


class Role(enum.Flag):
    """What a flag is for."""

    WEIGHTS = enum.auto()
    """Changes the trained network; part of the key of its records."""
    MAPS = enum.auto()
    """Describes the network besides its weights: its maps or its probabilities depend on the flag."""
    DATA = enum.auto()
    """Selects the images and labels."""
    MACHINE = enum.auto()
    """Adapts the run to a machine and its files. With ``WEIGHTS``: changes only the last digits."""
    OUTPUT = enum.auto()
    """Folders, logs and plots."""
    MODE = enum.auto()
    """Uses an existing run instead of starting a new one."""
    NEWER = enum.auto()
    """Added when records had been published: in a key only if it is not at its default, so that their keys stay."""


WEIGHTS, MAPS, DATA, MACHINE, OUTPUT, MODE, NEWER = Role


@functools.cache
def _roles(config_class: Any) -> dict[str, Role]:
    """Return the roles of each flag: those in its annotation, else those of its group."""
    roles = {}
    for group in reversed(config_class.__mro__):
        for name in inspect.get_annotations(group):
            own_roles = [mark for mark in constraints_of(group, name) if isinstance(mark, Role)]
            roles[name] = own_roles[0] if own_roles else vars(group)["role"]
    return roles


def flags_with(config_class: Any, roles: Role) -> frozenset[str]:
    """Return the names of the flags of ``config_class`` that have at least one of ``roles``."""
    return frozenset(name for name, role in _roles(config_class).items() if role & roles)


class MethodName(Named):
    """Name of a method, in any spelling."""

    def normalize(self, name: str) -> str:
        """Return the registered name of a method: ``Grad-CAM++`` becomes ``gradcampp``."""
        return normalize_name(name, self.known())


METHOD = MethodName("method", ("all", "fast", "slow"), METHODS, files=True)
"""Name of a method, a group of methods, or path/to/file.py:Class."""


class MethodOrBaseline(MethodName):
    """Name of a method or a baseline."""

    def known(self) -> list[str]:
        """Return all names that the flag accepts."""
        return list(dict.fromkeys([*super().known(), *BASELINES.names()]))


ROW = MethodOrBaseline("method", METHOD.names, METHODS, files=True)
"""Name of a row of a suite: a method, a group of methods, path/to/file.py:Class, or a baseline."""


class Scored(Named):
    """Name of a protocol or a validity check."""

    def known(self) -> list[str]:
        """Return all names that the flag accepts."""
        return [*super().known(), *CHECKS.names()]


PROTOCOL = Scored("protocol", ("all", CLASSIFICATION), PROTOCOLS)


RULE = Named("protocol", registry=PROTOCOLS)


class DataSet(Named):
    """Name of a data set, in the current or an older spelling."""

    def normalize(self, name: str) -> str:
        """Return the name in its current spelling."""
        return normalize_data_set(name)


DATA_SET = DataSet("data set", registry=DATASETS)


@dataclass(frozen=True)
class SplitFlags:
    """Splits."""

    role = WEIGHTS | DATA
    num_classes: Annotated[int | None, AtLeast(1)] = None
    """Number of findings; the data set must support it (NIH: 14, 8 or 1). Default: chosen by the data set."""
    partition: Literal["official", "patient", "kfold", "all"] = "official"
    """How patients are divided into training and test sets: by the published lists (official), at random (patient),
    or into --folds folds (kfold). all trains on all images: for a final network, which is then scored on other data;
    its scores on these images only describe the fit."""
    folds: Annotated[int, AtLeast(2)] = 5
    """Number of folds of --partition kfold."""
    fold: Annotated[int, AtLeast(0)] = 0
    """Index of the test fold, counted from 0."""
    leave_out_fold: Annotated[int | None, AtLeast(0), WEIGHTS | DATA | NEWER] = None
    """Index of another fold, besides the test fold, whose patients are excluded from all splits, so that they cannot
    influence the choice of training flags. Requires --partition kfold."""
    data_seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed for the validation split, the folds and generated images (phantom, implanted). Training seeds (--seed of
    main.py) do not change them."""

    def split_arguments(self) -> dict[str, Any]:
        """Return these flags as keyword arguments of ``locus.datasets.load``."""
        partition = {"partition": self.partition, "folds": self.folds, "fold": self.fold}
        return {
            **partition, "leave_out_fold": self.leave_out_fold, "findings": self.num_classes, "seed": self.data_seed,
        }  # fmt: skip


@dataclass(frozen=True)
class ReadingFlags:
    """Unreadable images."""

    role = WEIGHTS | MACHINE
    max_bad_images: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Maximum share of unreadable images. They are skipped and counted; a larger share is an error."""


@dataclass(frozen=True)
class DataFlags(SplitFlags, ReadingFlags):
    """Data."""

    role = MACHINE
    dataset: Annotated[str, DATA_SET, WEIGHTS | DATA] = "phantom"
    """Name of the data set. Append options to the name (phantom:train=3000). If configs/<name>.yaml exists, it sets the
    defaults of the other flags."""
    data_root_dir: Annotated[str | None, DATA] = None
    """Folder with the files of the data set. Default: $LOCUS_DATA/<dataset> if LOCUS_DATA is set, else data/<dataset>
    (implanted: NIH's folder). The phantom needs no files."""
    download: bool = False
    """Download the files first if --data_root_dir is missing or empty. Works for the data sets on Kaggle:
    covid_radiography, rsna_pneumonia, siim_covid and vindr_cxr."""
    train_on: Annotated[Literal["all", "boxed", "unboxed"], WEIGHTS] = "all"
    """Images to use for training and validation: all, only those with a truth box, or only those without one. The boxes
    themselves are never used for training."""
    img_size: Annotated[int, AtLeast(32), WEIGHTS | MAPS | DATA] = 224
    """Side length of the network's square input in pixels. Images are resized, not cropped."""
    num_workers: Annotated[int | None, AtLeast(0)] = None
    """Number of processes that decode images into the cache. Default: one per CPU."""
    cache_dir: str = "runs/cache"
    """Folder for decoded images (uint8, memory-mapped), shared by all runs."""


@dataclass(frozen=True)
class PluginFlags:
    """Your own methods."""

    plugins: str | None = None
    """Folder with Python files of your own methods. --method and suites then know them by their names; a file is run
    when its method is used. Default: the environment variable LOCUS_PLUGINS, if set. Methods that an installed
    package declares as entry points (group locus.methods) are known without this flag."""


@dataclass(frozen=True)
class SelectionFlags(PluginFlags):
    """Suites."""

    all: bool = False
    """Select every suite."""
    suite: tuple[str, ...] = ()
    """Names of the suites."""
    dataset: Annotated[str | None, DATA_SET] = None
    """Data set on whose test images your own network (--model or --checkpoint) is scored, without a suite. Append
    options to the name (folder:labels=mine.csv). Default methods: those of the group fast."""
    method: Annotated[tuple[str, ...], ROW] = ()
    """Methods to select (docs/methods.md): names, the groups all, fast and slow, baselines such as prior, or the
    upper bound truth. Methods that the suite does not list are allowed, including path/to/file.py:Class. Default:
    all methods of the suite."""
    protocol: Annotated[tuple[str, ...], PROTOCOL] = ()
    """Protocols (scoring rules, docs/protocols.md) and validity checks (docs/validity.md) to select, among those of the
    suite; classification (metrics of the classifier) is allowed, too. Default: all of the suite."""
    checkpoint: tuple[str, ...] = ()
    """Your own models, explained and scored instead of the suite's: best.ckpt files or run folders, written by
    main.py. Several checkpoints count as training runs of one entry. The tables show them next to the published
    rows."""


@dataclass(frozen=True)
class FolderFlags:
    """Folders."""

    suites: str | None = None
    """Folder with the YAML files of the suites. Default: configs/suites."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: the folder named in the suite; with --dataset,
    $LOCUS_DATA/<dataset> if LOCUS_DATA is set, else data/<dataset>."""
    results: str | None = None
    """Folder for records and tables, with one subfolder per suite. Default: results. With --checkpoint or --model it is
    runs/results; benchmark.run also uses runs/results if the suite has no published results or comes from another
    folder (--suites), and with a --method that the suite does not list."""
    runs: str = "runs/suites"
    """Folder for checkpoints and stored maps, with one subfolder per suite."""
    cache_dir: str | None = None
    """Folder for decoded images. Default: that of main.py, runs/cache."""
    trust: bool = False
    """Run Python files (path/to/file.py:Class) that are named in a suite's YAML file, a checkpoint, a record or
    the --config file. Without this flag, only files named on the command line are run (docs/security.md)."""


@dataclass(frozen=True)
class RunFlags:
    """Run."""

    overwrite: Literal["never", "missing", "always"] = "missing"
    """Cells to run (a cell is a combination of data set, split, model, method, protocol and alignment). never: only
    those without a record, or whose method or network has changed code; missing: also those that failed, or whose data
    set was missing and is now available; always: all, after training their networks and computing their maps again."""
    published_weights: Literal["use", "only", "never"] = "use"
    """Weights in results/<suite>/weights that were trained with the same settings. use: they replace training; only:
    networks without them are left out; never: all networks are trained."""
    jobs: Annotated[int, AtLeast(1)] = 1
    """Number of training, explanation and scoring steps that run in parallel. More than one requires a fixed number of
    threads (--threads, or threads in the suite's file). The number of jobs does not affect the records."""
    step_minutes: Annotated[float | None, AtLeast(0.1)] = None
    """Time limit in minutes for each training, explanation or scoring step. A step that exceeds it is stopped and
    recorded as failed; the others continue. Requires a fixed number of threads, as --jobs above 1 does. Default: no
    limit."""
    executor: Annotated[str, Named("executor", ("local",), files=True)] = "local"
    """Where the steps run: on this machine (local), or a class of a file, with options after another colon
    (examples/ray_executor.py:Ray:address=auto,gpus=1); see docs/cluster.md."""
    dry_run: bool = False
    """List the steps that would run, then exit."""


@dataclass(frozen=True)
class CompareConfig:
    """Compare two suites, networks, methods or results folders: ``python -m benchmark.compare A B``."""

    pair: tuple[str, ...] = ()
    """A and B to compare; the flag itself may be omitted. Each is suite[/model][/method]; or both are folders
    with results of one suite, such as results/demo. Required."""
    results: str | None = None
    """Folder of records, with one subfolder per suite. Default: results, then runs/results."""
    output: str | None = None
    """CSV file to write, with the comparisons of all findings."""


@dataclass(frozen=True)
class AuditConfig:
    """Compare your scores with published ones and with baselines that see no image: ``python -m benchmark.audit``."""

    file: str = ""
    """CSV file; the flag itself may be omitted. It has a row per finding, with the columns finding and thresholds
    (iou.1 to iou.7, iobb.1, iobb.25, iobb.5, iobb.75, iobb.9), and n, the number of boxes, if it is not NIH's. With
    another --truth, the columns are rules (dice, iou, dice@pooled, dice@empty_is_1, pointing, pointing@pooled,
    pointing@first_box, pointing@cell), and a row mean may replace the findings. For boxes, use benchmark.score --boxes.
    Required."""
    truth: Literal["NIH", "rsna_pneumonia", "siim_pneumothorax", "chestx_det10"] = "NIH"
    """Truth of the scores: NIH's 984 boxes, or that of the suite grounding with its split."""
    data_root_dir: str | None = None
    """Folder with a part of NIH's images, if your scores are of this part: only boxes on its images count. Default: all
    boxes; no image is needed."""
    entry: str = ""
    """Name of the row in the table. Default: the name of the file."""
    output: str | None = None
    """CSV file to write, with the rows of the table and their differences from the box as numbers."""


@dataclass(frozen=True)
class PageConfig(FolderFlags):
    """Draw cases of a suite or of scored maps from stored maps: ``python -m benchmark.gallery NAME``."""

    suite: str = ""
    """SUITE, SUITE/MODEL, or the folder name of scored maps (benchmark.score). The flag itself may be omitted. Default
    model: that of the best row. Without --results, your own records in runs/results come before those in results.
    Required."""
    output: str | None = None
    """HTML file of the page; or a .pdf, .svg or .png file for a grid with a row per case and a column per method, to
    print. Default: gallery.html next to the tables or in --runs."""
    cases: int | None = None
    """Number of cases. Default: the best, median and worst case of each finding; in a grid, up to 8 median cases."""


@dataclass(frozen=True)
class ExportConfig:
    """Export the weights of training runs: ``python -m benchmark.export RUNS --format weights``."""

    runs: str = "runs/train"
    """Folder of training runs; the flag itself may be omitted."""
    format: Literal["weights"] = "weights"
    """weights: a file of half size for each finished run that was trained with --weights_dtype float16, and a README.md
    that describes them. For boxes in COCO's format, see examples/coco_export.py."""
    output: str = "runs/export/weights"
    """Output folder."""


@dataclass(frozen=True)
class CheckConfig(PluginFlags):
    """Check explanation methods on small networks with random weights: ``python -m benchmark.check method NAME``."""

    method: Annotated[tuple[str, ...], METHOD] = ()
    """Methods to check: names, with options if needed, or path/to/file.py:Class. Required."""
    threads: Annotated[int, AtLeast(1)] = 1
    """Number of CPU threads for torch. The networks are too small to benefit from more than one."""


@dataclass(frozen=True)
class DatasetCheckConfig(SplitFlags):
    """Check all files of a data set and report problems: ``python -m benchmark.check dataset NAME``."""

    uses_presets = False
    """False: the presets of data sets are for training, and their values are not defaults here."""
    dataset: Annotated[str, DATA_SET] = "phantom"
    """Name of the data set; the flag itself may be omitted. Append options to the name."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: $LOCUS_DATA/<dataset> if LOCUS_DATA is set, else data/<dataset>
    (implanted: NIH's folder). The phantom needs no files."""
    download: bool = False
    """Download the files first if --data_root_dir is missing or empty. Works for the data sets on Kaggle:
    covid_radiography, rsna_pneumonia, siim_covid and vindr_cxr."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side length in pixels of generated images (phantom, implanted). Image files are read at their own size."""
    images: Annotated[int | None, AtLeast(0)] = None
    """Maximum number of images to open per split. Default: all, which is required to find every duplicate and
    unreadable file."""
    output: str = "runs/check"
    """Folder for the report, with one subfolder per data set."""


@dataclass(frozen=True)
class ResultsCheckConfig:
    """Check results on NIH before they are merged into published ones: ``python -m benchmark.check results FOLDER``."""

    folder: str = ""
    """Folder that benchmark.score or benchmark.run wrote. Required."""
    suite: str = "nih"
    """Suite with the published results."""
    results: str | None = None
    """Folder of the published results, with one subfolder per suite. Default: results, or those of the package."""


@dataclass(frozen=True)
class ScoreConfig(SplitFlags):
    """Score external maps or boxes and compare them with the baselines: ``python -m benchmark.score``."""

    trains = False
    """False: the command does not train, so flags that it lacks are ignored in the preset of a data set."""
    hidden = frozenset({"leave_out_fold"})
    """Flags that ``--help`` does not show: this one is rejected."""
    dataset: Annotated[str, DATA_SET] = "phantom"
    """Data set of the images. Its test split is scored. Append options to the name."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: $LOCUS_DATA/<dataset> if LOCUS_DATA is set, else data/<dataset>
    (implanted: NIH's folder). The phantom needs no files."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side length in pixels of generated images (phantom, implanted); their truth boxes use the same pixels. Image
    files are read at their own size."""
    entry: str = ""
    """Name of the entry in the table. Required."""
    maps: str | None = None
    """Heat maps: a folder of <image>_<finding>.npy, .npz or .png files (h×w); a folder of <image>.npy or .npz files
    (K×h×w, requires --findings); a folder of <image>.npz files with one array (h×w) per finding, named after it; or a
    .json file of run-length masks."""
    boxes: str | None = None
    """Boxes with confidences, in pixels of the image as published (not of a resized copy): a CSV file (image, finding,
    four numbers, score) or a COCO JSON file (a list of results requires --index)."""
    box_format: Literal["xyxy", "xywh"] | None = None
    """Meaning of the four numbers in the CSV file: xyxy (two corners) or xywh (corner, width, height). Required for a
    CSV file; boxes in COCO JSON are always xywh."""
    alignment: str | None = None
    """How maps are placed on the image: conventional (for maps that you would enlarge by plain interpolation), pixels
    (for maps of the size of the image or of a resized copy), padded (of the image padded to a square), cropped (of its
    central square), or a JSON file with size, stride and offset of the grid. Required with --maps."""
    findings: tuple[str, ...] = ()
    """Findings of the K maps in the file of each image, in order."""
    index: str | None = None
    """COCO JSON file with the images and categories of a list of results (--boxes)."""
    missing: Literal["error", "miss", "skip"] = "error"
    """How to treat a case with truth but without a map, or an image with truth but without a box: report an error,
    count a miss, or skip it. The numbers of misses and skipped cases are shown above the table."""
    predictions: str | None = None
    """CSV file of classifier probabilities, with one row per image and one column per finding. With it, maps are also
    scored as boxes with confidences."""
    trained_on: str = ""
    """Training data of the model, as you declare it; shown above the table."""
    protocol: Annotated[tuple[str, ...], RULE] = ()
    """Protocols to score by, beside single_box, such as added. Default: all that score maps or boxes alone."""
    results: str = "runs/results"
    """Folder for records and tables, with one subfolder per entry."""

    def __post_init__(self) -> None:
        if self.leave_out_fold is not None:
            raise BadValueError(
                "--leave_out_fold does not change the scored test images: leave it out"
            )


@dataclass(frozen=True)
class OneImageFlags:
    """One image, one finding."""

    image_path: str | None = None
    """Image to explain (PNG, JPEG or DICOM); short form: -i. The overlay, which has the size of the image, is the only
    output (see --output_path)."""
    label: str | None = None
    """Finding to explain, in any common spelling (covid_19, lung-opacity); short form: -l. Default: the finding with
    the highest score."""
    model: str | None = None
    """Model to explain (short form: -m): a backbone (its newest finished run in --runs), the path of a checkpoint,
    demo-pcam or demo-avg, or an external network (timm:NAME, torchvision:NAME, xrv:NAME, hf:NAME, or
    path/to/file.py:build, whose code is run). Default: the newest run."""
    output_path: str = "runs/heatmaps/overlay.png"
    """Overlay to write (.png, .jpg …) or an existing folder; short form: -o."""


@dataclass(frozen=True)
class ImagesFlags:
    """Several images (one picture per image, finding and method)."""

    checkpoint: str | None = None
    """A best.ckpt, a last.ckpt, a run folder, a file of weights (results/<suite>/weights), or a network of the package
    (demo-pcam, demo-avg). Default: the newest finished run in --runs, or demo-pcam if there is none."""
    runs: str = "runs"
    """Folder to search for the newest run: first its subfolder train, then all of it."""
    image: str | None = None
    """Image file or folder of images to explain. Default: test images of the checkpoint's data set. If the data set
    has truth boxes, only images with a box are used."""
    cases: Annotated[int, AtLeast(1)] = 8
    """Number of test images to explain if --image is not given."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: the folder used in training."""
    findings: tuple[str, ...] = ()
    """Findings to explain. Default: those with a truth box; with --image, the finding with the highest score. For an
    external --model, the findings that its outputs predict, in order."""
    method: Annotated[tuple[str, ...], METHOD] = ("gradcam",)
    """Methods to run: names, the groups all, fast and slow, or path/to/file.py:Class. All methods of the group fast
    together cost at most about 1.2 forward passes; slow contains the others."""
    threshold: Annotated[float | None, AtLeast(0), AtMost(1)] = None
    """Score threshold for boxes, on the min-max scaled map. Default: the threshold that a suite chose for this network,
    or 0.5."""
    format: tuple[Literal["png", "pdf", "svg"], ...] = ("png",)
    """File formats of the pictures: png, pdf, svg."""
    alignment: Literal["aligned", "conventional"] = "aligned"
    """How maps are placed on the image: on the true grid of the network (aligned), or where plain interpolation would
    put them (conventional)."""
    save_raw: bool = True
    """Also write the raw maps (h×w, not scaled) as .npy files."""
    layer: str | None = None
    """Layer to explain (layer3, features.denseblock2 …). Pass an unknown name to list all layers. Default: the
    feature map that the network pools."""
    precision: Literal["32", "bf16"] = "32"
    """Precision of the forward pass. Gradients and maps are always float32."""
    trust: bool = False
    """Run a Python file that is named in the checkpoint or the --config file (docs/security.md)."""
    output_dir: str = "runs/heatmaps"
    """Folder for the results. Each network has a subfolder, named after its run and its weights, with the pictures, the
    raw maps and boxes.json, to which later commands add their cases."""


@dataclass(frozen=True)
class ThreadFlags:
    """CPU."""

    threads: Annotated[int | None, AtLeast(1), WEIGHTS | MACHINE | NEWER] = None
    """Number of CPU threads for torch. Default: all CPUs available to the process (in a suite: the value in its
    YAML file, if set)."""


@dataclass(frozen=True)
class MachineFlags(ThreadFlags):
    """Hardware."""

    role = MACHINE
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Hardware, as in Lightning. auto: a GPU if available, else the CPU."""
    devices: str = "auto"
    """Devices to use, as in Lightning: a number, a list of GPUs such as 0,1 (1, is the second GPU alone), or auto
    (one)."""
    num_nodes: Annotated[int, AtLeast(1)] = 1
    """Number of machines that train together, as in Lightning."""
    strategy: str = "auto"
    """Strategy for several devices, as in Lightning (auto, ddp …)."""
    precision: Annotated[
        Literal["auto", "32", "64", "16-mixed", "bf16-mixed"], WEIGHTS | MACHINE
    ] = "auto"
    """Numerical precision, as in Lightning. auto: bf16-mixed if the GPU or CPU supports fast bfloat16, else 32."""
    compile: bool = False
    """Compile the network with torch.compile (slower start, faster steps)."""
    channels_last: bool = True
    """Store images and weights in the channels-last format (faster convolutions, the same logits up to rounding)."""


@dataclass(frozen=True)
class EngineFlags:
    """Computation of heat maps."""

    memory_gib: Annotated[float, AtLeast(0.001)] = 2.0
    """Memory limit in GiB for the gradients and forward passes of an explanation. The batch size is chosen to fit."""
    channels_last: bool = False
    """Store the weights in the channels-last format (faster convolutions on some machines, the same maps)."""
    compile: bool = False
    """Compile the network with torch.compile (slower start, then faster; the same maps)."""


@dataclass(frozen=True)
class ModelFlags:
    """Model."""

    role = WEIGHTS
    backbone: Annotated[str, WEIGHTS | MAPS] = "densenet121"
    """Backbone: densenet121, resnet18, resnet34, resnet50, efficientnet_b0 to b7, vgg16, squeezenet1_1, custom
    (small CNN), small_vit, a network from timm or torchxrayvision, or an encoder of transformers (hf:NAME,
    hf:FOLDER)."""
    global_pool: Annotated[str, Named("pooling", POOLINGS), WEIGHTS | MAPS] = "AVG"
    """Spatial pooling of the feature map. Append options to the name (LSE:gamma=5). TOKEN is no pooling: the classifier
    reads the class token (--backbone small_vit:class_token=True)."""
    lse_gamma: Annotated[float | None, AtLeast(0), WEIGHTS | MAPS] = None
    """Same as the option gamma of --global_pool LSE and AVG_MAX_LSE; other pooling types ignore it. Default: 10."""
    attention_map: Annotated[str, Named("attention", ("none", *ATTENTIONS)), WEIGHTS | MAPS] = (
        "none"
    )
    """Attention layer between backbone and pooling: channel attention (CAM), a feature pyramid (FPA),
    attention between positions (SAM), or dropout of the most attended positions in training (ADL)."""
    pretrained: bool | str = True
    """Initial weights of the backbone: True (ImageNet, downloaded once), False (random) or the name of
    torchxrayvision weights (densenet121-res224-nih)."""
    dropout: Annotated[float, AtLeast(0), AtMost(0.99)] = 0.0
    """Dropout rate of the pooled features."""
    init_from: str | None = None
    """Initial weights: a run, or a file of weights of torchvision, timm or torchxrayvision, whose head is not used."""
    freeze: Annotated[bool, WEIGHTS | NEWER] = False
    """Keep the weights of the backbone, and the statistics of its batch norms, and train only what follows: attention
    layer, pooling and linear layer (a linear probe). Requires --pretrained or --init_from."""

    @property
    def pooling(self) -> str:
        """Name of the pooling, including ``--lse_gamma``. Raises ``BadValueError`` if both flags set options."""
        name, _, options = self.global_pool.partition(":")
        if self.lse_gamma is None or name not in ("LSE", "AVG_MAX_LSE"):
            return self.global_pool
        if options:
            both = f"--lse_gamma {self.lse_gamma} and --global_pool {self.global_pool}"
            raise BadValueError(f"{both} cannot be combined: leave --lse_gamma out")
        return f"{name}:gamma={self.lse_gamma}"


@dataclass(frozen=True)
class LoadingFlags:
    """Loading an external network (--model)."""

    weights: str | None = None
    """Weights file (.pt, .pth, .ckpt, .safetensors). Default: the weights that the network is built with."""
    features: str | None = None
    """Submodule that returns the feature map (layer4) or the tokens of a transformer. Of a network with several paths:
    the map that is meant, or those of all paths, joined by + (a.layer4+b.layer4). Default: detected, and printed."""
    head: str | None = None
    """Linear layer after the pooled features (fc). Default: detected, else everything after the features."""
    outputs: Literal["sigmoid", "softmax"] = "sigmoid"
    """Meaning of the outputs: sigmoid (independent findings), or softmax over all outputs, which exclude each other.
    Probabilities, AUROC and detection use it."""
    target: Literal["logit", "difference"] = "logit"
    """What heat maps explain: the logit of a finding, or its difference from the mean of all other logits."""
    grid: str | None = None
    """Positions of the feature map in the input, in pixels (stride=32,offset=0). Default: computed from the layers or
    measured."""
    mean: tuple[float, ...] = ()
    """Mean of the input's grey values in [0, 1], one number or one per channel; requires --std. Default: the value in
    the network's library (such as timm), else ImageNet's. The value used is printed."""
    std: tuple[float, ...] = ()
    """Standard deviation of the grey values; requires --mean. Default: the value in the network's library, else
    ImageNet's."""
    channels: Literal[1, 3] | None = None
    """Number of input channels, 1 or 3. Default: that of the first convolution."""
    img_size: Annotated[int | None, AtLeast(32)] = None
    """Side length of the input in pixels. Default: the value in the network's library, else that of the suite (if
    there is one), else 224."""
    preprocess: Literal["none", "jf"] = "none"
    """Preprocessing before images are resized. jf equalises the histogram, blurs, and pads to a square with grey, as in
    jfhealthcare/Chexpert."""


@dataclass(frozen=True)
class NetworkFlags(LoadingFlags):
    """External network."""

    model: str | None = None
    """Network to score: timm:NAME, torchvision:NAME, xrv:NAME, hf:NAME or hf:FOLDER (an image classifier from the
    transformers library), or path/to/file.py:build (a function or class that returns an nn.Module; its code is
    run)."""
    findings: tuple[str, ...] = ()
    """Findings that the outputs predict, in order, in any common spelling, with - for outputs to skip; or a name map of
    the outputs to use, counted from 0 (Effusion=3 Mass=5). Default: the names given by the network's library, else the
    findings of the data set if their number matches."""
    entry: str | None = None
    """Name in the backbone column of the tables. Default: the value of --model, or the name of the run."""
    trained_on: str | None = None
    """Training data of the network, shown in the tables: the name of a data set, or a .txt or .csv file of image names.
    Test images of patients in the training split of that data set, or in the file, are excluded. Their number is
    reported. A file replaces the training images that a run has recorded."""


@dataclass(frozen=True)
class ModelCheckConfig(ThreadFlags, NetworkFlags):
    """Check weights, structure, preprocessing and findings of a network: ``python -m benchmark.check model NAME``.

    --model may also be a run folder or a best.ckpt.
    """

    uses_presets = False
    """False: the presets of data sets are for training, and their values are not defaults here."""
    dataset: Annotated[str | None, DATA_SET] = None
    """Data set (NIH, phantom …) whose labelled test images are used to check outputs and preprocessing. Default: these
    checks are skipped."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: $LOCUS_DATA/<dataset> if LOCUS_DATA is set, else data/<dataset>
    (implanted: NIH's folder). The phantom needs no files."""
    images: Annotated[int, AtLeast(10)] = 200
    """Maximum number of images to use."""
    trust: bool = False
    """Run a Python file that is named in the run of --model (docs/security.md)."""


def is_network(name: str | None) -> bool:
    """Return whether ``name`` is that of an external network.

    >>> [is_network(name) for name in ("net.py:build", "hf:google/vit-base", "resnet18", "runs/x/best.ckpt")]
    [True, True, False, False]
    """
    if runs_code(name):
        return True
    source, colon, _ = (name or "").partition(":")
    return bool(colon) and source in SOURCES


def network_flags(config: Any) -> NetworkFlags | None:
    """Return the flags of a command's external network; None if ``--model`` does not name one.

    Raises ``BadValueError`` for flags that require an external network.
    """
    if is_network(config.model):
        names = [field.name for field in fields(NetworkFlags) if hasattr(config, field.name)]
        return NetworkFlags(**{name: getattr(config, name) for name in names})
    for field in fields(LoadingFlags):
        if getattr(config, field.name) != field.default:
            sources = ", ".join(f"{source}:NAME" for source in SOURCES)
            advice = f"add --model path/to/file.py:build, or one of {sources}"
            raise BadValueError(f"--{field.name} requires an external network: {advice}")
    return None


@dataclass(frozen=True)
class RecipeFlags:
    """Recipe."""

    role = WEIGHTS
    multi_label: Annotated[bool, WEIGHTS | MAPS] = True
    """True: an image may have several findings (one sigmoid each). False: an image has exactly one (softmax) or,
    with --num_classes 1, is normal or abnormal."""
    loss: Annotated[str, Named("loss", LOSSES)] = "bce"
    """Loss function: bce (binary cross-entropy); ce (softmax; requires --multi_label False and at least two findings);
    focal (little weight for confident correct predictions); pos_weight (positives of a finding weighted by negatives /
    positives in training); batch_pos_weight (the same, per batch); weighted_bce (equal weight for all positives and all
    negatives of the batch); frequency (positives of a finding weighted by its share of negatives in training, negatives
    by its share of positives). Append options to the name (focal:gamma=2). Unknown labels are ignored."""
    weighted_loss: bool = False
    """Same as --loss weighted_bce."""
    optimizer: Literal["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta"] = "Adam"
    """Optimizer, as in torch.optim."""
    lr: Annotated[float, AtLeast(0)] = 1e-4
    """Learning rate; with --scheduler onecycle, its maximum."""
    momentum: Annotated[float, AtLeast(0)] = 0.9
    """Momentum of SGD and RMSprop."""
    weight_decay: Annotated[float | None, AtLeast(0)] = None
    """Weight decay. Default: 0.01 for AdamW, 0 for the other optimizers."""
    amsgrad: bool = False
    """Use the AMSGrad variant of Adam and AdamW."""
    scheduler: Literal["none", "step", "cosine", "plateau", "onecycle"] = "none"
    """Learning rate schedule. step divides the rate by 10 every --step_epochs epochs; plateau divides it by 10 after 2
    epochs without a lower validation loss."""
    step_epochs: Annotated[int, AtLeast(1), WEIGHTS | NEWER] = 3
    """Epochs between two steps of --scheduler step."""
    epochs: Annotated[int, AtLeast(1)] = 10
    """Number of passes over the training images."""
    batch_size: Annotated[int, AtLeast(1)] = 32
    """Batch size per device."""
    accumulate: Annotated[int, AtLeast(1), WEIGHTS | NEWER] = 1
    """Number of batches per optimizer step (gradient accumulation). 2 batches of 16 images equal one of 32, with
    half the memory, if the loss is a mean over known labels and the network has no batch norm."""
    sampler: Annotated[Literal["none", "weighted"], WEIGHTS | NEWER] = "none"
    """Sampling of the training images. weighted draws each class equally often; the class of an image is its rarest
    finding."""
    ema: Annotated[float, AtLeast(0), AtMost(0.99999), WEIGHTS | NEWER] = 0.0
    """Keep a moving average of the weights, with this decay per optimizer step. The averaged weights are
    evaluated and saved in best.ckpt. 0 means off."""
    gradient_clip: Annotated[float, AtLeast(0)] = 0.0
    """Maximum norm of the gradient. 0 means no limit."""
    augment: str = "none"
    """Random augmentation of the training images, up to the amounts given here in either direction: none; flip
    (left-right); light (rotation 5°, scale .05, translation .03, flip); affine_contrast (rotation 10°, scale .15,
    translation .08, contrast .3, brightness .1); siim (rotation 11.355°, scale .2789, shear 1°, translation .07357); jf
    (rotation 15°, scale .05, translation .05, grey outside the image); has (Hide-and-Seek: patches are hidden with
    probability .5); cutmix (a box of each image comes from another image of the batch, labels are mixed by area;
    requires --loss bce). Append options to the name (light:rotation=10, affine_contrast:hide=.5)."""
    preprocess: Annotated[Literal["none", "jf"], WEIGHTS | MAPS | NEWER] = "none"
    """Preprocessing before images are resized. jf equalises the histogram, blurs, and pads to a square with grey, as in
    jfhealthcare/Chexpert."""
    early_stopping: Annotated[bool | int, AtLeast(0)] = False
    """Stop after this number of epochs without a better validation score. True means 5; False turns it off."""
    keep: Annotated[Literal["best", "last"], WEIGHTS | NEWER] = "best"
    """Weights to evaluate and save in best.ckpt: those of the epoch with the best validation score, or of the last
    epoch."""
    weights_dtype: Annotated[Literal["float32", "float16"], WEIGHTS | NEWER] = "float32"
    """Round the trained weights to this type before they are evaluated. The results of rounded weights are exactly
    those of a published file of half the size."""
    seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed for weights, image order, augmentation and dropout."""

    def exclusive(self, findings: int) -> bool:
        """Return whether each image has exactly one of the ``findings`` (softmax) instead of any number (sigmoids)."""
        return not self.multi_label and findings > 1


@dataclass(frozen=True)
class OutputFlags:
    """Output."""

    role = OUTPUT
    model_save_dir: str = "runs/train"
    """Folder of the runs. Each run gets a subfolder."""
    log_dir: str = "runs/logs"
    """Folder for TensorBoard events, local files of wandb, and log files."""
    logger: tuple[Literal["csv", "tensorboard", "wandb"], ...] = ("csv", "tensorboard")
    """Loggers: csv (metrics.csv in the run folder, always written), tensorboard, wandb."""
    plots: bool = True
    """Plot the results of the run: curves.png, roc.png, precision_recall.png, confusion.png."""
    logtofile: bool = False
    """Also write the log to <log_dir>/<run>.log."""
    resume: Annotated[bool | str, MODE] = False
    """Run to resume: the path of a last.ckpt or a run folder, or True for the newest unfinished run with the same
    flags."""
    threshold_choice: Literal["youden", "f1", "fixed"] = "youden"
    """Probability threshold for a positive prediction. youden maximises TPR − FPR and f1 maximises F1 on the validation
    images; fixed is 0.5."""
    evaluate: Annotated[str | None, MODE] = None
    """Finished run to evaluate again. Its metrics, predictions and plots are rewritten; nothing is trained."""


@dataclass(frozen=True)
class TrainConfig(OutputFlags, MachineFlags, RecipeFlags, ModelFlags, DataFlags):
    """Train one classifier on one data set and evaluate it: ``python main.py``.

    If configs/<dataset>.yaml exists, its values replace the defaults below. For example, "python main.py" without flags
    uses configs/phantom.yaml: it trains the small network for 2 epochs, not densenet121 for 10.
    """

    def __post_init__(self) -> None:
        """Raise ``BadValueError`` for flags that exclude each other."""
        if self.evaluate and self.resume:
            raise BadValueError("--evaluate and --resume cannot be combined: use only one of them")
        if self.freeze and not self.pretrained and self.init_from is None:
            raise BadValueError(
                "--freeze keeps random weights: give trained ones with --pretrained or --init_from"
            )


@dataclass(frozen=True)
class HeatmapConfig(
    ThreadFlags, PluginFlags, EngineFlags, ReadingFlags, ImagesFlags, LoadingFlags, OneImageFlags
):
    """Explain a model's predictions with heat maps, and save pictures, boxes and raw maps: ``python heatmap.py``."""


@dataclass(frozen=True)
class SuiteConfig(NetworkFlags, FolderFlags, SelectionFlags):
    """Select cells of suites and the folders of their files."""

    uses_presets = False
    """False: the presets of data sets are for training, and their values are not defaults here."""


@dataclass(frozen=True)
class RunConfig(ThreadFlags, EngineFlags, RunFlags, SuiteConfig):
    """Run benchmark suites (train, explain, score) and write their tables: ``python -m benchmark.run``."""

    merge: str | None = None
    """Folder that someone else wrote with benchmark.score or benchmark.run. It is checked, and its rows are added to
    the results of --suite, by default nih; nothing is run (docs/contribute_results.md). Requires --by."""
    by: str = ""
    """Name of the person who made the results of --merge, shown in the tables."""
