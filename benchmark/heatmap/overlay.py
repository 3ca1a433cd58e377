"""One image, one finding: the heat map laid over the image at its own size, in one file."""

import contextlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import methods
from backbones import xray_weights
from backbones.catalog import resolve
from benchmark.engine import prepare
from benchmark.heatmap import finished_runs
from benchmark.heatmap.evidence import ADVICE, Methods, gather_evidence
from benchmark.heatmap.images import readable_images
from benchmark.heatmap.picture import RawMap, frame_of, heat_in_frame, opacity
from benchmark.training import checkpoints, machine, memory
from config import HeatmapConfig
from core.cli import read_yaml
from core.errors import BadValueError, DataError, LocusError, UnknownNameError
from core.files import atomic, stem
from datasets.io import images
from datasets.labels import match

KINDS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".webp": "WEBP",
}
"""What a picture may be, by the end of its name."""


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Overlay:
    """What was drawn."""

    path: Path
    finding: str
    score: float
    """The finding's probability."""
    method: str
    checkpoint: Path


@memory.enough(ADVICE)
def run(config: HeatmapConfig) -> Overlay:
    """Write the overlay of ``config.image_path`` to ``config.output_path``, a file or a folder that exists.

    Raises ``LocusError``: an unknown label, no run of the model, a picture of
    an unknown kind, an image that cannot be read, a method without an answer or whose map is not finite.
    """
    source = Path(str(config.image_path))
    target, kind = _target(config, source)
    if len(methods.expand(config.method)) != 1 or config.image is not None or (config.model and config.checkpoint):
        raise BadValueError(
            "--image_path takes one --method, no --image, and --model or --checkpoint: leave the others out"
        )
    machine.configure_torch(config.threads)
    original = images.decode(source)
    checkpoint = _checkpoint(config)
    model, train_config, findings = checkpoints.read_network(checkpoint, config.trust)
    wanted = None if config.label is None else _wanted(config.label, findings, checkpoint)
    config = replace(config, image=str(source), max_bad_images=0.0)
    ((sample, pixels),) = readable_images(config, train_config)
    gathered = gather_evidence(prepare(model, config), pixels, train_config, config)
    k = int(np.argmax(gathered.probabilities)) if wanted is None else findings.index(wanted)
    ((word, maps),) = Methods(config.method).maps(gathered.evidence).items()
    raw_map = RawMap(word, maps.maps[0, k].numpy(), maps.grid, gathered.probabilities[k])
    heat = heat_in_frame(config, raw_map, frame_of(sample, pixels))
    if not heat.any():
        log.warning(
            "flat map: %s gives every position the same value for %s; the picture is the image alone", word, findings[k]
        )
    path = target if kind else target / f"{stem(source.stem, findings[k])}.png"
    height, width = original.shape
    _save(blend(original, heat[:height, :width]), path)  # preprocessing may add pixels right and below
    return Overlay(path, findings[k], gathered.probabilities[k], word, checkpoint)


def _wanted(label: str, findings: tuple[str, ...], checkpoint: Path) -> str:
    """The finding that a label means. Raises ``UnknownNameError``, which names the run too."""
    try:
        return match(label, findings)
    except UnknownNameError as error:
        raise BadValueError(f"{error} (the run {checkpoint.parent})") from error


def blend(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H,W) gray pixels and a heat map in [0,1] -> (H,W,3) colours, those of matplotlib's turbo."""
    levels = np.minimum(heat * 256, 255).astype(np.uint8)
    colour, share = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1], opacity(heat)[..., None]
    return np.rint((1 - share) * image[..., None] + share * colour).astype(np.uint8)


def _target(config: HeatmapConfig, source: Path) -> tuple[Path, str | None]:
    """Where the picture goes and its kind; None for a folder, which gets one named after image and finding."""
    path = Path(config.output_path)
    if path.is_dir():
        return path, None
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise BadValueError(
            f"--output_path {path}: a picture's name ends in {', '.join(KINDS)}; or give a folder that exists"
        )
    if path.resolve() == source.resolve():
        raise BadValueError(f"--output_path {path} is the image itself: choose another name")
    return path, kind


def _checkpoint(config: HeatmapConfig) -> Path:
    """The checkpoint that ``--model`` means: a path, or the newest finished run with that backbone."""
    if config.model is None or _is_path(config.model):
        given = config.model or config.checkpoint
        return finished_runs.newest(Path(config.runs)) if given is None else Path(given)
    word = _backbone(config.model)
    of = {path: _learnt(path.parent / "config.yaml") for path in finished_runs.finished(Path(config.runs))}
    same = [path for path, backbone in of.items() if _is(backbone, word)]
    if same:
        return next((path for path in same if _knows(path, config.label)), same[0])
    known = ", ".join(sorted(set(of.values()))) or "none at all"
    raise DataError(
        f"no finished run with the backbone {word} below {config.runs}/ (there are: {known}): "
        "train one, or give a checkpoint's path"
    )


def _is(name: str, word: str) -> bool:
    """Whether a backbone is the one of the word; one that is no longer here is none."""
    with contextlib.suppress(UnknownNameError):
        return _backbone(name) == word
    return False


def _knows(checkpoint: Path, label: str | None) -> bool:
    """Whether a run has a finding that the label means; without a label every run does."""
    if label is None:
        return True
    with contextlib.suppress(LocusError):
        match(label, checkpoints.findings(checkpoints.read(checkpoint), checkpoint))
        return True
    return False


def _is_path(word: str) -> bool:
    """Whether ``--model`` is a checkpoint or a run's folder; any other folder may share its name with a backbone."""
    path = Path(word)
    return path.suffix == ".ckpt" or len(path.parts) > 1 or path.is_file() or (path / "config.yaml").is_file()


def _learnt(path: Path) -> str:
    """The backbone of a run by its flags; "unknown" where they cannot be read."""
    try:
        return str(read_yaml(path).get("backbone"))
    except LocusError:
        return "unknown"


def _backbone(name: str) -> str:
    """The backbone that a name means, without its options. Raises ``UnknownNameError``."""
    return resolve(xray_weights.resolve(name, False)[0].split(":")[0])[1]


def _save(pixels: NDArray[np.uint8], path: Path) -> None:
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary, KINDS[path.suffix.lower()], quality=95)
