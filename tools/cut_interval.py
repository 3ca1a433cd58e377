"""Compare the interval of the main score, whose thresholds are fixed, with one that chooses them in each resample.

    python -m benchmark.run --suite nih-sample --runs runs/cut --results runs/cut-results --method fullgrad prior
    python -m tools.cut_interval nih-sample runs/cut/nih-sample fullgrad prior

Patients are drawn again 2,000 times. Then random halves of the patients show how much the score really varies: its
standard deviation over halves, divided by the square root of .5. The bootstraps of a half should have the same.
docs/limits.md has the results.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.evaluation import network
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.score import finished_runs, scored_model
from locus.core.names import MAIN_PROTOCOL
from locus.core.types import FloatArray, generator, patient_folds
from locus.scoring.protocols import base, single_box

THRESHOLDS = np.arange(1000) / 1000
FOLDS, DRAWS, HALVES, BOOTSTRAPPED = 5, 2000, 200, 40


@dataclass(frozen=True)
class Hits:
    """Hits (N,T) of the cases of a training run at all thresholds, with their findings and patients (N,)."""

    hits: FloatArray
    findings: NDArray[np.str_]
    patients: NDArray[np.str_]

    def of(self, people: NDArray[np.str_]) -> "Hits":
        """Return the cases of these patients."""
        kept = np.isin(self.patients, people)
        return Hits(self.hits[kept], self.findings[kept], self.patients[kept])


def best(counts: FloatArray) -> NDArray[np.int64]:
    """Return the middle (B,) of the lowest range of thresholds with most hits, from ``counts`` (B,T)."""
    most = counts == counts.max(-1, keepdims=True)
    first = most.argmax(-1)
    after = ~most & (np.arange(most.shape[1]) > first[:, None])
    return (first + np.where(after.any(-1), after.argmax(-1), most.shape[1]) - 1) // 2


def scores(run: Hits, weights: FloatArray, people: NDArray[np.str_]) -> FloatArray:
    """Return the scores (2,B) of ``weights`` (B,P) of patients: thresholds chosen again, and fixed."""
    patient_weights = weights[:, np.searchsorted(people, run.patients)]
    folds = patient_folds(run.patients.tolist(), FOLDS, 0)
    means = []
    for finding in np.unique(run.findings):
        sums = np.zeros((2, len(weights)))
        total = np.zeros(len(weights))
        for fold in np.unique(folds):
            scored = (run.findings == finding) & (folds == fold)
            in_other_folds = (run.findings == finding) & (folds != fold)
            again = best(patient_weights[:, in_other_folds] @ run.hits[in_other_folds])
            fixed = best(run.hits[in_other_folds].sum(0)[None])
            sums[0] += (patient_weights[:, scored] * run.hits[scored][:, again].T).sum(1)
            sums[1] += patient_weights[:, scored] @ run.hits[scored][:, fixed[0]]
            total += patient_weights[:, scored].sum(1)
        means.append(np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0))
    return np.asarray(np.nanmean(means, axis=0))


def mean_scores(
    runs: Sequence[Hits], draws: int, people: NDArray[np.str_], seed: int
) -> FloatArray:
    """Return the mean over training runs (2,B) in ``draws`` resamples of the patients; one draw is the data."""
    size = len(people)
    shares = np.full(size, 1 / size)
    weights = (
        np.ones((1, size))
        if draws == 1
        else generator(seed, "cut").multinomial(size, shares, draws)
    )
    return np.mean([scores(run, weights.astype(np.float64), people) for run in runs], axis=0)


def read(suite: str, folder: Path, method: str, pooling: str) -> list[Hits]:
    """Return the hits of each training run of the pooling's networks in ``folder``."""
    out = []
    loaded = plan.load(suite)
    for model in plan.models(loaded):
        if model.trainings[0].global_pool == pooling:
            store = network.stored_cases(
                scored_model(model, finished_runs(model, folder), folder), [method], None
            )
            cell = next(
                candidate
                for candidate in cells.cells(loaded, model)
                if (candidate.method, candidate.protocol) == (method, MAIN_PROTOCOL)
            )
            cases = base.of_findings(store.cases(cell), store.findings)
            batch = single_box.CaseBatch(cases)
            index = base.case_index(cases)
            out.append(
                Hits(
                    batch.selector.hits(THRESHOLDS).astype(np.float64),
                    index.findings,
                    index.patients,
                )
            )
    return out


def main() -> None:
    """Print both intervals of each method, and the spread over halves of the patients."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("suite", "folder"):
        parser.add_argument(name)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--global_pool", default="PCAM")
    flags = parser.parse_args()
    for method in flags.methods:
        runs = read(flags.suite, Path(flags.folder), method, flags.global_pool)
        for number in sorted({1, len(runs)}):
            people = np.unique(runs[0].patients)
            report(method, runs[:number], people)


def report(method: str, runs: Sequence[Hits], people: NDArray[np.str_]) -> None:
    """Print the lines of a method with these training runs."""
    value = mean_scores(runs, 1, people, 0)[0, 0]
    ends = np.percentile(mean_scores(runs, DRAWS, people, 0), [2.5, 97.5], axis=1).T
    halves = []
    spreads = []
    for number in range(HALVES):
        half = np.sort(generator(number, "half").permutation(people)[: len(people) // 2])
        halved_runs = [run.of(half) for run in runs]
        halves.append(mean_scores(halved_runs, 1, half, 0)[0, 0])
        if number < BOOTSTRAPPED:
            spreads.append(mean_scores(halved_runs, 200, half, number).std(axis=1))
    again, fixed = np.mean(spreads, axis=0)
    print(
        f"{method}, runs: {len(runs)}: {value:.3f}, fixed {ends[1].round(3)}, chosen again {ends[0].round(3)}"
    )
    print(
        f"  spread of halves {np.std(halves) / np.sqrt(0.5):.4f}, bootstrap fixed {fixed:.4f}, chosen again {again:.4f}"
    )


if __name__ == "__main__":
    main()
