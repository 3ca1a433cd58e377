"""Train and evaluate one classifier: ``python main.py``; every flag: ``python main.py --help``."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from config import TrainConfig
from core import cli
from core.gc_control import gc_paused


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, train or evaluate again, then print the run folder and the mean AUROC."""
    config, typed = cli.parse(TrainConfig, argv, "main.py")
    if config.download:
        from datasets.io import download

        download.fetch(config.dataset, config.data_root_dir)
    if config.search:
        from benchmark.training import search

        folder = search.run(config, typed)
        cli.say(
            f"trials: {folder}/trials.md; flags of the best: {folder}/config.yaml (python main.py --config takes them)"
        )
        return
    with gc_paused():
        from benchmark import training

    config = training.resumed(config, typed)
    folder = training.evaluate_again(config, typed) if config.evaluate else training.fit(config)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for split in ("val", "test"):
        cli.say(f"{split}: mean AUROC {_format_auroc(metrics[split])} over {metrics[split]['n']} images")
    cli.say(f"run: {folder}")


def _format_auroc(metrics: dict[str, Any]) -> str:
    """Format the mean AUROC with its 95 % interval, if available."""
    value, ends = metrics["mean_auroc"], metrics.get("intervals", {}).get("mean_auroc")
    return "n/a" if value is None else f"{value:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


if __name__ == "__main__":
    sys.exit(main())
