"""The three tables of `results/phantom` computed again from its rows per case, by pandas and SciPy alone."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

FOLDER = Path(__file__).resolve().parents[2] / "results" / "phantom"
RANK_METHODS = ("gradcam", "gradcampp", "hirescam", "integrated_gradients", "layercam", "xgradcam")
pytestmark = [pytest.mark.freshness, pytest.mark.oracle]


class Row:
    """Scores of S runs, and the same with each of P patients left out."""

    def __init__(self, theta, left_out):
        self.theta, self.left_out, self.runs = theta, left_out, len(theta)

    def __sub__(self, other):
        return Row(self.theta - other.theta, self.left_out - other.left_out)


@pytest.fixture(scope="module")
def rows():
    """Network -> method -> its row, runs in the order of their seeds."""
    files = [pd.read_parquet(file) for file in sorted(FOLDER.glob("cases*.parquet"))]
    cases = pd.concat(files)[["model_id", "method", "patient", "finding", "hit@iou.3"]]
    found = {}
    for (model, method), of_cell in cases.groupby(["model_id", "method"], observed=True):
        backbone, pooling = model.split("-")[:2]
        found.setdefault(f"{backbone} {pooling}", {}).setdefault(method, []).append(_score(of_cell))
    return {
        network: {method: Row(*map(np.array, zip(*runs, strict=True))) for method, runs in methods.items()}
        for network, methods in found.items()
    }


def _score(cases):
    hits = cases.pivot_table(index="patient", columns="finding", values="hit@iou.3", aggfunc="sum", observed=True).fillna(0).astype(float)
    counts = cases.pivot_table(index="patient", columns="finding", values="hit@iou.3", aggfunc="size", observed=True).fillna(0)
    without = (hits.sum() - hits) / (counts.sum() - counts)
    return float((hits.sum() / counts.sum()).mean()), without.mean(axis=1).to_numpy()


def estimate(parts):
    """The weighted sum of rows on the same patients: value, low, high, p. ``parts``: (weight, row)."""
    patients = parts[0][1].left_out.shape[1]
    scale = (patients - 1) ** 2 / patients  # of the jackknife, for np.cov divides by P - 1
    value = sum(weight * row.theta.mean() for weight, row in parts)
    seeds = [weight**2 * row.theta.var(ddof=1) / row.runs for weight, row in parts]
    across = 0.0
    for n, (a, one) in enumerate(parts):
        for m, (b, other) in enumerate(parts):
            covariance = np.cov(one.left_out, other.left_out)[: one.runs, one.runs :] * scale
            different = ~np.eye(one.runs, dtype=bool) if n == m else np.ones(covariance.shape, dtype=bool)
            across += a * b * covariance[different].mean()
    mean = sum(weight * row.left_out.mean(0) for weight, row in parts)
    variance = max(sum(seeds) + max(across, 0), np.var(mean, ddof=1) * scale)
    spread = sum(term**2 / (row.runs - 1) for term, (_, row) in zip(seeds, parts, strict=True))
    df = variance**2 / spread if spread else np.inf
    error = np.sqrt(variance)
    reach = stats.t.ppf(0.975, df) * error
    p = 2 * stats.t.sf(abs(value) / error, df) if error > 1e-9 else 1.0
    return value, value - reach, value + reach, p


def holm(p):
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.array(p)[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def verdict(others):
    """Whether no other row is significantly better: (how much better it is, adjusted p) of each."""
    return not any(value > 0 and p <= 0.05 for value, p in others)


def within(mine, others):
    """Paired comparisons of a row with others of its network."""
    gaps = [estimate([(1.0, other - mine)]) for other in others]
    return verdict(list(zip((gap[0] for gap in gaps), holm([gap[3] for gap in gaps]), strict=True)))


def table(title):
    """The rows of a table of ``leaderboard.md``."""
    text = (FOLDER / "leaderboard.md").read_text().split(f"## phantom: {title}\n")[1].split("\n## ")[0]
    header, _, *lines = (line for line in text.splitlines() if line.startswith("| "))
    names = [name.strip() for name in header.strip("| ").split(" | ")]
    return [dict(zip(names, (cell.strip() for cell in line[1:-1].split(" | ")), strict=True)) for line in lines]


def numbers(cell):
    return [float(number) for number in re.findall(r"[+-]?\d+\.\d+", cell)]


def test_ten_rows_of_the_methods_within_their_networks(rows):
    board = pd.read_csv(FOLDER / "leaderboard.csv").query("images.isna() and trainings > 1 and method_may_be_best == method_may_be_best")
    for line in board.iloc[:: len(board) // 10].head(10).to_dict("records"):
        methods = {name: row for name, row in rows[f"{line['backbone']} {line['global_pool']}"].items() if row.runs > 1}
        compared = {name: row for name, row in methods.items() if name not in ("center", "noise", "prior", "truth", "untrained")}
        mine = compared.pop(line["method"])
        assert [line[name] for name in ("score", "low", "high")] == pytest.approx(estimate([(1.0, mine)])[:3], abs=1e-6)
        assert line["method_may_be_best"] == within(mine, list(compared.values()))
        if isinstance(line["worse_than"], str):
            gap = estimate([(1.0, compared[line["worse_than"]] - mine)])[:3]
            assert [line[name] for name in ("worse_by", "worse_low", "worse_high")] == pytest.approx(gap, abs=1e-6)


def test_every_row_of_the_networks(rows):
    means = {
        network: Row(*(np.mean([getattr(of[name], word) for name in RANK_METHODS], 0) for word in ("theta", "left_out")))
        for network, of in rows.items()
    }
    found = {f"{line['backbone']} {line['pooling']}": line for line in table("networks")}
    assert {*found} == {*rows}
    for grid in ("custom", "resnet18"):
        several = [network for network in rows if network.startswith(grid) and means[network].runs > 1]
        pairs = list(combinations(several, 2))
        gaps = [estimate([(1.0, means[a]), (-1.0, means[b])]) for a, b in pairs]
        adjusted = dict(zip(pairs, holm([gap[3] for gap in gaps]), strict=True))
        values = dict(zip(pairs, (gap[0] for gap in gaps), strict=True))
        for network in several:
            line = found[network]
            assert numbers(line["hit@iou.3, mean over methods [95%]"]) == pytest.approx(estimate([(1.0, means[network])])[:3], abs=6e-4)
            others = [(values[p] * (-1 if p[0] == network else 1), adjusted[p]) for p in pairs if network in p]
            assert line["may be the best"] == ("yes" if verdict(others) else "no")
            if line["compared with"] != "–":
                gap = estimate([(1.0, means[line["compared with"]]), (-1.0, means[network])])[:3]
                assert numbers(line["worse by [95%]"]) == pytest.approx(gap, abs=6e-4)
    for network, row in means.items():
        if row.runs == 1:
            assert found[network]["may be the best"] == "–"
            assert "1 training run" in found[network]["note"]
        on_grid = np.mean([rows[network][name].theta.mean() for name in RANK_METHODS if name != "integrated_gradients"])
        share = on_grid / rows[network]["truth"].theta.mean()
        assert float(found[network]["share of upper bound"]) == pytest.approx(share, abs=6e-4)


def test_every_row_of_the_effect_of_a_method_over_networks(rows):
    def over_networks(one, other):
        common = [of for of in rows.values() if one in of and other in of and of[one].runs > 1]
        return estimate([(1 / len(common), of[one] - of[other]) for of in common])

    found = {line["method"]: line for line in table("effect of a method across networks")}
    assert len(found) == 20
    for name, line in found.items():
        gaps = [over_networks(other, name) for other in found if other != name]
        adjusted = holm([gap[3] for gap in gaps])
        assert line["may be the best"] == ("yes" if verdict([(g[0], p) for g, p in zip(gaps, adjusted, strict=True)]) else "no")
        if line["compared with"] != "–":
            assert numbers(line["worse by [95%]"]) == pytest.approx(over_networks(line["compared with"], name)[:3], abs=6e-4)
            for network, of in rows.items():
                cell = line.get(f"on {network}", "–")
                if cell != "–":
                    assert float(cell) == pytest.approx((of[line["compared with"]] - of[name]).theta.mean(), abs=6e-4)


@pytest.mark.parametrize("file", sorted(FOLDER.parent.glob("*/leaderboard.csv")), ids=lambda file: file.parent.name)
def test_no_p_is_0_and_no_interval_of_a_method_has_zero_width_unless_it_equals_what_it_is_compared_with(file):
    board = pd.read_csv(file)
    if "method_may_be_best" not in board:  # a check compares no rows
        pytest.skip("a check, or nothing was scored")
    assert not (board.get("p_holm", pd.Series(dtype=float)) == 0).any()
    methods = board[board["method_may_be_best"].notna()]
    for low, high, value in (("worse_low", "worse_high", "worse_by"), ("above_prior_low", "above_prior_high", "above_prior")):
        equal = methods[methods[low].notna() & (methods[low] == methods[high])]
        assert (equal[value] == 0).all()
    assert not (methods["low"] == methods["high"]).any()
