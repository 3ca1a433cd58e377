"""Records of invented training runs with per-case rows: more hits are better."""

import numpy as np

from locus.benchmark.records import Cell, Record, Score, cases, write

PATIENTS = 20


def cell(method, seed, pooling="PCAM", dataset="phantom", pinned=None):
    shared = {"dataset": dataset, "partition": "official", "split": "test", "backbone": "custom", "attention_map": "none"}
    recipe = {"epochs": 2, "seed": seed, "fold": [0], "init": {"seed": seed}, **(pinned or {})}
    return Cell(
        **shared, img_size=64, global_pool=pooling, seed=seed, model_id=f"custom-{pooling}-64px-seed{seed}",
        method=method, alignment="aligned", protocol="locus", recipe=recipe,
    )  # fmt: skip


def hits(count, seed):
    """(PATIENTS,) the first ``count`` are hits, in an order of the seed's own that leaves most where they are."""
    return np.roll(np.arange(PATIENTS) < count, seed)


def training(folder, method, seed, count, pooling="PCAM", **other):
    """One record with its rows per case: a patient has one image and one mass."""
    row = hits(count, seed if method != "prior" else 0)
    share = Score(finding="mean", metric="hit@iou.3", value=row.mean(), low=0.01, high=0.99, n=PATIENTS, threshold_origin="cross-fitted")
    scores = (share, share._replace(finding="Mass"))
    record = Record(cell=cell(method, seed, pooling, **other), scores=scores, checkpoints=(f"{pooling}{seed}",))
    per_case = [{"image": f"i{n:02}", "patient": f"p{n:02}", "finding": "Mass", "hit@iou.3": bool(hit)} for n, hit in enumerate(row)]
    cases.write(per_case, record.cell, folder)
    write(record, folder)
    return record
