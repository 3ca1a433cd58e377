"""Write ``curves.parquet`` of a suite: the IoU of FullGrad's boxes at 200 score thresholds, per training run and case.

    python -m tools.curves nih-sample --images data/nih-sample
    python -m tools.curves nih-heldout --table made_elsewhere.parquet

With ``--images``, curves are made from the suite's published weights. A ``--table`` is from images that are elsewhere:
its columns are ``global_pool``, ``seed``, ``image``, ``finding`` and ``iou`` (IoU times 10,000 at the same thresholds).
In both cases the cases are those of the suite's published rows.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import locus
from locus.backbones import Classifier
from locus.benchmark import records
from locus.benchmark.records import Record, cases, curves
from locus.benchmark.records.curves import IOU_SCALE, THRESHOLDS, Curves
from locus.benchmark.suite import plan
from locus.benchmark.training.runs import WEIGHTS_FOLDER
from locus.core.names import MAIN_PROTOCOL
from locus.core.types import FloatArray
from locus.datasets import load_split
from locus.datasets.base import Dataset
from locus.scoring.protocols import base, single_box
from locus.scoring.protocols.base import Case

POOLINGS = ("PCAM", "LSE")
METHOD = "fullgrad"
BATCH = 32
"""Images that are explained together."""
CASE = ["image", "finding"]


def published_records(suite: str) -> list[Record]:
    """Return the suite's published cross-fitted records of FullGrad on networks without further training options."""
    rows = [
        record for record in records.load(records.published() / suite) if record.source == "run"
    ]
    of_method = [r for r in rows if r.cell.method == METHOD and r.cell.protocol == MAIN_PROTOCOL]
    names = {f"custom-{pooling}-128px-seed{seed}" for pooling in POOLINGS for seed in range(3)}
    return [
        record
        for record in of_method
        if record.cell.model_id in names and record.cell.fitted_on is None
    ]


def made_from_images(suite: str, images: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each model and its table with columns ``image``, ``finding`` and ``iou`` (200,).

    The maps are made from the published weights and the folder of the data set ``images``.
    """
    loaded = plan.with_flags(plan.load(suite), data_root_dir=images)
    wanted = {record.cell.model_id for record in published_records(suite)}
    for model in (model for model in plan.models(loaded) if model.id in wanted):
        files = model.weights_files(records.published() / suite / WEIGHTS_FOLDER)
        scored: list[Case] = []
        for config, file in zip(model.trainings, files, strict=True):
            scored += explained_cases(locus.load(file), load_split(config, "test"))
        batch = single_box.CaseBatch(scored)
        iou = batch.selector.iou(np.arange(len(scored)), THRESHOLDS)
        columns = {
            "image": [c.image_id for c in scored],
            "finding": [c.finding for c in scored],
            "iou": [*iou],
        }
        yield model.id, pd.DataFrame(columns)


def explained_cases(network: Classifier, data: Dataset) -> Iterator[Case]:
    """Yield the cases of the images of ``data`` with boxes, with FullGrad's maps as a suite stores them."""
    boxed = [sample for sample in data if sample.boxes]
    for start in range(0, len(boxed), BATCH):
        samples = boxed[start : start + BATCH]
        maps = locus.explain(network, network.prepare(samples), [METHOD])
        for sample, of_sample in zip(samples, maps[METHOD].numpy().astype(np.float16), strict=True):
            for finding, values in zip(data.findings, of_sample, strict=True):
                if finding in sample.boxes:
                    yield base.make_case(sample, finding, 1.0, values, maps.grids[METHOD])


def read_table(file: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each model and its table, as ``made_from_images``, from a ``file`` that was made elsewhere."""
    rows = pd.read_parquet(file)
    for (pooling, seed), of_model in rows.groupby(["global_pool", "seed"], observed=True):
        iou = [np.asarray(values) / IOU_SCALE for values in of_model["iou"]]
        yield f"custom-{pooling}-128px-seed{seed}", of_model[CASE].astype(str).assign(iou=iou)


def on_published_cases(record: Record, made: pd.DataFrame, folder: Path) -> Curves:
    """Return the curves of the record's published cases, in their order."""
    scored = cases.read(record.cell, folder)
    both = (
        scored[[*CASE, "patient"]]
        .astype(str)
        .merge(made, on=CASE, how="left", validate="one_to_one")
    )
    iou: FloatArray = np.stack(both["iou"].tolist())
    return Curves(
        *(both[name].to_numpy(dtype=str) for name in ("image", "patient", "finding")), iou
    )


def differing(record: Record, found: Curves, folder: Path) -> float:
    """Return the share of cases whose hit, at the step of the recorded threshold, is not the recorded one."""
    scored = cases.read(record.cell, folder)
    steps = np.clip(
        (scored["threshold"].to_numpy() * len(THRESHOLDS)).astype(int), 0, len(THRESHOLDS) - 1
    )
    hits = found.hits()[np.arange(len(steps)), steps]
    return float(np.mean(hits != scored["hit@iou.3"].to_numpy(dtype=bool)))


def main() -> None:
    """Write the curves of a suite."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--images")
    source.add_argument("--table", type=Path)
    flags = parser.parse_args()
    folder = records.published() / flags.suite
    made = dict(
        read_table(flags.table) if flags.table else made_from_images(flags.suite, flags.images)
    )
    tables = []
    for record in published_records(flags.suite):
        found = on_published_cases(record, made[record.cell.model_id], folder)
        print(
            f"{record.cell.model_id}: {differing(record, found, folder):.2%} of the cases differ from the record"
        )
        tables.append(curves.table(record.cell, found))
    print(curves.write(tables, folder))


if __name__ == "__main__":
    main()
