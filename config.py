"""Configuration of each command. The command line is generated from these dataclasses of ``core.flags``.

``--help`` shows them group by group. Nothing here imports torch.
"""

from dataclasses import dataclass, fields

from core.errors import BadValueError
from core.flags.benchmark import (
    CompareFlags,
    ConvertFlags,
    DataCheckFlags,
    ExportFlags,
    FolderFlags,
    MethodCheckFlags,
    PictureFlags,
    PowerFlags,
    RunFlags,
    SelectionFlags,
)
from core.flags.data import DataFlags, ReadingFlags
from core.flags.external import ExternalFlags, PackFlags, SubmissionFlags
from core.flags.heatmap import ImagesFlags, OneImageFlags
from core.flags.machine import EngineFlags, MachineFlags, ThreadFlags
from core.flags.model import ModelFlags
from core.flags.network import ModelCheckFlags, NetworkFlags, WiringFlags
from core.flags.training import OutputFlags, RecipeFlags, SearchFlags

__all__ = [
    "WHERE", "CheckConfig", "CompareConfig", "ConvertConfig", "DataFlags", "DatasetCheckConfig", "EngineFlags",
    "ExportConfig", "FolderFlags", "HeatmapConfig", "ModelCheckConfig", "PackConfig", "PageConfig", "PowerConfig",
    "RunConfig", "ScoreConfig", "SubmissionConfig", "SuiteConfig", "TrainConfig", "VerifyConfig",
]  # fmt: skip


@dataclass(frozen=True)
class TrainConfig(SearchFlags, OutputFlags, MachineFlags, RecipeFlags, ModelFlags, DataFlags):
    """Train one classifier on one data set and evaluate it: ``python main.py``."""

    def __post_init__(self) -> None:
        """Raise ``BadValueError`` also for flags that exclude each other."""
        RecipeFlags.__post_init__(self)
        DataFlags.__post_init__(self)
        modes = [f"--{name}" for name in ("search", "evaluate", "resume") if getattr(self, name)]
        if len(modes) > 1:
            raise BadValueError(f"{' and '.join(modes)} cannot be combined: leave one out")
        if self.search_storage and not self.search:
            raise BadValueError("--search_storage requires --search: write --search FILE too, or leave it out")


WHERE = frozenset(
    {field.name for part in (SearchFlags, OutputFlags, MachineFlags) for field in fields(part)}
    | {"cache_dir", "download", "num_workers"}
)
"""Flags of a training run that do not change the trained model: its folders, logs and machine."""


@dataclass(frozen=True)
class HeatmapConfig(ThreadFlags, EngineFlags, ReadingFlags, ImagesFlags, WiringFlags, OneImageFlags):
    """Explain images with a trained model: pictures, boxes and raw maps, one per image, finding and method.

    ``python heatmap.py``.
    """


@dataclass(frozen=True)
class ConvertConfig(TrainConfig, ConvertFlags):
    """Convert the weights of another project into a run: ``python -m benchmark.convert``.

    --backbone, --global_pool … describe the network. The --config file may also contain the flags of its training run.
    """

    hidden = frozenset(
        field.name for part in (SearchFlags, OutputFlags, MachineFlags, RecipeFlags) for field in fields(part)
    ) - {"threads", "multi_label", "preprocess"}
    """Flags that are accepted but not shown by ``--help``."""


@dataclass(frozen=True)
class SuiteConfig(NetworkFlags, FolderFlags, SelectionFlags):
    """Selected cells of suites, and the folders of their files."""


@dataclass(frozen=True)
class RunConfig(ThreadFlags, EngineFlags, RunFlags, SuiteConfig):
    """Run benchmark suites, cell by cell, and write their tables: ``python -m benchmark.run``."""


@dataclass(frozen=True)
class VerifyConfig(ThreadFlags, SuiteConfig):
    """Score the records of suites again from stored maps, without a network: ``python -m benchmark.verify --all``.

    The exit status is 1 unless every record is reproduced.
    """


@dataclass(frozen=True)
class CompareConfig(CompareFlags):
    """Compare two suites, networks or methods on the same cases: ``python -m benchmark.compare A B``."""


@dataclass(frozen=True)
class PageConfig(FolderFlags, PictureFlags):
    """Draw a suite from stored maps: a gallery of cases (``benchmark.gallery``) or charts (``benchmark.figures``)."""


@dataclass(frozen=True)
class PowerConfig(PowerFlags):
    """Estimate how many training runs and patients the rows of a suite need to differ significantly.

    ``python -m benchmark.power --suite NAME``.
    """


@dataclass(frozen=True)
class ExportConfig(ExportFlags):
    """Write a suite's truth and boxes for other tools: ``python -m benchmark.export SUITE --format coco``."""


@dataclass(frozen=True)
class ScoreConfig(ExternalFlags):
    """Score external maps or boxes and compare them with the baselines: ``python -m benchmark.score``."""


@dataclass(frozen=True)
class PackConfig(PackFlags):
    """Pack a scored entry into one file for submission: ``python -m benchmark.submit pack RUN``."""


@dataclass(frozen=True)
class SubmissionConfig(SubmissionFlags):
    """Score a submitted entry again and compare with its reported scores.

    ``python -m benchmark.submit check FILE``.
    """


@dataclass(frozen=True)
class CheckConfig(MethodCheckFlags):
    """Check the contract of explanation methods on small networks with random weights.

    ``python -m benchmark.check method NAME``.
    """


@dataclass(frozen=True)
class ModelCheckConfig(ModelCheckFlags):
    """Check that the weights, structure, preprocessing and finding names of a network are correct.

    ``python -m benchmark.check model NAME``.
    """


@dataclass(frozen=True)
class DatasetCheckConfig(DataCheckFlags):
    """Check all files of a data set and report problems: ``python -m benchmark.check dataset NAME --root PATH``."""
