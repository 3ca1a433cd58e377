"""Flags of external maps and boxes."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast
from core.errors import BadValueError
from core.flags.data import DATA_SET, SplitFlags


@dataclass(frozen=True)
class ScoreConfig(SplitFlags):
    """Score external maps or boxes and compare them with the baselines: ``python -m benchmark.score``."""

    trains = False
    """False: the command does not train, so flags that it lacks are ignored in the preset of a data set."""
    hidden = frozenset({"leave_out_fold"})
    """Flags that ``--help`` does not show: this one is rejected."""
    dataset: Annotated[str, DATA_SET] = "phantom"
    """Data set of the images. Its test split is scored. Append options to the name."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: $LOCUS_DATA/<dataset> if LOCUS_DATA is set, else data/<dataset>
    (implanted: NIH's folder). The phantom needs no files."""
    img_size: Annotated[int, AtLeast(32)] = 224
    """Side length in pixels of generated images (phantom, implanted); their truth boxes use the same pixels. Image
    files are read at their own size."""
    entry: str = ""
    """Name of the entry in the table. Required."""
    maps: str | None = None
    """Heat maps: a folder of <image>_<finding>.npy, .npz or .png files (h×w); a folder of <image>.npy or .npz files
    (K×h×w, requires --findings); a folder of <image>.npz files with one array (h×w) per finding, named after it; one
    .npy file (N×h×w, requires --index); or a .json file of run-length masks."""
    boxes: str | None = None
    """Boxes with confidences, in pixels of the image as published (not of a resized copy): a CSV file (image, finding,
    four numbers, score) or a COCO JSON file."""
    box_format: Literal["xyxy", "xywh"] | None = None
    """Meaning of the four numbers in the CSV file: xyxy (two corners) or xywh (corner, width, height). Required for a
    CSV file; boxes in COCO JSON are always xywh."""
    alignment: str | None = None
    """How maps are placed on the image: conventional (for maps that you would enlarge by plain interpolation), pixels
    (for maps of the size of the image or of a resized copy), or a JSON file with size, stride and offset of the grid.
    Required with --maps."""
    findings: tuple[str, ...] = ()
    """Findings of the K maps in the file of each image, in order."""
    index: str | None = None
    """CSV file with the columns image and finding, one row for each map of the .npy file."""
    missing: Literal["error", "miss", "skip"] = "error"
    """How to treat a case with truth but without a map, or an image with truth but without a box: report an error,
    count a miss, or skip it. The numbers of misses and skipped cases are shown above the table."""
    predictions: str | None = None
    """CSV file of classifier probabilities, with one row per image and one column per finding. With it, maps are also
    scored as boxes with confidences."""
    trained_on: str = ""
    """Training data of the model, as you declare it; shown above the table."""
    against: str | None = None
    """Row of a suite to compare with on the same cases, as suite/model/method. The suite is looked up in the published
    results, then in --results."""
    results: str = "runs/results"
    """Folder for records and tables, with one subfolder per entry."""

    def __post_init__(self) -> None:
        if self.leave_out_fold is not None:
            raise BadValueError("--leave_out_fold does not change the scored test images: leave it out")
