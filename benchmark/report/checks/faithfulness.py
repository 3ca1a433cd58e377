"""The report of the check ``faithfulness``: each method's measures, and how far they rank methods alike."""

from collections.abc import Iterator, Sequence

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.checks.base import CheckReport
from benchmark.report.columns import MODEL, NAMES, TableColumn, count, optional, score, tabulated
from benchmark.report.comparisons.agreement import AGREEMENT, PAIRS
from benchmark.report.leaderboard.entries import mean_records
from benchmark.report.table import NOTHING, Table, share, signed, with_interval
from benchmark.scoring.statistics.entries import ALPHA
from core.names import BASELINES, LIMIT, MAIN

THRESHOLDS = "cross-fitted by patient, per finding, on these cases"
MEASURES = (
    "More is better but for `deletion` and `road@morf`. insertion, deletion: area below the probability of the finding "
    "(Petsiuk et al. 2018). road: (lerf − morf) / 2, mean probabilities with the least and with the most relevant "
    f"pixels imputed (Rong et al. 2022). `{MAIN}` and `pointing` on the same cases. Best first by `road`."
)
AGREES = (
    "Kendall's tau between two measures over the methods of a network, baselines left out: 1 the same order, -1 the "
    "reverse. `deletion` counts as better where it is less. Interval: patients drawn (percentiles, 95 %), and "
    "training runs where there are several; chance pulls tau towards 0. `p`: exact, the probability of such an "
    "order if the two rankings were unrelated. `so`: alike or reversed only where p is below .05 and the interval "
    "excludes 0. Measures rest on different numbers of cases: see `n of …` in the table above."
)


class FaithfulnessReport(CheckReport):
    """Each method's measures, how far they agree, and each network's most faithful method."""

    name = "faithfulness"
    question = "Do methods that hit the lesion more often explain the network better?"
    limit = "Whether hidden pixels themselves move the answer. The network was trained on no such image."

    def tables(self) -> list[Table]:
        """The measures method by method, then how far they agree.

        Several trainings stand as their mean.
        """
        rows = sorted(
            mean_records(self.rows), key=lambda r: (r.cell.backbone, r.cell.global_pool, -select.value(r, "road"))
        )
        intro = f"{MEASURES}\n{basis_lines(self.rows, THRESHOLDS)}"
        measures = tabulated(f"{self.dataset}: faithfulness", intro, _columns(), rows)
        return [measures, *_agreement(self.records, self.dataset)]

    def sentences(self) -> Iterator[str]:
        """How far the rankings agree, then each network's most faithful method beside the truth and the baselines."""
        yield from agreement_sentences(self.records, self.dataset)
        rows = mean_records(self.rows)
        for group in select.by_model(record for record in rows if select.defined_values([record.find("road")])):
            if entered := [record for record in group if select.is_method(record)]:
                yield f"{select.network(group[0])}: the most faithful by `road` is {_best(entered)}{_beside(group)}."


def _columns() -> list[TableColumn]:
    return [
        *NAMES,
        *(score(metric, formatter=with_interval) for metric in ("road", "insertion", "deletion")),
        *(score(metric) for metric in ("road@morf", "road@lerf")),
        score(MAIN, "cross-fitted", formatter=with_interval),
        score("pointing"),
        count(MAIN, "cross-fitted", f"n of {MAIN}"),
        *(count(metric, heading=f"n of {metric}") for metric in ("road", "deletion")),
        optional(TableColumn("without an order", _unordered)),
    ]


def _unordered(record: Record) -> str:
    """How many cases have a map that orders no pixels; nothing for none."""
    share = record.find("unordered")
    return f"{share.value * share.n:.0f} of {share.n}" if share is not None and share.value else NOTHING


def _agreement(records: Sequence[Record], dataset: str) -> list[Table]:
    """A row per network and pair of measures, what they mean above."""
    networks = _networks(records, dataset)
    if not networks:
        return []
    header = (*(column.heading for column in MODEL[:2]), "measures", "tau [95 %]", "p", "so", "n methods")
    rows = [_row(record, pair) for record in networks for pair in PAIRS]
    patients = ", ".join(dict.fromkeys(str(r.rests_on["patients"]) for r in networks))
    trainings = ", ".join(dict.fromkeys(str(r.rests_on["trainings"]) for r in networks))
    basis = f"Rests on: {patients} patients; trainings per network {trainings}."
    return [Table(f"{dataset}: faithfulness against localization", f"{AGREES}\n{basis}", header, tuple(rows))]


def _networks(records: Sequence[Record], dataset: str) -> list[Record]:
    return [r for r in records if r.cell.dataset == dataset and r.cell.protocol == AGREEMENT]


def agreement_sentences(records: Sequence[Record], dataset: str) -> list[str]:
    """What the agreement means, network by network."""
    return [sentence(record) for record in _networks(records, dataset)]


def _row(record: Record, pair: tuple[str, str]) -> tuple[str, ...]:
    tau, p = _tau(record, *pair)
    names = (column.cell(record) for column in MODEL[:2])
    return (*names, " ~ ".join(pair), signed(tau), share(p), verdict(tau, p), str(tau.n if tau else 0))


def _tau(record: Record, one: str, other: str) -> tuple[Score | None, Score | None]:
    """Tau and its p."""
    return record.find(f"tau@{one}~{other}"), record.find(f"p@{one}~{other}")


def verdict(tau: Score | None, p: Score | None) -> str:
    """What tau, its interval and its exact p say of two rankings.

    >>> p = Score(finding="mean", metric="p", value=0.01)
    >>> verdict(Score(finding="mean", metric="tau", value=0.5, low=0.1, high=0.8), p)
    'alike'
    """
    if tau is None or tau.low is None or tau.high is None or p is None or p.value is None:
        return "cannot be told"
    if p.value >= ALPHA:
        return "neither follows"
    return "alike" if tau.low > 0 else "reversed" if tau.high < 0 else "neither follows"


def sentence(record: Record) -> str:
    """What the agreement of localization with each measure of faithfulness means for a network, in one sentence."""
    words = {
        "alike": "methods that hit the lesion more often are also the more faithful by {}",
        "reversed": "methods that hit the lesion more often are the less faithful by {}",
        "neither follows": "how often a method hits is not shown to go with its rank by {}",
        "cannot be told": "whether hits and {} rank methods alike cannot be told from so few",
    }
    taus = {other: _tau(record, one, other) for one, other in PAIRS if one == MAIN}
    said = {
        word: [f"{m} (tau {signed(tau)}, p {share(p)})" for m, (tau, p) in taus.items() if verdict(tau, p) == word]
        for word in words
    }
    parts = [words[word].format(", ".join(measures)) for word, measures in said.items() if measures]
    return f"{select.network(record)}: {'; '.join(parts)}."


def _beside(rows: Sequence[Record]) -> str:
    """What the truth's own boxes and the best map without a network have."""
    words = [f"; the true boxes as a map have {_road(record)}" for record in rows if record.method == LIMIT]
    blind = [record for record in rows if record.method in BASELINES]
    return "".join(words) + (f"; of maps that see no network {_best(blind)} is the best" if blind else "")


def _best(rows: Sequence[Record]) -> str:
    best = max(rows, key=lambda record: select.value(record, "road"))
    return f"`{best.method}` with {_road(best)}"


def _road(record: Record) -> str:
    return with_interval(record.find("road"))
