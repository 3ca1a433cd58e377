"""Tables of `results/` computed again from the rows per case, by pandas and SciPy alone."""

import functools
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from locus.benchmark import records
from tests.oracles.boards import MAIN, check_line, markdown_tables, rows_per_case
from tools import joined_intervals

RESULTS = Path(__file__).resolve().parents[2] / "results"
SUITES = ("phantom", "nih-sample", "demo")
RANK_METHODS = ("gradcam", "gradcampp", "hirescam", "layercam", "xgradcam")
BLIND = ("prior", "fixed_box")
WITH_CURVES = {"nih-sample": ("custom-PCAM-128px", "custom-LSE-128px")}
"""Suite -> networks whose intervals are from resamples that choose the thresholds again; see the test on these."""
UNTESTED = (*BLIND, "truth", "readers", "second readers", "supervised", "supervised:boxes=5")
NO_NETWORK = (*UNTESTED, "center", "noise")
BASELINES = (*NO_NETWORK, "untrained")
FIVE_DECIMALS = 6e-6
"""Ends of intervals in ``leaderboard.csv`` are rounded to five decimals."""
pytestmark = [pytest.mark.freshness, pytest.mark.oracle]


class Row:
    """Scores of S runs, the same with each of P patients left out, and the variance from the draw of the folds."""

    def __init__(self, theta, left_out, drawn=0.0):
        self.theta, self.left_out, self.runs, self.drawn = theta, left_out, len(theta), drawn

    def __sub__(self, other):
        return Row(self.theta - other.theta, self.left_out - other.left_out, self.drawn + other.drawn)


@pytest.fixture(scope="module")
def read():
    """Function that returns the rows per case of a suite."""
    return functools.cache(lambda suite: rows_per_case(RESULTS / suite))


@pytest.fixture(scope="module")
def rows(read):
    """Network of phantom -> method -> its row, runs in the order of their seeds."""
    networks = {}
    for (network, method), cases in read("phantom").groupby(["network", "method"]):
        networks.setdefault(network, {})[method] = row_of(cases)
    return networks


def row_of(cases, drawn=0.0):
    scores = [_score(of_run) for _, of_run in cases.groupby("model_id")]
    return Row(*map(np.array, zip(*scores, strict=True)), drawn)


def drawn(suite):
    """Baseline -> the largest variance of its score from the draw of the patient folds, as stored."""
    errors = {}
    for record in records.load(RESULTS / suite):
        score = record.find("draw_error")
        if score is not None:
            errors[record.method] = max(errors.get(record.method, 0.0), score.value**2)
    return errors


def _score(cases):
    (patient, patients), (finding, findings) = (pd.factorize(cases[name], sort=True) for name in ("patient", "finding"))
    place, size = patient * len(findings) + finding, len(patients) * len(findings)
    hits, counts = (np.bincount(place, of, size).reshape(len(patients), -1) for of in (cases[MAIN], None))
    without = (hits.sum(0) - hits) / (counts.sum(0) - counts)
    return float((hits.sum(0) / counts.sum(0)).mean()), without.mean(1)


def estimate(parts, least=0.0, run_df=None):
    """The weighted sum of rows on the same patients: value, low, high, p. ``parts``: (weight, row).

    ``least``: lower limit of the variance over runs, which then has ``run_df`` degrees of freedom.
    """
    patients = parts[0][1].left_out.shape[1]
    scale = (patients - 1) ** 2 / patients  # of the jackknife, for np.cov divides by P - 1
    value = sum(weight * row.theta.mean() for weight, row in parts)
    seeds = [max(weight**2 * row.theta.var(ddof=1) / row.runs, least) for weight, row in parts]
    across = 0.0
    for n, (a, one) in enumerate(parts):
        for m, (b, other) in enumerate(parts):
            covariance = np.cov(one.left_out, other.left_out)[: one.runs, one.runs :] * scale
            different = ~np.eye(one.runs, dtype=bool) if n == m else np.ones(covariance.shape, dtype=bool)
            across += a * b * covariance[different].mean()
    mean = sum(weight * row.left_out.mean(0) for weight, row in parts)
    variance = max(sum(seeds) + max(across, 0), np.var(mean, ddof=1) * scale)
    variance += sum(weight**2 * row.drawn for weight, row in parts)
    spread = sum(term**2 / (run_df or row.runs - 1) for term, (_, row) in zip(seeds, parts, strict=True))
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


