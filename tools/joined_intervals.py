"""Recompute the scores on all 984 boxes and the intervals with thresholds chosen again, without the package.

    python tools/joined_intervals.py

First run the suite ``nih-sample``, which fine-tunes the networks of ``supervised``. The script reads
``curves.parquet`` and ``cases*.parquet`` of ``results/nih-sample`` and ``results/nih-heldout``. Each resample
of patients (within each part) chooses the threshold of each finding and fold again, at 200 thresholds. Intervals are
for new patients and training runs: Student's t on the variance between runs plus that between patients.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open
from scipy import stats

RESULTS = Path(__file__).resolve().parents[1] / "results"
TUNED = RESULTS.parent / "runs" / "suites" / "nih-sample" / "supervised"
PARTS = ("nih-sample", "nih-heldout")
LEVELS = (".1", ".3", ".5")
FOLDS, DRAWS, SEEDS = 5, 1000, (0, 1, 2)
HIT = 3000
"""A hit has a larger IoU times 10,000."""
Array = NDArray[Any]
Found = tuple[pd.DataFrame, Array, Array, Array, Array, Mapping[str, Array]]
"""Cases, weights, folds, scores with held thresholds and with thresholds chosen again, and hits of the baselines."""


def rows_of(suite: str) -> pd.DataFrame:
    """Return the rows per case of a part, all training runs, with cross-fitted thresholds."""
    files = [
        RESULTS / suite / name
        for name in ("cases.parquet", "cases-seed1.parquet", "cases-seed2.parquet")
    ]
    columns = ["key", "model_id", "method", "image", "patient", "finding", "threshold", "iou"]
    about = pd.read_parquet(RESULTS / suite / "cells.parquet")
    is_fitted = [
        "fitted_on" in json.loads(record)["cell"].get("data", {}) for record in about["record"]
    ]
    fitted_keys = about["key"][is_fitted].astype(str)
    wanted = [
        ("method", "in", ["fullgrad", "prior", "fixed_box", "supervised", "supervised:boxes=5"])
    ]
    rows = pd.concat([pd.read_parquet(file, filters=wanted) for file in files])
    means = [name for name in rows.columns if name.startswith("mean_hit@iou")]
    rows = rows[columns + means].assign(part=suite)
    rows = rows[~rows["key"].astype(str).isin(fitted_keys)]
    for name in ("model_id", "method", "image", "patient", "finding"):
        rows[name] = rows[name].astype(str)
    return rows


def hits(rows: pd.DataFrame, level: str) -> pd.Series:
    """Return hits at an IoU level: the mean over draws of the folds where there is one."""
    single = (rows["iou"].astype(np.float32) > np.float32(level)).astype(float)
    name = f"mean_hit@iou{level}"
    return rows[name].astype(float).fillna(single) if name in rows else single


def wide(rows: pd.DataFrame, method: str, pooling: str, level: str) -> pd.DataFrame:
    """Return hits (cases, seeds) of a method, with an index of part, patient, finding and image."""
    names = [f"custom-{pooling}-128px-seed{seed}" for seed in SEEDS]
    chosen = rows[(rows["method"] == method) & rows["model_id"].isin(names)]
    chosen = chosen.assign(hit=hits(chosen, level))
    table = chosen.pivot(
        index=["part", "patient", "finding", "image"], columns="model_id", values="hit"
    )
    return table[[name for name in names if name in table]]


def weighted_means(values: Array, findings: Array, weights: Array) -> Array:
    """Return means over findings (B,) of ``values`` (N,) or (B,N) with ``weights`` (B,N)."""
    shares = []
    for name in np.unique(findings):
        in_finding = findings == name
        total = weights[:, in_finding].sum(1)
        shares.append(
            (weights[:, in_finding] * np.broadcast_to(values, weights.shape)[:, in_finding]).sum(1)
            / np.maximum(total, 1)
        )
    return np.mean(shares, axis=0)


def resample_weights(index: pd.DataFrame, rng: np.random.Generator) -> Array:
    """Return how often each case is drawn (B,N): patients with replacement within each part; first row is the data."""
    weights = np.ones((DRAWS + 1, len(index)))
    for suite in PARTS:
        in_suite = np.flatnonzero(index["part"] == suite)
        if len(in_suite):
            people, number = np.unique(index["patient"].to_numpy()[in_suite], return_inverse=True)
            drawn = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), DRAWS)
            weights[1:, in_suite] = drawn[:, number]
    return weights


def folds_of(index: pd.DataFrame) -> Array:
    """Return a fold (N,) per patient: part and rank of a fixed hash, so that it is the same for all runs."""
    rng = np.random.default_rng(0)
    people, number = np.unique(index["part"] + "/" + index["patient"], return_inverse=True)
    return (rng.permutation(len(people)) % FOLDS)[number]


def middles(counts: Array) -> Array:
    """Return the middle of the first range of thresholds with most hits (B,), from counts (B,T)."""
    most = counts >= counts.max(1, keepdims=True)
    first = most.argmax(1)
    after = ~most & (np.arange(counts.shape[1]) > first[:, None])
    end = np.where(after.any(1), after.argmax(1), counts.shape[1])
    return (first + end - 1) // 2


def chosen_again(curve: Array, index: pd.DataFrame, weights: Array, folds: Array) -> Array:
    """Return hits (B,N) of a curve of hits (N,T), thresholds chosen in each resample on the other folds of the part."""
    out = np.zeros(weights.shape, dtype=np.float32)
    findings = index["finding"].to_numpy()
    suites = index["part"].to_numpy()
    for suite in np.unique(suites):
        for finding in np.unique(findings):
            group = (suites == suite) & (findings == finding)
            for fold in range(FOLDS):
                scored = group & (folds == fold)
                in_other_folds = group & (folds != fold)
                if scored.any() and in_other_folds.any():
                    counts = weights[:, in_other_folds].astype(np.float32) @ curve[
                        in_other_folds
                    ].astype(np.float32)
                    out[:, scored] = curve[scored][:, middles(counts)].T
    return out


def curves_of(suite: str, pooling: str, above: float | None = HIT) -> dict[int, pd.DataFrame]:
    """Return the hits, or with None the IoU times 10,000, at 200 thresholds, seed -> table."""
    rows = pd.read_parquet(RESULTS / suite / "curves.parquet")
    out = {}
    for seed in SEEDS:
        mine = rows[rows["model_id"] == f"custom-{pooling}-128px-seed{seed}"]
        index = pd.MultiIndex.from_frame(
            mine[["patient", "finding", "image"]]
            .astype(str)
            .assign(part=suite)[["part", "patient", "finding", "image"]]
        )
        iou = np.stack(mine["iou"].to_list())
        out[seed] = pd.DataFrame(iou if above is None else iou > above, index=index)
    return out


def interval(theta: Array, draws: Array) -> tuple[float, float, float, float]:
    """Return value and ends, from scores (S,) of runs and resamples (S,B): variance of runs and of patients."""
    runs = len(theta)
    between = theta.var(ddof=1) if runs > 1 else 0.0
    covariance = np.cov(draws) if runs > 1 else np.array([[draws.var(ddof=1)]])
    shared = (covariance.sum() - np.trace(covariance)) / max(runs * (runs - 1), 1)
    of_mean = draws.mean(0).var(ddof=1)
    variance = max(between / runs + max(shared, 0), of_mean)
    df = variance**2 / ((between / runs) ** 2 / (runs - 1)) if runs > 1 and between > 0 else np.inf
    reach = stats.t.ppf(0.975, df) * np.sqrt(variance)
    p = 2 * stats.t.sf(abs(theta.mean()) / np.sqrt(variance), df)
    return theta.mean(), theta.mean() - reach, theta.mean() + reach, p


def report(label: str, theta: Array, draws: Array) -> None:
    """Print an estimate."""
    value, low, high, p = interval(theta, draws)
    print(f"{label}: {value:+.3f} [{low:+.3f}, {high:+.3f}] p {p:.4f}", flush=True)


def compare(rows: pd.DataFrame, suites: Sequence[str], pooling: str) -> Found:
    """Print FullGrad and its differences from both baselines on the cases of the parts."""
    suite_rows = rows[rows["part"].isin(suites)]
    label = f"{'+'.join(suites)} {pooling}"
    for level in LEVELS:
        scores = {
            name: wide(suite_rows, name, pooling, level)
            for name in ("fullgrad", "fixed_box", "prior")
        }
        means = {
            name: table.groupby("finding").mean().mean().mean() for name, table in scores.items()
        }
        print(
            label, f"IoU > {level}", {name: round(float(value), 3) for name, value in means.items()}
        )
    main = {
        name: wide(suite_rows, name, pooling, ".3") for name in ("fullgrad", "fixed_box", "prior")
    }
    index = main["fullgrad"].index.to_frame(index=False)
    findings = index["finding"].to_numpy()
    weights = resample_weights(index, np.random.default_rng(1))
    folds = folds_of(index)
    floors = {
        name: main[name].reindex(main["fullgrad"].index).mean(axis=1).to_numpy()
        for name in ("fixed_box", "prior")
    }
    fixed = np.stack(
        [
            weighted_means(main["fullgrad"].iloc[:, n].to_numpy(), findings, weights)
            for n in range(3)
        ]
    )
    for name, floor in floors.items():
        of_floor = weighted_means(floor, findings, weights)
        report(
            f"{label} fullgrad − {name}, thresholds held",
            fixed[:, 0] - of_floor[0],
            fixed[:, 1:] - of_floor[1:],
        )
    tables = [curves_of(suite, pooling) for suite in suites]
    again = []
    for seed in SEEDS:
        curve = (
            pd.concat([table[seed] for table in tables]).reindex(main["fullgrad"].index).to_numpy()
        )
        again.append(weighted_means(chosen_again(curve, index, weights, folds), findings, weights))
    again = np.stack(again)
    print(
        label,
        "mean of runs with other folds and 200 thresholds",
        again[:, 0].mean().round(4),
        "recorded",
        fixed[:, 0].mean().round(4),
    )
    for name, floor in floors.items():
        of_floor = weighted_means(floor, findings, weights)
        difference = fixed[:, 0] - of_floor[0], again[:, 1:] - of_floor[1:]
        report(f"{label} fullgrad − {name}, thresholds chosen again", *difference)
    for kind, draws in (("held", fixed), ("chosen again", again)):
        report(f"{label} fullgrad, thresholds {kind}", fixed[:, 0], draws[:, 1:])
    return index, weights, folds, fixed, again, floors


def equal_cost(rows: pd.DataFrame, found: Found) -> None:
    """Print FullGrad at the cost of five boxes per finding against fine-tuning on them, and the share of the way."""
    index, weights, _, fixed, again, floors = found
    findings = index["finding"].to_numpy()
    order = pd.MultiIndex.from_frame(index[["part", "patient", "finding", "image"]])
    tuned = {}
    for name in ("supervised", "supervised:boxes=5"):
        table = wide(rows[rows["part"] == "nih-sample"], name, "PCAM", ".3").reindex(order)
        tuned[name] = np.stack(
            [
                weighted_means(table.iloc[:, n].to_numpy(), findings, weights)
                for n in range(table.shape[1])
            ]
        )
        report(f"nih-sample PCAM {name}", tuned[name][:, 0], tuned[name][:, 1:])
    five = five_boxes(index, weights, findings)
    report("nih-sample PCAM fullgrad, thresholds from 5 boxes per finding", five[:, 0], five[:, 1:])
    gap = tuned["supervised:boxes=5"] - five
    report("nih-sample PCAM supervised:boxes=5 − fullgrad at equal cost", gap[:, 0], gap[:, 1:])
    gap = tuned["supervised:boxes=5"] - fixed
    report("nih-sample PCAM supervised:boxes=5 − fullgrad", gap[:, 0], gap[:, 1:])
    shares = {name: weighted_means(floor, findings, weights) for name, floor in floors.items()}
    floor = max(shares.values(), key=lambda draws: draws[0])
    for kind, draws in (("held", fixed), ("chosen again", again)):
        way = (draws - floor).mean(0) / (tuned["supervised"] - floor).mean(0)
        value = (fixed[:, 0].mean() - floor[0]) / (tuned["supervised"][:, 0].mean() - floor[0])
        low, high = np.percentile(way[1:], [2.5, 97.5])
        print(f"share of the way, thresholds {kind}: {value:.0%} [{low:.0%}, {high:.0%}]")


def five_boxes(index: pd.DataFrame, weights: Array, findings: Array) -> Array:
    """Return scores (S,B) with thresholds from the boxes on which ``supervised:boxes=5`` was fine-tuned, per fold."""
    order = pd.MultiIndex.from_frame(index[["part", "patient", "finding", "image"]])
    pairs = list(zip(index["image"], index["finding"], strict=True))
    out = []
    for seed in SEEDS:
        iou = curves_of("nih-sample", "PCAM", above=None)[seed].reindex(order).to_numpy()
        hits = np.full(len(index), np.nan)
        for fold in range(FOLDS):
            about = described(f"custom-PCAM-seed{seed}-supervised-boxes=5-fold{fold}.safetensors")
            taught = {tuple(pair) for pair in about["taught"]}
            held_out = set(about["held out"])
            in_fold = index["image"].isin(held_out).to_numpy()
            is_taught = np.array([pair in taught for pair in pairs])
            for finding in np.unique(findings):
                scored = in_fold & (findings == finding)
                hits[scored] = iou[scored][:, best(iou[is_taught & (findings == finding)])] > HIT
        out.append(weighted_means(hits, findings, weights))
    return np.stack(out)


def described(name: str) -> dict[str, Any]:
    """Return what a file of fine-tuned weights, made by a run of the suite, says about its cases."""
    with safe_open(TUNED / name, "numpy") as file:
        return dict(json.loads(file.metadata()["locus"]))


def best(iou: Array) -> int:
    """Return the middle of the range of thresholds with most hits and, of several, the largest mean IoU (N,T)."""
    counts = (iou > HIT).sum(0)
    edges = np.diff(np.concatenate([[0], (counts == counts.max()).astype(int), [0]]))
    starts = np.flatnonzero(edges == 1)
    ends = np.flatnonzero(edges == -1)
    ranges = (starts + ends - 1) // 2
    return int(ranges[iou.mean(0)[ranges].argmax()])


def main() -> None:
    """Print all estimates."""
    rows = pd.concat([rows_of(suite) for suite in PARTS])
    for pooling in ("PCAM", "LSE"):
        for suites in (("nih-heldout",), ("nih-sample",), PARTS):
            found = compare(rows, suites, pooling)
            if suites == ("nih-sample",) and pooling == "PCAM":
                equal_cost(rows, found)


if __name__ == "__main__":
    main()
