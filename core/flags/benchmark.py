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
    """Every suite there is."""
    suite: tuple[str, ...] = ()
    """Names of suites."""
    method: Annotated[tuple[str, ...], METHOD._replace(also=(*METHOD.also, *BESIDE))] = ()
    """The cells of these methods only; a suite that is run is given those that it does not list, path/to/file.py:Class
    too; none: all it lists."""
    protocol: Annotated[
        tuple[str, ...], Scored("benchmark.scoring.protocols", "protocol", ("all", CHOICE, CLASSIFICATION, PAIRED))
    ] = ()
    """The cells of these protocols only, or of a suite's check; none or all: all that the suite has. paired runs no
    cell."""
    checkpoint: tuple[str, ...] = ()
    """Finished runs in place of the suite's own models (a best.ckpt or run folder, of main.py or converted): several
    are trainings of one entry. Their rows stand beside the published ones."""


@dataclass(frozen=True)
class FolderFlags:
    """Folders."""

    suites: str | None = None
    """Folder of the suites' YAML files; null is configs/suites."""
    data_root_dir: str | None = None
    """Folder of the data set's files, instead of the one that the suite names."""
    results: str | None = None
    """Folder of records and tables, one per suite; null is results, or runs/results for what is unlike the published
    plan."""
    runs: str = "runs/suites"
    """Folder of checkpoints and stored maps, one folder per suite."""
    cache_dir: str | None = None
    """Folder of the decoded images; null is main.py's own."""
    trust: bool = False
    """Run Python files that a suite's YAML, a checkpoint, a record or the file of --config names
    (path/to/file.py:Class); without it only those typed here run (docs/security.md)."""


@dataclass(frozen=True)
class RunFlags:
    """Run."""

    overwrite: Literal["never", "missing", "always"] = "missing"
    """never: keep every record that is there; missing: also try again what failed or lacked its data; always: all cells
    anew."""
    jobs: Annotated[int, AtLeast(1)] = 1
    """Trainings, explanations and scorings at a time, each of --threads; more give the same records."""
    shards: Annotated[int, AtLeast(1)] = 1
    """Cut each explanation of a model into so many, each of a part of its images, that several jobs make at once; the
    maps are the same."""
    step_minutes: Annotated[float | None, AtLeast(0.1)] = None
    """Minutes that one training, explanation or scoring may take: what takes longer is ended and fails, the others go
    on; null: as long as it needs."""
    executor: Annotated[str, Named("benchmark.executors", "executor")] = "local"
    """Where they run: local is this machine, slurm and ray are clusters; options in the word
    (slurm:partition=gpu,time=240, ray:address=auto): docs/cluster.md."""
    forget: tuple[str, ...] = ()
    """Remove the records of models that an earlier --checkpoint or --model added, by their names in the tables."""
    dry_run: bool = False
    """Say what would run and stop."""
    costs: bool = False
    """Also measure what each method costs alone, time and memory of an image, once per network where this machine has
    not yet: the chart of cost against score in index.html."""
    columns: tuple[str, ...] = ()
    """Columns of leaderboard.tex, by their headings in index.html; none: as many as a page holds."""


@dataclass(frozen=True)
class CompareFlags:
    """Comparison."""

    pair: tuple[str, ...] = ()
    """A and B, which may stand first without the flag: each is suite[/model][/method], or the path of a checkpoint of a
    suite's model."""
    results: str | None = None
    """Folder of records, one per suite; null: results, then runs/results."""
    output: str | None = None
    """CSV file that also gets every comparison, finding by finding."""


@dataclass(frozen=True)
class PictureFlags:
    """Pictures."""

    suite: str = ""
    """SUITE or SUITE/MODEL, which may stand first without the flag; without a model: that of the best row."""
    output: str | None = None
    """The gallery's file (gallery.html beside the tables or below --runs), or the figures' folder
    (runs/figures/<suite>)."""


@dataclass(frozen=True)
class PowerFlags:
    """Power."""

    suite: str = ""
    """Name of a suite that ran with two seeds or more."""
    results: str = "results"
    """Folder of records and tables, one per suite."""


@dataclass(frozen=True)
class ExportFlags:
    """Export."""

    suite: str = ""
    """Name of a suite that ran."""
    format: Literal["coco"] = "coco"
    """Format of the files: COCO's JSON, truth.json and boxes.json."""
    model_id: str = ""
    """Model whose boxes are written, as the records name it; none: the model of the best row."""
    method: str = ""
    """Method whose boxes are written; none: the best one of the model."""
    images: bool = False
    """Also write the images, as 8-bit PNG files in the folder data of --output."""
    output: str | None = None
    """Folder to write to; null is runs/export/<suite>."""
    data_root_dir: str | None = None
    """Folder of the data set's files, instead of the one that the suite names."""
    results: str | None = None
    """Folder of records, one per suite; null is results."""
    runs: str = "runs/suites"
    """Folder of checkpoints and stored maps, one folder per suite."""
    suites: str | None = None
    """Folder of the suites' YAML files; null is configs/suites."""
    trust: bool = False
    """Run Python files that the suite's YAML names (docs/security.md)."""


@dataclass(frozen=True)
class MethodCheckFlags:
    """Methods to check."""

    method: Annotated[tuple[str, ...], METHOD] = ()
    """Methods, by name, with options, or as path/to/file.py:Class."""
    threads: Annotated[int, AtLeast(1)] = 1
    """CPU threads of torch; the networks are too small for more."""


@dataclass(frozen=True)
class DataCheckFlags(SplitFlags):
    """Data to check."""

    name: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Name of the data set, options in the word."""
    root: str | None = None
    """Folder of the data set's files; null is data/<name>, or $LOCUS_DATA/<name>."""
    download: bool = False
    """First fill --root, absent or empty, with the data set's files; some have a public command (Kaggle's client)."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side of images that are drawn (the phantom's); files are read as they are."""
    images: Annotated[int | None, AtLeast(0)] = None
    """Open at most so many images per split; null is all, which is what finds every duplicate and unreadable file."""
    output: str = "runs/doctor"
    """Folder of the page, one folder per data set."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", normalize_data_set(self.name))


@dataclass(frozen=True)
class ConvertFlags:
    """Conversion."""

    checkpoint: str | None = None
    """The other project's file (a state dict, alone or within a training's checkpoint; .safetensors too)."""
    findings: tuple[str, ...] = ()
    """What its outputs stand for, in their order; none: the findings of --dataset, whose files must then be at hand."""
    output_dir: str | None = None
    """Run folder to write: best.ckpt and config.yaml."""
