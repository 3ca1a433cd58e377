"""Run folders of networks that were not trained here: a user's own, and those of published weights.

``write_external``  build a user's network and write its run
``write_network``   write the files of a run that do not depend on the data
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from locus.backbones import Classifier
from locus.backbones.weight_files import digest, prefixed
from locus.benchmark import opening
from locus.benchmark.training.runs import stamp, write_config
from locus.config import NetworkFlags, TrainConfig
from locus.core.files import atomic, json_hash, safe_filename

FOLDER = "models"
"""Folder in ``runs`` for the runs of external networks."""


def write_external(
    flags: NetworkFlags,
    runs_dir: Path,
    default_findings: Sequence[str] = (),
    default_img_size: int | None = None,
) -> Path:
    """Build a user's network and write its run folder.

    The name of the folder includes a hash of the weights and layers, so the same network is written once.

    Args:
        flags: the flags that describe the network.
        runs_dir: folder of all runs.
        default_findings: names of the outputs if the network and the flags have none.
        default_img_size: side of the images in pixels if the network and the flags have none.

    Returns:
        The run folder.
    """
    opened = opening.build(flags, default_findings, default_img_size)
    model = opened.model
    config = TrainConfig(
        backbone=str(flags.model),
        pretrained=False,
        img_size=opened.img_size,
        preprocess=flags.preprocess,
    )
    entry = str(flags.entry or flags.model)
    stamped = {
        **stamp(config, model, model.findings),
        "entry": entry,
        "trained_on": flags.trained_on or "",
    }
    network_hash = json_hash([stamped, digest(prefixed(model))])[:8]
    folder = runs_dir / FOLDER / f"{safe_filename(Path(entry).name)}-{network_hash}"
    if not (folder / "best.ckpt").is_file():
        write_network(folder, config, model, stamped)
    return folder


def write_network(
    folder: Path,
    config: TrainConfig,
    model: Classifier,
    stamped: dict[str, Any],
    history: Sequence[Any] = (),
) -> None:
    """Write ``config.yaml`` and ``best.ckpt`` of a network that was not trained here.

    Args:
        folder: the run folder.
        config: its flags.
        model: the network with its weights.
        stamped: the metadata with which it is rebuilt; see ``runs.stamp``.
        history: the epochs of its training, if they are known.

    Raises:
        WriteError: a file cannot be written.
    """
    write_config(config, folder)
    content = {"state_dict": prefixed(model), "locus": stamped, "history": [*history]}
    with atomic(folder / "best.ckpt") as temporary:
        torch.save(content, temporary)
