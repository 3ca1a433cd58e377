"""Flags of pictures of single images."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast, AtMost
from core.flags.choices import METHOD


@dataclass(frozen=True)
class OneImageFlags:
    """One image: a single overlay of a single finding."""

    image_path: str | None = None
    """The image (PNG, JPEG or DICOM), short -i; the overlay goes to --output_path, at the image's own size, and nothing
    else is written."""
    label: str | None = None
    """The finding, short -l, in any spelling (covid_19, lung-opacity); null is the one with the highest score."""
    model: str | None = None
    """A backbone, short -m: the newest finished run below --runs that has it; or a checkpoint's path; or somebody's
    network (path/to/file.py:build, which runs that file's code, timm:NAME, torchvision:NAME, xrv:NAME, hf:NAME); null
    is the newest run."""
    output_path: str = "runs/heatmaps/overlay.png"
    """The picture (.png, .jpg …) or a folder that exists, short -o."""


@dataclass(frozen=True)
class ImagesFlags:
    """Images: a picture per image, finding and method."""

    checkpoint: str | None = None
    """A best.ckpt or its run folder; null is the newest finished run below --runs (those in its folder train first)."""
    runs: str = "runs"
    """Folder in which the newest run is looked for: in its folder train, then in all."""
    image: str | None = None
    """An image file or a folder of images; null explains test images of the checkpoint's own data set, with a truth box
    if it has any."""
    cases: Annotated[int, AtLeast(1)] = 8
    """How many test images are explained when no --image is given."""
    data_root_dir: str | None = None
    """Folder of the data set's files; null is the one that the checkpoint was trained on."""
    findings: tuple[str, ...] = ()
    """Findings to explain; none: those with a truth box, for --image the one with the highest score. Of a network of
    --model they say what its outputs stand for, in their order."""
    method: Annotated[tuple[str, ...], METHOD] = ("gradcam",)
    """Methods, by name or as path/to/file.py:Class; fast are all that cost about one forward pass together, slow the
    rest."""
    threshold: Annotated[float | None, AtLeast(0), AtMost(1)] = None
    """Score threshold on the min-max scaled map above which boxes are drawn; null is what a suite chose for this
    network, else .5."""
    format: tuple[Literal["png", "pdf", "svg"], ...] = ("png",)
    """Kinds of pictures to write."""
    alignment: Literal["aligned", "conventional"] = "aligned"
    """Where the map's positions look: the network's true grid, or the one that plain interpolation assumes."""
    save_raw: bool = True
    """Also write the raw maps (h x w, not scaled) as .npy."""
    layer: str | None = None
    """Feature level to explain instead of the pooled map (layer3, features.denseblock2 …); an unknown one is told those
    there are."""
    precision: Literal["32", "bf16"] = "32"
    """Precision of the forward pass; gradients and maps are float32 always."""
    trust: bool = False
    """Run a Python file that the checkpoint, or the file of --config, names (docs/security.md)."""
    output_dir: str = "runs/heatmaps"
    """Folder of the pictures, of boxes.json and of the raw maps."""
