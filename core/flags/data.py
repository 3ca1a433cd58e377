"""Flags of the data set, its splits and how its files are read."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from core.cli import AtLeast, AtMost, Named
from core.flags import DATA, MACHINE, MAPS, NEWER, WEIGHTS
from core.names import normalize_data_set
from core.registry import DATASETS


class DataSet(Named):
    """Name of a data set, in the current or an older spelling."""

    def normalize(self, word: str) -> str:
        """Return the name in its current spelling."""
        return normalize_data_set(word)


DATA_SET = DataSet("data set", registry=DATASETS)


@dataclass(frozen=True)
class SplitFlags:
    """Splits."""

    role = WEIGHTS | DATA
    num_classes: Annotated[int | None, AtLeast(1)] = None
    """Number of findings; the data set must support it (NIH: 14, 8 or 1). Default: chosen by the data set."""
    partition: Literal["official", "patient", "kfold"] = "official"
    """How patients are divided into training and test sets: by the published lists (official), at random (patient),
    or into --folds folds (kfold)."""
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
        """Return these flags as keyword arguments of ``datasets.load``."""
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
