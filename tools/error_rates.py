"""Simulate how often a table calls a method of a network worse although all are equal, and how many it finds else.

    python -m tools.error_rates results/phantom results/nih-sample results/nih-heldout

Each network with three or more training runs is simulated from its published rows per case: patients are drawn again,
and three training runs are drawn from a normal distribution with the covariance of the published ones. The true means
of all methods are equal, or as published. docs/concepts.md has the results.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from locus.benchmark.report.grouping import by_network
from locus.benchmark.scoring.statistics.mrmc import ALPHA, RowSamples, gaps_between, verdicts
from locus.benchmark.scoring.statistics.resample import holm
from locus.benchmark.suite.finalize import tables_of
from locus.core.types import FloatArray, generator

RUNS = 3


def rows_of_networks(folder: Path) -> Iterator[tuple[str, list[RowSamples]]]:
    """Yield each network and its distinct rows with the training runs of the best row."""
    for tables in tables_of(folder):
        for rows in by_network(tables.leaderboard.methods).values():
            scored = [row.by_patient for row in rows if row.by_patient is not None]
            same = [row for row in scored if row.runs == scored[0].runs]
            values = [np.round(np.append(row.theta, row.jackknife.ravel()), 6).tobytes() for row in same]
            yield rows[0].network, [row for n, row in enumerate(same) if values[n] not in values[:n]]


class Network:
    """Scores of M methods on new training runs and patients like those of the published ``rows``."""

    def __init__(self, rows: Sequence[RowSamples]) -> None:
        theta, left_out = np.stack([row.theta for row in rows]), np.stack([row.jackknife for row in rows])
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
        effects = means[:, None] + self.of_runs @ random.standard_normal((self.of_runs.shape[1], RUNS))
        values = self.of_patients[:, None, patients] + self.rest[:, runs][:, :, patients] + effects[..., None]
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
    return sum(bool(verdict.significantly_worse) for verdict in verdicts(len(rows), gaps)), int(np.sum(alone))


def main() -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--repetitions", type=int, default=1000)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        for name, rows in rows_of_networks(folder):
            if len(rows[0].runs) < RUNS:
                continue
            network, random = Network(rows), generator(0, "error rates")
            equal, published = (
                np.array([worse(network.draw(random, means)) for _ in range(count)])
                for means, count in (
                    (np.zeros(len(rows)), arguments.repetitions),
                    (network.means, arguments.repetitions // 4),
                )
            )
            rates, found = (equal > 0).mean(0), published.mean(0)
            print(
                f"{folder.name}, {name}, {len(rows)} methods: any false verdict {rates[0]:.1%}, {found[0]:.1f} found; "
                f"level of one given method: {rates[1]:.1%}, {found[1]:.1f} found",
                flush=True,
            )


if __name__ == "__main__":
    main()
