"""Report of the check ``protocols``: how often the order of two methods depends on the rule.

``compare_rules``  compare all pairs of methods of a network under each rule, from the rows per case
``Comparisons``    the result: signs, agreement of rules, and pairs whose order reverses

It is made from records and rows per case alone; ``protocols`` computes them.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.records import Record
from locus.benchmark.report import case_columns, select
from locus.benchmark.report.all_tables import CheckReport
from locus.benchmark.report.case_columns import CaseColumns
from locus.benchmark.report.charts import Chart, Spec, field, mark, scale, tooltip, view
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.select import basis_lines, counted, listed
from locus.benchmark.report.table import Table, short
from locus.benchmark.scoring.statistics.agreement import kendall
from locus.benchmark.scoring.statistics.entries import ALPHA, EntryScores, gaps_between, leave_one_out
from locus.benchmark.scoring.statistics.resample import CaseIndex, by_patient, holm
from locus.benchmark.validity.protocols import PXAP, Values
from locus.core.errors import BadValueError
from locus.core.names import ALL_RULES
from locus.core.types import FloatArray

REFERENCE = "IoU > .3"
"""The rule of the leaderboards."""
ALIKE, UNLIKE = 0.9, 0.6
"""Kendall's tau from which two rules rank alike, and below which they do not."""
SHOWN, NAMED = 12, 6
"""Number of pairs of methods in a table, and of rules in a sentence."""
NOTE = (
    "A pair of methods of one network is significant if p is below .05, over patients and, if there are several, over "
    "training runs. It reverses if one rule shows a significant order and another rule the opposite one. "
    "`Holm`: the same after Holm's correction over the pairs of a rule. `tau`: Kendall's tau to the order by "
    f"`{REFERENCE}`; 1 is the same order."
)
CUTS = "chosen on other patients, for each finding, unless the rule names another"
Signs = NDArray[np.int8]
"""(rules, pairs): 1 if the first method of the pair is significantly better, -1 if it is worse, else 0."""


@dataclass(frozen=True, eq=False)
class Comparisons:
    """All pairs of methods of a network, under each rule."""

    network: str
    methods: tuple[str, ...]
    rules: tuple[str, ...]
    means: FloatArray
    """(rules, methods), mean over findings and training runs."""
    signs: Signs
    adjusted: Signs
    """The same after Holm's correction over the pairs of a rule."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of methods, in the order of the signs."""
        return [*itertools.combinations(self.methods, 2)]

    @cached_property
    def tau(self) -> FloatArray:
        """(rules, rules) Kendall's tau between the orders of the methods."""
        return kendall(self.means[:, None], self.means[None])

    def reversed_pairs(self, signs: Signs) -> NDArray[np.bool_]:
        """Return (pairs,) whether two rules contradict each other."""
        return np.asarray((signs > 0).any(0) & (signs < 0).any(0))

    def reversals(self, signs: Signs) -> FloatArray:
        """Return (rules, rules) the share of pairs that two rules order significantly in opposite directions."""
        return np.asarray((signs[:, None] * signs[None] < 0).mean(-1))


@lru_cache(maxsize=2)
def comparisons(board: Leaderboard) -> list[Comparisons]:
    """Compare the methods of each network; networks with fewer than two methods with rows per case are left out."""
    records = [r for r in select.of_protocol(board.records, board.dataset, ALL_RULES) if select.is_method(r)]
    rows = [row for row in select.trainings(records) if row[0].scores]
    rules = tuple(dict.fromkeys(score.metric for row in rows for score in row[0].scores))
    if not rows or not board.folders:
        return []
    cells = [record.cell for row in rows for record in row]
    columns = case_columns.read_columns(cells, board.folders, rules)
    groups = select.grouped(rows, lambda row: select.network_key(row[0])).values()
    return [compare_rules(group, columns, rules) for group in groups if len(group) > 1]


def compare_rules(rows: Sequence[Sequence[Record]], columns: CaseColumns, rules: Sequence[str]) -> Comparisons:
    """Compare the methods of a network, each a row of training runs, under each of the ``rules``."""
    by_rule = {rule: _entries(rows, columns, rule) for rule in rules}
    signs = {rule: significant(scored) for rule, scored in by_rule.items()}
    return Comparisons(
        select.network(rows[0][0]),
        tuple(row[0].method for row in rows),
        tuple(rules),
        np.array([[entry.theta.mean() for entry in scored] for scored in by_rule.values()]),
        np.array([plain for plain, _ in signs.values()]),
        np.array([adjusted for _, adjusted in signs.values()]),
    )


