"""Report of the check ``faithfulness``: the metrics of each method, the agreement of their rankings, and a chart.

``agreements``          Kendall's tau between the rankings by hits and by each metric, from the rows per case
``draw``                chart of faithfulness against localization
``FaithfulnessReport``  the tables and the answer

It is made from records and rows per case alone; ``faithfulness`` computes them.
"""

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np

from locus.benchmark.records import Record, Score
from locus.benchmark.report import case_columns, select
from locus.benchmark.report.all_tables import CheckReport
from locus.benchmark.report.case_columns import CaseColumns
from locus.benchmark.report.charts import Chart, Spec, Values, field, mark, network_channels, scale, tooltip, view
from locus.benchmark.report.columns import MODEL, NAMES, TableColumn, count, score, tabulated
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.row import network_words
from locus.benchmark.report.select import basis_lines
from locus.benchmark.report.table import NOTHING, Table, chance, signed, with_interval
from locus.benchmark.scoring.statistics.agreement import RankAgreement, rank_agreements
from locus.benchmark.scoring.statistics.entries import ALPHA
from locus.benchmark.scoring.statistics.resample import Sums
from locus.core.errors import NotAvailableError
from locus.core.names import BASELINES, FAITHFULNESS, MAIN, UPPER_BOUND

DIRECTION = {MAIN: 1, "insertion": 1, "deletion": -1, "road": 1}
"""Metric -> 1 if higher is better, -1 if lower is better."""
PAIRS = tuple(itertools.combinations(DIRECTION, 2))
Group = list[list[Record]]
"""Rows of a network: the training runs of each method."""
THRESHOLDS = "cross-fitted by patient, per finding, on these cases"
MEASURES = (
    "Higher is better, except for `deletion`. insertion, deletion: area under the probability "
    "(Petsiuk et al. 2018). road: (lerf − morf) / 2, from mean probabilities with the least and the most relevant "
    f"pixels imputed (Rong et al. 2022). `{MAIN}` and `pointing` are on the same images. Sorted by `road`."
)
AGREES = (
    "Kendall's tau between two metrics over the methods of a network, without baselines: 1 is the same order, -1 the "
    "reverse. Lower `deletion` counts as better. Interval: percentile bootstrap over patients (95%), and over "
    "training runs if there are several; noise pulls tau towards 0. `p`: exact p-value for unrelated rankings. "
    "`verdict`: agree or disagree if p is below .05 and the interval excludes 0. Constant maps have no "
    "order of pixels, so they count for hits only."
)

WIDTH, HEIGHT = 250, 380
"""Size of the narrowest plot in pixels."""
OFFSET, MARK, LETTER, LINE = 6, 3, 6, 12
"""Pixels: distance of mark and label, half a mark, width of a letter, height of a line."""
Box = tuple[float, float, float, float]


@lru_cache(maxsize=2)
def agreements(leaderboard: Leaderboard) -> list[Record]:
    """Return a record per network of the check; cached for the tables, the answer and the chart.

    ``tau@ONE~OTHER`` is Kendall's tau between the methods' mean scores by two metrics, without baselines; its n is the
    number of methods with different scores. ``p@ONE~OTHER`` is its exact p-value. Networks with fewer than three
    methods that have rows per case are skipped. Raises ``DataError`` for invalid rows.
    """
    scored = select.of_protocol(leaderboard.records, leaderboard.dataset, FAITHFULNESS)
    ranked = [r for r in scored if r.source == "run" and select.is_method(r)]
    groups = select.grouped(select.trainings(ranked), lambda row: select.network_key(row[0]))
    if not groups or leaderboard.folders is None:
        return []
    columns = case_columns.read_columns(ranked, leaderboard.folders, [*DIRECTION])
    return [record for group in groups.values() if (record := _record(group, columns)) is not None]


