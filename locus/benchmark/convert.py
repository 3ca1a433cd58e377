"""Entry point: convert weights of another project into a run, ``python -m benchmark.convert --checkpoint FILE …``."""

import sys
from collections.abc import Sequence
from dataclasses import fields

from locus.config import ConvertConfig, ModelFlags
from locus.core import cli
from locus.core.errors import BadValueError


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Write the run folder and print the commands that use it."""
    config, explicit = cli.parse(ConvertConfig, argv, "python -m benchmark.convert")
    config = cli.build(ConvertConfig, {name: getattr(config, name) for name in _applicable(explicit)})
    if "dataset" not in explicit and config.checkpoint and not config.findings:
        raise BadValueError(
            "the names of the outputs are unknown: list them with --findings in output order, or pass --dataset NAME"
        )
    from locus.benchmark.training import external  # after the flags are checked: imports torch

    folder = external.run(config)
    cli.say(
        f"{config.backbone}, pooling {config.global_pool}, attention {config.attention_map} (change these with flags)"
    )
    cli.say(f"run: {folder} (python heatmap.py --checkpoint {folder} --image FILE, python main.py --evaluate {folder})")


def _applicable(explicit: frozenset[str]) -> frozenset[str]:
    """Return the flags to use: the explicit ones, and with --dataset its preset except for the network."""
    network = frozenset(field.name for field in fields(ModelFlags))
    everything = frozenset(field.name for field in fields(ConvertConfig))
    return everything - (network - explicit) if "dataset" in explicit else explicit


if __name__ == "__main__":
    sys.exit(main())
