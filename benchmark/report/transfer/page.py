"""Write ``transfer.md``: do rankings on synthetic images hold on radiographs? The records answer."""

import itertools
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path

from benchmark.records import Record
from benchmark.report.page import GENERATED
from benchmark.report.table import Table, markdown, number
from benchmark.report.transfer import pairs
from benchmark.report.transfer.pairs import FEWEST, MEAN, RankedTwice, SuiteScores
from benchmark.report.transfer.words import conclusions, p_of, swaps, tau
from benchmark.scoring.statistics.agreement import DRAWS
from core.files import write_text
from core.names import MAIN, MAIN_PROTOCOL

FILE = "transfer.md"
SUITES = {
    "phantom": ("phantom", "synthetic images"),
    "implanted": ("implanted", "synthetic findings in radiographs"),
    "nih-sample": ("NIH", "radiographs"),
}
"""Suite -> its data set, and a description of the images."""
TITLE = "# Do rankings on synthetic images hold on radiographs?"
ABOUT = f"""Rankings use the main column of the leaderboards: `{MAIN}` of protocol `{MAIN_PROTOCOL}`, mean over
findings, thresholds cross-fitted by patient. Baselines are left out, and so are methods that were scored on only part
of the images. `custom` is the small CNN.

τ: Kendall's tau-b of two rankings; 1 is the same order, −1 the reverse. Its 95% interval is a bootstrap with {DRAWS:,}
draws of patients and training runs of each suite. With one run it covers patients only; with two or three runs it is
slightly too narrow. p: exact two-sided p-value of τ under unrelated rankings. In τ and p, methods with equal maps count
once; in the pairs, they count separately. Two rankings agree if p is below .05 and the interval is above 0. With fewer
than {FEWEST} rows there is no τ, because even the same order would have p above .05. A pair swaps if both differences
are significant and have opposite signs (Obuchowski and Rockette; p below .05 after Holm's correction over all pairs of
both suites). If a row has one run, this test covers patients only. Methods with equal maps are tied on both suites
(with AVG, `hirescam` is `cam` and `xgradcam` is `gradcam`).

Only methods that both suites have are compared. Another method may score highest in one suite. The best of the
compared methods may not be above `prior`: see the tables of the suites.

A network is a backbone with a pooling and an attention module. Each suite trains its networks with its own image size
and recipe (last table), so rankings may differ because of images, size or recipe."""
OF_PAIR = (
    "Two values in a cell are those of `{}` and `{}`. `a > b`: a is better on the first suite and worse on the second."
)
OF_NETWORKS = (
    f"`{MEAN}`: mean over the methods that all these networks have on both suites. A suite's table of networks uses "
    "its `rank_methods` instead, so the order there may differ."
)


def write(folder: Path, records: Mapping[str, Sequence[Record]]) -> Path | None:
    """Write the page of a results ``folder`` from the ``records`` of its suites; with fewer than two, remove it.

    Returns the path of the page, or None without one. Raises ``DataError`` for invalid per-case rows.
    """
    loaded = (
        pairs.suite_scores(folder / name, records[name], data) for name, (data, _) in SUITES.items() if name in records
    )
    suites = [scores for scores in loaded if scores is not None]
    if len(suites) < 2:
        (folder / FILE).unlink(missing_ok=True)
        return None
    write_text(folder / FILE, page(suites))
    return folder / FILE


def page(suites: Sequence[SuiteScores]) -> str:
    """Render the page: conclusions in sentences, then the tables, for each pair of suites.

    Suites without records are listed as missing.
    """
    words, tables = [], []
    for one, other in itertools.combinations(suites, 2):
        methods, networks = pairs.of_methods(one, other), pairs.of_networks(one, other)
        words.append(conclusions(one, other, methods, networks))
        title, about = f"{one.name} and {other.name}", OF_PAIR.format(one.name, other.name)
        tables += [
            _agreements(f"{title}: methods within a network", about, "network", methods),
            _agreements(f"{title}: networks", f"{about} {OF_NETWORKS}", "by", networks),
            _rankings(f"{title}: both rankings", methods),
        ]
    names = {suite.name for suite in suites}
    absent = [
        f"The suite `{name}` ({what}) has no records and is not compared."
        for name, (_, what) in SUITES.items()
        if name not in names
    ]
    sections = [TITLE, GENERATED, *words, *absent, ABOUT, *map(markdown, [*tables, _recipes(suites)])]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _agreements(title: str, about: str, heading: str, ranked: Sequence[RankedTwice]) -> Table:
    header = (heading, "rows", "τ [95%]", "p", "first", "pairs that swap", "training runs", "patients")
    return Table(title, about, header, tuple(map(_agreement, ranked)))


def _agreement(ranked: RankedTwice) -> tuple[str, ...]:
    """Return a row on how well the two suites agree on one order."""
    a, count = ranked.agreement, len(ranked.agreement.swapped)
    swapped = f"{count} of {comb(len(a.names), 2)}" + (f": {swaps(ranked)}" if count else "")
    patients = (str(next(iter(rows.values())).jackknife.shape[1]) for rows in ranked.sides)
    two = (ranked.first, map(_range, ranked.trainings), patients)
    first, trainings, of_patients = (", ".join(dict.fromkeys(words)) for words in two)
    return ranked.of, str(a.rows), tau(ranked), p_of(ranked), first, swapped, trainings, of_patients


def _rankings(title: str, ranked: Sequence[RankedTwice]) -> Table:
    """Return both rankings of each network's methods, in the order of the first suite."""
    about = "Mean over training runs and, in brackets, rank among these methods."
    suites = ranked[0].suites if ranked else ("", "")
    rows = [
        (pair.of, name, *_places(pair, name)) for pair in ranked for name in pairs.ranking(pair.sides[0], pair.names)
    ]
    return Table(title, about, ("network", "method", *suites), tuple(rows))


def _places(ranked: RankedTwice, name: str) -> list[str]:
    """Return the score of a method and its rank, on each suite."""
    values = [{word: float(rows[word].theta.mean()) for word in ranked.names} for rows in ranked.sides]
    return [f"{number(of[name])} ({1 + sum(other > of[name] for other in of.values())})" for of in values]


def _recipes(suites: Sequence[SuiteScores]) -> Table:
    """Return the table of networks with their size and training in each suite."""
    rows = [
        (name, s.name, n.recipe, str(n.trainings), str(s.patients)) for s in suites for name, n in s.networks.items()
    ]
    header = ("network", "suite", "size and training", "training runs", "patients")
    return Table(
        "Networks and their recipes", "How each suite trained the networks above.", header, tuple(sorted(rows))
    )


def _range(counts: Sequence[int]) -> str:
    return str(min(counts)) if len({*counts}) == 1 else f"{min(counts)} to {max(counts)}"
