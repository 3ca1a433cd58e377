"""Records of invented training runs with per-case rows: more hits are better."""

import numpy as np

from locus.benchmark.records import Cell, Record, Score, cases, write

PATIENTS = 20


def cell(method, seed, pooling="PCAM", dataset="phantom", backbone="custom", pinned=None):
    shared = {"dataset": dataset, "partition": "official", "split": "test", "backbone": backbone, "attention_map": "none"}
    recipe = {"epochs": 2, "seed": seed, "fold": [0], "init": {"seed": seed}, **(pinned or {})}
    return Cell(
        **shared, img_size=64, global_pool=pooling, seed=seed, model_id=f"{backbone}-{pooling}-64px-seed{seed}",
        method=method, alignment="aligned", protocol="single_box", recipe=recipe,
    )  # fmt: skip


def hits(count, seed, patients=PATIENTS):
    """(patients,) the first ``count`` are hits, in an order of the seed's own that leaves most where they are."""
    return np.roll(np.arange(patients) < count, seed)


def training(folder, method, seed, count, pooling="PCAM", patients=PATIENTS, **other):
    """One record with its rows per case: a patient has one image and one mass; a box has an IoU of .85 or, missed, .05."""
    row = hits(count, seed if method != "prior" else 0, patients)
    share = Score(finding="mean", metric="hit@iou.3", value=row.mean(), low=0.01, high=0.99, n=patients, threshold_source="cross-fitted")
    scores = (share, share._replace(finding="Mass"))
    record = Record(cell=cell(method, seed, pooling, **other), scores=scores, checkpoints=(f"{pooling}{seed}",))
    names = ({"image": f"i{n:02}", "patient": f"p{n:02}", "finding": "Mass"} for n in range(patients))
    rows = [{**name, "hit@iou.3": bool(hit), "iou": 0.85 if hit else 0.05} for name, hit in zip(names, row, strict=True)]
    cases.write(rows, record.cell, folder)
    write(record, folder)
    return record