def chosen(suite):
    """Ten lines of ``leaderboard.csv`` over all networks: six methods and the baselines, runs as in the table."""
    lines = pd.read_csv(RESULTS / suite / "leaderboard.csv")
    board = lines[lines[MAIN].notna()]  # without lines of `added` alone
    methods, baselines = board[board["kind"] == "method"], board[board["method"].isin({*BASELINES} - {"readers", "second readers"})]
    lines = pd.concat([methods.iloc[:: len(methods) // 5 or 1], baselines.drop_duplicates("method")])
    return lines.assign(network=lines["model_id"].str.replace(r"-seed\d+$", "", regex=True)).to_dict("records")


@pytest.mark.parametrize("suite", SUITES)
def test_ten_rows_of_the_threshold_table(suite, read):
    cases, lines = read(suite), chosen(suite)
    assert len(lines) >= 10
    for line in lines:
        of_network = cases[cases["network"] == line["network"]]
        mine = of_network[of_network["method"] == line["method"]]
        check_line(line, mine)
        made_again = line["network"] in WITH_CURVES.get(suite, ()) or (suite in WITH_CURVES and line["method"] in BLIND)
        if line["runs"] > 1 and not made_again:
            variances = drawn(suite)
            compare(line, {name: row_of(of, variances.get(name, 0.0)) for name, of in of_network.groupby("method")})


@pytest.mark.parametrize("pooling", ["PCAM", "LSE"])
def test_interval_with_thresholds_chosen_again_is_that_of_code_without_the_package(read, pooling):
    board = pd.read_csv(RESULTS / "nih-sample/leaderboard.csv")
    (line,) = board[(board["network"] == f"small CNN with {pooling}") & (board["method"] == "fullgrad")].to_dict("records")
    curves = joined_intervals.curves_of("nih-sample", pooling)
    index = curves[0].index.to_frame(index=False)
    findings, weights = index["finding"].to_numpy(), joined_intervals.resample_weights(index, np.random.default_rng(1))
    folds = joined_intervals.folds_of(index)
    draws = []
    for curve in curves.values():
        hits = joined_intervals.chosen_again(curve.reindex(curves[0].index).to_numpy(), index, weights, folds)
        draws.append(joined_intervals.weighted_means(hits, findings, weights)[1:])
    cases = read("nih-sample")
    cases = cases[(cases["network"] == f"custom-{pooling}-128px") & (cases["method"] == "fullgrad")]
    theta = cases.groupby(["model_id", "finding"])[MAIN].mean().groupby("model_id").mean().to_numpy()
    value, low, high, _ = joined_intervals.interval(theta, np.stack(draws))
    assert line[MAIN] == pytest.approx(value, abs=1e-6)
    assert [line["low"], line["high"]] == pytest.approx([low, high], abs=0.006)  # other draws of patients


def compare(line, rows):
    """Hold the interval of a line of several runs, and its comparisons with baselines and methods, against ``rows``."""
    mine = rows[line["method"]]
    assert [line[name] for name in (MAIN, "low", "high")] == pytest.approx(
        clipped(estimate([(1.0, Row(mine.theta, mine.left_out))])[:3]), abs=FIVE_DECIMALS
    )
    if line["method"] in UNTESTED:
        assert pd.isna(line["prior_difference"])
        return
    seeing = [name for name in rows if name not in NO_NETWORK]
    gaps = {name: [estimate([(1.0, rows[name] - rows[blind])]) for blind in BLIND] for name in {*seeing, line["method"]}}
    adjusted = dict(zip(seeing, holm([max(gap[3] for gap in gaps[name]) for name in seeing]), strict=True))
    for blind, gap in zip(BLIND, gaps[line["method"]], strict=True):
        assert [line[f"{blind}_{name}"] for name in ("difference", "low", "high")] == pytest.approx(gap[:3], abs=FIVE_DECIMALS)
        assert line[f"{blind}_p"] == pytest.approx(adjusted.get(line["method"], np.nan), rel=1e-3, abs=1e-12, nan_ok=True)
    above = all(gap[1] > 0 for gap in gaps[line["method"]]) and adjusted.get(line["method"], 0) <= 0.05
    assert line["above_baselines"] == above
    if line["method"] not in BASELINES:
        methods = {name: rows[name] for name in seeing if name != "untrained"}
        most = max(methods.values(), key=lambda row: row.theta.mean()).runs
        if mine.runs != most:
            assert pd.isna(line["in_top_group"])
            return
        between = pairs_of({name: row for name, row in methods.items() if row.runs == most})
        others = [(-gap[0] if pair[0] == line["method"] else gap[0], gap[4]) for pair, gap in between.items() if line["method"] in pair]
        assert line["in_top_group"] == (verdict(others) and above)
        if isinstance(line["best_other_row"], str):
            pair = line["best_other_row"], line["method"]
            value, low, high = between[pair][:3] if pair in between else [-between[pair[::-1]][n] for n in (0, 2, 1)]
            assert [line[f"best_other_{name}"] for name in ("difference", "low", "high")] == pytest.approx(
                (value, low, high), abs=FIVE_DECIMALS
            )


def pairs_of(methods):
    """Pair of methods of a network -> value, low, high, p, and p after Holm over the pairs, with a common spread over runs."""
    pairs = list(combinations(methods, 2))
    gaps = [methods[a] - methods[b] for a, b in pairs]
    least = np.mean([gap.theta.var(ddof=1) / gap.runs for gap in gaps])
    df = (gaps[0].runs - 1) * max(1, (len(methods) - 1) / 4)
    estimates = [estimate([(1.0, gap)], least, df) for gap in gaps]
    return {pair: (*gap, p) for pair, gap, p in zip(pairs, estimates, holm([gap[3] for gap in estimates]), strict=True)}


def clipped(values):
    return [min(max(value, 0), 1) for value in values]


def table(title):
    """The rows of a table of phantom's ``leaderboard.md``."""
    header, lines = markdown_tables((RESULTS / "phantom/leaderboard.md").read_text())[f"phantom: {title}"]
    return [dict(zip(header, line, strict=True)) for line in lines]


def numbers(cell):
    return [float(number) for number in re.findall(r"[+−-]?\d*\.\d+", cell)]


def key(words):
    """Return the network of a cell such as ``small CNN with PCAM (.98, one run)``."""
    backbone, pooling = words.split(" (")[0].replace(" and ", "-").split(" with ")
    name = backbone.replace("small CNN", "custom").replace("small ViT", "small_vit").replace(":", "_")
    return f"{name}-{pooling}-128px"


def test_every_row_of_the_networks(rows):
    means = {}
    for network, of in rows.items():
        means[network] = Row(*(np.mean([getattr(of[name], side) for name in RANK_METHODS], 0) for side in ("theta", "left_out")))
    lines = {key(line["network (AUROC)"]): line for line in table("networks")}
    assert {*lines} == {*rows}
    assert list(lines) == sorted(lines, key=lambda network: -means[network].theta.mean())
    several = [network for network in rows if means[network].runs > 1]
    pairs = list(combinations(several, 2))
    gaps = [estimate([(1.0, means[a]), (-1.0, means[b])]) for a, b in pairs]
    adjusted = dict(zip(pairs, holm([gap[3] for gap in gaps]), strict=True))
    values = dict(zip(pairs, (gap[0] for gap in gaps), strict=True))
    for network in several:
        line = lines[network]
        assert numbers(line["mean over methods, IoU > .3 [95%]"]) == pytest.approx(clipped(estimate([(1.0, means[network])])[:3]), abs=6e-4)
        others = [(values[p] * (-1 if p[0] == network else 1), adjusted[p]) for p in pairs if network in p]
        assert (line["verdict"] == "may be the best") == (verdict(others) and not line["verdict"].startswith("not shown"))
        if line["verdict"].startswith("behind "):
            name, gap = re.match(r"behind (.*) by (.*)", line["verdict"]).groups()
            wanted = estimate([(1.0, means[key(name)]), (-1.0, means[network])])[:3]
            assert numbers(gap) == pytest.approx(wanted, abs=6e-4)
    for network, row in means.items():
        assert (lines[network]["verdict"] == "one training run", int(lines[network]["runs"])) == (row.runs == 1, row.runs)


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*/leaderboard.csv")), ids=lambda file: file.parent.name)
def test_no_p_is_0_and_no_interval_of_a_method_has_zero_width_unless_it_equals_what_it_is_compared_with(file):
    board = pd.read_csv(file)
    if "in_top_group" not in board:
        pytest.skip("a check or another protocol: no rows are compared")
    methods = board[board["kind"] == "method"]
    for name in ("best_other", *BLIND):
        assert not (board[f"{name}_p"] == 0).any()
        equal = methods[methods[f"{name}_low"].notna() & (methods[f"{name}_low"] == methods[f"{name}_high"])]
        assert (equal[f"{name}_difference"] == 0).all()
    assert not (methods["low"] == methods["high"]).any()
