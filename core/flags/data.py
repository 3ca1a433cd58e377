"""Flags that name a data set, its splits and how its files are read."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from core.cli import AtLeast, AtMost, Named
from core.names import SPELLED, normalize_data_set


class DataSet(Named):
    """A data set's word, or how earlier work spelled it."""

    def known(self) -> list[str]:
        """All words that the flag takes."""
        return [*super().known(), *SPELLED]


@dataclass(frozen=True)
class SplitFlags:
    """Splits."""

    num_classes: Annotated[int | None, AtLeast(1)] = None
    """Number of findings, one of those the data set has (NIH: 14, 8 or 1); null is the data set's own."""
    partition: Literal["official", "patient", "kfold"] = "official"
    """Who trains and who tests: the published lists, a random cut by patient, or one of --folds folds by patient."""
    folds: Annotated[int, AtLeast(2)] = 5
    """Number of folds of --partition kfold."""
    fold: Annotated[int, AtLeast(0)] = 0
    """Which fold is held out for the test, counted from 0."""
    leave_out_fold: Annotated[int | None, AtLeast(0)] = None
    """Another fold, whose patients are in no split: a choice between recipes must not see them; null is none."""
    data_seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed of what is cut or drawn: validation patients, folds, the phantom's images; other training seeds see the same
    images."""

    def request(self) -> dict[str, Any]:
        """The same as keywords of ``datasets.load``."""
        parted = {"partition": self.partition, "folds": self.folds, "fold": self.fold}
        return {
            **parted, "leave_out_fold": self.leave_out_fold, "findings": self.num_classes, "seed": self.data_seed,
        }  # fmt: skip


@dataclass(frozen=True)
class ReadingFlags:
    """Reading."""

    max_bad_images: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Share of images that may be unreadable, left out and counted, before the run stops."""


@dataclass(frozen=True)
class DataFlags(SplitFlags, ReadingFlags):
    """Data."""

    dataset: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Name of the data set, options in the word (phantom:train=3000); its defaults come from configs/<name>.yaml."""
    data_root_dir: str | None = None
    """Folder of the data set's files; null is data/<dataset>, or $LOCUS_DATA/<dataset>; the phantom needs none."""
    download: bool = False
    """First fill --data_root_dir, absent or empty, with the data set's files; some have a public command (Kaggle's
    client)."""
    train_on: Literal["all", "boxed", "unboxed"] = "all"
    """Images of the training side (training and validation) to use: those with a truth box, without one, or all; boxes
    stay unseen."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square image that the network sees (plain resize, no crop)."""
    num_workers: Annotated[int | None, AtLeast(0)] = None
    """Processes that decode images into the cache; null is one per CPU, 0 is one."""
    cache_dir: str = "runs/cache"
    """Folder of the decoded images (uint8, memory-mapped), shared by all runs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", normalize_data_set(self.dataset))
