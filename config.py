"""Configuration of each command, combined from the groups of flags in ``core.flags``.

The command line and its ``--help`` are generated from these dataclasses. Nothing here imports torch.
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
    """Train one classifier on one data set and evaluate it: ``python main.py``.

    If configs/<dataset>.yaml exists, its values replace the defaults below. For example, "python main.py" without flags
    uses configs/phantom.yaml: it trains the small network for 2 epochs, not densenet121 for 10.
    """

    def __post_init__(self) -> None:
        """Raise ``BadValueError`` for an invalid value and for flags that exclude each other."""
        RecipeFlags.__post_init__(self)
        DataFlags.__post_init__(self)
        modes = [f"--{name}" for name in ("search", "evaluate", "resume") if getattr(self, name)]
        if len(modes) > 1:
            raise BadValueError(f"{' and '.join(modes)} cannot be combined: use only one of them")
        if self.search_storage and not self.search:
            raise BadValueError("--search_storage requires --search: add --search FILE")


WHERE = frozenset(
    {field.name for part in (SearchFlags, OutputFlags, MachineFlags) for field in fields(part)}
    | {"cache_dir", "download", "num_workers"}
)
"""Flags that do not change the trained model: folders, logs and hardware."""


@dataclass(frozen=True)
class HeatmapConfig(ThreadFlags, EngineFlags, ReadingFlags, ImagesFlags, WiringFlags, OneImageFlags):
    """Explain a model's predictions with heat maps, and save pictures, boxes and raw maps: ``python heatmap.py``."""


@dataclass(frozen=True)
class ConvertConfig(TrainConfig, ConvertFlags):
    """Convert the weights of another project into a run folder: ``python -m benchmark.convert``.

    --backbone, --global_pool … describe the network. The --config file may also contain the flags used in training.
    """

    hidden = frozenset(
        field.name for part in (SearchFlags, OutputFlags, MachineFlags, RecipeFlags) for field in fields(part)
    ) - {"threads", "multi_label", "preprocess"}
    """Flags that are accepted but not shown by ``--help``."""


@dataclass(frozen=True)
class SuiteConfig(NetworkFlags, FolderFlags, SelectionFlags):
    """Select cells of suites and the folders of their files."""


@dataclass(frozen=True)
class RunConfig(ThreadFlags, EngineFlags, RunFlags, SuiteConfig):
    """Run benchmark suites (train, explain, score) and write their tables: ``python -m benchmark.run``."""


@dataclass(frozen=True)
class VerifyConfig(ThreadFlags, SuiteConfig):
    """Verify the records of suites by scoring the stored maps again: ``python -m benchmark.verify --all``.

    No network is run. The exit status is 1 unless every record is reproduced.
    """


@dataclass(frozen=True)
class CompareConfig(CompareFlags):
    """Compare two suites, networks or methods on the same cases: ``python -m benchmark.compare A B``."""


@dataclass(frozen=True)
class PageConfig(FolderFlags, PictureFlags):
    """Draw a gallery of cases (``benchmark.gallery``) or charts (``benchmark.figures``) of a suite from stored maps."""


@dataclass(frozen=True)
class PowerConfig(PowerFlags):
    """Estimate the number of runs and patients that a comparison needs: ``python -m benchmark.power --suite NAME``."""


@dataclass(frozen=True)
class ExportConfig(ExportFlags):
    """Export the truth and the boxes of a suite for other tools: ``python -m benchmark.export SUITE --format coco``."""


@dataclass(frozen=True)
class ScoreConfig(ExternalFlags):
    """Score external maps or boxes and compare them with the baselines: ``python -m benchmark.score``."""


@dataclass(frozen=True)
class PackConfig(PackFlags):
    """Pack a scored entry into one file for submission: ``python -m benchmark.submit pack RUN``."""


@dataclass(frozen=True)
class SubmissionConfig(SubmissionFlags):
    """Score a submitted entry again and compare with its stored scores: ``python -m benchmark.submit check FILE``."""


@dataclass(frozen=True)
class CheckConfig(MethodCheckFlags):
    """Check explanation methods on small networks with random weights: ``python -m benchmark.check method NAME``."""


@dataclass(frozen=True)
class ModelCheckConfig(ThreadFlags, ModelCheckFlags):
    """Check weights, structure, preprocessing and findings of a network: ``python -m benchmark.check model NAME``."""


@dataclass(frozen=True)
class DatasetCheckConfig(DataCheckFlags):
    """Check all files of a data set and report problems: ``python -m benchmark.check dataset NAME --root PATH``."""
