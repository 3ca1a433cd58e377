"""Write ``floors.parquet`` of suites: ``prior`` and ``fixed_box``, made again in each resample of patients.

    python -m tools.floor_resamples nih-heldout

Both need no network and no image: the truth of NIH ships with the package. The cases are those of the suite's
published rows. Then run ``python -m benchmark.run --all`` for the tables.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

from locus import datasets
from locus.benchmark import records
from locus.benchmark.baselines.floor_resamples import resampled_scores
from locus.benchmark.records import Record, cases, floors
from locus.benchmark.suite import plan
from locus.core.names import MAIN_PROTOCOL, PRIOR
from locus.core.types import Sample
from locus.datasets import load_split
from locus.scoring.protocols.base import Case, make_case
from locus.scoring.rechosen import RESAMPLES

NO_MAP = np.zeros((1, 1))


def truth_of(suite: str) -> dict[str, Sample]:
    """Return image -> its sample with truth boxes."""
    config = plan.models(plan.load(suite))[0].trainings[0]
    if config.dataset.startswith("NIH"):
        samples = datasets.load(
            "NIH", images=False, split="test", findings=config.num_classes, partition="official"
        )
    else:
        samples = load_split(config, "test")
    return {sample.image_id: sample for sample in samples}


def published_prior(suite: str) -> Record:
    """Return a cross-fitted record of ``prior``; all networks of the suite have the same cases."""
    found = [
        record for record in records.load(records.published() / suite) if record.source == "run"
    ]
    of_method = [
        record
        for record in found
        if record.cell.method == PRIOR and record.cell.protocol == MAIN_PROTOCOL
    ]
    cross_fitted = [
        record for record in of_method if record.cell.fitted_on is None and record.scores
    ]
    return cross_fitted[0]


def scored_cases(suite: str) -> list[Case]:
    """Return the suite's cross-fitted cases with their truth."""
    rows = cases.read(published_prior(suite).cell, records.published() / suite)
    truth = truth_of(suite)
    pairs = zip(rows["image"].astype(str), rows["finding"].astype(str), strict=True)
    return [
        make_case(truth[image], finding, 1.0, NO_MAP, "conventional") for image, finding in pairs
    ]


def hash_of(scored: Sequence[Case]) -> str:
    """Return the hash of the cases under which their resamples are stored."""
    images = [case.image_id for case in scored]
    patients = [case.patient_id for case in scored]
    findings = [case.finding for case in scored]
    return floors.hash_of_cases(images, patients, findings, RESAMPLES)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the floors of the suites of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="+")
    for suite in parser.parse_args(argv).suites:
        scored = scored_cases(suite)
        start = time.perf_counter()
        scores = resampled_scores(scored)
        print(f"{suite}: {len(scored)} cases, {time.perf_counter() - start:.0f} s", flush=True)
        for name, of_floor in scores.items():
            print(
                f"{name}: mean over resamples {of_floor.mean():.4f}, standard deviation {of_floor.std(ddof=1):.4f}"
            )
        print(floors.write(scores, hash_of(scored), records.published() / suite))


if __name__ == "__main__":
    main()
