"""Flags of external maps and boxes."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast
from core.errors import BadValueError
from core.flags.data import DataSet, SplitFlags
from core.names import normalize_data_set


@dataclass(frozen=True)
class ExternalFlags(SplitFlags):
    """External maps or boxes."""

    trains = False
    """False: the command does not train, so only the flags it has are read from a data set's preset."""
    dataset: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Data set whose test images the maps or boxes belong to. Append options to the name."""
    data_root_dir: str | None = None
    """Folder with the files of the data set; null is data/<dataset>, or $LOCUS_DATA/<dataset>. The phantom needs no
    files."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of generated images (the phantom) and of their truth. Image files are read at their own size."""
    entry: str = ""
    """Name of the entry in the table."""
    maps: str | None = None
    """One of: a folder of <image>_<finding>.npy, .npz or .png files (h×w); a folder of <image>.npy or .npz files
    (K×h×w, requires --findings); one .npy file (requires --index); a .json file of run-length masks."""
    boxes: str | None = None
    """Boxes with confidences, in pixels of the published image: a CSV file (image, finding, four numbers, score) or
    COCO JSON."""
    box_format: Literal["xyxy", "xywh"] | None = None
    """Meaning of the four numbers in the CSV file."""
    alignment: str | None = None
    """Positions of the map's cells in the image: conventional (as plain interpolation assumes), pixels, or a JSON file
    with size, stride and offset."""
    findings: tuple[str, ...] = ()
    """Findings of the K maps in each image's file, in order."""
    index: str | None = None
    """CSV file with the columns image and finding, one row for each map of the .npy file."""
    missing: Literal["error", "miss", "skip"] = "error"
    """How to treat a case with truth but no map, or an image with truth but no box: stop with an error, count a miss,
    or skip it. Both are counted."""
    predictions: str | None = None
    """CSV file of the classifier's probabilities, with one row per image and one column per finding. With it, maps are
    also scored as boxes with confidences."""
    trained_on: str = ""
    """Training data of the model, as declared by you; shown above the table."""
    against: str | None = None
    """Also compare with this row of a suite on the same cases: suite/model/method, published or below --results."""
    verify: bool = False
    """Write nothing. Score again and report which records are reproduced; the exit status is 1 unless all are."""
    results: str = "runs/results"
    """Folder for records and tables, with one subfolder per entry."""

    def __post_init__(self) -> None:
        if self.leave_out_fold is not None:
            raise BadValueError(
                "--leave_out_fold changes only training and validation images, but test images are scored here"
            )
        object.__setattr__(self, "dataset", normalize_data_set(self.dataset))


@dataclass(frozen=True)
class PackFlags:
    """Entry to submit."""

    run: str = ""
    """Folder written by benchmark.score."""
    by: str = ""
    """Authors and contact address."""
    about: str = ""
    """Description of the entry and how it was trained or made, in one or two sentences."""
    license: str = ""
    """Licence of the maps or boxes, such as CC-BY-4.0."""
    output: str | None = None
    """File to write; null is <entry>.zip in the current folder."""


@dataclass(frozen=True)
class SubmissionFlags:
    """Submitted entry."""

    file: str = ""
    """File written by pack."""
    data_root_dir: str | None = None
    """Folder with the files of the data set; null is data/<dataset>, or $LOCUS_DATA/<dataset>. The phantom needs no
    files."""
    beside: str | None = None
    """Folder of other entries to compare with, to detect copies; null is the folder of the file."""
    trust: bool = False
    """Allow Python files named by the entry (path/to/file.py:Class) to run. Otherwise such an entry is rejected."""
