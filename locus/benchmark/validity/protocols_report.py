"""Report of the check ``protocols``: how often the order of two methods depends on the rule."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from matplotlib.lines import Line2D

from locus.benchmark.report import NOTES, case_columns, grouping
from locus.benchmark.report.case_columns import CaseColumns
from locus.benchmark.report.charts import PALETTE, Chart, lines
from locus.benchmark.report.grouping import Row, basis_lines, counted, listed, run_names
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.page import CheckReport
from locus.benchmark.report.table import Table
from locus.benchmark.scoring.statistics.mrmc import RowSamples
from locus.benchmark.scoring.statistics.rank_reversals import (
    POOLED,
    TRAITS,
    Comparisons,
    Signs,
    contradicted,
    differences,
    entries,
    reversals,
    split,
)
from locus.core.names import ALL_RULES
from locus.core.types import FloatArray

REFERENCE = "IoU > .3"
"""The rule of the leaderboards."""
PUBLISHED = ("IoU > .1", REFERENCE, "IoU > .5", "IoBB > .1", "IoBB > .5", "pointing", "mask IoU", "MaxBoxAccV2")
"""Rules that papers use: the first sentence counts reversals among them."""
TRIED = "The share grows with the number of rules tried. `Holm`: corrected over the pairs of a network and the rules."
USUAL = (
    "IoU > .1", REFERENCE, "IoU > .5", "IoBB > .5", "IoU > .3, cut .5", "IoU > .3, cut by Otsu", "MaxBoxAccV2",
    "mask IoU", "Wang, IoU > .3", "adaptive threshold, IoU ≥ .3", "pointing", "energy", *POOLED,
)  # fmt: skip
"""Rules of the chart and of the table of rules against rules."""
MIN_ALIKE_TAU, MAX_UNLIKE_TAU, MIN_TRAIT_FACTOR = 0.9, 0.6, 1.5
"""Kendall's tau of rules that rank alike, and of those that do not; smallest factor between traits that is shown."""
MAX_DRAWN, MAX_NAMED = 12, 6
"""Most pairs of methods in a table, most rules in a sentence."""
NOTE = NOTES["rules"].format(reference=REFERENCE)
CUTS = "chosen on other patients, for each finding, unless the rule names another"
TRAITS_NOTE = NOTES["traits"].format(first=", ".join(TRAITS[:-1]), last=TRAITS[-1], factor=MIN_TRAIT_FACTOR)


Cells = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


@lru_cache(maxsize=4)
def comparisons(board: Leaderboard, first_run: bool = False) -> list[Comparisons]:
    """Compare the methods of each network; networks with fewer than two methods with rows per case are left out.

    ``first_run``: only the first training run of each network, under the rules that papers use.
    """
    records = [r for r in grouping.of_protocol(board.records, board.dataset, ALL_RULES) if grouping.is_method(r)]
    groups = [runs[:1] if first_run else runs for runs in grouping.trainings(records)]
    rows = grouping.told_apart([Row.of(runs) for runs in groups])
    all_rules = dict.fromkeys(score.metric for row in rows for score in row.runs[0].scores)
    rules = PUBLISHED if first_run else tuple(all_rules)
    if not rows:
        return []
    columns = case_columns.read_columns(records, board.folders, (*rules, *TRAITS))
    networks = grouping.grouped(rows, lambda row: row.runs[0].cell.without_seed.model_key).values()
    return [_compared(group, columns, rules) for group in networks if len(group) > 1]


def _compared(rows: Sequence[Row], columns: CaseColumns, rules: tuple[str, ...]) -> Comparisons:
    """Compare the methods of a network under each of the ``rules``."""
    by_rule = {rule: _entries(rows, columns, rule) for rule in rules}
    values, p = zip(*(differences(scored) for scored in by_rule.values()), strict=True)
    means = [[entry.theta.mean() for entry in scored] for scored in by_rule.values()]
    keys, ends = [record.key for row in rows for record in row.runs], np.cumsum([len(row.runs) for row in rows])[:-1]
    traits = [[np.nanmean(part) for part in np.split(columns.wide(keys, trait), ends, 1)] for trait in TRAITS]
    arrays = (np.array(part) for part in (means, traits, values, p))
    return Comparisons(rows[0].network, tuple(row.name for row in rows), rules, *arrays)


