"""Flags of the data set, its splits and how its files are read."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from core.cli import AtLeast, AtMost, Named
from core.names import SPELLED, normalize_data_set


class DataSet(Named):
    """Name of a data set, or an older spelling of it."""

    def known(self) -> list[str]:
        """Return all names that the flag accepts."""
        return [*super().known(), *SPELLED]


@dataclass(frozen=True)
class SplitFlags:
    """Splits."""

    num_classes: Annotated[int | None, AtLeast(1)] = None
    """Number of findings; the data set must support it (NIH: 14, 8 or 1). null is the default of the data set."""
    partition: Literal["official", "patient", "kfold"] = "official"
    """How patients are split into training and test: the published lists, a random split by patient, or --folds folds
    by patient."""
    folds: Annotated[int, AtLeast(2)] = 5
    """Number of folds of --partition kfold."""
    fold: Annotated[int, AtLeast(0)] = 0
    """Index of the test fold, counted from 0."""
    leave_out_fold: Annotated[int | None, AtLeast(0)] = None
    """Exclude the patients of this other fold from all splits, so that a choice between recipes cannot use them; null
    excludes none."""
    data_seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed of the validation split, the folds and the phantom's images. It is independent of --seed, so all training
    seeds see the same images."""

    def request(self) -> dict[str, Any]:
        """Return these flags as keyword arguments of ``datasets.load``."""
        partition = {"partition": self.partition, "folds": self.folds, "fold": self.fold}
        return {
            **partition, "leave_out_fold": self.leave_out_fold, "findings": self.num_classes, "seed": self.data_seed,
        }  # fmt: skip


@dataclass(frozen=True)
class ReadingFlags:
    """Reading."""

    max_bad_images: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Largest share of unreadable images. They are skipped and counted; a larger share stops the run."""


@dataclass(frozen=True)
class DataFlags(SplitFlags, ReadingFlags):
    """Data."""

    dataset: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Name of the data set. Append options to the name (phantom:train=3000). The defaults of the other flags come from
    configs/<name>.yaml."""
    data_root_dir: str | None = None
    """Folder with the files of the data set; null is data/<dataset>, or $LOCUS_DATA/<dataset>. The phantom needs no
    files."""
    download: bool = False
    """If --data_root_dir is missing or empty, download the files first. Only some data sets can be downloaded by a
    command (Kaggle's client)."""
    train_on: Literal["all", "boxed", "unboxed"] = "all"
    """Images to use for training and validation: those with a truth box, those without one, or all. The boxes
    themselves are never used for training."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square input of the network (plain resize, no crop)."""
    num_workers: Annotated[int | None, AtLeast(0)] = None
    """Number of processes that decode images into the cache; null is one per CPU, 0 is one."""
    cache_dir: str = "runs/cache"
    """Folder for decoded images (uint8, memory-mapped), shared by all runs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", normalize_data_set(self.dataset))
