"""Choose the checkpoint for a heat map, by path or by backbone, and open its network."""

import logging
from pathlib import Path

from locus import datasets
from locus.backbones import Classifier, catalog, weight_files
from locus.benchmark import opening
from locus.benchmark.training import runs
from locus.config import EngineFlags
from locus.core.errors import DataError, LocusError
from locus.core.names import match
from locus.explaining.batch import prepare_model
from locus.flags.cli import read_yaml

log = logging.getLogger(__name__)


def open_network(
    path: Path, flags: EngineFlags, trust: bool = False, image: str | None = None
) -> tuple[opening.Checkpoint, Classifier]:
    """Read a checkpoint or run folder, build its network and log its description.

    Args:
        path: the checkpoint or run folder.
        flags: memory format and compilation of the network.
        trust: whether Python files that the checkpoint names may be executed.
        image: the user's images, for a warning if the network was trained on findings drawn by code.

    Returns:
        The checkpoint, and its network in evaluation mode.
    """
    checkpoint = opening.checkpoint(path)
    model = prepare_model(
        checkpoint.network(trust), channels_last=flags.channels_last, compiled=flags.compile
    )
    log.info("network %s", checkpoint)
    if image is not None and datasets.is_synthetic(checkpoint.trained_on):
        log.warning(
            "warning: %s was trained on %s, whose findings are drawn by code: its scores and maps of %s are "
            "meaningless for radiographs; use a run of another data set with --checkpoint",
            path,
            checkpoint.trained_on.split(":")[0],
            image,
        )
    return checkpoint, model


def checkpoint_of(model: str, label: str | None, folder: Path) -> Path:
    """Return the checkpoint for ``model``: a path, or the newest run in ``folder`` with that backbone.

    Runs with the finding ``label`` are preferred. Raises ``DataError`` if there is no run.
    """
    if _is_path(model):
        return Path(model)
    backbone_name = _backbone(model)
    backbones = {path: _backbone_in(path.parent / "config.yaml") for path in runs.finished(folder)}
    candidates = [path for path, backbone in backbones.items() if backbone == backbone_name]
    for path in candidates:
        if label is None or _has_finding(path, label):
            return path
    if candidates:
        return candidates[0]
    available = ", ".join(sorted(set(backbones.values()))) or "none"
    raise DataError(
        f"no finished run in {folder}/ has the backbone {backbone_name} (available: {available}): "
        "train one, or write the path of a checkpoint"
    )


def _is_path(model: str) -> bool:
    """Whether a model is given by the path of a checkpoint or run folder, not by the name of a backbone.

    Names of backbones have no slash.
    """
    path = Path(model)
    return (
        path.suffix == ".ckpt"
        or len(path.parts) > 1
        or path.is_file()
        or (path / "config.yaml").is_file()
    )


def _backbone(name: str) -> str:
    """Return the registered name of a backbone, without options. Raises ``UnknownNameError``."""
    backbone, _ = weight_files.resolve(name, pretrained=False)
    return catalog.resolve(backbone.split(":")[0])


def _has_finding(checkpoint: Path, label: str) -> bool:
    """Whether a run has a finding that matches the label."""
    try:
        match(label, opening.checkpoint(checkpoint).findings)
    except LocusError:
        return False
    return True


def _backbone_in(config_file: Path) -> str:
    """Return the registered name of the backbone in the flags of a run; "unknown" if it cannot be read."""
    try:
        return _backbone(str(read_yaml(config_file).get("backbone")))
    except LocusError:
        return "unknown"
