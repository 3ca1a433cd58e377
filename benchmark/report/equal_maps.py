"""Methods that give the same map by construction, or that have equal scores."""

from collections.abc import Sequence

from benchmark.records.record import Record
from benchmark.report.entries.entry import Entry
from core.names import MAIN_PROTOCOL, UNRANKED_METHODS

FEWEST = 20
"""Number of cases from which equal scores are not a coincidence."""
PROPORTIONAL = ("AVG", "MAX", "LSE", "EXP", "AVG_MAX", "AVG_MAX_LSE")
"""Poolings whose gradients sum to the classifier's weights: Grad-CAM's weights are those of CAM up to a factor."""
UNCHANGING = (*PROPORTIONAL, "LINEAR")
"""Poolings with which mean gradients do not depend on the scale of the features: ShapleyCAM subtracts 0."""


def equal_scores(records: Sequence[Record]) -> dict[str, str]:
    """Return key of a record -> alphabetically first method with the same scores on the same network.

    This finds equal maps of users' methods: all findings, metrics and thresholds of the main protocol agree. Other
    protocols use less of a map, so different maps may have equal scores.
    """
    first: dict[tuple[object, ...], str] = {}
    out: dict[str, str] = {}
    for record in sorted(records, key=lambda record: record.method):
        scores = record.mean.scores if isinstance(record, Entry) else record.scores
        values = frozenset((s.finding, s.metric, s.threshold_origin, s.value, s.n) for s in scores)
        few = max((score.n for score in scores), default=0) < FEWEST
        if few or record.method in UNRANKED_METHODS or record.cell.protocol != MAIN_PROTOCOL:
            continue
        other = first.setdefault((record.cell.without_method.key, values), record.method)
        out |= {record.key: other} if other != record.method else {}
    return out


def same_as(method: str, pooling: str) -> str:
    """Return the method that gives the same map, up to a positive factor, with a pooling and a linear head; else "".

    ``rectified cam`` is max(0, ·) of that map. Averaging makes all gradients of a channel equal, so there HiResCAM is
    CAM, and X-Grad-CAM is Grad-CAM. With the poolings in ``UNCHANGING``, ShapleyCAM is Grad-CAM.

    >>> same_as("gradcam", "LSE:gamma=5"), same_as("hirescam", "AVG"), same_as("hirescam", "LSE")
    ('rectified cam', 'cam', '')
    """
    name = pooling.split(":")[0]
    if method == "gradcam" and name in PROPORTIONAL:
        return "rectified cam"
    if method == "shapleycam" and name in UNCHANGING:
        return "gradcam"
    same = {"hirescam:smooth=eigen": "eigengradcam", "kpcacam:kernel=linear": "eigencam"}
    if method in same:
        return same[method]
    return {"hirescam": "cam", "xgradcam": "gradcam"}.get(method, "") if name == "AVG" else ""
