"""Report of the check ``protocols``: how often the order of two methods depends on the rule."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from matplotlib.lines import Line2D

from locus.benchmark.records import trainings
from locus.benchmark.report import NOTES, case_columns, grouping
from locus.benchmark.report.case_columns import CaseColumns
from locus.benchmark.report.charts import PALETTE, Chart, lines
from locus.benchmark.report.grouping import Row, basis_lines, counted, listed, run_names
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.section import CheckReport
from locus.benchmark.report.table import Table
from locus.core.types import FloatArray
from locus.scoring.statistics.mrmc import RowSamples
from locus.scoring.statistics.rank_reversals import (
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

REFERENCE = "IoU > .3"
"""The rule of the leaderboards."""
PUBLISHED = (
    "IoU > .1",
    REFERENCE,
    "IoU > .5",
    "IoBB > .1",
    "IoBB > .5",
    "pointing",
    "mask IoU",
    "MaxBoxAccV2",
)
"""Rules that papers use: the first sentence counts reversals among them."""
TRIED = "The share grows with the number of rules tried. `Holm`: corrected over the pairs of a network and the rules."
USUAL = (
    "IoU > .1", REFERENCE, "IoU > .5", "IoBB > .5", "IoU > .3, cut .5", "IoU > .3, cut by Otsu", "MaxBoxAccV2",
    "mask IoU", "Wang, IoU > .3", "adaptive threshold, IoU ≥ .3", "pointing", "energy", *POOLED,
)  # fmt: skip
"""Rules of the chart and of the table of rules against rules."""
MIN_ALIKE_TAU = 0.9
"""Smallest Kendall's tau of rules that rank alike."""
MAX_UNLIKE_TAU = 0.6
"""Kendall's tau below which rules do not rank alike."""
MIN_TRAIT_FACTOR = 1.5
"""Smallest factor between traits that is shown."""
MAX_DRAWN = 12
"""Most pairs of methods in a table."""
MAX_NAMED = 6
"""Most rules in a sentence."""
NOTE = NOTES["rules"].format(reference=REFERENCE)
CUTS = "chosen on other patients, for each finding, unless the rule names another"
TRAITS_NOTE = NOTES["traits"].format(
    first=", ".join(TRAITS[:-1]), last=TRAITS[-1], factor=MIN_TRAIT_FACTOR
)

