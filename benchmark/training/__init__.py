"""Training: one configuration in, one folder with checkpoints, predictions and metrics out.

Importing it needs no torch.
"""

import logging
from collections.abc import Set
from pathlib import Path

import datasets
from benchmark.training import runs
from config import TrainConfig

log = logging.getLogger(__name__)


def fit(config: TrainConfig, folder: Path | None = None) -> Path:
    """Train what ``config`` asks for, evaluate the best checkpoint as read back from disk, return the run's folder.

    With a ``folder`` of its own a run is idempotent: it goes on from ``last.ckpt`` there and does nothing when
    ``metrics.json`` says that it is finished; what a disk has damaged there is made anew. Without one it gets a new
    folder under ``config.model_save_dir`` (or goes on with the one that ``config.resume`` means). Raises
    ``core.errors`` types only for what a user can mend.
    """
    if folder is not None and not config.resume:
        runs.clear_damaged(folder)
        if runs.done(folder):
            log.info("%s is finished already", folder)
            return folder
    if not config.resume and (folder is None or not folder.exists()):
        _check(config)
    from benchmark.training.run import fit as start  # torch and Lightning are imported when somebody trains

    return start(config, folder)


def _check(config: TrainConfig) -> None:
    """Before anything slow, require what a new run needs: the backbone, the data's folder, the pretrained weights."""
    from backbones.known import require_possible

    require_possible(config.backbone)
    datasets.check_folder(config.dataset, config.data_root_dir)
    if config.pretrained and not config.init_from:
        from backbones.catalog import require_weights

        require_weights(config.backbone, config.pretrained)


def resumed(config: TrainConfig, typed: Set[str]) -> TrainConfig:
    """``config``; with ``--resume PATH`` the run's own flags, under those that the user ``typed`` or gave in a file."""
    if not isinstance(config.resume, str):
        return config
    from benchmark.training.resume import resumed as flags

    return flags(config, typed)


def evaluate_again(config: TrainConfig, typed: Set[str]) -> Path:
    """Evaluate the finished run of ``config.evaluate`` once more, return its folder.

    ``typed`` are the flags that a user gave. Raises ``core.errors`` types only.
    """
    from benchmark.training.evaluate import reevaluate

    return reevaluate(config, typed)
