"""Flags of suites, checks and conversions."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from core.cli import AtLeast, Named
from core.flags.choices import METHOD, PROTOCOL
from core.flags.data import DATA_SET, SplitFlags
from core.names import NOT_IN_METHODS


@dataclass(frozen=True)
class SelectionFlags:
    """Suites."""

    all: bool = False
    """Select every suite."""
    suite: tuple[str, ...] = ()
    """Names of the suites."""
    method: Annotated[tuple[str, ...], replace(METHOD, names=(*METHOD.names, *NOT_IN_METHODS))] = ()
    """Methods to select (docs/methods.md): names, the groups all, fast and slow, the baselines prior and untrained, or
    the upper bound truth. Methods that the suite does not list are allowed, including path/to/file.py:Class. Default:
    all methods of the suite."""
    protocol: Annotated[tuple[str, ...], PROTOCOL] = ()
    """Protocols (scoring rules, docs/protocols.md) and validity checks (docs/validity.md) to select, among those of the
    suite; classification (metrics of the classifier) and paired (comparisons of methods) are allowed, too. Default: all
    of the suite."""
    checkpoint: tuple[str, ...] = ()
    """Your own models, explained and scored instead of the suite's: best.ckpt files or run folders, written by main.py
    or benchmark.convert. Several checkpoints count as training runs of one entry. The tables show them next to the
    published rows."""


@dataclass(frozen=True)
class FolderFlags:
    """Folders."""

    suites: str | None = None
    """Folder with the YAML files of the suites. Default: configs/suites."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: the folder named in the suite."""
    results: str | None = None
    """Folder for records and tables, with one subfolder per suite. Default: results. With --checkpoint or --model it is
    runs/results; benchmark.run also uses runs/results if the suite has no published results or comes from another
    folder (--suites), and with --forget, --columns or a --method that the suite does not list."""
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
    set was missing and is now available; always: all."""
    jobs: Annotated[int, AtLeast(1)] = 1
    """Number of training, explanation and scoring steps that run in parallel. More than one requires a fixed number of
    threads (--threads, or threads in the suite's file). The number of jobs does not affect the records."""
    step_minutes: Annotated[float | None, AtLeast(0.1)] = None
    """Time limit in minutes for each training, explanation or scoring step. A step that exceeds it is stopped and
    recorded as failed; the others continue. Requires a fixed number of threads, as --jobs above 1 does. Default: no
    limit."""
    executor: Annotated[str, Named("executor", ("local", "ray"))] = "local"
    """Where the steps run: on this machine (local) or on a cluster (ray). Append options to the name
    (ray:address=auto,gpus=1); see docs/cluster.md."""
    forget: tuple[str, ...] = ()
    """Models to remove from the records, by their names in the tables. Only models that were added with --checkpoint or
    --model can be removed."""
    dry_run: bool = False
    """List the steps that would run, then exit."""
    columns: tuple[str, ...] = ()
    """Columns of leaderboard.tex, named as in index.html. Default: as many as fit on a page."""


@dataclass(frozen=True)
class CompareConfig:
    """Compare two suites, networks, methods or results folders: ``python -m benchmark.compare A B``."""

    pair: tuple[str, ...] = ()
    """A and B to compare; the flag itself may be omitted. Each is suite[/model][/method], or the path of a checkpoint
    of a suite's model; or both are folders with results of one suite, such as results/demo. Required."""
    results: str | None = None
    """Folder of records, with one subfolder per suite. Default: results, then runs/results."""
    output: str | None = None
    """CSV file to write, with the comparisons of all findings."""


@dataclass(frozen=True)
class PageConfig(FolderFlags):
    """Draw a gallery of cases (``benchmark.gallery``) or charts (``benchmark.figures``) of a suite from stored maps."""

    suite: str = ""
    """SUITE or SUITE/MODEL; the flag itself may be omitted. Default model: that of the best row. Required."""
    output: str | None = None
    """HTML file of the gallery, or folder of the figures. Default for a gallery: gallery.html next to the tables or in
    --runs; for figures: runs/figures/<suite>."""


@dataclass(frozen=True)
class ExportConfig(FolderFlags):
    """Export the truth and the boxes of a suite for other tools: ``python -m benchmark.export SUITE --format coco``."""

    suite: str = ""
    """Name of a suite that was run. Required."""
    format: Literal["coco"] = "coco"
    """File format: COCO JSON (truth.json and boxes.json)."""
    model_id: str = ""
    """Model whose boxes are exported, named as in the records. Default: the model of the best row."""
    method: str = ""
    """Method whose boxes are exported. Default: the best method of the model."""
    images: bool = False
    """Also write the images as 8-bit PNG files to the subfolder data of --output."""
    output: str | None = None
    """Output folder. Default: runs/export/<suite>."""


@dataclass(frozen=True)
class CheckConfig:
    """Check explanation methods on small networks with random weights: ``python -m benchmark.check method NAME``."""

    method: Annotated[tuple[str, ...], METHOD] = ()
    """Methods to check: names, with options if needed, or path/to/file.py:Class. Required."""
    threads: Annotated[int, AtLeast(1)] = 1
    """Number of CPU threads for torch. The networks are too small to benefit from more than one."""


@dataclass(frozen=True)
class DatasetCheckConfig(SplitFlags):
    """Check all files of a data set and report problems: ``python -m benchmark.check dataset NAME --root PATH``."""

    name: Annotated[str, DATA_SET] = "phantom"
    """Name of the data set. Append options to the name."""
    root: str | None = None
    """Folder with the files of the data set. Default: $LOCUS_DATA/<name> if LOCUS_DATA is set, else data/<name>
    (implanted: NIH's folder). The phantom needs no files."""
    download: bool = False
    """Download the files first if --root is missing or empty. Works for the data sets on Kaggle: covid_radiography,
    rsna_pneumonia, siim_covid and vindr_cxr."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side length in pixels of generated images (phantom, implanted). Image files are read at their own size."""
    images: Annotated[int | None, AtLeast(0)] = None
    """Maximum number of images to open per split. Default: all, which is required to find every duplicate and
    unreadable file."""
    output: str = "runs/check"
    """Folder for the report, with one subfolder per data set."""
