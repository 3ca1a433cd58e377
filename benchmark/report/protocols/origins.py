"""Columns of a metric at each origin of its score threshold, and its optimism."""

from benchmark.report.columns import TableColumn, count, optional, score
from benchmark.report.table import with_interval

ORIGINS = (
    "fixed: .5 for all; otsu: each map's own; validation: the best on validation images; cross-fitted: the best on the "
    "other folds' patients; oracle: the best on the test cases themselves, an upper bound for any one threshold per "
    "finding"
)
SHARED = (
    "Chosen per finding; `shared`: one threshold for all findings. optimism: oracle − cross-fitted, the gain from "
    "choosing on the test annotations. A dash: no boxed image to choose on, or not scored."
)


def origins(metric: str, optimism: str = "optimism") -> tuple[TableColumn, ...]:
    """Return the columns of ``metric`` at every origin, per finding and shared, then its ``optimism`` and n."""
    shared = f"{metric}@shared"
    return (
        score(metric, "fixed", "fixed"),
        score(metric, "otsu", "otsu"),
        score(metric, "validation", "validation"),
        optional(score(shared, "validation", "validation, shared")),
        score(metric, "cross-fitted", "cross-fitted", with_interval),
        score(shared, "cross-fitted", "cross-fitted, shared", with_interval),
        score(metric, "oracle", "oracle", with_interval),
        score(shared, "oracle", "oracle, shared", with_interval),
        score(optimism, heading="optimism", formatter=with_interval),
        score(f"{optimism}@shared", heading="optimism, shared", formatter=with_interval),
        count(metric, "cross-fitted"),
    )
