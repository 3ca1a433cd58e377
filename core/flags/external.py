"""Flags of others' maps and boxes."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast
from core.errors import BadValueError
from core.flags.data import DataSet, SplitFlags
from core.names import normalize_data_set


@dataclass(frozen=True)
class ExternalFlags(SplitFlags):
    """Others' maps or boxes."""

    trains = False
    """Whether a data set's preset belongs to this command as a whole."""
    dataset: Annotated[str, DataSet("datasets", "dataset")] = "phantom"
    """Name of the data set whose test images they are of, options in the word."""
    data_root_dir: str | None = None
    """Folder of the data set's files; null is data/<dataset>, or $LOCUS_DATA/<dataset>; the phantom needs none."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side of images that are drawn (the phantom's), and so of their truth; files are read as they are."""
    entry: str = ""
    """What the table calls them."""
    maps: str | None = None
    """Folder of <image>_<finding>.npy, .npz or .png (h×w), or of <image>.npy and .npz (K×h×w, with --findings); or one
    .npy with --index; or a .json of run-length masks."""
    boxes: str | None = None
    """Boxes with confidences: a CSV (image, finding, four numbers, score) or COCO's JSON, in pixels of the image as
    published."""
    box_format: Literal["xyxy", "xywh"] | None = None
    """What the four numbers of a CSV are."""
    alignment: str | None = None
    """Where the maps' positions look: conventional (as plain interpolation assumes), pixels, or a JSON file with size,
    stride and offset."""
    findings: tuple[str, ...] = ()
    """What the K maps of an image's file show, in their order."""
    index: str | None = None
    """CSV with the columns image and finding: what each map of one .npy file shows."""
    missing: Literal["error", "miss", "skip"] = "error"
    """What becomes of a case with truth that has no map, or of an image with truth that has no box: error, miss or
    skip (it is left out). Both are counted."""
    predictions: str | None = None
    """CSV of the classifier's probabilities, a row per image, a column per finding: with them maps are also scored as
    boxes with confidences."""
    trained_on: str = ""
    """What the model was trained on, as declared; it stands above the table."""
    against: str | None = None
    """Also compare with a row of a suite on the same cases: suite/model/method, published or below --results."""
    verify: bool = False
    """Write nothing: score again and say which records hold; status 1 unless every one does."""
    results: str = "runs/results"
    """Folder of records and tables, one folder per entry."""

    def __post_init__(self) -> None:
        if self.leave_out_fold is not None:
            raise BadValueError(
                "--leave_out_fold changes training and validation images alone: test images are scored here"
            )
        object.__setattr__(self, "dataset", normalize_data_set(self.dataset))


@dataclass(frozen=True)
class PackFlags:
    """An entry to send in."""

    run: str = ""
    """Folder that benchmark.score wrote."""
    by: str = ""
    """Who made it, and how they are reached."""
    about: str = ""
    """What it is and how it was trained or made, in a sentence or two."""
    license: str = ""
    """Licence of its maps or boxes, as CC-BY-4.0."""
    output: str | None = None
    """File to write; null is <entry>.zip here."""


@dataclass(frozen=True)
class SubmissionFlags:
    """An entry that was sent in."""

    file: str = ""
    """What pack made."""
    data_root_dir: str | None = None
    """Folder of the data set's files; null is data/<dataset>, or $LOCUS_DATA/<dataset>; the phantom needs none."""
    beside: str | None = None
    """Folder of other entries, of which it may be a copy; null is that of the file."""
    trust: bool = False
    """Run Python files that it names (path/to/file.py:Class); without it such an entry is refused."""
