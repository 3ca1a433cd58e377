"""Search for a recipe with Optuna (``pip install optuna``): each trial is a training run.

    python examples/search.py --dataset siim_covid --data_root_dir data/siim --backbone densenet121 --epochs 20

Copy this file and change ``TRIALS`` and ``choose``. Its ranges are those of ihamdi/Covid-xRay-Classification. Flags
of ``main.py`` on the command line apply to all trials. No trial uses test images. To continue, run the command again.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna

from locus.benchmark.training import runs
from locus.benchmark.training.run import train
from locus.config import TrainConfig
from locus.flags import cli

TRIALS = 20


def choose(trial: optuna.Trial) -> dict[str, Any]:
    """Return the flags of a trial."""
    parts = {"scale": 0.2, "shear": 20, "translation": 0.25, "rotation": 20}
    drawn = [f"{name}={trial.suggest_float(name, 0, high):.4g}" for name, high in parts.items()]
    lr, dropout = trial.suggest_float("lr", 3e-4, 1e-3), trial.suggest_float("dropout", 0, 0.5)
    return {"lr": lr, "dropout": dropout, "augment": f"none:{','.join(drawn)}"}


def configure(config: TrainConfig, chosen: dict[str, Any]) -> TrainConfig:
    """Return the flags of the command line, changed to those of a trial."""
    return cli.build(TrainConfig, {**vars(config), **chosen})


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Run the trials that are missing, and write trials.csv and the best flags."""
    config, _ = cli.parse(TrainConfig, argv, "python examples/search.py")
    folder = Path(config.model_save_dir) / "search"
    folder.mkdir(parents=True, exist_ok=True)
    storage, sampler = f"sqlite:///{folder}/study.db", optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(
        study_name="search",
        direction="maximize",
        storage=storage,
        sampler=sampler,
        load_if_exists=True,
    )

    def score(trial: optuna.Trial) -> float:
        trial.set_user_attr("flags", choose(trial))
        history = train(
            configure(config, trial.user_attrs["flags"]), folder / f"trial-{trial.number:04d}"
        )
        return max(
            (row["val_auroc"] for row in history if not math.isnan(row["val_auroc"])),
            default=math.nan,
        )

    study.optimize(score, max(TRIALS - len(study.trials), 0))
    study.trials_dataframe().to_csv(folder / "trials.csv", index=False)
    runs.write_config(configure(config, study.best_trial.user_attrs["flags"]), folder)
    cli.say(f"best AUROC {study.best_value:.3f}: python main.py --config {folder}/config.yaml")


if __name__ == "__main__":
    sys.exit(main())
