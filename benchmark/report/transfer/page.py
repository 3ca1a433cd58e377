"""``transfer.md``: do real images rank methods and networks as the phantom does? From records alone."""

import itertools
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path

from benchmark.records import Record
from benchmark.report.page import GENERATED
from benchmark.report.table import Table, markdown, number
from benchmark.report.transfer.pairs import FEWEST, MEAN, RankedTwice, of_methods, of_networks, ranking
from benchmark.report.transfer.scores import SuiteScores, suite_scores
from benchmark.report.transfer.words import conclusions, p_of, swaps, tau
from benchmark.scoring.statistics.agreement import DRAWS
from core.files import write_text
from core.names import MAIN, MAIN_PROTOCOL

FILE = "transfer.md"
SUITES = {
    "phantom": ("phantom", "drawn images"),
    "implanted": ("implanted", "findings drawn into radiographs"),
    "nih-sample": ("NIH", "radiographs"),
}
"""Suite -> the data set that it scores, and what that is."""
TITLE = "# Does the phantom predict real images?"
ABOUT = f"""Ranked is the main column of the leaderboards: `{MAIN}` of protocol `{MAIN_PROTOCOL}`, mean over findings,
thresholds cross-fitted by patient. Baselines take no part, nor do slow methods, which explain a part of the images.

τ: Kendall's tau-b of two rankings, 1 the same order, −1 the reverse. Its 95 % interval: {DRAWS:,} draws of patients and
of training runs on each suite; of one run over patients only; of two or three runs somewhat too narrow. p: exact, the
probability of such an order if the two rankings were unrelated; equal maps count once. Two rankings agree where p is
below .05 and the interval is above 0. Fewer than {FEWEST} rows have no τ: not even the same order has p below .05.
A pair swaps where both differences exclude 0, in opposite directions (Obuchowski and Rockette; Holm over all pairs of
both suites); where a row has one run, patients alone decide. Rows of equal maps tie on both suites (under AVG,
`hirescam` is `cam` and `xgradcam` is `gradcam`).

A network here is a backbone, a pooling and an attention. Each suite trains it anew, at its own size and by its own
recipe (last table), so what agrees or not is image, size and recipe together."""
OF_PAIR = "Two values are those of `{}` and `{}`. `a > b`: a is better on the first, worse on the second."
OF_NETWORKS = f"`{MEAN}`: of those that all these networks have."


def write(folder: Path, records: Mapping[str, Sequence[Record]]) -> Path | None:
    """Write the page of a results ``folder`` from the ``records`` of its suites; None, and none is left, without two.

    Raises ``DataError`` for broken rows per case.
    """
    known = (suite_scores(folder / name, records[name], data) for name, (data, _) in SUITES.items() if name in records)
    suites = [scores for scores in known if scores is not None]
    if len(suites) < 2:
        (folder / FILE).unlink(missing_ok=True)
        return None
    write_text(folder / FILE, page(suites))
    return folder / FILE


def page(suites: Sequence[SuiteScores]) -> str:
    """The text of the page: in words what follows, then the tables.

    Every pair of suites in the order of ``SUITES``; a suite without records is named as absent.
    """
    words, tables = [], []
    for one, other in itertools.combinations(suites, 2):
        methods, networks = of_methods(one, other), of_networks(one, other)
        words.append(conclusions(one, other, methods, networks))
        title, about = f"{one.name} and {other.name}", OF_PAIR.format(one.name, other.name)
        tables += [
            _agreements(f"{title}: methods within a network", about, "network", methods),
            _agreements(f"{title}: networks", f"{about} {OF_NETWORKS}", "by", networks),
            _rankings(f"{title}: both rankings", methods),
        ]
    names = {suite.name for suite in suites}
    absent = [
        f"No suite `{name}` ({what}) has records: nothing is said of it."
        for name, (_, what) in SUITES.items()
        if name not in names
    ]
    sections = [TITLE, GENERATED, *words, *absent, ABOUT, *map(markdown, [*tables, _recipes(suites)])]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _agreements(title: str, about: str, heading: str, ranked: Sequence[RankedTwice]) -> Table:
    header = (heading, "rows", "τ [95 %]", "p", "first", "pairs that swap", "trainings", "patients")
    return Table(title, about, header, tuple(map(_agreement, ranked)))


def _agreement(ranked: RankedTwice) -> tuple[str, ...]:
    a, count = ranked.agreement, len(ranked.agreement.swapped)
    swapped = f"{count} of {comb(len(a.names), 2)}" + (f": {swaps(ranked)}" if count else "")
    patients = (str(next(iter(rows.values())).jackknife.shape[1]) for rows in ranked.sides)
    two = (ranked.first, map(_range, ranked.trainings), patients)
    first, trainings, of_patients = (", ".join(dict.fromkeys(words)) for words in two)
    return ranked.of, str(len(a.names)), tau(ranked), p_of(ranked), first, swapped, trainings, of_patients


def _rankings(title: str, ranked: Sequence[RankedTwice]) -> Table:
    """Both rankings of each network's methods, in the order of the first suite."""
    about = "The mean over trainings and, in brackets, the position among these methods."
    suites = ranked[0].suites if ranked else ("", "")
    rows = [(each.of, name, *_places(each, name)) for each in ranked for name in ranking(each.sides[0], each.names)]
    return Table(title, about, ("network", "method", *suites), tuple(rows))


def _places(ranked: RankedTwice, name: str) -> list[str]:
    """The score of a method on either suite and its position."""
    values = [{word: float(rows[word].theta.mean()) for word in ranked.names} for rows in ranked.sides]
    return [f"{number(of[name])} ({1 + sum(other > of[name] for other in of.values())})" for of in values]


def _recipes(suites: Sequence[SuiteScores]) -> Table:
    rows = [
        (name, s.name, n.recipe, str(n.trainings), str(s.patients)) for s in suites for name, n in s.networks.items()
    ]
    header = ("network", "suite", "size and training", "trainings", "patients")
    return Table("Networks and their recipes", "What goes by the same name above.", header, tuple(sorted(rows)))


def _range(counts: Sequence[int]) -> str:
    return str(min(counts)) if len({*counts}) == 1 else f"{min(counts)} to {max(counts)}"
