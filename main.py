"""Train and evaluate one classifier: ``python main.py``; every flag: ``python main.py --help``."""

import json
import sys
from collections.abc import Sequence

from config import TrainConfig
from core.cli import door, parse


@door
def main(argv: Sequence[str] | None = None) -> None:
    """Read the flags, train, say where the run lies and how well it ranks."""
    config, typed = parse(TrainConfig, argv, "main.py")
    from benchmark import training
    from benchmark.training.resume import resumed

    folder = training.fit(resumed(config, typed))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for split in ("val", "test"):
        found = metrics[split]
        each = ", ".join(f"{name} {_shown(row['auroc'])}" for name, row in found["findings"].items())
        print(f"{split}: mean AUROC {_shown(found['mean_auroc'])} over {found['n']} images ({each})")
    print(f"run: {folder}")


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
