"""Explain a model's predictions with heat maps.

``python heatmap.py --method gradcampp`` explains test images with the newest run.
``python heatmap.py -i x.png -l covid_19 -m resnet18 -o y.jpg`` draws one overlay.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import locus.core  # noqa: F401  # first: it says that an interpreter lacks the packages
from locus import backbones
from locus.benchmark.training import runs
from locus.config import HeatmapConfig, network_flags
from locus.core.errors import BadValueError, DataError
from locus.flags import cli

log = logging.getLogger(__name__)
DEFAULT_NETWORK = "demo-pcam"
"""Network that is used if there is no training run."""
SHORT = {"-i": "--image_path", "-l": "--label", "-m": "--model", "-o": "--output_path"}


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Write pictures, boxes and raw maps, and print their folder. Return 1 if a map was not finite."""
    words = [SHORT.get(word, word) for word in (sys.argv[1:] if argv is None else argv)]
    config, typed = cli.parse(HeatmapConfig, words, "python heatmap.py")
    network = network_flags(config)
    if config.model in backbones.shipped():
        config = replace(config, checkpoint=config.model, model=None)
        typed = typed - {"model"}
    single = sorted(typed & {"label", "output_path", *(["model"] if network is None else [])})
    if single and config.image_path is None:
        raise BadValueError(
            f"--{single[0]} requires --image_path; for several images use --findings, --checkpoint and --output_dir"
        )
    if network is not None:
        if config.checkpoint is not None:
            raise BadValueError(
                f"--model {network.model} and --checkpoint cannot be combined: leave one out"
            )
        if not (config.image or config.image_path):
            raise BadValueError(
                f"--model {network.model} has no data set of its own: add --image or --image_path"
            )
        from locus.benchmark.training.external import write_external  # imports torch

        folder = write_external(network, Path(config.runs))
        config = replace(
            config, checkpoint=str(folder), model=None, findings=(), trust=True
        )  # the user typed its name
    elif config.checkpoint is None and (config.model is None or not Path(config.model).exists()):
        if config.model is not None and Path(config.model).name == config.model.removesuffix(
            ".ckpt"
        ):
            backbones.require_known(config.model)
        config = config if config.model else replace(config, checkpoint=_newest(Path(config.runs)))
    if (
        network is None
        and config.checkpoint is not None
        and not backbones.path_of(config.checkpoint).exists()
    ):
        raise DataError(
            f"--checkpoint {config.checkpoint} not found: give a best.ckpt, a last.ckpt or a run folder"
        )
    log.info("opening the network")  # imports torch
    if config.image_path is None:
        from locus.benchmark.heatmaps.pictures import write_pictures

        return write_pictures(config, cli.say)
    from locus.benchmark.heatmaps.overlay import write_overlay

    return write_overlay(config, cli.say)


def _newest(folder: Path) -> str:
    """Return the checkpoint of the newest finished run in ``folder``, else a network that comes with the package."""
    if finished := runs.finished(folder):
        return str(finished[0])
    cli.say(
        f"{folder}/ has no finished run: using {DEFAULT_NETWORK}, a small network trained on generated images"
    )
    return DEFAULT_NETWORK
