"""Train and evaluate one classifier: ``python main.py``. ``python main.py --help`` lists all flags."""

import json
from collections.abc import Sequence
from typing import Any

from locus.config import TrainConfig
from locus.core.errors import require_extra
from locus.flags import cli


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Train a classifier, or evaluate a run again, and print the mean AUROC and the run folder."""
    config, explicit_flags = cli.parse(TrainConfig, argv, "python main.py")
    if config.download:
        from locus.datasets.io import download

        download.fetch(config.dataset, config.data_root_dir)
    require_extra("train", "lightning", "training")
    from locus.benchmark import training
    from locus.benchmark.training import resume

    if isinstance(config.resume, str):
        config = resume.resumed(config, explicit_flags)
    if config.evaluate:
        from locus.benchmark.training.evaluate import reevaluate  # imports torch

        folder = reevaluate(config, explicit_flags)
    else:
        folder = training.fit(config)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for split in (name for name in ("val", "test") if name in metrics):
        cli.say(
            f"{split}: mean AUROC {_format_auroc(metrics[split])} over {metrics[split]['n']} images"
        )
    cli.say(f"run: {folder}")


def _format_auroc(metrics: dict[str, Any]) -> str:
    """Return the mean AUROC with its 95% confidence interval, if available."""
    value = metrics["mean_auroc"]
    ends = metrics.get("intervals", {}).get("mean_auroc")
    return (
        "n/a"
        if value is None
        else f"{value:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")
    )
