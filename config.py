"""Configuration of each command, combined from the groups of flags in ``core.flags``.

A configuration that shares no group with others is defined there. The command line and its ``--help`` are generated
from these dataclasses. Nothing here imports torch.
"""

import inspect
from dataclasses import dataclass

from core.errors import BadValueError
from core.flags import MAPS, flags_with
from core.flags.benchmark import (
    CheckConfig,
    CompareConfig,
    DatasetCheckConfig,
    ExportConfig,
    FolderFlags,
    PageConfig,
    RunFlags,
    SelectionFlags,
)
from core.flags.data import DataFlags, ReadingFlags
from core.flags.external import ScoreConfig
from core.flags.heatmap import ImagesFlags, OneImageFlags
from core.flags.machine import EngineFlags, MachineFlags, ThreadFlags
from core.flags.model import ModelFlags
from core.flags.network import LoadingFlags, ModelCheckConfig, NetworkFlags
from core.flags.training import OutputFlags, RecipeFlags, SearchFlags

__all__ = [
    "CheckConfig", "CompareConfig", "ConvertConfig", "DataFlags", "DatasetCheckConfig",
    "EngineFlags", "ExportConfig", "FolderFlags", "HeatmapConfig", "ModelCheckConfig", "PageConfig",
    "RunConfig", "ScoreConfig", "SuiteConfig", "TrainConfig",
]  # fmt: skip


@dataclass(frozen=True)
class TrainConfig(SearchFlags, OutputFlags, MachineFlags, RecipeFlags, ModelFlags, DataFlags):
    """Train one classifier on one data set and evaluate it: ``python main.py``.

    If configs/<dataset>.yaml exists, its values replace the defaults below. For example, "python main.py" without flags
    uses configs/phantom.yaml: it trains the small network for 2 epochs, not densenet121 for 10.
    """

    def __post_init__(self) -> None:
        """Raise ``BadValueError`` for flags that exclude each other."""
        modes = [f"--{name}" for name in ("search", "evaluate", "resume") if getattr(self, name)]
        if len(modes) > 1:
            raise BadValueError(f"{' and '.join(modes)} cannot be combined: use only one of them")
        if self.search_storage and not self.search:
            raise BadValueError("--search_storage requires --search: add --search FILE")


@dataclass(frozen=True)
class HeatmapConfig(ThreadFlags, EngineFlags, ReadingFlags, ImagesFlags, LoadingFlags, OneImageFlags):
    """Explain a model's predictions with heat maps, and save pictures, boxes and raw maps: ``python heatmap.py``."""


@dataclass(frozen=True)
class ConvertConfig(TrainConfig):
    """Convert the weights of another project into a run folder: ``python -m benchmark.convert``.

    --backbone, --global_pool … describe the network. The --config file may also contain the flags used in training.
    """

    hidden = frozenset(
        name for part in (SearchFlags, OutputFlags, MachineFlags, RecipeFlags) for name in inspect.get_annotations(part)
    ) - flags_with(RecipeFlags, MAPS)
    """Flags that are accepted but not shown by ``--help``: those that do not describe the network."""
    checkpoint: str | None = None
    """Weights of the other project: a state dict, a training checkpoint that contains one, or a .safetensors file.
    Required."""
    findings: tuple[str, ...] = ()
    """Findings that the outputs predict, in order. Default: the findings of --dataset, whose files must be
    available."""
    output_dir: str | None = None
    """Run folder to write, with best.ckpt and config.yaml. Required."""


@dataclass(frozen=True)
class SuiteConfig(NetworkFlags, FolderFlags, SelectionFlags):
    """Select cells of suites and the folders of their files."""


@dataclass(frozen=True)
class RunConfig(ThreadFlags, EngineFlags, RunFlags, SuiteConfig):
    """Run benchmark suites (train, explain, score) and write their tables: ``python -m benchmark.run``."""
