"""Tables of a suite computed again from its rows per case, and its pages read back."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

IOU, IOBB = [f"hit@iou.{n}" for n in range(1, 8)], [f"hit@iobb.{n}" for n in (1, 25, 5, 75, 9)]
MAIN, COLUMNS = "hit@iou.3", [*IOU, *IOBB, "pointing"]


def rows_per_case(folder):
    """The rows of the main protocol, with the columns of the threshold table as numbers; nan if unknown.

    A baseline's are its means over draws of the patient folds.
    """
    names = {"model_id", "method", "image", "patient", "finding", "iou", "iobb", *COLUMNS, *map("mean_{}".format, COLUMNS)}
    files = sorted(folder.glob("cases*.parquet"))
    parts = [pd.read_parquet(file, columns=sorted(names & {*parquet.read_schema(file).names})) for file in files]
    cases = pd.concat(parts, ignore_index=True).astype({"model_id": str, "method": str, "finding": str})
    for column in COLUMNS:
        measure, _, level = column.removeprefix("hit@").partition(".")
        if column not in cases:
            overlap = cases[measure].astype("float32")
            cases[column] = (overlap > np.float32(f".{level}")).where(overlap.notna())
        if f"mean_{column}" in cases:
            cases[column] = cases[f"mean_{column}"].fillna(cases[column].astype(float))
    cases["network"] = cases["model_id"].str.replace(r"-seed\d+$", "", regex=True)
    return cases.astype(dict.fromkeys(COLUMNS, float))


def check_line(line, cases):
    """Hold the means and counts of a line of ``leaderboard.csv`` against the rows per case of its runs."""
    by_finding = cases.groupby(["model_id", "finding"])[COLUMNS]
    means = by_finding.mean().where(by_finding.count().eq(by_finding.size(), axis=0)).groupby("model_id").mean()
    wanted = means.mean().where(means.notna().all())  # in all runs
    assert [line[name] for name in COLUMNS] == pytest.approx(wanted.tolist(), abs=1e-6, nan_ok=True), line
    assert (line["runs"], line["n"]) == (cases["model_id"].nunique(), len(cases) / line["runs"])
    for finding, of in cases.groupby("finding"):
        assert line[finding] == pytest.approx(of.groupby("model_id")[MAIN].mean().mean(), abs=1e-6)
        assert line[f"n_{finding}"] == len(of) / line["runs"]


def markdown_tables(text):
    """Title -> (header, lines) of the tables of a page; an empty network is that of the line above."""
    tables = {}
    for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        lines = [[c.strip("* |") for c in line.strip("|").split(" | ")] for line in body.splitlines() if line.startswith("|")]
        for before, line in itertools.pairwise(lines[2:]):
            line[0] = line[0] or before[0]
        if lines:
            tables[title] = lines[0], lines[2:]
    return tables
