"""Two tables: components of variance, and the training runs and patients needed to detect differences."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np

from benchmark import records
from benchmark.report import select
from benchmark.report.entries.main_column import design
from benchmark.report.sentences import counted
from benchmark.report.table import NOTHING, Table, as_text
from benchmark.scoring.statistics.components import NESTED_IN, BalancedScores, Term
from benchmark.scoring.statistics.entries import ALPHA
from benchmark.scoring.statistics.power import PATIENTS, POWER, Pairing, patients_needed, power, variance_of
from core.errors import BadValueError, UnknownNameError

DIFFERENCES, TRAININGS = (0.02, 0.05, 0.10), (2, 3, 5, 10)
ABOUT = (
    "Method of moments on a balanced design, all factors random, negative estimates set to 0 (Searle, "
    "Casella and McCulloch 1992). `sd`: standard deviation of the component; for components with patients, of one "
    "patient. `in a score`: its standard deviation in the score of one run on these patients. `share`: "
    "share of the total variance of such scores. Training runs (seeds) are nested in networks. Components with few "
    "levels are uncertain."
)
POWER_ABOUT = (
    f"Number of patients needed to detect a difference of two rows (power {POWER:g}, two-sided, α {ALPHA:g}), by the "
    "number of training runs of each; computed from the components above, with as many cases per patient. Paired: two "
    "methods on the same training runs. Nested: two networks with separate training runs. For a single comparison, "
    "without Holm's correction."
)


def tables(part: BalancedScores | None, dataset: str) -> list[Table]:
    """Return the components of variance of a data set, and the power that follows from them; empty for None."""
    return [] if part is None else [components_table(part, dataset), power_table(part, dataset)]


def components_table(part: BalancedScores, dataset: str) -> Table:
    """Return a row per component of variance.

    ``sd`` is in the unit of the main column; shares of the variance of one run's score add up to 100%.
    """
    parts, in_score = part.components, in_a_score(part)
    whole = sum(value**2 for value in in_score.values())
    words = {term: name_of(term) for term in parts}
    words[list(parts)[-1]] += ", rest"
    sds = {term: f"{np.sqrt(value):.3f}" for term, value in parts.items()}
    rows = [(words[term], sds[term], f"{in_score[term]:.3f}", f"{_share(in_score[term], whole)}%") for term in parts]
    header = ("component", "sd", "in a score", "share")
    return Table(f"{dataset}: components of variance", f"{ABOUT}\n{basis(part)}", header, tuple(rows))


def power_table(part: BalancedScores, dataset: str) -> Table:
    """Return a row per kind and size of a difference: the patients needed, and the power of the suite.

    Power .8, two-sided at α .05, without correction for multiple comparisons; a dash if nothing can be compared.
    """
    parts, (trainings, patients) = part.components, part.values.shape[-2:]
    rows = [_needed(parts, kind, gap, trainings, patients) for kind in get_args(Pairing) for gap in DIFFERENCES]
    heads = (f"{count} training runs" for count in TRAININGS)
    header = ("rows", "differ by", *heads, f"power with {trainings} training runs, {patients} patients")
    return Table(f"{dataset}: training runs and patients to detect a difference", POWER_ABOUT, header, tuple(rows))


def in_a_score(part: BalancedScores) -> dict[Term, float]:
    """Return the standard deviation of each component in the score of one training run.

    Components with patients are divided by the square root of the number of patients.
    """
    patients = part.values.shape[-1]
    return {
        term: float(np.sqrt(value / (patients if "patient" in term else 1))) for term, value in part.components.items()
    }


def name_of(term: Term) -> str:
    """Return the name of a component; factors that a seed is nested in are left out.

    >>> name_of(("backbone", "pooling", "method", "seed"))
    'method × seed'
    """
    inside = {outer for name in term for outer in NESTED_IN.get(name, ())}
    return " × ".join(name for name in term if name not in inside)


def basis(part: BalancedScores) -> str:
    """Describe the data behind the components: levels of each factor, training runs and patients."""
    _, _, _, trainings, patients = part.values.shape
    names = (f"{name} {len(words)} ({', '.join(words)})" for name, words in part.levels.items())
    left_out = f"; left out to balance the design: {counted(part.left_out, 'training run')}" if part.left_out else ""
    return f"{'; '.join(names)}; {trainings} training runs of each network; {patients} patients{left_out}."


def _share(sd: float, whole: float) -> str:
    return f"{100 * sd**2 / whole:.0f}" if whole else NOTHING


def _needed(parts: Mapping[Term, float], kind: Pairing, gap: float, trainings: int, patients: int) -> tuple[str, ...]:
    """Return a row: the number of patients that a comparison needs, for several numbers of training runs."""
    try:
        variance = variance_of(parts, kind)
    except BadValueError:  # one method, or one network: nothing of that kind can be compared
        return (kind, f"{gap:.2f}", *[NOTHING] * (len(TRAININGS) + 1))
    counts = (patients_needed(gap, variance, count) for count in TRAININGS)
    words = (f"> {PATIENTS[-1]:,}" if count is None else f"{count:,}" for count in counts)
    return kind, f"{gap:.2f}", *words, f"{power(gap, variance, trainings, patients):.2f}"


def power_text(suite: str, results: Path | str) -> str:
    """Return the components of variance and the power of each data set of a suite in ``results``.

    Raises ``UnknownNameError`` for a suite without records and ``BadValueError`` if no network has two training runs.
    """
    suites = [folder.name for folder in records.suites(results)]
    if suite not in suites:
        raise UnknownNameError("suite", suite, suites)
    folder = Path(results) / suite
    all_records = records.load(folder)
    parts = {name: design(all_records, name, [folder]) for name in select.datasets(all_records)}
    filled = [table for name, part in parts.items() for table in tables(part, name)]
    answers = [f"{as_text(table)}{table.intro}\n" for table in filled]
    if not answers:
        raise BadValueError(
            f"the suite {suite!r} has one training run of each network, so the spread of training runs is unknown: "
            "write `seeds: [0, 1, 2]` into its file and run it"
        )
    return "\n".join(answers)