def _entries(rows: Sequence[Sequence[Record]], columns: CaseColumns, rule: str) -> list[EntryScores]:
    """Return the scores of each method under a rule, with those without each patient."""
    records = [record for row in rows for record in row]
    values, runs = columns.wide([record.key for record in records], rule), [_runs(row) for row in rows]
    if rule != PXAP:
        return entries(values, columns.findings, columns.patients, runs)
    _, first = np.unique(columns.patients, return_index=True)  # the rows have the score without their patient
    return _split(np.array([select.value(record, PXAP) for record in records]), values[first].T, runs)


def _runs(row: Sequence[Record]) -> tuple[str, ...]:
    return tuple(record.cell.model_id for record in row)


def entries(
    values: FloatArray, findings: NDArray[np.str_], patients: NDArray[np.str_], runs: Sequence[tuple[str, ...]]
) -> list[EntryScores]:
    """Return the scores of methods from their values (cases, methods × runs), nan for a case that is left out."""
    known, names = np.isfinite(values), sorted({*findings.tolist()})
    return _split(*leave_one_out(by_patient(np.where(known, values, 0), known, findings, patients, names)), runs)


def _split(theta: FloatArray, left_out: FloatArray, runs: Sequence[tuple[str, ...]]) -> list[EntryScores]:
    ends = np.cumsum([len(names) for names in runs])[:-1]
    parts = zip(runs, np.split(theta, ends), np.split(left_out, ends), strict=True)
    return [EntryScores(names, one, other) for names, one, other in parts]


def significant(entries: Sequence[EntryScores]) -> tuple[Signs, Signs]:
    """Return the signs (pairs,) of significant differences, before and after Holm's correction over the pairs."""
    gaps = gaps_between(entries)
    estimates = [gaps[pair] for pair in itertools.combinations(range(len(entries)), 2)]
    p = np.array([1.0 if estimate is None else estimate.p for estimate in estimates])
    values = np.array([0.0 if estimate is None else estimate.value for estimate in estimates])
    plain, adjusted = (np.where(level <= ALPHA, np.sign(values), 0).astype(np.int8) for level in (p, holm(p)))
    return plain, adjusted


class UnderRule(NamedTuple):
    """Two rows under a rule, and their difference with its interval over patients and training runs."""

    rule: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    """p after Holm's correction over the rules."""

    @property
    def sign(self) -> int:
        """1 if the first row is significantly better, -1 if the second is, else 0."""
        return int(np.sign(self.difference)) if self.p <= ALPHA else 0


def two_rows(values: Values, index: CaseIndex, runs: Sequence[tuple[str, ...]]) -> list[UnderRule]:
    """Compare two rows under each rule, from ``values``: rule -> (cases, runs of the first + runs of the second).

    Raises ``BadValueError`` for fewer than ten patients.
    """
    pairs = {rule: entries(columns, index.findings, index.patients, runs) for rule, columns in values.items()}
    gaps = {rule: gaps_between(pair)[0, 1] for rule, pair in pairs.items()}
    known = {rule: gap for rule, gap in gaps.items() if gap is not None}
    if not known:
        raise BadValueError("a comparison under several rules requires cases of ten or more patients")
    adjusted = holm(np.array([gap.p for gap in known.values()])).tolist()
    return [
        UnderRule(rule, *_means(pairs[rule]), gap.value, gap.low, gap.high, gap.p, p)
        for (rule, gap), p in zip(known.items(), adjusted, strict=True)
    ]


def _means(pair: Sequence[EntryScores]) -> tuple[float, float]:
    first, second = (float(entry.theta.mean()) for entry in pair)
    return first, second


