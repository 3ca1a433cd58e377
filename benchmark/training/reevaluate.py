"""``--evaluate``: a finished run, or one of converted weights, is evaluated again from best.ckpt and its data."""

import dataclasses
import json
from collections.abc import Set
from pathlib import Path

from benchmark.training import checkpoints, data, machine, memory, runs
from benchmark.training.data import SplitImages
from benchmark.training.evaluate import HELD_OUT, evaluate
from config import WHERE, TrainConfig
from core.errors import BadValueError, DataError, examples

MAY_DIFFER = WHERE | {"data_root_dir", "max_bad_images", "batch_size"}
"""Flags in which an evaluation may differ from the training."""
FACTS = ("best_epoch", "epochs", "train", "process_seconds")
"""What metrics.json says of the training, which stays as it is."""


def reevaluate(config: TrainConfig, typed: Set[str]) -> Path:
    """Evaluate the run of ``config.evaluate``, its folder or best.ckpt, and return the folder.

    Its own flags hold, under those ``typed`` or in a file. The same machine writes the same bytes again. Raises
    ``DataError`` where no finished run is there or its data set lacks one of its findings, ``BadValueError`` for flags
    that would be another training's.
    """
    given = Path(str(config.evaluate))
    folder = given if given.is_dir() else given.parent
    best = folder / "best.ckpt"
    trained = (folder / "last.ckpt").exists() or not best.exists()  # benchmark.convert writes best.ckpt alone
    if trained and not runs.done(folder):
        raise DataError(f"--evaluate {given}: no finished run (no metrics.json); give one, or --resume it first")
    content = checkpoints.read(best)
    stamped, findings = checkpoints.configuration(content, best), checkpoints.findings(content, best)
    if other := sorted(name for name in typed - MAY_DIFFER if getattr(config, name) != getattr(stamped, name)):
        typed_flags = examples([f"--{name}" for name in other])
        raise BadValueError(f"--evaluate {given} takes the run's own flags: leave out {typed_flags}")
    flags = dataclasses.replace(stamped, **{name: getattr(config, name) for name in typed - {"evaluate"}})
    stated = json.loads((folder / "metrics.json").read_text(encoding="utf-8")) if runs.done(folder) else {}
    machine.configure_torch(flags.threads)
    splits = {name: _labelled(data.decode(flags, data.load(flags, name)), findings, flags.dataset) for name in HELD_OUT}
    with memory.enough("lower --batch_size"):
        evaluate(folder, flags, splits, {name: stated[name] for name in FACTS if name in stated})
    return folder


def _labelled(split: SplitImages, findings: tuple[str, ...], name: str) -> SplitImages:
    """``split`` of the data set ``name`` with its labels in the order of the network's ``findings``.

    Raises ``DataError`` for one that the data lack.
    """
    if unknown := [finding for finding in findings if finding not in split.findings]:
        existing = examples(split.findings, len(split.findings))
        raise DataError(f"{name} has no labels for {examples(unknown)}, which the network finds; it has {existing}")
    order = [split.findings.index(finding) for finding in findings]
    return dataclasses.replace(split, findings=findings, labels=split.labels[:, order])