Cells = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Head and rows of a table."""


class ProtocolsReport(CheckReport):
    """Agreement of the rules, and the pairs of methods whose order depends on the rule."""

    question = "Does the answer depend on the rule?"
    limit = "Which rule is right. A significant order under one rule may be chance if many rules are tried."

    @cached_property
    def comparisons(self) -> list[Comparisons]:
        """The methods of each network under all rules."""
        return compare_methods(self.leaderboard, self.check)

    def chart(self) -> Chart | None:
        """Draw the ranks of the best six methods of the first network under each usual rule."""
        if not self.comparisons:
            return None
        network = self.comparisons[0]
        ranks = (-network.means).argsort(1).argsort(1) + 1  # (rules, methods)
        reference = network.rules.index(REFERENCE)
        most_alike_first = network.tau[reference].argsort()[::-1].tolist()
        rule_order = [rule for rule in most_alike_first if network.rules[rule] in USUAL]
        best = ranks[reference].argsort()[: len(PALETTE)].tolist()
        places = range(len(rule_order))
        curves = [
            Line2D(
                places,
                ranks[rule_order, method],
                color=colour,
                label=network.methods[method],
                marker="o",
                markersize=3,
            )
            for method, colour in zip(best, PALETTE, strict=False)
        ]
        count = len(network.methods)
        about = (
            f"{self.dataset}, {network.network}: ranks of the best {len(best)} of {count} methods; "
            f"rules like {REFERENCE} first."
        )
        return lines(
            curves,
            about,
            4.2,
            ylabel="rank",
            xlim=(-0.5, len(rule_order) - 0.5),
            ylim=(count + 0.5, 0.5),
            xticks=places,
            xticklabels=[network.rules[rule] for rule in rule_order],
        )

    def tables(self) -> list[Table]:
        """Return the tables of rules, of rules against rules, and of pairs of methods, over all networks."""
        networks = self.comparisons
        if not networks:
            return []
        return [
            self._table("rules", f"{NOTE}\n{basis_lines(self.rows, CUTS)}", _rules(networks)),
            self._table("pairs that rules reverse", TRIED, _by_number(networks)),
            self._table("share of pairs that two rules reverse", "", _against(networks)),
            self._table("pairs that reverse most", TRAITS_NOTE, _pairs(networks)),
        ]

    def _table(self, title: str, note: str, cells: Cells) -> Table:
        head, rows = cells
        return Table(f"{self.dataset}: {title}", note, head, rows)

    def in_short(self) -> str:
        """Return how many pairs reverse."""
        pair_count = sum(len(network.pairs) for network in self.comparisons)
        reversed_pairs = _reversed(self.comparisons, PUBLISHED)
        return f"{reversed_pairs} of {counted(pair_count, 'pair')} of methods reverse significantly between two rules"

    def sentences(self) -> Iterator[str]:
        """Yield how many pairs reverse, and which rules rank alike."""
        networks = self.comparisons
        if not networks:
            return
        yield self._reversed_pairs()
        rules = networks[0].rules
        tau = _tau(networks)
        least_alike_first = [
            rule for rule in tau.argsort(kind="stable").tolist() if rules[rule] != REFERENCE
        ]
        alike = [rule for rule in reversed(least_alike_first) if tau[rule] >= MIN_ALIKE_TAU]
        unlike = [rule for rule in least_alike_first if tau[rule] < MAX_UNLIKE_TAU]
        yield f"Rules that rank methods like `{REFERENCE}` (tau ≥ {MIN_ALIKE_TAU:g}): {_named(rules, alike)}."
        yield f"Rules that do not (tau < {MAX_UNLIKE_TAU:g}), the least alike first: {_named(rules, unlike)}."

    def _reversed_pairs(self) -> str:
        """Return how many pairs of methods two published rules reverse; with several training runs, also with one."""
        networks = self.comparisons
        pair_count = sum(len(network.pairs) for network in networks)
        of_check = [
            record for record in self.leaderboard.records if record.cell.protocol == self.check
        ]
        run_count = len({record.cell.seed for record in of_check})
        with_one_run = ""
        if run_count > 1:
            of_first_run = compare_methods(self.leaderboard, self.check, first_run=True)
            with_one_run = f"; with one, {_reversed(of_first_run, PUBLISHED)}"
        pairs = f"{_reversed(networks, PUBLISHED)} of {counted(pair_count, 'pair')} of methods"
        runs = f"{counted(run_count, 'training run')} each{with_one_run}"
        rules = listed([f"`{rule}`" for rule in PUBLISHED])
        return (
            f"{pairs} on {counted(len(networks), 'network')} ({runs}) have a significant order under one of eight "
            f"rules that papers use and the reverse order under another, after Holm's correction over pairs and "
            f"rules: {rules}."
        )


def compare_methods(board: Leaderboard, check: str, first_run: bool = False) -> list[Comparisons]:
    """Compare the methods of each network; networks with fewer than two methods with rows per case are left out.

    ``check``: name of the check in the records. ``first_run``: only the first training run of each network, under the
    rules that papers use.
    """
    of_check = grouping.of_protocol(board.records, board.dataset, check)
    records = [record for record in of_check if grouping.is_method(record)]
    groups = trainings(records)
    if first_run:
        groups = [runs[:1] for runs in groups]
    rows = grouping.told_apart([Row.of(runs) for runs in groups])
    if not rows:
        return []
    rules: tuple[str, ...] = PUBLISHED
    if not first_run:
        rules = tuple(dict.fromkeys(score.metric for row in rows for score in row.runs[0].scores))
    columns = case_columns.read_columns(records, board.folders, (*rules, *TRAITS))
    networks = grouping.grouped(rows, lambda row: row.runs[0].cell.without_seed.model_key).values()
    return [_compared(network, columns, rules) for network in networks if len(network) > 1]


def _compared(rows: Sequence[Row], columns: CaseColumns, rules: tuple[str, ...]) -> Comparisons:
    """Compare the methods of a network under each of the ``rules``."""
    means = []
    values = []
    p_values = []
    for rule in rules:
        scored = _entries(rows, columns, rule)
        of_pairs, p_of_pairs = differences(scored)
        means.append([entry.theta.mean() for entry in scored])
        values.append(of_pairs)
        p_values.append(p_of_pairs)
    traits = [_trait_means(rows, columns, trait) for trait in TRAITS]
    return Comparisons(
        network=rows[0].network,
        methods=tuple(row.name for row in rows),
        rules=rules,
        means=np.array(means),
        traits=np.array(traits),
        differences=np.array(values),
        p=np.array(p_values),
    )


def _trait_means(rows: Sequence[Row], columns: CaseColumns, trait: str) -> list[float]:
    """Return the mean of a trait over the cases and training runs of each row."""
    return [
        float(np.nanmean(columns.wide([record.key for record in row.runs], trait))) for row in rows
    ]


def _entries(rows: Sequence[Row], columns: CaseColumns, rule: str) -> list[RowSamples]:
    """Return the scores of each method under a rule, with those without each patient."""
    records = [record for row in rows for record in row.runs]
    values = columns.wide([record.key for record in records], rule)
    runs = [run_names(row.runs) for row in rows]
    if rule not in POOLED:
        return entries(values, columns.groups, runs)
    # a pooled rule has no value per case: the rows of a patient have the score without this patient
    _, first_case_of_patient = np.unique(columns.patients, return_index=True)
    totals = [Row.of([record]).value(rule) for record in records]
    known_totals = np.array([-1.0 if total is None else total for total in totals])
    return split(known_totals, values[first_case_of_patient].T, runs)


def _signs(networks: Sequence[Comparisons]) -> tuple[Signs, Signs]:
    """Return the signs (rules, pairs) of the pairs of all networks, before and after Holm's correction."""
    plain = np.concatenate([network.signs for network in networks], axis=1)
    adjusted = np.concatenate([network.adjusted for network in networks], axis=1)
    return plain, adjusted


