"""Report of the check ``randomised``: which methods keep their maps or hits if weights are replaced by random ones.

It is made from the records alone; ``randomised`` computes them.
"""

from collections.abc import Callable, Iterator, Sequence

from locus.benchmark.report import grouping
from locus.benchmark.report.charts import Chart, strip
from locus.benchmark.report.detail_tables import NAMES, count, score
from locus.benchmark.report.grouping import Row, basis_lines, counted, listed, networks_among
from locus.benchmark.report.page import CheckReport
from locus.benchmark.report.table import Table, TableColumn, number, signed, tabulated, with_interval
from locus.core.names import MAIN, backbone_words
from locus.core.scores import Score

UNCHANGED = 0.5
RULE = (
    "Marks, by the mean rank correlation with the trained network's map: `does not change` if it is above "
    f"{UNCHANGED} with all weights random; else `blind to the head` if it is above {UNCHANGED} with a random head. "
    f"`hits stay` if, with all weights random, the interval of the change of {MAIN} reaches 0. A random head may "
    "flip the sign of a map, which changes the hits but not the absolute values, so their column does not affect marks."
)
THRESHOLDS = "cross-fitted by patient, per finding and network"


class RandomisedReport(CheckReport):
    """Correlations and hits while weights are randomised from the head down."""

    check = "randomised"
    question = "Do maps change when the weights are randomised?"
    limit = "Whether a map is right. A change only shows that the map depends on the weights."

    def chart(self) -> Chart | None:
        """Draw the correlation of each method's maps with all weights random, a line per network."""
        methods = [row for row in self.rows if row.is_method and _parts(row)]
        groups = grouping.grouped(methods, networks_among(self.rows))
        about = (
            "Mean rank correlation of maps with those of the trained network, all weights randomised. A dot is a "
            "method, the tick is their mean; 1 is the same map."
        )
        return strip({name: [*map(_all, group)] for name, group in groups.items()}, "rank correlation", about)

    def tables(self) -> list[Table]:
        """Return the correlations, then the hits, while weights are randomised from the head down.

        Backbones with the same parts share two tables.
        """
        of_parts = grouping.grouped(self.rows, _parts)
        return [table for parts, rows in of_parts.items() if parts for table in _steps(rows, parts, self.dataset)]

    def sentences(self) -> Iterator[str]:
        """Yield the methods that keep their maps or hits with random weights, and with a random head only."""
        rows = [row for row in self.rows if _parts(row)]
        entered = [row for row in rows if row.is_method]
        unchanged_rows = [row for row in entered if "does not change" in marks(row)]
        if unchanged_rows:
            yield (
                f"The maps of {_by_method(unchanged_rows, rows, _all)} hardly change with all weights randomised (rank "
                f"correlation above {UNCHANGED}): they do not explain the network."
            )
        others = [row for row in entered if row not in unchanged_rows]
        yield from _changed(others, rows, "other " if unchanged_rows else "")
        yield from _hits(entered, rows)
        if blind := [row for row in entered if "blind to the head" in marks(row)]:
            yield (
                f"With only the head randomised, the maps of {_by_method(blind, rows, _head)} hardly change: they "
                "hardly depend on the weights that detect the finding."
            )
        if marked := dict.fromkeys(r.name for r in rows if r not in entered and "does not change" in marks(r)):
            yield f"{listed([f'`{word}`' for word in marked])} do not use the weights. They are marked, as expected."


def _steps(rows: Sequence[Row], parts: Sequence[str], dataset: str) -> list[Table]:
    rows = sorted(rows, key=lambda row: (*map(str, row.cell.model_key), _value(row, f"rho@{parts[-1]}")))
    backbones = ", ".join(dict.fromkeys(backbone_words(row.cell.backbone) for row in rows))
    of = f"{dataset}: randomised from the head down, {backbones}"
    intro = f"{RULE}\n{basis_lines(rows, THRESHOLDS)}"
    return [
        tabulated(f"{of}, rank correlation with the trained network's map", intro, _correlation_columns(parts), rows),
        tabulated(f"{of}, {MAIN}", intro, _hit_columns(parts), rows),
    ]