def _entries(rows: Sequence[Row], columns: CaseColumns, rule: str) -> list[RowSamples]:
    """Return the scores of each method under a rule, with those without each patient."""
    records = [record for row in rows for record in row.runs]
    values = columns.wide([record.key for record in records], rule)
    runs = [run_names(row.runs) for row in rows]
    if rule not in POOLED:
        return entries(values, columns.groups, runs)
    _, first = np.unique(columns.patients, return_index=True)  # the rows have the score without their patient
    totals = [Row.of([record]).value(rule) for record in records]
    return split(np.array([-1.0 if total is None else total for total in totals]), values[first].T, runs)


class ProtocolsReport(CheckReport):
    """Agreement of the rules, and the pairs of methods whose order depends on the rule."""

    check = ALL_RULES
    question = "Does the answer depend on the rule?"
    limit = "Which rule is right. A significant order under one rule may be chance if many rules are tried."

    def chart(self) -> Chart | None:
        """Draw the ranks of the best six methods of the first network under each usual rule."""
        networks = comparisons(self.leaderboard)
        if not networks:
            return None
        first = networks[0]
        ranks, at = (-first.means).argsort(1).argsort(1) + 1, first.rules.index(REFERENCE)
        order = [r for r in first.tau[at].argsort()[::-1].tolist() if first.rules[r] in USUAL]
        best, places = ranks[at].argsort()[: len(PALETTE)].tolist(), range(len(order))
        curves = [
            Line2D(places, ranks[order, m], color=colour, label=first.methods[m], marker="o", markersize=3)
            for m, colour in zip(best, PALETTE, strict=False)
        ]
        count = len(first.methods)
        words = f"{self.dataset}, {first.network}: ranks of the best {len(best)} of {count} methods"
        rules, ends = [first.rules[r] for r in order], (count + 0.5, 0.5)
        scales = {"xlim": (-0.5, len(rules) - 0.5), "ylim": ends, "xticks": places, "xticklabels": rules}
        return lines(curves, f"{words}; rules like {REFERENCE} first.", 4.2, ylabel="rank", **scales)

    def tables(self) -> list[Table]:
        """Return the tables of rules, of rules against rules, and of pairs of methods, over all networks."""
        networks = comparisons(self.leaderboard)
        intro = f"{NOTE}\n{basis_lines(self.rows, CUTS)}"
        named = (
            ("rules", intro, _rules),
            ("pairs that rules reverse", TRIED, _by_number),
            ("share of pairs that two rules reverse", "", _against),
            ("pairs that reverse most", TRAITS_NOTE, _pairs),
        )
        return [Table(f"{self.dataset}: {title}", text, *make(networks)) for title, text, make in named if networks]

    def in_short(self) -> str:
        """Return how many pairs reverse."""
        networks = comparisons(self.leaderboard)
        pairs = sum(len(network.pairs) for network in networks)
        reversed_pairs = _reversed(networks, PUBLISHED)
        return f"{reversed_pairs} of {counted(pairs, 'pair')} of methods reverse significantly between two rules"

    def sentences(self) -> Iterator[str]:
        """Yield how many pairs reverse, and which rules rank alike."""
        if networks := comparisons(self.leaderboard):
            rules, tau, pairs = networks[0].rules, _tau(networks), sum(len(one.pairs) for one in networks)
            runs = len({record.cell.seed for record in self.leaderboard.records if record.cell.protocol == ALL_RULES})
            one_run = _reversed(comparisons(self.leaderboard, first_run=True), PUBLISHED) if runs > 1 else None
            yield (
                f"{_reversed(networks, PUBLISHED)} of {counted(pairs, 'pair')} of methods on "
                f"{counted(len(networks), 'network')} ({counted(runs, 'training run')} each"
                f"{'' if one_run is None else f'; with one, {one_run}'}) have a significant order under one of eight "
                f"rules that papers use and the reverse order under another, after Holm's correction over pairs and "
                f"rules: {listed([f'`{rule}`' for rule in PUBLISHED])}."
            )
            order = [r for r in tau.argsort(kind="stable").tolist() if rules[r] != REFERENCE]
            alike = [r for r in order[::-1] if tau[r] >= MIN_ALIKE_TAU]
            unlike = [r for r in order if tau[r] < MAX_UNLIKE_TAU]
            yield f"Rules that rank methods like `{REFERENCE}` (tau ≥ {MIN_ALIKE_TAU:g}): {_named(rules, alike)}."
            yield f"Rules that do not (tau < {MAX_UNLIKE_TAU:g}), the least alike first: {_named(rules, unlike)}."


def _reversed(networks: Sequence[Comparisons], rules: Sequence[str]) -> int:
    """Return the number of pairs that two of the ``rules`` reverse, after Holm's correction over pairs and rules."""
    return sum(int(contradicted(one.corrected(rules)).sum()) for one in networks)


