"""Records that several tests of the report use."""

import numpy as np
import pytest

from locus.benchmark import records
from locus.benchmark.records import cases
from locus.benchmark.report import grouping

METHODS, SEEDS = ("cam", "layercam"), (0, 1, 2)


@pytest.fixture(scope="session")
def three_trainings(tmp_path_factory):
    """The committed rows of two methods on both networks of `demo`, as of three trainings: other cases hit in each."""
    folder = tmp_path_factory.mktemp("results") / "demo"
    for record in grouping.main_records(records.load("results/demo"), "phantom"):
        if record.cell.method in METHODS:
            rows = cases.read(record.cell, "results/demo").drop(columns=["key", *cases.CELL])
            for seed in SEEDS:
                name = record.cell.model_id.replace("seed0", f"seed{seed}")
                cell = record.cell.model_copy(update={"seed": seed, "model_id": name})
                records.write(record.model_copy(update={"cell": cell}), folder)
                flipped = np.random.default_rng(seed).random(len(rows)) < 0.1 * seed
                cases.write(rows.assign(**{"hit@iou.3": rows["hit@iou.3"] ^ flipped}).to_dict("records"), cell, folder)
    return folder
