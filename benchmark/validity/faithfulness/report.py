"""Report of the check ``faithfulness``: the metrics of each method, and the agreement of their rankings."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.charts.chart import Chart
from benchmark.report.checks import CheckReport
from benchmark.report.columns import MODEL, NAMES, TableColumn, count, score, tabulated
from benchmark.report.entries.entry import mean_records
from benchmark.report.sentences import basis_lines
from benchmark.report.table import NOTHING, Table, chance, signed, with_interval
from benchmark.validity.faithfulness import chart
from benchmark.validity.faithfulness.agreement import PAIRS, agreements, sentence, tau_and_p, verdict
from core.names import BASELINES, MAIN, UPPER_BOUND

THRESHOLDS = "cross-fitted by patient, per finding, on these cases"
MEASURES = (
    "Higher is better, except for `deletion` and `road@morf`. insertion, deletion: area under the probability "
    "(Petsiuk et al. 2018). road: (lerf − morf) / 2, from mean probabilities with the least and the most relevant "
    f"pixels imputed (Rong et al. 2022). `{MAIN}` and `pointing` are on the same images. Sorted by `road`."
)
AGREES = (
    "Kendall's tau between two metrics over the methods of a network, without baselines: 1 is the same order, -1 the "
    "reverse. Lower `deletion` counts as better. Interval: percentile bootstrap over patients (95%), and over "
    "training runs if there are several; noise pulls tau towards 0. `p`: exact p-value for unrelated rankings. "
    "`verdict`: agree or disagree if p is below .05 and the interval excludes 0. Metrics have different numbers of "
    "cases: see `n of …` in the table above."
)


class FaithfulnessReport(CheckReport):
    """Metrics of each method, their agreement, and the most faithful method of each network."""

    question = "Do methods that hit the lesion more often explain the network better?"
    limit = (
        "Whether a prediction changes because information is lost or because of the replaced pixels. The network was "
        "not trained on such images."
    )

    charts: ClassVar = (Chart("faithfulness", "Faithfulness against localization", chart.draw),)

    def tables(self) -> list[Table]:
        """Return the metrics of each method (mean over training runs), then the agreement of the metrics."""
        rows = sorted(
            mean_records(self.rows), key=lambda r: (r.cell.backbone, r.cell.global_pool, -select.value(r, "road"))
        )
        intro = f"{MEASURES}\n{basis_lines(self.rows, THRESHOLDS)}"
        measures = tabulated(f"{self.dataset}: faithfulness", intro, _columns(), rows)
        return [measures, *_agreement(agreements(self.leaderboard), self.dataset)]

    def sentences(self) -> Iterator[str]:
        """Yield the agreement of the rankings, then the best method, truth and best baseline of each network."""
        yield from map(sentence, agreements(self.leaderboard))
        rows = mean_records(self.rows)
        for group in select.by_model(record for record in rows if select.defined_values([record.find("road")])):
            if entered := [record for record in group if select.is_method(record)]:
                best = f"the most faithful method by `road` is {_best(entered)}{_beside(group)}"
                yield f"{select.network(group[0])}: {best}."


def _columns() -> list[TableColumn]:
    return [
        *NAMES,
        *(score(metric, formatter=with_interval) for metric in ("road", "insertion", "deletion")),
        *(score(metric) for metric in ("road@morf", "road@lerf")),
        score(MAIN, "cross-fitted", formatter=with_interval),
        score("pointing"),
        count(MAIN, "cross-fitted", f"n of {MAIN}"),
        *(count(metric, heading=f"n of {metric}") for metric in ("road", "deletion")),
        TableColumn("constant maps", _unordered, "optional"),
    ]


def _unordered(record: Record) -> str:
    """Format the number of cases with a constant map, which does not order the pixels; empty for none."""
    share = record.find("unordered")
    return f"{share.value * share.n:.0f} of {share.n}" if share is not None and share.value else NOTHING


def _agreement(networks: Sequence[Record], dataset: str) -> list[Table]:
    """Return a table with a row per network and pair of metrics; none without networks."""
    if not networks:
        return []
    header = (*(column.heading for column in MODEL[:2]), "metrics", "tau [95%]", "p", "verdict", "n methods")
    rows = [_row(record, pair) for record in networks for pair in PAIRS]
    patients = ", ".join(dict.fromkeys(str(r.rests_on["patients"]) for r in networks))
    trainings = ", ".join(dict.fromkeys(str(r.rests_on["trainings"]) for r in networks))
    basis = f"Based on {patients} patients; training runs per network: {trainings}."
    return [Table(f"{dataset}: faithfulness against localization", f"{AGREES}\n{basis}", header, tuple(rows))]


def _row(record: Record, pair: tuple[str, str]) -> tuple[str, ...]:
    tau, p = tau_and_p(record, *pair)
    names = (column.cell(record) for column in MODEL[:2])
    return (*names, " ~ ".join(pair), signed(tau), chance(p), verdict(tau, p), str(tau.n if tau else 0))


def _beside(rows: Sequence[Record]) -> str:
    """Return the scores of the truth boxes drawn as a map, and of the best baseline."""
    words = [
        f"; the truth boxes drawn as a map have {_road(record)}" for record in rows if record.method == UPPER_BOUND
    ]
    blind = [record for record in rows if record.method in BASELINES]
    return "".join(words) + (f"; the best baseline is {_best(blind)}" if blind else "")


def _best(rows: Sequence[Record]) -> str:
    best = max(rows, key=lambda record: select.value(record, "road"))
    return f"`{best.method}` with {_road(best)}"


def _road(record: Record) -> str:
    return with_interval(record.find("road"))