def _reversed(networks: Sequence[Comparisons], rules: Sequence[str]) -> int:
    """Return the number of pairs that two of the ``rules`` reverse, after Holm's correction over pairs and rules."""
    return sum(int(contradicted(network.corrected(rules)).sum()) for network in networks)


def _tau(networks: Sequence[Comparisons]) -> FloatArray:
    """Return (rules,) the agreement with the reference, mean over networks."""
    return np.asarray(
        np.mean([network.tau[network.rules.index(REFERENCE)] for network in networks], axis=0)
    )


def _named(rules: Sequence[str], chosen: Sequence[int], most: int = MAX_NAMED) -> str:
    """Return the names of the ``chosen`` rules as a list, of which at most ``most`` are named."""
    names = [f"`{rules[rule]}`" for rule in chosen]
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return listed(names) or "none"


def _rules(networks: Sequence[Comparisons]) -> Cells:
    """Return a row per rule: its agreement with the reference, its best methods, and reversed pairs."""
    rules = networks[0].rules
    reference = rules.index(REFERENCE)
    tau = _tau(networks)
    plain, adjusted = _signs(networks)
    significant = (plain != 0).mean(1)
    reversed_plain = reversals(plain)[reference]
    reversed_adjusted = reversals(adjusted)[reference]
    rows = []
    for rule in tau.argsort()[::-1].tolist():
        best = Counter(network.methods[int(network.means[rule].argmax())] for network in networks)
        best_methods = ", ".join(f"{method} ({count})" for method, count in best.most_common())
        shares = (significant[rule], reversed_plain[rule], reversed_adjusted[rule])
        rows.append(
            (rules[rule], f"{tau[rule]:.2f}", best_methods, *(f"{share:.0%}" for share in shares))
        )
    head = ("rule", "tau", "best methods", "significant pairs", f"reversed to {REFERENCE}", "Holm")
    return head, tuple(rows)