def draw(board: Leaderboard) -> Spec:
    """Draw the rank of each method of the first network under each rule: a line per method."""
    first = comparisons(board)[0]
    ranks = (-first.means).argsort(1).argsort(1) + 1
    order = first.tau[first.rules.index(REFERENCE)].argsort()[::-1].tolist()
    values = [
        {"rule": first.rules[r], "method": name, "rank": int(ranks[r, m]), "score": float(first.means[r, m])}
        for r in order
        for m, name in enumerate(first.methods)
    ]
    base = {
        "x": field("rule:N", title=None, sort=[first.rules[r] for r in order], axis={"labelAngle": -60}),
        "y": field("rank:Q", title="rank", **scale(reverse=True, zero=False)),
        "detail": field("method:N"),
    }
    best = first.methods[int(ranks[first.rules.index(REFERENCE)].argmin())]
    shade = {"strokeOpacity": {"condition": {"test": f"datum.method == '{best}'", "value": 1}, "value": 0.3}}
    lines = mark("line", base, shade, tooltip("method:N", "rule:N", "rank:Q", "score:Q"))
    about = (
        f"{board.dataset}, {first.network}: rank of each method under each rule; rules like `{REFERENCE}` come first. "
        f"Dark: {best}, the best by `{REFERENCE}`."
    )
    return view(values, about, 300, lines)


class ProtocolsReport(CheckReport):
    """Agreement of the rules, and the pairs of methods whose order depends on the rule."""

    question = "Does the answer depend on the rule?"
    limit = "Which rule is right. A significant order under one rule may be chance if many rules are tried."
    charts: ClassVar = (Chart("protocols", "Rank of each method under each rule", draw),)

    def tables(self) -> list[Table]:
        """Return a table of rules and a table of pairs for each network."""
        intro = f"{NOTE}\n{basis_lines(self.rows, CUTS)}"
        compared = comparisons(self.leaderboard)
        return [part for one in compared for part in (_rules(one, self.dataset, intro), _pairs(one, self.dataset))]

    def sentences(self) -> Iterator[str]:
        """Yield how many pairs reverse, and which rules rank alike, for each network."""
        for one in comparisons(self.leaderboard):
            plain, adjusted = (int(one.reversed_pairs(signs).sum()) for signs in (one.signs, one.adjusted))
            share = f"{plain} of {counted(len(one.pairs), 'pair')} of methods ({plain / len(one.pairs):.0%})"
            yield (
                f"{one.network}: {share} have a significant order under one of {len(one.rules)} rules that is reversed "
                f"under another, {adjusted} after Holm's correction."
            )
            tau = one.tau[one.rules.index(REFERENCE)]
            yield f"Like `{REFERENCE}` (tau ≥ {ALIKE:g}): {_named(one.rules, tau >= ALIKE)}."
            yield f"Unlike it (tau < {UNLIKE:g}): {_named(one.rules, tau < UNLIKE)}."


def _named(rules: Sequence[str], chosen: NDArray[np.bool_]) -> str:
    names = [f"`{rule}`" for rule, one in zip(rules, chosen.tolist(), strict=True) if one and rule != REFERENCE]
    more = len(names) - NAMED
    return listed([*names[:NAMED], *([f"{more} more"] if more > 0 else [])]) if names else "none"


def _rules(one: Comparisons, dataset: str, intro: str) -> Table:
    """Return a row per rule: its best method, its agreement with the reference, and reversed pairs."""
    at = one.rules.index(REFERENCE)
    plain, adjusted = one.reversals(one.signs)[at], one.reversals(one.adjusted)[at]
    order = one.tau[at].argsort()[::-1].tolist()
    rows = [
        (
            one.rules[r],
            one.methods[int(one.means[r].argmax())],
            short(float(one.means[r].max())),
            f"{one.tau[at, r]:.2f}",
            f"{np.mean(one.signs[r] != 0):.0%}",
            f"{plain[r]:.0%}",
            f"{adjusted[r]:.0%}",
        )
        for r in order
    ]
    header = ("rule", "best method", "score", "tau", "significant pairs", f"reversed to {REFERENCE}", "Holm")
    return Table(f"{dataset}: rules, {one.network}", intro, header, tuple(rows))


def _pairs(one: Comparisons, dataset: str) -> Table:
    """Return the pairs whose order is contradicted by most pairs of rules."""
    ahead, behind = (one.signs > 0).sum(0), (one.signs < 0).sum(0)
    both = np.minimum(ahead, behind)
    order = [n for n in (-both).argsort(kind="stable").tolist() if both[n]][:SHOWN]

    def rules(sign: int, n: int) -> str:
        return ", ".join(rule for rule, value in zip(one.rules, one.signs[:, n].tolist(), strict=True) if value == sign)

    rows = [(*one.pairs[n], rules(1, n), rules(-1, n)) for n in order]
    header = ("method A", "method B", "A is better by", "B is better by")
    return Table(f"{dataset}: pairs that reverse most, {one.network}", "", header, tuple(rows))