def marks(row: Row) -> list[str]:
    """Return the marks of a method whose maps or hits do not depend on the weights."""
    change, all_same = _change_of(row), _all(row) > UNCHANGED
    top = None if change is None else change.value if change.high is None else change.high
    holds = {
        "does not change": all_same,
        "blind to the head": _head(row) > UNCHANGED and not all_same,
        "hits stay": top is not None and top >= 0,
    }
    return [mark for mark, is_so in holds.items() if is_so]


MARKS = TableColumn("", lambda row: "; ".join(marks(row)))


def _parts(row: Row) -> tuple[str, ...]:
    """Return the parts of its network, from the head down."""
    return tuple(score.metric.removeprefix("rho@") for score in row.select("mean") if score.metric.startswith("rho@"))


def _correlation_columns(parts: Sequence[str]) -> list[TableColumn]:
    *some, last = parts
    return [
        *NAMES,
        *(score(f"rho@{part}", heading=part) for part in some),
        score(f"rho@{last}", heading=f"{last} (all)", formatter=with_interval),
        score(f"rho_abs@{last}", heading="absolute values, all", formatter=with_interval),
        count(f"rho@{last}"),
        MARKS,
    ]


def _hit_columns(parts: Sequence[str]) -> list[TableColumn]:
    *some, last = parts
    return [
        *NAMES,
        score(f"{MAIN}@trained", "cross-fitted", "trained", with_interval),
        *(score(f"{MAIN}@{part}", "cross-fitted", part) for part in some),
        score(f"{MAIN}@{last}", "cross-fitted", f"{last} (all)"),
        score(f"change@{MAIN}@{last}", "cross-fitted", "all − trained", signed),
        score("pointing@trained", heading="pointing, trained"),
        score(f"pointing@{last}", heading="pointing, all"),
        count(f"{MAIN}@{last}", "cross-fitted"),
        MARKS,
    ]


def _changed(changed: Sequence[Row], rows: Sequence[Row], which: str) -> Iterator[str]:
    if changed:
        most = max(changed, key=_all)
        methods = counted(len({row.name for row in changed}), f"{which}method")
        networks = counted(len({row.cell.model_key for row in changed}), "network")
        yield (
            f"The maps of {methods} on {networks} change. With all weights randomised, their mean rank correlation "
            f"with the trained network's maps is at most {number(_all(most))} (`{most.name}`, "
            f"{networks_among(rows)(most)}; 1 is the same map)."
        )


def _hits(entered: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    """Yield the methods that keep their hits with random weights, and the smallest loss of the others."""
    staying = [row for row in entered if "hits stay" in marks(row)]
    if staying:
        yield f"Hits stay with all weights randomised: {_by_method(staying, rows, _change)}."
    if falling := [row for row in entered if row not in staying and _change_of(row) is not None]:
        least = max(falling, key=_change)
        yield (
            f"{'All other methods lose hits' if staying else 'All methods lose hits'}: the smallest change of "
            f"`{MAIN}` is {signed(_change_of(least))} (`{least.name}`, {networks_among(rows)(least)})."
        )


def _by_method(chosen: Sequence[Row], rows: Sequence[Row], value: Callable[[Row], float]) -> str:
    """List each method with its networks and values."""
    groups, named = grouping.grouped(chosen, lambda row: row.name), networks_among(rows)
    values = {name: [f"{named(r)} {number(value(r))}" for r in group] for name, group in groups.items()}
    return listed([f"`{method}` ({', '.join(parts)})" for method, parts in values.items()])


def _head(row: Row) -> float:
    return _value(row, f"rho@{_parts(row)[0]}")


def _all(row: Row) -> float:
    return _value(row, f"rho@{_parts(row)[-1]}")


def _change_of(row: Row) -> Score | None:
    return row.find(f"change@{MAIN}@{_parts(row)[-1]}")


def _change(row: Row) -> float:
    return _value(row, f"change@{MAIN}@{_parts(row)[-1]}")


def _value(row: Row, metric: str) -> float:
    """Return the mean of a metric over findings, for sorting; -1, below any metric, if there is none."""
    value = row.value(metric)
    return -1.0 if value is None else value