def _by_number(networks: Sequence[Comparisons]) -> Cells:
    """Return a row per set of rules: two, those that papers use, all."""
    rules, pairs = networks[0].rules, sum(len(one.pairs) for one in networks)
    sets = {f"{REFERENCE} and pointing": (REFERENCE, "pointing"), "that papers use": PUBLISHED, "all": rules}
    rows = []
    for words, chosen in sets.items():
        plain = _signs(networks)[0][[rules.index(rule) for rule in chosen]]
        counts = (int(contradicted(plain).sum()), _reversed(networks, chosen))
        rows.append((str(len(chosen)), words, *(f"{count} of {pairs} ({count / pairs:.0%})" for count in counts)))
    return ("rules", "which", "reversed pairs", "Holm"), tuple(rows)


def _named(rules: Sequence[str], chosen: Sequence[int], most: int = MAX_NAMED) -> str:
    names = [f"`{rules[r]}`" for r in chosen]
    return listed([*names[:most], f"{len(names) - most} more"] if len(names) > most else names) or "none"


def _signs(networks: Sequence[Comparisons]) -> tuple[Signs, Signs]:
    """Return the signs of the pairs of all networks, before and after Holm's correction."""
    return np.concatenate([one.signs for one in networks], 1), np.concatenate([one.adjusted for one in networks], 1)


def _tau(networks: Sequence[Comparisons]) -> FloatArray:
    """Return (rules,) the agreement with the reference, mean over networks."""
    return np.asarray(np.mean([one.tau[one.rules.index(REFERENCE)] for one in networks], 0))


def _rules(networks: Sequence[Comparisons]) -> Cells:
    """Return a row per rule: its agreement with the reference, its best methods, and reversed pairs."""
    rules, tau, (plain, adjusted) = networks[0].rules, _tau(networks), _signs(networks)
    reversed_to = [reversals(signs)[rules.index(REFERENCE)] for signs in (plain, adjusted)]
    shares = np.stack([(plain != 0).mean(1), *reversed_to], 1)
    best = [Counter(one.methods[int(one.means[r].argmax())] for one in networks) for r in range(len(rules))]
    words = [", ".join(f"{method} ({count})" for method, count in of_rule.most_common()) for of_rule in best]
    order = tau.argsort()[::-1].tolist()
    rows = [(rules[r], f"{tau[r]:.2f}", words[r], *(f"{x:.0%}" for x in shares[r])) for r in order]
    return ("rule", "tau", "best methods", "significant pairs", f"reversed to {REFERENCE}", "Holm"), tuple(rows)


def _against(networks: Sequence[Comparisons]) -> Cells:
    """Return the share of pairs that each two of the usual rules reverse."""
    rules, share = networks[0].rules, reversals(_signs(networks)[0])
    shown = [(n, rules.index(rule)) for n, rule in enumerate(filter(rules.__contains__, USUAL), 1)]
    rows = [(f"{n} {rules[r]}", *(f"{share[r, other]:.0%}" if m < n else "" for m, other in shown)) for n, r in shown]
    return ("rule", *(str(n) for n, _ in shown[:-1])), tuple(row[:-1] for row in rows)


def _pairs(networks: Sequence[Comparisons]) -> Cells:
    """Return the pairs that most pairs of rules reverse, with what differs between the maps."""
    pairs = [(one, n, _sides(one, n)) for one in networks for n in range(len(one.pairs))]
    pairs.sort(key=lambda pair: -min(map(len, pair[2])))
    rows = [
        (one.network, *one.pairs[n], *(_named(one.rules, side, 1) for side in sides), _difference(one, n))
        for one, n, sides in pairs[:MAX_DRAWN]
        if all(sides)
    ]
    return ("network", "A", "B", "A is better by", "B is better by", "maps of A"), tuple(rows)


def _sides(one: Comparisons, n: int) -> list[list[int]]:
    """Return two lists of rules: the first method of pair ``n`` is significantly better, or the second one is."""
    return [np.flatnonzero(one.signs[:, n] == better).tolist() for better in (1, -1)]


def _difference(one: Comparisons, n: int) -> str:
    first, second = (one.traits[:, one.methods.index(name)] for name in one.pairs[n])
    factors = zip(TRAITS, (first / second).tolist(), strict=True)
    return ", ".join(f"{name} ×{x:.1f}" for name, x in factors if not 1 / MIN_TRAIT_FACTOR < x < MIN_TRAIT_FACTOR)
