"""Simulate how often a table calls a method of a network worse although all are equal, and how many it finds else.

    python -m tools.error_rates

Each network with three or more training runs is simulated from its published rows per case: patients are drawn again,
and three training runs are drawn from a normal distribution with the covariance of the published ones. The true means
of all methods are equal, or as published. The last lines summarise all networks; docs/concepts.md has them. With 400
simulations of a network, it takes about five minutes on one core.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from locus.benchmark.report.grouping import by_network
from locus.benchmark.suite.finalize import tables_of
from locus.core.types import FloatArray, generator
from locus.scoring.statistics.mrmc import ALPHA, RowSamples, gaps_between, verdicts
from locus.scoring.statistics.resample import holm

RUNS = 3
FOLDERS = tuple(Path("results") / suite for suite in ("phantom", "nih-sample", "nih-heldout"))
REPETITIONS = 400
"""Simulations of each network with equal means; a quarter as many with the published means."""


def rows_of_networks(folder: Path) -> Iterator[tuple[str, list[RowSamples]]]:
    """Yield each network with three or more training runs, and its distinct rows with the runs of the best row."""
    for tables in tables_of(folder):
        cross_fitted = [row for row in tables.leaderboard.methods if row.cell.fitted_on is None]
        for rows in by_network(cross_fitted).values():
            scored = [row.by_patient for row in rows if row.by_patient is not None]
            same_runs = [row for row in scored if row.runs == scored[0].runs]
            values = [
                np.round(np.append(row.theta, row.jackknife.ravel()), 6).tobytes()
                for row in same_runs
            ]
            if len(scored[0].runs) >= RUNS:
                yield (
                    rows[0].network,
                    [row for n, row in enumerate(same_runs) if values[n] not in values[:n]],
                )


class Network:
    """Scores of M methods on new training runs and patients like those of the published ``rows``."""

    def __init__(self, rows: Sequence[RowSamples]) -> None:
        theta = np.stack([row.theta for row in rows])
        left_out = np.stack([row.jackknife for row in rows])
        runs, self.patients = left_out.shape[1:]
        values = self.patients * theta[..., None] - (self.patients - 1) * left_out
        values -= values.mean(-1, keepdims=True)
        self.means = theta.mean(1)
        self.of_patients = values.mean(1)  # (M,P)
        self.rest = (values - self.of_patients[:, None]) * np.sqrt(runs / (runs - 1))  # (M,S,P)
        by_chance = (self.rest**2).mean() / self.patients / theta.var(1, ddof=1).mean()
        self.of_runs = (theta - self.means[:, None]) * np.sqrt(max(0.0, 1 - by_chance) / (runs - 1))

    def draw(self, random: np.random.Generator, means: FloatArray) -> list[RowSamples]:
        """Return the rows of a simulated network whose methods have these true ``means`` (M,), best first."""
        patients = random.integers(0, self.patients, self.patients)
        runs = random.integers(0, self.rest.shape[1], RUNS)
        effects = means[:, None] + self.of_runs @ random.standard_normal(
            (self.of_runs.shape[1], RUNS)
        )
        values = (
            self.of_patients[:, None, patients]
            + self.rest[:, runs][:, :, patients]
            + effects[..., None]
        )
        theta = values.mean(-1)
        left_out = (theta[..., None] * self.patients - values) / (self.patients - 1)
        order = (-theta.mean(1)).argsort()
        return [RowSamples(tuple("abc"), theta[n], left_out[n]) for n in order]


def worse(rows: Sequence[RowSamples]) -> tuple[int, int]:
    """Return how many rows are called worse, and how many if the level held only for one given row."""
    gaps = gaps_between(rows)
    p = np.full((len(rows), len(rows)), np.nan)
    for (better, other), gap in gaps.items():
        p[better, other] = p[other, better] = 1 if gap is None else gap.p
    alone = [(holm(p[n])[:n] <= ALPHA).any() for n in range(len(rows))]
    return sum(bool(verdict.significantly_worse) for verdict in verdicts(len(rows), gaps)), int(
        np.sum(alone)
    )


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What the simulations of a network gave."""

    methods: int
    any_false: float
    """Share of simulations with equal means in which a method is called worse."""
    any_false_alone: float
    """The same, if the level held only for one given method."""
    found: float
    """Number of methods called worse with the published means, mean over simulations."""
    found_alone: float


def simulate(rows: Sequence[RowSamples], repetitions: int) -> Rates:
    """Return the rates of a network like that of the published ``rows``."""
    network = Network(rows)
    random = generator(0, "error rates")
    equal_means = np.zeros(len(rows))
    equal = np.array([worse(network.draw(random, equal_means)) for _ in range(repetitions)])
    published = np.array(
        [worse(network.draw(random, network.means)) for _ in range(repetitions // 4)]
    )
    any_false, any_false_alone = (equal > 0).mean(0).tolist()
    found, found_alone = published.mean(0).tolist()
    return Rates(
        methods=len(rows),
        any_false=any_false,
        any_false_alone=any_false_alone,
        found=found,
        found_alone=found_alone,
    )


def line(rates: Rates) -> str:
    """Return the rates of one network as a line."""
    of_table = f"any false verdict {rates.any_false:.1%}, {rates.found:.1f} found"
    alone = f"{rates.any_false_alone:.1%}, {rates.found_alone:.1f} found"
    return f"{rates.methods} methods: {of_table}; level of one given method: {alone}"


def summary(networks: Sequence[Rates], repetitions: int) -> str:
    """Return the rates over all networks as four lines."""
    most = max(rates.methods for rates in networks)
    pairs = most * (most - 1) // 2
    not_best = sum(rates.methods - 1 for rates in networks)
    found = sum(rates.found for rates in networks)
    found_alone = sum(rates.found_alone for rates in networks)
    lines = (
        f"{len(networks)} networks, up to {most} methods ({pairs} pairs), {repetitions} simulations each",
        f"any false verdict: {_range([rates.any_false for rates in networks])}",
        f"any false verdict, level of one given method: {_range([rates.any_false_alone for rates in networks])}",
        f"published means, {repetitions // 4} simulations each: {found:.0f} of the {not_best} methods that are not the "
        f"best are found; with the level of one given method, {found_alone:.0f}",
    )
    return "\n".join(lines)


def _range(shares: Sequence[float]) -> str:
    return f"{min(shares):.1%} to {max(shares):.1%} by network, mean {np.mean(shares):.1%}"


def main() -> None:
    """Print a line per network, and a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=FOLDERS)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    arguments = parser.parse_args()
    networks = []
    for folder in arguments.folders:
        for name, rows in rows_of_networks(folder):
            networks.append(simulate(rows, arguments.repetitions))
            print(f"{folder.name}, {name}, {line(networks[-1])}", flush=True)
    print(summary(networks, arguments.repetitions))


if __name__ == "__main__":
    main()
