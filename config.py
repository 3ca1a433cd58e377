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
class HeatmapConfig(ThreadFlags, EngineFlags, ReadingFlags, ImagesFlags, WiringFlags, OneImageFlags):
    """Explain images with a trained model: pictures, boxes and raw maps, one per image, finding and method.

    ``python heatmap.py``.
    """


@dataclass(frozen=True)
class ConvertConfig(TrainConfig, ConvertFlags):
    """Make a run of another project's weights: ``python -m benchmark.convert``.

    --backbone, --global_pool … say of which network. A file of --config may also have the flags of its training.
    """

    hidden = frozenset(
        field.name for part in (SearchFlags, OutputFlags, MachineFlags, RecipeFlags) for field in fields(part)
    ) - {"threads", "multi_label", "preprocess"}
    """Flags that are taken and that ``--help`` does not show."""


@dataclass(frozen=True)
class SuiteConfig(NetworkFlags, FolderFlags, SelectionFlags):
    """Cells of suites, and where their files are."""


@dataclass(frozen=True)
class RunConfig(ThreadFlags, EngineFlags, RunFlags, SuiteConfig):
    """Run benchmark suites, cell by cell, and write their tables: ``python -m benchmark.run``."""


@dataclass(frozen=True)
class VerifyConfig(ThreadFlags, SuiteConfig):
    """Score the records of suites again from stored maps, without a network: ``python -m benchmark.verify --all``.

    Exit status 1 unless every record holds.
    """


@dataclass(frozen=True)
class CompareConfig(CompareFlags):
    """Show how two suites, networks or methods differ on the same cases: ``python -m benchmark.compare A B``."""


@dataclass(frozen=True)
class PageConfig(FolderFlags, PictureFlags):
    """Draw a suite from stored maps: a page of cases (``benchmark.gallery``) or charts (``benchmark.figures``)."""


@dataclass(frozen=True)
class PowerConfig(PowerFlags):
    """How many trainings and patients tell the rows of a suite apart: ``python -m benchmark.power --suite NAME``."""


@dataclass(frozen=True)
class ExportConfig(ExportFlags):
    """Write a suite's truth and boxes for other tools: ``python -m benchmark.export SUITE --format coco``."""


@dataclass(frozen=True)
class ScoreConfig(ExternalFlags):
    """Score maps or boxes that others made, beside the baselines: ``python -m benchmark.score``."""


@dataclass(frozen=True)
class PackConfig(PackFlags):
    """Make one file of an entry that was scored, to send it in: ``python -m benchmark.submit pack RUN``."""


@dataclass(frozen=True)
class SubmissionConfig(SubmissionFlags):
    """Score an entry that was sent in again and hold it against what it states.

    ``python -m benchmark.submit check FILE``.
    """


@dataclass(frozen=True)
class CheckConfig(MethodCheckFlags):
    """Hold methods against what every method keeps to, on small networks with random weights.

    ``python -m benchmark.check method NAME``.
    """


@dataclass(frozen=True)
class ModelCheckConfig(ModelCheckFlags):
    """Ask a network whether it is loaded, wired, prepared and named as it should be.

    ``python -m benchmark.check model NAME``.
    """


@dataclass(frozen=True)
class DatasetCheckConfig(DataCheckFlags):
    """Read a data set whole and say what is wrong with it: ``python -m benchmark.check dataset NAME --root PATH``."""
