"""What moves a suite's scores, and how many trainings and patients tell its rows apart: two tables."""

from collections.abc import Mapping
from typing import get_args

import numpy as np

from benchmark.report.table import NOTHING, Table
from benchmark.scoring.statistics.components import NESTED_IN, BalancedScores, Term
from benchmark.scoring.statistics.power import ALPHA, PATIENTS, POWER, Pairing, patients_needed, power, variance_of
from core.errors import BadValueError

DIFFERENCES, TRAININGS = (0.02, 0.05, 0.10), (2, 3, 5, 10)
ABOUT = (
    "Method of moments on a balanced design, every factor taken as random, negative estimates set to 0 (Searle, "
    "Casella and McCulloch 1992). `sd`: of the component; where a patient is part of it, of one patient. `in a score`: "
    "its standard deviation in the score of one training on these patients; `share`: of the whole variance of such "
    "scores. A training (seed) belongs to its network. With few levels a component is uncertain."
)
POWER_ABOUT = (
    f"Patients that are needed to tell two rows apart (power {POWER:g}, two-sided, α {ALPHA:g}), by the number of "
    "trainings of each; simulated from the components above, patients with as many cases as these. Paired: two methods "
    "on the same trainings; nested: two networks with trainings of their own. One comparison, without Holm's "
    "correction."
)


def tables(part: BalancedScores, dataset: str) -> list[Table]:
    """Both tables of a data set.

    The components of variance, then the power that follows from them.
    """
    return [components_table(part, dataset), power_table(part, dataset)]


def components_table(part: BalancedScores, dataset: str) -> Table:
    """A row per component of variance.

    ``sd`` in the unit of the main column; shares of the variance of one training's score add up to 100 %.
    """
    parts, in_score = part.components, in_a_score(part)
    whole = sum(value**2 for value in in_score.values())
    words = {term: name_of(term) for term in parts}
    words[list(parts)[-1]] += ", rest"
    sds = {term: f"{np.sqrt(value):.3f}" for term, value in parts.items()}
    rows = [(words[term], sds[term], f"{in_score[term]:.3f}", f"{_share(in_score[term], whole)} %") for term in parts]
    header = ("component", "sd", "in a score", "share")
    return Table(f"{dataset}: components of variance", f"{ABOUT}\n{basis(part)}", header, tuple(rows))


def power_table(part: BalancedScores, dataset: str) -> Table:
    """A row per kind and size of a difference: the patients that are needed, and the power of the suite as it is.

    Power .8, two-sided at α .05, no correction for several comparisons; a dash where nothing of that kind can be
    compared.
    """
    parts, (trainings, patients) = part.components, part.values.shape[-2:]
    rows = [_needed(parts, kind, gap, trainings, patients) for kind in get_args(Pairing) for gap in DIFFERENCES]
    heads = (f"{count} trainings" for count in TRAININGS)
    header = ("rows", "differ by", *heads, f"power with {trainings} trainings, {patients} patients")
    return Table(f"{dataset}: trainings and patients that tell rows apart", POWER_ABOUT, header, tuple(rows))


def in_a_score(part: BalancedScores) -> dict[Term, float]:
    """The standard deviation that each component has in the score of one training, a mean over its patients.

    A component that a patient is part of is divided by the root of the number of patients.
    """
    patients = part.values.shape[-1]
    return {
        term: float(np.sqrt(value / (patients if "patient" in term else 1))) for term, value in part.components.items()
    }


def name_of(term: Term) -> str:
    """A component in words: a training's network is not said again.

    >>> name_of(("backbone", "pooling", "method", "seed"))
    'method × seed'
    """
    inside = {outer for name in term for outer in NESTED_IN.get(name, ())}
    return " × ".join(name for name in term if name not in inside)


def basis(part: BalancedScores) -> str:
    """What the components rest on, in words.

    The levels of each factor by name, trainings per network, patients, and how many trainings had no counterpart.
    """
    _, _, _, trainings, patients = part.values.shape
    names = (f"{name} {len(words)} ({', '.join(words)})" for name, words in part.levels.items())
    left_out = f"; {part.left_out} trainings that have no counterpart are left out" if part.left_out else ""
    return f"{'; '.join(names)}; {trainings} trainings of each network; {patients} patients{left_out}."


def _share(sd: float, whole: float) -> str:
    return f"{100 * sd**2 / whole:.0f}" if whole else NOTHING


def _needed(parts: Mapping[Term, float], kind: Pairing, gap: float, trainings: int, patients: int) -> tuple[str, ...]:
    try:
        variance = variance_of(parts, kind)
    except BadValueError:  # one method, or one network: nothing of that kind can be compared
        return (kind, f"{gap:.2f}", *[NOTHING] * (len(TRAININGS) + 1))
    counts = (patients_needed(gap, variance, count) for count in TRAININGS)
    words = (f"> {PATIENTS[-1]:,}" if count is None else f"{count:,}" for count in counts)
    return kind, f"{gap:.2f}", *words, f"{power(gap, variance, trainings, patients):.2f}"
