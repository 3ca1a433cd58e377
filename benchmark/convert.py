"""Door: a run from another project's weights, ``python -m benchmark.convert --checkpoint jf.ckpt --backbone …``."""

import sys
from collections.abc import Sequence
from dataclasses import fields

from config import ConvertConfig
from core import cli
from core.errors import BadValueError
from core.flags.model import ModelFlags


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Write the run's folder and say what can be done with it."""
    config, given = cli.parse(ConvertConfig, argv, "python -m benchmark.convert")
    config = cli.build(ConvertConfig, {name: getattr(config, name) for name in _stated(given)})
    if "dataset" not in given and config.checkpoint and not config.findings:
        raise BadValueError(
            "name what the outputs stand for: --findings in their order, or --dataset, whose findings they are"
        )
    from benchmark.training import convert  # torch is imported when the flags are right

    folder = convert.run(config)
    cli.say(f"{config.backbone}, pooling {config.global_pool}, attention {config.attention_map}: flags say others")
    cli.say(f"run: {folder} (python heatmap.py --checkpoint {folder} --image FILE, python main.py --evaluate {folder})")


def _stated(given: frozenset[str]) -> frozenset[str]:
    """The flags that count: a data set's preset is of our trainings, and its network not the one that is converted."""
    network = frozenset(field.name for field in fields(ModelFlags))
    everything = frozenset(field.name for field in fields(ConvertConfig))
    return everything - (network - given) if "dataset" in given else given


if __name__ == "__main__":
    sys.exit(main())
