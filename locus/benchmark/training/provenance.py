"""Record the machine and software of training and scoring: see ``locus.benchmark.records.record``."""

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from locus.benchmark.records.record import Provenance, describe, join
from locus.benchmark.training import hardware, runs
from locus.benchmark.training.data import SplitImages, Splits
from locus.config import MachineFlags, TrainConfig
from locus.core.errors import DataError
from locus.core.files import write_json
from locus.core.types import Sample

PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy")
FILE = "provenance.json"


def of_training(flags: MachineFlags) -> Provenance:
    """Return the provenance of a training run that starts now."""
    return _used(hardware.precision_here(flags), hardware.device_name(flags))


def of_scoring() -> Provenance:
    """Return the provenance of explaining and scoring; maps are computed in single precision."""
    return _used("32", "cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name())


def _used(precision: str, device: str) -> Provenance:
    versions = {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES if find_spec(name)},
    }
    threads = torch.get_num_threads()
    processor = hardware.cpu_model() or platform.processor() or platform.machine()
    return Provenance(
        precision=precision, threads=threads, device=device, processor=processor, versions=versions
    )


def write(config: TrainConfig, folder: Path, splits: Splits) -> None:
    """Write ``config.yaml`` (for ``--config``) and ``provenance.json``; comments contain the values used for ``auto``.

    The provenance of the earlier part of a resumed run is recorded, too, if it differs.
    """
    earlier = read(folder) if (folder / "last.ckpt").exists() else None
    data = {name: _content_hash(split) for name, split in splits.items()}
    current = of_training(config).model_copy(update={"data": data})
    used = join([current, *([earlier] if earlier else [])]) or current
    software = ", ".join(f"{name} {number}" for name, number in used.versions.items())
    device = f"device {used.device}, {used.processor}"
    facts = (f"precision {used.precision}", f"threads {used.threads}", device, software)
    comments = "".join(f"# used: {fact}\n" for fact in facts)
    comments += "".join(
        f"# before it was resumed: {describe(earlier_part)}\n" for earlier_part in used.others
    )
    write_json(folder / FILE, used.model_dump())
    runs.write_config(config, folder, comments)


def read(folder: Path) -> Provenance | None:
    """Return the provenance of a run; None for older and external runs, which have none."""
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        return Provenance.model_validate_json(file.read_bytes())
    except ValueError as error:
        raise DataError(f"{file} is damaged: remove it") from error


def fingerprint(samples: Iterable[Sample]) -> str:
    """Return 16 hex digits for the names, labels and truth boxes of images, whatever their location."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(sample.image_id.encode() + np.asarray(sample.labels, dtype="<f4").tobytes())
        for finding, boxes in sorted(sample.boxes.items()):
            digest.update(finding.encode() + np.asarray(boxes, dtype="<f8").tobytes())
    return digest.hexdigest()[:16]


def _content_hash(split: SplitImages) -> str:
    """Return 16 hex digits for the names and labels of the images of ``split``."""
    digest = hashlib.sha256(np.asarray(split.labels, dtype="<f4").tobytes())
    digest.update("\n".join(image for image, _, _ in split.ids).encode())
    return digest.hexdigest()[:16]
