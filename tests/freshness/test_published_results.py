"""results/nih again with pandas alone: from the files of the papers, NIH's box list and the rows per case."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS, NIH = ROOT / "locus/benchmark/records/papers", ROOT / "results/nih"
LEVELS = {"IoU": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "IoBB": (0.1, 0.25, 0.5, 0.75, 0.9)}
HEART = "Cardiomegaly"
pytestmark = [pytest.mark.freshness, pytest.mark.skipif(not (NIH / "cases.parquet").is_file(), reason="results/nih has no rows per case")]


@pytest.fixture(scope="module")
def cases():
    """The boxes of ``fixed_box`` with their overlaps with NIH's list, computed here."""
    with gzip.open(ROOT / "locus/datasets/lists/BBox_List_2017.csv.gz") as file:
        truth = pd.read_csv(file, header=0, usecols=range(6), names=["image", "finding", "x", "y", "w", "h"])
    truth["finding"] = truth["finding"].replace("Infiltrate", "Infiltration")
    rows = pd.read_parquet(NIH / "cases.parquet")
    rows = rows[rows["method"] == "fixed_box"].astype({"image": str, "finding": str, "patient": str})
    means = [name for name in rows if name.startswith("mean_hit@")]  # over 20 draws of the folds
    kept = ["image", "patient", "finding", "x0", "y0", "x1", "y1", "iou", "iobb", *means]
    both = rows[kept].merge(truth, on=["image", "finding"])
    assert len(both) == len(truth) == 984
    right, bottom = np.minimum(both.x + both.w, 1024), np.minimum(both.y + both.h, 1024)
    width = (np.minimum(both.x1, right) - np.maximum(both.x0, both.x)).clip(0)
    height = (np.minimum(both.y1, bottom) - np.maximum(both.y0, both.y)).clip(0)
    area, shared = (both.x1 - both.x0) * (both.y1 - both.y0), width * height
    return both.assign(IoU=shared / (area + (right - both.x) * (bottom - both.y) - shared), IoBB=shared / area)


@pytest.fixture(scope="module")
def papers():
    """Method -> metric -> finding -> value."""
    records = [record for file in PAPERS.glob("*.json") for record in json.loads(file.read_text())]
    values = {}
    for record in records:
        for score in record["scores"]:
            values.setdefault(record["cell"]["method"], {}).setdefault(score["metric"], {})[score["finding"]] = score["value"]
    return values


def hits(cases, measure, level):
    """The share of draws of the folds whose box hits each case."""
    return cases[f"mean_hit@{measure.lower()}{level:g}".replace("0.", ".")]


def shares(cases, measure, level):
    return hits(cases, measure, level).groupby(cases["finding"]).mean()


def mean(values, without=()):
    return np.mean([value for finding, value in values.items() if finding not in {"mean", *without}])


def table(title):
    """Rows of a table of leaderboard.md: (result, with the heart) -> cells of the thresholds."""
    (part,) = [p for p in re.split(r"^## ", (NIH / "leaderboard.md").read_text(), flags=re.MULTILINE) if p.startswith(title)]
    lines = [line[2:-2].split(" | ") for line in part.splitlines() if line.startswith("|")]
    rows, name = {}, ""
    for first, *cells in lines[2:]:
        name = first if not first.startswith("–") else name
        rows[name, first == name] = cells[:-4]
    return rows


def as_text(value):
    return f"{value:.3f}".removeprefix("0")


@pytest.mark.parametrize(
    ("result", "measure"),
    [
        ("fixed_box", "IoU"),
        ("fixed_box", "IoBB"),
        ("Wang 2017", "IoU"),
        ("Wang 2017, v5", "IoBB"),
        ("RpSalWeaklyDet 2020, notebook", "IoU"),
    ],
)
def test_means_with_and_without_the_heart_are_those_of_the_sources(cases, papers, result, measure):
    rows = table(f"NIH: published results and fixed_box, {measure}\n")
    for n, level in enumerate(LEVELS[measure]):
        metric = f"acc@{measure.lower()}{level:g}".replace("0.", ".")
        values = shares(cases, measure, level) if result == "fixed_box" else papers[result][metric]
        assert rows[result, True][n].split()[0] == as_text(mean(values))
        assert rows[result, False][n].split()[0] == as_text(mean(values, {HEART}))


@pytest.mark.parametrize("result", ["Wang 2017", "RpSalWeaklyDet 2020, notebook"])
@pytest.mark.parametrize("without", [(), (HEART,)])
def test_marks_are_those_of_a_difference_computed_with_pandas(cases, papers, result, without):
    random, patients = np.random.default_rng(1), cases["patient"].unique()
    n, used = cases.groupby("finding").size(), [f for f in sorted(cases["finding"].unique()) if f not in without]
    draws = [pd.Series(random.choice(patients, len(patients))).value_counts() for _ in range(400)]
    times = np.array([draw.reindex(cases["patient"], fill_value=0).to_numpy() for draw in draws])
    rows, certain = table("NIH: published results and fixed_box, IoU\n"), 0
    for column, level in enumerate(LEVELS["IoU"]):
        of_box, published = hits(cases, "IoU", level).to_numpy(), papers[result][f"acc@iou{level:g}".replace("0.", ".")]
        parts = [(cases["finding"] == finding).to_numpy() for finding in used]
        box = np.mean([(times[:, part] @ of_box[part]) / times[:, part].sum(1) for part in parts], axis=0)
        variance = sum(published[f] * (1 - published[f]) / n[f] for f in used) / len(used) ** 2 + box.var()
        gap = mean(published, without) - mean(shares(cases, "IoU", level), without)
        ratio = gap / (1.96 * np.sqrt(variance))
        if abs(abs(ratio) - 1) > 0.12:  # 400 resamples do not decide closer cases
            mark = "↑" if ratio > 1 else "↓" if ratio < -1 else "="
            assert rows[result, not without][column].split()[1] == mark, level
            certain += 1
    assert certain >= 5


def test_the_box_of_a_finding_hits_most_cases_of_other_patients(cases):
    """All boxes of the lattice are tried for Mass; those of one fold share a box."""
    lines = np.arange(33) * 32
    low, high = np.triu_indices(33, k=1)
    sides = np.stack([lines[low], lines[high]], 1)
    x, y = np.repeat(sides, len(sides), 0), np.tile(sides, (len(sides), 1))
    width, height = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]
    kept = (width * height < 0.5 * 1024**2) & (width < 0.75 * 1024)
    x, y, area = x[kept], y[kept], (width * height)[kept]
    mass = cases[cases["finding"] == "Mass"]
    hits = []
    for case in mass.itertuples():
        shared = (np.minimum(x[:, 1], case.x + case.w) - np.maximum(x[:, 0], case.x)).clip(0)
        shared = shared * (np.minimum(y[:, 1], case.y + case.h) - np.maximum(y[:, 0], case.y)).clip(0)
        hits.append(shared / (area + case.w * case.h - shared) > 0.3)
    hits = np.array(hits)
    for chosen, fold in mass.reset_index(drop=True).groupby(["x0", "y0", "x1", "y1"]):
        others = np.setdiff1d(np.arange(len(mass)), fold.index)
        (mine,) = np.flatnonzero((x == chosen[:1] + chosen[2:3]).all(1) & (y == chosen[1:2] + chosen[3:]).all(1))
        assert hits[others].sum(0)[mine] == hits[others].sum(0).max()
