"""Flags of heatmap.py."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast, AtMost
from core.flags.choices import METHOD


@dataclass(frozen=True)
class OneImageFlags:
    """One image, one finding."""

    image_path: str | None = None
    """Image to explain (PNG, JPEG or DICOM); short form: -i. The overlay, which has the size of the image, is the only
    output (see --output_path)."""
    label: str | None = None
    """Finding to explain, in any common spelling (covid_19, lung-opacity); short form: -l. Default: the finding with
    the highest score."""
    model: str | None = None
    """Model to explain (short form: -m): a backbone (its newest finished run in --runs), the path of a checkpoint, or
    an external network (timm:NAME, torchvision:NAME, xrv:NAME, hf:NAME, or path/to/file.py:build, whose code is run).
    Default: the newest run."""
    output_path: str = "runs/heatmaps/overlay.png"
    """Overlay to write (.png, .jpg …) or an existing folder; short form: -o."""


@dataclass(frozen=True)
class ImagesFlags:
    """Several images (one picture per image, finding and method)."""

    checkpoint: str | None = None
    """A best.ckpt, a last.ckpt or a run folder. Default: the newest finished run in --runs."""
    runs: str = "runs"
    """Folder to search for the newest run: first its subfolder train, then all of it."""
    image: str | None = None
    """Image file or folder of images to explain. Default: test images of the checkpoint's data set. If the data set
    has truth boxes, only images with a box are used."""
    cases: Annotated[int, AtLeast(1)] = 8
    """Number of test images to explain if --image is not given."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: the folder used in training."""
    findings: tuple[str, ...] = ()
    """Findings to explain. Default: those with a truth box; with --image, the finding with the highest score. For an
    external --model, the findings that its outputs predict, in order."""
    method: Annotated[tuple[str, ...], METHOD] = ("gradcam",)
    """Methods to run: names, the groups all, fast and slow, or path/to/file.py:Class. All methods of the group fast
    together cost at most about 1.2 forward passes; slow contains the others."""
    threshold: Annotated[float | None, AtLeast(0), AtMost(1)] = None
    """Score threshold for boxes, on the min-max scaled map. Default: the threshold that a suite chose for this network,
    or 0.5."""
    format: tuple[Literal["png", "pdf", "svg"], ...] = ("png",)
    """File formats of the pictures: png, pdf, svg."""
    alignment: Literal["aligned", "conventional"] = "aligned"
    """How maps are placed on the image: on the true grid of the network (aligned), or where plain interpolation would
    put them (conventional)."""
    save_raw: bool = True
    """Also write the raw maps (h×w, not scaled) as .npy files."""
    layer: str | None = None
    """Layer to explain (layer3, features.denseblock2 …). Pass an unknown name to list all layers. Default: the
    feature map that the network pools."""
    precision: Literal["32", "bf16"] = "32"
    """Precision of the forward pass. Gradients and maps are always float32."""
    trust: bool = False
    """Run a Python file that is named in the checkpoint or the --config file (docs/security.md)."""
    output_dir: str = "runs/heatmaps"
    """Folder for the pictures, boxes.json and the raw maps."""
