"""Simulate how often a table calls a method of a network worse although all methods are equal, and what it still finds.

    python -m tools.error_rates results/phantom results/nih-sample

Each network with three or more training runs is simulated from its published rows per case: patients are drawn again,
three training runs are drawn from a normal distribution with the covariance of the published ones, and the means of all
methods are equal, or as published. docs/concepts.md has the results.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from locus.benchmark.report.row import by_network
from locus.benchmark.scoring.statistics.entries import Gaps, RowSamples, compared, gaps_between, verdicts
from locus.benchmark.scoring.statistics.resample import SMALLEST
from locus.benchmark.suite.finalize import tables_of
from locus.core.types import FloatArray, generator

RUNS = 3


def rows_of_networks(folder: Path) -> Iterator[tuple[str, list[RowSamples]]]:
    """Yield the network and the distinct rows of its methods that have the training runs of the best row."""
    for tables in tables_of(folder):
        for rows in by_network(tables.leaderboard.methods).values():
            scored = [row.by_patient for row in rows if row.by_patient is not None]
            same = [row for row in scored if row.runs == scored[0].runs]
            names = [np.round(np.append(row.theta, row.jackknife.ravel()), 6).tobytes() for row in same]
            yield rows[0].network, [row for n, row in enumerate(same) if names[n] not in names[:n]]


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
        spread = theta.var(1, ddof=1).mean()
        share = max(0.0, 1 - (self.rest**2).mean() / self.patients / spread)  # without the chance of the patients
        self.of_runs = (theta - self.means[:, None]) * np.sqrt(share / (runs - 1))

    def draw(self, random: np.random.Generator, means: FloatArray) -> list[RowSamples]:
        """Return the rows of a simulated network whose methods have these true ``means`` (M,)."""
        patients = random.integers(0, self.patients, self.patients)
        runs = random.integers(0, self.rest.shape[1], RUNS)
        effects = means[:, None] + self.of_runs @ random.standard_normal((self.of_runs.shape[1], RUNS))
        values = self.of_patients[:, None, patients] + self.rest[:, runs][:, :, patients] + effects[..., None]
        theta = values.mean(-1)
        left_out = (theta[..., None] * self.patients - values) / (self.patients - 1)
        return [RowSamples(tuple("abc"), *row) for row in zip(theta, left_out, strict=True)]


def each_pair(rows: Sequence[RowSamples]) -> Gaps:
    """Return the differences of all pairs, each with its own variance over runs."""
    numbers = [(a, b) for a in range(len(rows)) for b in range(a + 1, len(rows))]
    return dict(zip(numbers, compared([(rows[a], rows[b]) for a, b in numbers]), strict=True))


RULES = {
    "Holm per row": (each_pair, True),
    "Holm over pairs, pooled runs": (gaps_between, False),
}


def worse(rows: Sequence[RowSamples], rule: str) -> int:
    """Return how many rows a rule calls significantly worse than another."""
    order = sorted(rows, key=lambda row: -row.theta.mean())
    between, per_row = RULES[rule]
    return sum(bool(verdict.beaten) for verdict in verdicts(len(order), between(order), per_row))


def main() -> None:
    """Print a line per network: rule, share of simulations with a false verdict, and mean number of worse methods."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--repetitions", type=int, default=1000)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        for name, rows in rows_of_networks(folder):
            if len(rows[0].runs) < RUNS or rows[0].jackknife.shape[1] < SMALLEST:
                continue
            network, random = Network(rows), generator(0, "error rates")
            means = {"equal": np.zeros(len(rows)), "published": network.means}
            found: dict[tuple[str, str], list[int]] = {(rule, kind): [] for rule in RULES for kind in means}
            for kind, true in means.items():
                for _ in range(arguments.repetitions // (1 if kind == "equal" else 4)):
                    drawn = network.draw(random, true)
                    for rule in RULES:
                        found[rule, kind].append(worse(drawn, rule))
            rates = {rule: np.mean(np.array(found[rule, "equal"]) > 0) for rule in RULES}
            words = (f"{rule}: {rates[rule]:.1%}, {np.mean(found[rule, 'published']):.1f}" for rule in RULES)
            print(f"{folder.name}, {name}, {len(rows)} methods. {'; '.join(words)}", flush=True)


if __name__ == "__main__":
    main()
