"""The score: one number of a metric, with its interval, n and the origin of its threshold."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from core.errors import BadValueError, is_shown

Origin = Literal["none", "fixed", "otsu", "validation", "cross-fitted", "oracle"]

CURVE_THRESHOLDS = tuple(n / 20 for n in range(20))
"""Score thresholds of a record's ``hits_by_threshold``: 0, .05 … .95."""


class FrozenModel(BaseModel):
    """An immutable pydantic model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields; what was computed from them is computed again."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields:
            del copied.__dict__[name]
        return copied


def _printable(word: str) -> str:
    if not is_shown(word):
        raise BadValueError(f"the name {word!r} has control or invisible characters: give another")
    return word


Name = Annotated[str, AfterValidator(_printable)]
"""A word that tables and messages show. Raises ``BadValueError`` for one that a terminal would not show as it is."""


class Score(FrozenModel):
    """One number: a metric of a finding, with how many it rests on."""

    finding: str
    """A finding, or ``mean``: the unweighted mean over the findings that have a value."""
    metric: str
    """The word of the table's column: ``hit@iou.3``, ``auroc`` …"""
    value: float | None = None
    """None where it is undefined (0/0), which is never 0."""
    low: float | None = None
    """Lower end of the 95 % interval; None for fewer than 10 patients and for what has no interval at all (see
    ``statistics.optimism``)."""
    high: float | None = None
    """Upper end of the 95 % interval."""
    n: int = 0
    """What the value is a share or mean of: cases, truth boxes or images, as the protocol says."""
    threshold_origin: Origin = "none"
    """Where the score threshold comes from; ``none`` for a metric without one."""
    reason: str = ""
    """Why there is no value."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields, validated and so rounded as every score is."""
        return type(self).model_validate({**super().model_copy(deep=deep).__dict__, **(update or {})})

    @field_validator("value", "low", "high")
    @classmethod
    def _rounded(cls, value: float | None) -> float | None:
        """Six decimals, more than any share needs: what is written is what is read, without rounding noise or -0."""
        return None if value is None else round(value, 6) + 0.0
