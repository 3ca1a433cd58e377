"""Training: a configuration becomes a folder with checkpoints, predictions and metrics.

``fit`` is the entry point; ``run`` does the work. Explaining and scoring are in ``locus.explaining`` and
``locus.scoring``. Importing this package does not import torch.
"""

import logging
from pathlib import Path

from locus import datasets
from locus.backbones import require_known, require_pooling
from locus.benchmark.training import runs
from locus.config import TrainConfig

log = logging.getLogger(__name__)


def fit(config: TrainConfig, folder: Path | None = None) -> Path:
    """Train with ``config``, evaluate the best checkpoint, and return the folder of the run.

    With a ``folder`` the call is idempotent: it resumes from ``last.ckpt``, and does nothing if ``metrics.json`` shows
    that the run is finished; damaged files are replaced. Without it, the run gets a new folder in
    ``config.model_save_dir``, or resumes the run of ``config.resume``. Raises ``locus.core.errors`` types for errors
    that a user can fix.
    """
    if folder is not None and not config.resume:
        runs.clear_damaged(folder)
        if runs.done(folder):
            log.info("%s is already finished", folder)
            return folder
    if not config.resume and (folder is None or not folder.exists()):
        _check(config)
    from locus.benchmark.training.run import fit as start  # imports torch and Lightning

    return start(config, folder)


def _check(config: TrainConfig) -> None:
    """Check the backbone, pooling, data set and pretrained weights of a new run, before anything slow."""
    require_known(config.backbone)
    require_pooling(config.backbone, config.pooling, config.attention_map)
    datasets.check(config.dataset, config.data_root_dir)
    if config.pretrained and not config.init_from:
        from locus.backbones.catalog import require_weights

        require_weights(config.backbone, config.pretrained)