def _record(group: Group, columns: CaseColumns) -> Record | None:
    most = max(map(len, group))
    rows = [row for row in group if len(row) == most and all(record.key in columns.columns for record in row)]
    if len(rows) < 3:
        return None
    keys = [record.key for row in rows for record in row]
    measures = [_sums(columns, keys, measure) for measure in DIRECTION]
    index = {measure: n for n, measure in enumerate(DIRECTION)}
    agreements = rank_agreements(measures, [(index[one], index[other]) for one, other in PAIRS], most)
    cell = select.mean_record(rows[0]).cell.model_copy(update={"method": ""})
    counts = {"trainings": most, "patients": len(measures[0].numerator)}
    scores = [s for pair, agreement in zip(PAIRS, agreements, strict=True) for s in _scores(pair, agreement)]
    return Record(cell=cell, rests_on=counts, scores=tuple(scores))


def _sums(columns: CaseColumns, keys: Sequence[str], measure: str) -> Sums:
    """Return the sums of a metric by patient and finding, a column per key; cases without a value are ignored."""
    values = columns.wide(keys, measure)
    finite = np.isfinite(values)
    return columns.groups.sums(DIRECTION[measure] * np.where(finite, values, 0), finite)


def _scores(pair: tuple[str, str], agreement: RankAgreement) -> list[Score]:
    name, methods = "~".join(pair), agreement.rows
    if np.isnan(agreement.tau):
        return [Score(finding="mean", metric=f"tau@{name}", n=methods, reason="all methods are tied")]
    low, high = (None if np.isnan(end) else end for end in (agreement.low, agreement.high))
    tau = Score(finding="mean", metric=f"tau@{name}", value=agreement.tau, low=low, high=high, n=methods)
    return [tau, Score(finding="mean", metric=f"p@{name}", value=max(agreement.p, 1e-6), n=methods)]


def tau_and_p(record: Record, one: str, other: str) -> tuple[Score | None, Score | None]:
    """Return tau and its p-value."""
    return record.find(f"tau@{one}~{other}"), record.find(f"p@{one}~{other}")


def verdict(tau: Score | None, p: Score | None) -> str:
    """Return the verdict on two rankings from tau with its interval, and its exact p-value.

    >>> p = Score(finding="mean", metric="p", value=0.01)
    >>> verdict(Score(finding="mean", metric="tau", value=0.5, low=0.1, high=0.8), p)
    'agree'
    """
    if tau is None or tau.low is None or tau.high is None or p is None or p.value is None:
        return "too few methods"
    if p.value >= ALPHA:
        return "not shown"
    return "agree" if tau.low > 0 else "disagree" if tau.high < 0 else "not shown"


