"""Recompute the primary comparison of `nih-heldout` with code that imports nothing of the package.

    python tools/recompute_primary.py fullgrad_iou.parquet

The file has the IoU of FullGrad's boxes at 200 score thresholds (see ``tools/fitted_from_curves.py``). Thresholds of
`nih-sample` are read from its records. ``fixed_box`` and ``prior`` are made again from NIH's table of boxes: the box by
a search over the lattice, the box of ``prior`` on its map at 1024 x 1024 pixels. Cross-fitted scores are read from the
published rows per case. Differences have an interval over patients and training runs (Obuchowski and Rockette, with
Hillis's degrees of freedom), and a bootstrap over patients of the mean of three runs. The variance over patients of the
cross-fitted difference is that of resamples of patients, each with new folds, which choose the thresholds of FullGrad
again and make ``prior`` again, with its box on a map of 128 x 128 pixels.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage, stats

RESULTS, BOXES = Path("results"), Path("locus/datasets/lists/BBox_List_2017.csv.gz")
SIDE, PRIOR_SIDE, STEPS, SEEDS, DRAWS = 1024, 32, 200, 3, 4000
POOLINGS = ("PCAM", "LSE")
NAMES = {"Infiltrate": "Infiltration"}
CASE = ["image", "patient", "finding"]
FOLDS, COARSE, RESAMPLES = 5, 128, 200
LEVELS = (np.arange(25) + 0.5) / 25
"""Thresholds of ``prior`` in resamples."""


def cases_of(suite: str) -> pd.DataFrame:
    """Return image, patient, finding and the truth box x0, y0, x1, y1 of each case of a suite."""
    rows = pd.read_parquet(RESULTS / suite / "cases.parquet", columns=[*CASE, "method"])
    rows = rows[rows["method"] == "prior"][CASE].astype(str).drop_duplicates()
    table = pd.read_csv(BOXES).iloc[:, :6]
    table.columns = ["image", "finding", "x0", "y0", "w", "h"]
    table["finding"] = table["finding"].replace(NAMES)
    table["x1"], table["y1"] = table["x0"] + table["w"], table["y0"] + table["h"]
    return rows.merge(table, on=["image", "finding"], validate="one_to_one").reset_index(drop=True)


def thresholds_of(suite: str, method: str, model: str) -> dict[str, float]:
    """Return finding -> threshold that the suite chose on all its cases, from its records."""
    cells = pd.read_parquet(RESULTS / suite / "cells.parquet")
    for text in cells["record"][
        cells["name"].str.contains(f"-{method}-aligned-single_box", regex=False)
    ]:
        record = json.loads(text)
        if record["cell"]["model_id"] == model and "fitted_on" not in record["cell"]["data"]:
            return {name: values[0] for name, values in record["thresholds"]["oracle"].items()}
    raise SystemExit(f"{suite} has no record of {method} on {model}")


def overlap(box: np.ndarray, cases: pd.DataFrame) -> np.ndarray:
    """Return the IoU (N,) of one box with the truth of each case."""
    truth = cases[["x0", "y0", "x1", "y1"]].to_numpy()
    shared = np.minimum(truth[:, 2:], box[2:]) - np.maximum(truth[:, :2], box[:2])
    shared = shared.clip(min=0).prod(axis=1)
    union = (truth[:, 2:] - truth[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - shared
    return shared / union


def fixed_box(cases: pd.DataFrame) -> np.ndarray:
    """Return the box on a lattice of 33 lines that hits most cases; of equal ones, that with the largest mean IoU."""
    low, high = np.triu_indices(33, k=1)
    lengths = (high - low) / 32
    allowed = (np.outer(lengths, lengths) < 0.5) & (lengths[:, None] < 0.75)
    along_x, along_y = np.nonzero(allowed)
    low, high = low * SIDE / 32, high * SIDE / 32
    area = (high - low)[along_x] * (high - low)[along_y]
    hits = np.zeros(len(area))
    total = np.zeros(len(area))
    for x0, y0, x1, y1 in cases[["x0", "y0", "x1", "y1"]].to_numpy():
        in_x = (np.minimum(high, x1) - np.maximum(low, x0)).clip(min=0)
        in_y = (np.minimum(high, y1) - np.maximum(low, y0)).clip(min=0)
        shared = in_x[along_x] * in_y[along_y]
        iou = shared / (area + (x1 - x0) * (y1 - y0) - shared)
        hits += iou > 0.3
        total += iou
    best = np.lexsort((-total, -hits))[0]
    x, y = along_x[best], along_y[best]
    return np.array([low[x], low[y], high[x], high[y]])


def prior_box(cases: pd.DataFrame, threshold: float) -> np.ndarray:
    """Return the box of the highest peak's component of the mean truth map, above the threshold of the scaled map."""
    edges = np.arange(PRIOR_SIDE + 1) * SIDE / PRIOR_SIDE
    total = np.zeros((PRIOR_SIDE, PRIOR_SIDE))
    for x0, y0, x1, y1 in cases[["x0", "y0", "x1", "y1"]].to_numpy():
        in_x = (np.minimum(edges[1:], x1) - np.maximum(edges[:-1], x0)).clip(min=0)
        in_y = (np.minimum(edges[1:], y1) - np.maximum(edges[:-1], y0)).clip(min=0)
        total += np.outer(in_y, in_x)
    scaled = (total - total.min()) / np.ptp(total)
    centres = (np.arange(SIDE) + 0.5) * PRIOR_SIDE / SIDE - 0.5
    rows, columns = np.meshgrid(centres, centres, indexing="ij")
    surface = ndimage.map_coordinates(scaled, [rows, columns], order=1, mode="nearest")
    parts, _ = ndimage.label(surface > threshold)
    peak = np.unravel_index(scaled.argmax(), scaled.shape)
    at_peak = [int((index + 0.5) * SIDE / PRIOR_SIDE) for index in peak]
    down, across = ndimage.find_objects((parts == parts[tuple(at_peak)]).astype(int))[0]
    return np.array([across.start, down.start, across.stop, down.stop], dtype=float)


