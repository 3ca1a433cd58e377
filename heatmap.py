"""Door: explain images with a trained model. ``python heatmap.py --method gradcampp`` explains with the newest run."""

import sys
from collections.abc import Sequence

from config import HeatmapConfig
from core import cli


@cli.door
def main(argv: Sequence[str] | None = None) -> int:
    """Write pictures, boxes and raw maps, and say where they lie and which methods do not fit; 1 when a map was not finite."""
    config, _ = cli.parse(HeatmapConfig, argv, "python heatmap.py")
    from benchmark import heatmaps  # torch is imported when the flags are right

    done = heatmaps.run(config)
    print(f"{len(done.pictures)} pictures by {done.checkpoint} lie in {done.folder}/, boxes in {done.folder}/boxes.json")
    for sentence in done.absent:
        print(f"n/a: {sentence}")
    for sentence in done.failed:
        print(f"failed: {sentence}")
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
