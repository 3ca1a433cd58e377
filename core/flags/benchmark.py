"""Flags of suites, checks and conversions."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast, Named
from core.flags.choices import METHOD, Scored
from core.flags.data import DataSet, SplitFlags
from core.names import BESIDE, CHOICE, CLASSIFICATION, PAIRED, normalize_data_set


@dataclass(frozen=True)
class SelectionFlags:
    """Suites."""

    all: bool = False
    """Select every suite."""
    suite: tuple[str, ...] = ()
    """Names of the suites."""
    method: Annotated[tuple[str, ...], METHOD._replace(also=(*METHOD.also, *BESIDE))] = ()
    """Only the cells of these methods. A run also adds methods that the suite does not list, including
    path/to/file.py:Class. Default: all methods of the suite."""
    protocol: Annotated[
        tuple[str, ...], Scored("benchmark.scoring.protocols", "protocol", ("all", CHOICE, CLASSIFICATION, PAIRED))
    ] = ()
    """Only the cells of these protocols or validity checks. Default, or all: every protocol of the suite. paired
    selects no cells."""
    checkpoint: tuple[str, ...] = ()
    """Finished runs that replace the suite's own models: best.ckpt files or run folders, from main.py or converted.
    Several checkpoints count as training runs of one entry. Their rows are shown next to the published ones."""


@dataclass(frozen=True)
class FolderFlags:
    """Folders."""

    suites: str | None = None
    """Folder with the YAML files of the suites; null is configs/suites."""
    data_root_dir: str | None = None
    """Folder with the files of the data set; overrides the one in the suite."""
    results: str | None = None
    """Folder for records and tables, with one subfolder per suite; null is results, or runs/results if the run differs
    from the published plan."""
    runs: str = "runs/suites"
    """Folder for checkpoints and stored maps, with one subfolder per suite."""
    cache_dir: str | None = None
    """Folder for decoded images; null is the default of main.py."""
    trust: bool = False
    """Allow Python files named in a suite's YAML, a checkpoint, a record or the --config file (path/to/file.py:Class)
    to run. By default only files typed on the command line run (docs/security.md)."""


@dataclass(frozen=True)
class RunFlags:
    """Run."""

    overwrite: Literal["never", "missing", "always"] = "missing"
    """never: keep every existing record; missing: also retry cells that failed or had no data; always: run all cells
    again."""
    jobs: Annotated[int, AtLeast(1)] = 1
    """Number of training, explanation and scoring steps that run in parallel, each with --threads threads. It does not
    change the records."""
    shards: Annotated[int, AtLeast(1)] = 1
    """Split each explanation step into this many parts by image, so that several jobs can work on it. It does not
    change the maps."""
    step_minutes: Annotated[float | None, AtLeast(0.1)] = None
    """Time limit in minutes for each training, explanation or scoring step. A step over the limit is stopped and fails;
    the other steps continue. null is no limit."""
    executor: Annotated[str, Named("benchmark.suite.executors", "executor")] = "local"
    """Where the steps run: local (this machine), slurm or ray (clusters). Append options to the name
    (slurm:partition=gpu,time=240, ray:address=auto); see docs/cluster.md."""
    forget: tuple[str, ...] = ()
    """Remove the records of models added earlier with --checkpoint or --model. Give their names from the tables."""
    dry_run: bool = False
    """List what would run, then exit."""
    costs: bool = False
    """Also measure the time and memory per image of each method, once per network and machine, for the chart of cost
    against score in index.html."""
    columns: tuple[str, ...] = ()
    """Columns of leaderboard.tex, named as in index.html. Default: as many as fit on a page."""


@dataclass(frozen=True)
class CompareFlags:
    """Comparison."""

    pair: tuple[str, ...] = ()
    """The two sides A and B, also accepted as the first two words without the flag. Each is suite[/model][/method] or
    the path of a checkpoint of a suite's model."""
    results: str | None = None
    """Folder of records, with one subfolder per suite; null is results, then runs/results."""
    output: str | None = None
    """CSV file to write with all comparisons per finding."""


@dataclass(frozen=True)
class PictureFlags:
    """Pictures."""

    suite: str = ""
    """SUITE or SUITE/MODEL, also accepted as the first word without the flag. Default model: the one in the best
    row."""
    output: str | None = None
    """File of the gallery (default: gallery.html next to the tables or below --runs) or folder of the figures (default:
    runs/figures/<suite>)."""


@dataclass(frozen=True)
class PowerFlags:
    """Power."""

    suite: str = ""
    """Name of a suite that was run with at least two seeds."""
    results: str = "results"
    """Folder of records and tables, with one subfolder per suite."""


@dataclass(frozen=True)
class ExportFlags:
    """Export."""

    suite: str = ""
    """Name of a suite that has been run."""
    format: Literal["coco"] = "coco"
    """File format: COCO JSON (truth.json and boxes.json)."""
    model_id: str = ""
    """Export the boxes of this model, named as in the records. Default: the model in the best row."""
    method: str = ""
    """Export the boxes of this method. Default: the best method of the model."""
    images: bool = False
    """Also write the images as 8-bit PNG files to the subfolder data of --output."""
    output: str | None = None
    """Output folder; null is runs/export/<suite>."""
    data_root_dir: str | None = None
    """Folder with the files of the data set; overrides the one in the suite."""
    results: str | None = None
    """Folder of records, with one subfolder per suite; null is results."""
    runs: str = "runs/suites"
    """Folder of checkpoints and stored maps, with one subfolder per suite."""
    suites: str | None = None
    """Folder with the YAML files of the suites; null is configs/suites."""
    trust: bool = False
    """Allow Python files named in the suite's YAML to run (docs/security.md)."""


@dataclass(frozen=True)
class MethodCheckFlags:
    """Methods to check."""

    method: Annotated[tuple[str, ...], METHOD] = ()
    """Methods to check: registered names, with options, or path/to/file.py:Class."""
    threads: Annotated[int, AtLeast(1)] = 1
    """Number of CPU threads for torch. The networks are too small to benefit from more than one."""


@dataclass(frozen=True)
class DataCheckFlags(SplitFlags):
    """Data to check."""

    name: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Name of the data set. Append options to the name."""
    root: str | None = None
    """Folder with the files of the data set; null is data/<name>, or $LOCUS_DATA/<name>."""
    download: bool = False
    """If --root is missing or empty, download the files first. Only some data sets can be downloaded by a command
    (Kaggle's client)."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of generated images (the phantom). Image files are read at their own size."""
    images: Annotated[int | None, AtLeast(0)] = None
    """Maximum number of images to open per split; null opens all, which is required to find every duplicate and
    unreadable file."""
    output: str = "runs/doctor"
    """Folder for the report, with one subfolder per data set."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", normalize_data_set(self.name))


@dataclass(frozen=True)
class ConvertFlags:
    """Conversion."""

    checkpoint: str | None = None
    """Weights of the other project: a state dict, or a training checkpoint that contains one; .safetensors is
    supported."""
    findings: tuple[str, ...] = ()
    """Findings that the outputs predict, in order. Default: the findings of --dataset, whose files must be
    available."""
    output_dir: str | None = None
    """Run folder to write, with best.ckpt and config.yaml."""