def mean_over_findings(hits: np.ndarray, findings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over findings (B,) of the share of hits (N,), each case weighted by ``weights`` (B,N)."""
    shares = []
    for finding in np.unique(findings):
        in_finding = findings == finding
        total = weights[:, in_finding].sum(axis=1)
        shares.append(
            np.divide(
                weights[:, in_finding] @ hits[in_finding],
                total,
                out=np.full(len(weights), np.nan),
                where=total > 0,
            )
        )
    return np.nanmean(shares, axis=0)


def compared(runs: np.ndarray, floor: np.ndarray, cases: pd.DataFrame) -> dict[str, float]:
    """Return the difference of hits (S,N) of training runs from hits (N,) of a floor, with intervals and p."""
    findings = cases["finding"].to_numpy()
    patients = cases["patient"].to_numpy()
    people, number = np.unique(patients, return_inverse=True)
    once = np.ones((1, len(cases)))
    without = (number[None] != np.arange(len(people))[:, None]).astype(float)
    floor_all, floor_left = (
        mean_over_findings(floor, findings, weights) for weights in (once, without)
    )
    theta = np.array([mean_over_findings(run, findings, once)[0] - floor_all[0] for run in runs])
    left = np.array([mean_over_findings(run, findings, without) - floor_left for run in runs])
    count = len(people)
    gap = with_interval(theta, (count - 1) ** 2 / count * np.cov(left))
    random = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)[
        :, number
    ]
    drawn = mean_over_findings(runs.mean(axis=0) - floor, findings, random.astype(float))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return gap | {"boot low": low, "boot high": high}


def with_interval(theta: np.ndarray, covariance: np.ndarray) -> dict[str, float]:
    """Return the mean of ``theta`` (S,) with its interval and p, from the covariance (S,S) over patients."""
    size = len(theta)
    value = theta.mean()
    mean_square = theta.var(ddof=1)
    between = covariance[~np.eye(size, dtype=bool)].mean()
    variance = max(mean_square / size + max(between, 0), covariance.mean())
    freedom = variance**2 / ((mean_square / size) ** 2 / (size - 1))
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    p = 2 * stats.t.sf(abs(value) / np.sqrt(variance), freedom)
    return {"value": value, "low": value - reach, "high": value + reach, "p": p}


def crossed_thresholds(hits: np.ndarray, times: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the hits (N,) at the middle of the lowest best thresholds of hits (N,T), chosen on the other folds."""
    chosen = np.zeros(len(hits))
    for number in range(FOLDS):
        counts = times[fold != number] @ hits[fold != number]
        first = int(counts.argmax())
        length = int(np.argmin(np.append(counts[first:] == counts.max(), False)))
        chosen[fold == number] = hits[fold == number, first + (length - 1) // 2]
    return chosen


def coarse_surface() -> np.ndarray:
    """Return the weights (128,32) that interpolate a map along an axis."""
    centres = ((np.arange(COARSE) + 0.5) * PRIOR_SIDE / COARSE - 0.5).clip(0, PRIOR_SIDE - 1)
    return np.maximum(1 - np.abs(centres[:, None] - np.arange(PRIOR_SIDE)), 0)


def coverage(cases: pd.DataFrame) -> np.ndarray:
    """Return the share (N,32,32) of each position that the truth box of each case covers."""
    edges = np.arange(PRIOR_SIDE + 1)
    x0, y0, x1, y1 = cases[["x0", "y0", "x1", "y1"]].to_numpy().T[..., None] * PRIOR_SIDE / SIDE
    in_x = (np.minimum(edges[1:], x1) - np.maximum(edges[:-1], x0)).clip(min=0)
    in_y = (np.minimum(edges[1:], y1) - np.maximum(edges[:-1], y0)).clip(min=0)
    return in_y[:, :, None] * in_x[:, None, :]


def hits_of_map(values: np.ndarray, axis: np.ndarray, cases: pd.DataFrame) -> np.ndarray:
    """Return the hits (N,T) at ``LEVELS`` of the box of the highest peak's component of a map (32,32)."""
    scaled = (values - values.min()) / max(np.ptp(values), 1e-12)
    surface = axis @ scaled @ axis.T
    peak = np.unravel_index(surface.argmax(), surface.shape)
    hits = np.zeros((len(cases), len(LEVELS)))
    for n, level in enumerate(LEVELS):
        if surface[peak] > level:
            regions, _ = ndimage.label(surface > level)
            down, across = ndimage.find_objects((regions == regions[peak]).astype(np.int8))[0]
            box = np.array([across.start, down.start, across.stop, down.stop]) * SIDE / COARSE
            hits[:, n] = overlap(box, cases) > 0.3
    return hits


def prior_made_again(heldout: pd.DataFrame, times: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the hits (N,) of ``prior`` from cases that count ``times`` (N,), with the folds (N,)."""
    out = np.zeros(len(heldout))
    axis = coarse_surface()
    for finding in heldout["finding"].unique():
        in_finding = (heldout["finding"] == finding).to_numpy()
        cases = heldout[in_finding]
        weights = times[in_finding]
        folds = fold[in_finding]
        drawn = coverage(cases)
        hits = np.zeros((len(cases), len(LEVELS)))
        for number in range(FOLDS):
            values = np.tensordot(weights * (folds != number), drawn, axes=1)
            hits[folds == number] = hits_of_map(values, axis, cases[folds == number])
        out[in_finding] = crossed_thresholds(hits, weights, folds)
    return out


def resampled(heldout: pd.DataFrame, curves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return pooling -> differences (S,B) from ``prior`` in resamples of patients; ``curves``: hits (S,N,200)."""
    findings = heldout["finding"].to_numpy()
    draws = np.random.default_rng(1)
    people, person = np.unique(heldout["patient"].to_numpy(), return_inverse=True)
    gaps: dict[str, list[np.ndarray]] = {name: [] for name in curves}
    for _ in range(RESAMPLES):
        times = np.bincount(draws.integers(0, len(people), len(people)), minlength=len(people))[
            person
        ].astype(float)
        fold, of_prior = ((draws.permutation(len(people)) % FOLDS)[person] for _ in range(2))
        floor = mean_over_findings(
            prior_made_again(heldout, times, of_prior), findings, times[None]
        )[0]
        for name, runs in curves.items():
            hits = [chosen_per_finding(run, findings, times, fold) for run in runs]
            scores = [mean_over_findings(run, findings, times[None])[0] for run in hits]
            gaps[name].append(np.array(scores) - floor)
    return {name: np.array(of_draws).T for name, of_draws in gaps.items()}


def chosen_per_finding(
    hits: np.ndarray, findings: np.ndarray, times: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Return the hits (N,) of a training run with thresholds chosen again, from hits (N,200)."""
    out = np.zeros(len(hits))
    for finding in np.unique(findings):
        in_finding = findings == finding
        out[in_finding] = crossed_thresholds(hits[in_finding], times[in_finding], fold[in_finding])
    return out


def holm(values: list[float]) -> list[float]:
    """Return Holm's adjusted p-values."""
    order = np.argsort(values)
    adjusted = np.zeros(len(values))
    largest = 0.0
    for rank, number in enumerate(order):
        largest = max(largest, (len(values) - rank) * values[number])
        adjusted[number] = min(largest, 1)
    return adjusted.tolist()


def curve_hits(curves: pd.DataFrame, heldout: pd.DataFrame, pooling: str) -> np.ndarray:
    """Return the hits (S,N,200) of FullGrad at 200 thresholds."""
    runs = []
    for seed in range(SEEDS):
        of_run = curves[(curves["global_pool"] == pooling) & (curves["seed"] == seed)]
        of_run = of_run.assign(
            image=of_run["image"].astype(str), finding=of_run["finding"].astype(str)
        )
        both = heldout.merge(
            of_run[["image", "finding", "iou"]], on=["image", "finding"], how="left"
        )
        runs.append(np.stack(both["iou"].tolist()) > 3000)
    return np.array(runs, dtype=float)


def fullgrad_hits(curves: np.ndarray, heldout: pd.DataFrame, pooling: str) -> np.ndarray:
    """Return the hits (S,N) of ``curves`` (S,N,200) at the thresholds of nih-sample's runs with the same seed."""
    runs = []
    for seed, hits in enumerate(curves):
        thresholds = thresholds_of("nih-sample", "fullgrad", f"custom-{pooling}-128px-seed{seed}")
        steps = [min(int(thresholds[finding] * STEPS), STEPS - 1) for finding in heldout["finding"]]
        runs.append(hits[np.arange(len(heldout)), steps])
    return np.array(runs)


def published_hits(heldout: pd.DataFrame, method: str, pooling: str) -> np.ndarray:
    """Return the published cross-fitted hits (S,N) of a method: means over draws of the folds where there are some."""
    runs = []
    for seed in range(SEEDS):
        file = RESULTS / "nih-heldout" / (f"cases-seed{seed}.parquet" if seed else "cases.parquet")
        columns = ["key", "model_id", "method", "image", "finding", "hit@iou.3", "mean_hit@iou.3"]
        rows = pd.read_parquet(file, columns=columns)
        rows = rows[
            (rows["method"] == method) & (rows["model_id"] == f"custom-{pooling}-128px-seed{seed}")
        ]
        rows = rows[rows["key"].isin(cross_fitted_keys())].astype({"image": str, "finding": str})
        rows = rows[["image", "finding", "hit@iou.3", "mean_hit@iou.3"]]
        both = heldout.merge(rows, on=["image", "finding"], validate="one_to_one")
        runs.append(
            both["mean_hit@iou.3"].astype(float).fillna(both["hit@iou.3"].astype(float)).to_numpy()
        )
    return np.array(runs)


def cross_fitted_keys() -> set[str]:
    """Return the keys of the records of nih-heldout that are not fitted on another suite."""
    cells = pd.read_parquet(RESULTS / "nih-heldout" / "cells.parquet")
    read = [json.loads(text) for text in cells["record"]]
    return {
        key
        for key, record in zip(cells["key"], read, strict=True)
        if "fitted_on" not in record["cell"]["data"]
    }


def show(name: str, pooling: str, gap: dict[str, float]) -> None:
    """Print a difference."""
    interval = f"[{gap['low']:.3f}, {gap['high']:.3f}]"
    boot = f"[{gap['boot low']:.3f}, {gap['boot high']:.3f}]"
    print(
        f"  {pooling} - {name}: {gap['value']:+.3f} {interval} p {gap['p']:.4f}; bootstrap over patients {boot}"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("curves", type=Path)
    curves = pd.read_parquet(parser.parse_args().curves)
    sample = cases_of("nih-sample")
    heldout = cases_of("nih-heldout")
    shared = {*sample["patient"]} & {*heldout["patient"]}
    print(f"{len(sample)} and {len(heldout)} cases, {len(shared)} patients in both")
    findings = heldout["finding"].to_numpy()
    once = np.ones((1, len(heldout)))
    chosen = thresholds_of("nih-sample", "prior", "custom-PCAM-128px-seed0")
    floors = {name: np.zeros(len(heldout)) for name in ("prior", "fixed_box")}
    for finding, of_sample in sample.groupby("finding"):
        boxes = {
            "prior": prior_box(of_sample, chosen[str(finding)]),
            "fixed_box": fixed_box(of_sample),
        }
        in_finding = (heldout["finding"] == finding).to_numpy()
        for name, box in boxes.items():
            floors[name][in_finding] = overlap(box, heldout[in_finding]) > 0.3
    for name, hits in floors.items():
        print(f"{name} of nih-sample: {mean_over_findings(hits, findings, once)[0]:.3f}")
    of_runs = {name: curve_hits(curves, heldout, name) for name in POOLINGS}
    fitted = {name: fullgrad_hits(hits, heldout, name) for name, hits in of_runs.items()}
    report("fitted on nih-sample", fitted, floors, heldout)
    runs = {name: published_hits(heldout, "fullgrad", name) for name in POOLINGS}
    prior = published_hits(heldout, "prior", "PCAM")[0]
    report("cross-fitted, thresholds and prior held fixed", runs, {"prior": prior}, heldout)
    print(f"cross-fitted, thresholds and prior made again in {RESAMPLES} resamples")
    p = []
    for name, draws in resampled(heldout, of_runs).items():
        theta = [mean_over_findings(run - prior, findings, once)[0] for run in runs[name]]
        gap = with_interval(np.array(theta), np.cov(draws))
        print(
            f"  {name} - prior: {gap['value']:+.3f} [{gap['low']:.3f}, {gap['high']:.3f}] p {gap['p']:.4f}"
        )
        p.append(gap["p"])
    print(f"  after Holm {np.round(holm(p), 4).tolist()}")


def report(
    title: str, runs: dict[str, np.ndarray], floors: dict[str, np.ndarray], heldout: pd.DataFrame
) -> None:
    """Print the scores and the differences of both networks, with Holm's correction over them."""
    print(title)
    findings = heldout["finding"].to_numpy()
    once = np.ones((1, len(heldout)))
    largest = []
    for pooling, hits in runs.items():
        print(
            f"  {pooling}: {np.mean([mean_over_findings(run, findings, once)[0] for run in hits]):.3f}"
        )
        gaps = {name: compared(hits, floor, heldout) for name, floor in floors.items()}
        for name, gap in gaps.items():
            show(name, pooling, gap)
        largest.append(max(gap["p"] for gap in gaps.values()))
    print(
        f"  larger p {np.round(largest, 4).tolist()}, after Holm {np.round(holm(largest), 4).tolist()}"
    )


if __name__ == "__main__":
    main()
