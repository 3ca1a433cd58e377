"""Door: a run from another project's weights, ``python -m benchmark.convert --checkpoint jf.ckpt --backbone …``."""

import sys
from collections.abc import Sequence

from config import ConvertConfig
from core import cli
from core.errors import BadValueError


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Write the run's folder and say what can be done with it."""
    config, given = cli.parse(ConvertConfig, argv, "python -m benchmark.convert")
    if "dataset" not in given:  # what was trained elsewhere has the preset of no data set that nobody named
        config = cli.build(ConvertConfig, {name: getattr(config, name) for name in given})
        if config.checkpoint and not config.findings:
            raise BadValueError(
                "name what the outputs stand for: --findings in their order, or --dataset, whose findings they are"
            )
    from benchmark.training import convert  # torch is imported when the flags are right

    folder = convert.run(config)
    print(f"run: {folder} (python heatmap.py --checkpoint {folder} --image FILE, python main.py --evaluate {folder})")


if __name__ == "__main__":
    sys.exit(main())
