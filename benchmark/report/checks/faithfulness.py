"""Report of the check ``faithfulness``: the metrics of each method, and how far they rank methods alike."""

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
    "Higher is better, except for `deletion` and `road@morf`. insertion, deletion: area under the probability "
    "(Petsiuk et al. 2018). road: (lerf − morf) / 2, mean probabilities with the least and with the most relevant "
    f"pixels imputed (Rong et al. 2022). `{MAIN}` and `pointing` on the same cases. Sorted by `road`."
)
AGREES = (
    "Kendall's tau between two metrics over the methods of a network, without baselines: 1 is the same order, -1 the "
    "reverse. Lower `deletion` counts as better. Interval: percentile bootstrap over patients (95 %), and over "
    "training runs if there are several; noise pulls tau towards 0. `p`: exact, the probability of such an order if "
    "the two rankings were unrelated. `so`: alike or reversed only if p is below .05 and the interval excludes 0. "
    "Metrics have different numbers of cases: see `n of …` in the table above."
)


class FaithfulnessReport(CheckReport):
    """Metrics of each method, their agreement, and the most faithful method of each network."""

    name = "faithfulness"
    question = "Do methods that hit the lesion more often explain the network better?"
    limit = (
        "Whether the replaced pixels themselves change the prediction. The network never saw such images in training."
    )

    def tables(self) -> list[Table]:
        """Return the metrics of each method (mean over training runs), then how far the metrics agree."""
        rows = sorted(
            mean_records(self.rows), key=lambda r: (r.cell.backbone, r.cell.global_pool, -select.value(r, "road"))
        )
        intro = f"{MEASURES}\n{basis_lines(self.rows, THRESHOLDS)}"
        measures = tabulated(f"{self.dataset}: faithfulness", intro, _columns(), rows)
        return [measures, *_agreement(self.records, self.dataset)]

    def sentences(self) -> Iterator[str]:
        """Yield how far the rankings agree, then the most faithful method, truth and best baseline of each network."""
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
    """Format the number of cases whose map is constant, so that it orders no pixels; empty for none."""
    share = record.find("unordered")
    return f"{share.value * share.n:.0f} of {share.n}" if share is not None and share.value else NOTHING


def _agreement(records: Sequence[Record], dataset: str) -> list[Table]:
    """Return a table with a row per network and pair of metrics."""
    networks = _networks(records, dataset)
    if not networks:
        return []
    header = (*(column.heading for column in MODEL[:2]), "measures", "tau [95 %]", "p", "so", "n methods")
    rows = [_row(record, pair) for record in networks for pair in PAIRS]
    patients = ", ".join(dict.fromkeys(str(r.rests_on["patients"]) for r in networks))
    trainings = ", ".join(dict.fromkeys(str(r.rests_on["trainings"]) for r in networks))
    basis = f"Rests on: {patients} patients; training runs per network {trainings}."
    return [Table(f"{dataset}: faithfulness against localization", f"{AGREES}\n{basis}", header, tuple(rows))]


def _networks(records: Sequence[Record], dataset: str) -> list[Record]:
    return [r for r in records if r.cell.dataset == dataset and r.cell.protocol == AGREEMENT]


def agreement_sentences(records: Sequence[Record], dataset: str) -> list[str]:
    """Return a sentence on the agreement for each network."""
    return [sentence(record) for record in _networks(records, dataset)]


def _row(record: Record, pair: tuple[str, str]) -> tuple[str, ...]:
    tau, p = _tau(record, *pair)
    names = (column.cell(record) for column in MODEL[:2])
    return (*names, " ~ ".join(pair), signed(tau), share(p), verdict(tau, p), str(tau.n if tau else 0))


def _tau(record: Record, one: str, other: str) -> tuple[Score | None, Score | None]:
    """Return tau and its p."""
    return record.find(f"tau@{one}~{other}"), record.find(f"p@{one}~{other}")


def verdict(tau: Score | None, p: Score | None) -> str:
    """Return the verdict on two rankings from tau, its interval and its exact p.

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
    """Summarize how localization agrees with each metric of faithfulness for a network."""
    words = {
        "alike": "methods that hit the lesion more often are also more faithful by {}",
        "reversed": "methods that hit the lesion more often are less faithful by {}",
        "neither follows": "no agreement is shown between hits and {}",
        "cannot be told": "there are too few methods to compare hits and {}",
    }
    taus = {other: _tau(record, one, other) for one, other in PAIRS if one == MAIN}
    measures_by_verdict = {
        word: [f"{m} (tau {signed(tau)}, p {share(p)})" for m, (tau, p) in taus.items() if verdict(tau, p) == word]
        for word in words
    }
    parts = [words[word].format(", ".join(measures)) for word, measures in measures_by_verdict.items() if measures]
    return f"{select.network(record)}: {'; '.join(parts)}."


def _beside(rows: Sequence[Record]) -> str:
    """Return the scores of the annotated boxes as a map and of the best baseline."""
    words = [f"; the true boxes as a map have {_road(record)}" for record in rows if record.method == LIMIT]
    blind = [record for record in rows if record.method in BASELINES]
    return "".join(words) + (f"; the best baseline is {_best(blind)}" if blind else "")


def _best(rows: Sequence[Record]) -> str:
    best = max(rows, key=lambda record: select.value(record, "road"))
    return f"`{best.method}` with {_road(best)}"


def _road(record: Record) -> str:
    return with_interval(record.find("road"))
