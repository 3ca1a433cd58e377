"""Write ``curves.parquet`` of a suite: the IoU of FullGrad's boxes at 200 score thresholds, per training run and case.

    python -m benchmark.run --suite nih-sample --runs runs/curves --results runs/curves-results --method fullgrad
    python -m tools.curves nih-sample --runs runs/curves
    python -m tools.curves nih-heldout --table curves_of_another_machine.parquet

With ``--runs``, curves are made from the stored maps. A ``--table`` has columns ``global_pool``, ``seed``, ``image``,
``finding`` and ``iou`` (IoU times 10,000 at the same thresholds), from images that are elsewhere. In both cases the
cases are those of the suite's published rows.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from locus.benchmark import records
from locus.benchmark.evaluation import scorer
from locus.benchmark.records import Record, cases, curves
from locus.benchmark.records.curves import IOU_SCALE, THRESHOLDS, Curves
from locus.benchmark.scoring.protocols import base, single_box
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.score import finished_runs, scored_model
from locus.core.names import MAIN_PROTOCOL
from locus.core.types import FloatArray

POOLINGS = ("PCAM", "LSE")
METHOD = "fullgrad"
CASE = ["image", "finding"]


def published_records(suite: str) -> list[Record]:
    """Return the suite's published records of FullGrad on networks without further training options."""
    rows = [record for record in records.load(cells.published() / suite) if record.source == "run"]
    of_method = [r for r in rows if r.cell.method == METHOD and r.cell.protocol == MAIN_PROTOCOL]
    names = {f"custom-{pooling}-128px-seed{seed}" for pooling in POOLINGS for seed in range(3)}
    return [record for record in of_method if record.cell.model_id in names]


def made_from_maps(suite: str, runs: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the model and its table with columns ``image``, ``finding`` and ``iou`` (200,), from the maps in ``runs``."""
    loaded = plan.load(suite)
    folder = loaded.runs_dir(str(runs))
    wanted = {record.cell.model_id for record in published_records(suite)}
    for model in (model for model in plan.models(loaded) if model.id in wanted):
        store = scorer.stored_cases(scored_model(model, finished_runs(model, folder), folder), [METHOD], None)
        cell = next(one for one in cells.cells(loaded, model) if (one.method, one.protocol) == (METHOD, MAIN_PROTOCOL))
        scored = base.of_findings(store.cases(cell), store.findings)
        batch = single_box.CaseBatch(scored)
        iou = batch.selector.iou(np.arange(len(scored)), THRESHOLDS)
        columns = {"image": [c.image_id for c in scored], "finding": [c.finding for c in scored], "iou": [*iou]}
        yield model.id, pd.DataFrame(columns)


def read_table(file: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the model and its table, as ``made_from_maps``, from a ``file`` that was made elsewhere."""
    rows = pd.read_parquet(file)
    for (pooling, seed), of_model in rows.groupby(["global_pool", "seed"], observed=True):
        iou = [np.asarray(values) / IOU_SCALE for values in of_model["iou"]]
        yield f"custom-{pooling}-128px-seed{seed}", of_model[CASE].astype(str).assign(iou=iou)


def on_published_cases(record: Record, made: pd.DataFrame, folder: Path) -> Curves:
    """Return the curves of the record's published cases, in their order."""
    scored = cases.read(record.cell, folder)
    both = scored[[*CASE, "patient"]].astype(str).merge(made, on=CASE, how="left", validate="one_to_one")
    iou: FloatArray = np.stack(both["iou"].tolist())
    return Curves(*(both[name].to_numpy(dtype=str) for name in ("image", "patient", "finding")), iou)


def largest_error(record: Record, found: Curves, folder: Path) -> float:
    """Return the share of cases that hit by the curve, at the step next to the recorded threshold, and not as recorded."""
    scored = cases.read(record.cell, folder)
    steps = np.clip((scored["threshold"].to_numpy() * len(THRESHOLDS)).astype(int), 0, len(THRESHOLDS) - 1)
    hits = found.hits()[np.arange(len(steps)), steps]
    return float(np.mean(hits != scored["hit@iou.3"].to_numpy(dtype=bool)))


def main() -> None:
    """Write the curves of a suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--runs", type=Path)
    source.add_argument("--table", type=Path)
    flags = parser.parse_args()
    folder = cells.published() / flags.suite
    made = dict(read_table(flags.table) if flags.table else made_from_maps(flags.suite, flags.runs))
    tables = []
    for record in published_records(flags.suite):
        found = on_published_cases(record, made[record.cell.model_id], folder)
        print(f"{record.cell.model_id}: {largest_error(record, found, folder):.2%} of the cases differ from the record")
        tables.append(curves.table(record.cell, found))
    print(curves.write(tables, folder))


if __name__ == "__main__":
    main()