def _by_number(networks: Sequence[Comparisons]) -> Cells:
    """Return a row per set of rules: two, those that papers use, all."""
    rules = networks[0].rules
    pair_count = sum(len(network.pairs) for network in networks)
    plain, _ = _signs(networks)
    sets = {
        f"{REFERENCE} and pointing": (REFERENCE, "pointing"),
        "that papers use": PUBLISHED,
        "all": rules,
    }
    rows = []
    for set_name, chosen in sets.items():
        plain_of_set = plain[[rules.index(rule) for rule in chosen]]
        counts = (int(contradicted(plain_of_set).sum()), _reversed(networks, chosen))
        shares = [f"{count} of {pair_count} ({count / pair_count:.0%})" for count in counts]
        rows.append((str(len(chosen)), set_name, *shares))
    return ("rules", "which", "reversed pairs", "Holm"), tuple(rows)


def _against(networks: Sequence[Comparisons]) -> Cells:
    """Return the share of pairs that each two of the usual rules reverse: the lower half of the matrix."""
    rules = networks[0].rules
    plain, _ = _signs(networks)
    share = reversals(plain)
    rule_indices = [rules.index(rule) for rule in USUAL if rule in rules]
    rows = []
    for number, rule in enumerate(rule_indices):
        below_diagonal = [f"{share[rule, other_rule]:.0%}" for other_rule in rule_indices[:number]]
        above_diagonal = [""] * (len(rule_indices) - 1 - number)
        rows.append((f"{number + 1} {rules[rule]}", *below_diagonal, *above_diagonal))
    numbers = [str(number) for number in range(1, len(rule_indices))]
    return ("rule", *numbers), tuple(rows)


def _pairs(networks: Sequence[Comparisons]) -> Cells:
    """Return the pairs that most pairs of rules reverse, with what differs between the maps."""
    pairs = [
        (network, number, _sides(network, number))
        for network in networks
        for number in range(len(network.pairs))
    ]
    pairs.sort(key=lambda pair: -min(map(len, pair[2])))
    rows = []
    for network, number, (first_better, second_better) in pairs[:MAX_DRAWN]:
        if not first_better or not second_better:
            continue
        first, second = network.pairs[number]
        rows.append(
            (
                network.network,
                first,
                second,
                _named(network.rules, first_better, most=1),
                _named(network.rules, second_better, most=1),
                _difference(network, first, second),
            )
        )
    return ("network", "A", "B", "A is better by", "B is better by", "maps of A"), tuple(rows)


def _sides(network: Comparisons, pair: int) -> tuple[list[int], list[int]]:
    """Return the rules under which the first method of a pair is significantly better, and the second one."""
    signs = network.signs[:, pair]
    return np.flatnonzero(signs == 1).tolist(), np.flatnonzero(signs == -1).tolist()


def _difference(network: Comparisons, first: str, second: str) -> str:
    """Return the traits of the maps of two methods that differ by a large factor."""
    factors = (
        network.traits[:, network.methods.index(first)]
        / network.traits[:, network.methods.index(second)]
    )
    descriptions = []
    for trait, factor in zip(TRAITS, factors.tolist(), strict=True):
        if not 1 / MIN_TRAIT_FACTOR < factor < MIN_TRAIT_FACTOR:
            descriptions.append(f"{trait} ×{factor:.1f}")
    return ", ".join(descriptions)