def sentence(record: Record) -> str:
    """Summarize the agreement of localization with each metric of faithfulness for a network."""
    words = {
        "agree": "methods that hit the lesion more often are also more faithful by {}",
        "disagree": "methods that hit the lesion more often are less faithful by {}",
        "not shown": "no agreement is shown between hits and {}",
        "too few methods": "there are too few methods to compare hits and {}",
    }
    taus = {other: tau_and_p(record, one, other) for one, other in PAIRS if one == MAIN}
    measures_by_verdict = {
        word: [f"{m} (tau {signed(tau)}, p {chance(p)})" for m, (tau, p) in taus.items() if verdict(tau, p) == word]
        for word in words
    }
    parts = [words[word].format(", ".join(measures)) for word, measures in measures_by_verdict.items() if measures]
    return f"{network_words(record.cell)}: {'; '.join(parts)}."


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a labelled mark per method, with the interval of ``road``; both axes use the same cases.

    Raises ``NotAvailableError`` if no method has both scores.
    """
    scored = select.of_protocol(leaderboard.records, leaderboard.dataset, FAITHFULNESS)
    rows = [_chart_row(record) for record in select.mean_records(scored)]
    values = [row for row in rows if row["road"] is not None and row["hits"] is not None]
    if not values:
        raise NotAvailableError(f"no method of {leaderboard.dataset} has both {MAIN} and road")
    label(values)
    colours, shapes = network_channels(values)
    base = {
        "x": field("hits:Q", title=f"{MAIN}, on the same cases", **scale(domain=[0, 1])),
        "y": field("road:Q", title="road (higher is more faithful)", **scale(zero=False)),
    }
    interval = {"y": field("low:Q"), "y2": {"field": "high"}}
    hint = tooltip("method:N", "network:N", "hits:Q", "road:Q", "low:Q", "high:Q", "n:Q")
    bars = mark("rule", base, interval, colours, strokeWidth=3, strokeOpacity=0.35)
    points = mark("point", base, shapes, colours, hint, filled=True, opacity=1, size=45)
    names = mark("text", base, {"text": field("label:N")}, align="left", dx=OFFSET, dy=-4)
    agreement = " ".join(map(sentence, agreements(leaderboard)))
    about = (
        f"{leaderboard.dataset}: road with its 95% interval against {MAIN}, a mark per method; labels where there "
        "is space."
    )
    return view(values, f"{about} {agreement}".strip(), HEIGHT, bars, points, names)


def _chart_row(record: Record) -> Values:
    road, hits = record.find("road"), record.find(MAIN, origin="cross-fitted")
    return {
        "method": record.method,
        "network": network_words(record.cell),
        "hits": None if hits is None else hits.value,
        **{name: None if road is None else getattr(road, name) for name in ("low", "high", "n")},
        "road": None if road is None else road.value,
    }


def label(rows: Sequence[Values]) -> None:
    """Label the marks, most faithful first, where the narrowest page has space.

    Marks at the same position share one label.
    """
    groups = select.grouped(rows, lambda row: (row["network"], round(row["hits"], 2), round(row["road"], 2)))
    for row in rows:
        row["label"] = ""
    steps = HEIGHT / max(row["high"] or row["road"] for row in rows)
    marks = [(WIDTH * row["hits"], steps * row["road"]) for row in rows]
    taken = [(x - MARK, x + MARK, y - MARK, y + MARK) for x, y in marks]
    for group in sorted(groups.values(), key=lambda group: -group[0]["road"]):
        words = ", ".join(row["method"] for row in group)
        x, y = WIDTH * group[0]["hits"] + OFFSET, steps * group[0]["road"] - LINE / 4
        box = (x, x + LETTER * len(words), y, y + LINE)
        if not any(_meet(box, other) for other in taken):
            group[0]["label"] = words
            taken.append(box)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


class FaithfulnessReport(CheckReport):
    """Metrics of each method, their agreement, and the most faithful method of each network."""

    question = "Do methods that hit the lesion more often explain the network better?"
    limit = (
        "Whether a prediction changes because information is lost or because of the replaced pixels. The network was "
        "not trained on such images."
    )

    charts: ClassVar = (Chart("faithfulness", "Faithfulness against localization", draw),)

    def tables(self) -> list[Table]:
        """Return the metrics of each method (mean over training runs), then the agreement of the metrics."""
        rows = sorted(
            select.mean_records(self.rows),
            key=lambda r: (r.cell.backbone, r.cell.global_pool, -select.value(r, "road")),
        )
        intro = f"{MEASURES}\n{basis_lines(self.rows, THRESHOLDS)}"
        measures = tabulated(f"{self.dataset}: faithfulness", intro, _columns(), rows)
        return [measures, *_agreement(agreements(self.leaderboard), self.dataset)]

    def sentences(self) -> Iterator[str]:
        """Yield the agreement of the rankings, then the best method, truth and best baseline of each network."""
        yield from map(sentence, agreements(self.leaderboard))
        rows = select.mean_records(self.rows)
        for group in select.by_model(record for record in rows if select.defined_values([record.find("road")])):
            if entered := [record for record in group if select.is_method(record)]:
                best = f"the most faithful method by `road` is {_best(entered)}{_beside(group)}"
                yield f"{network_words(group[0].cell)}: {best}."


def _columns() -> list[TableColumn]:
    return [
        *NAMES,
        *(score(metric, formatter=with_interval) for metric in ("road", "insertion", "deletion")),
        score(MAIN, "cross-fitted", formatter=with_interval),
        score("pointing"),
        count("road"),
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
    rows = [_agreement_row(record, pair) for record in networks for pair in PAIRS]
    patients = ", ".join(dict.fromkeys(str(r.rests_on["patients"]) for r in networks))
    trainings = ", ".join(dict.fromkeys(str(r.rests_on["trainings"]) for r in networks))
    basis = f"Based on {patients} patients; training runs per network: {trainings}."
    return [Table(f"{dataset}: faithfulness against localization", f"{AGREES}\n{basis}", header, tuple(rows))]


def _agreement_row(record: Record, pair: tuple[str, str]) -> tuple[str, ...]:
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
