"""What a record is: the cell's whole configuration, how it was run, and its scores."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core import files

SCHEMA_VERSION = 1

Status = Literal["ok", "n/a", "failed"]
Source = Literal["run", "paper"]
Origin = Literal["none", "fixed", "otsu", "validation", "cross-fitted", "oracle"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Score(_Frozen):
    """One number: a metric of a finding, with how many it rests on."""

    finding: str
    """A finding, or ``mean``: the unweighted mean over the findings that have a value."""
    metric: str
    """The word of the table's column: ``hit@iou.3``, ``auroc`` …"""
    value: float | None = None
    """None where it is undefined (0/0), which is never 0."""
    low: float | None = None
    """Lower end of the 95 % interval; None for fewer than 10 patients and for what has no interval at all (see ``statistics.optimism``)."""
    high: float | None = None
    """Upper end of the 95 % interval."""
    n: int = 0
    """What the value is a share or mean of: cases, truth boxes or images, as the protocol says."""
    threshold_origin: Origin = "none"
    """Where the score threshold comes from; ``none`` for a metric without one."""
    reason: str = ""
    """Why there is no value."""

    @field_validator("value", "low", "high")
    @classmethod
    def _rounded(cls, value: float | None) -> float | None:
        """Six decimals, more than any share needs: what is written is what is read, without rounding noise or -0."""
        return None if value is None else round(value, 6) + 0.0


class Stratum(_Frozen):
    """The same scores within one group of the cases."""

    variable: str
    """What the cases are grouped by: size, view, sex, age, company or answer."""
    group: str
    """Which group: small, PA, F, 60+, single, right …"""
    scores: tuple[Score, ...] = ()


class Cell(_Frozen):
    """dataset × split × model × method × protocol: everything that decides the numbers. Its hash is the record's key."""

    dataset: str
    partition: str = ""
    split: str = ""
    backbone: str = ""
    global_pool: str = ""
    attention_map: str = ""
    img_size: int | None = None
    seed: int | None = None
    model_id: str = ""
    method: str = ""
    alignment: str = ""
    protocol: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    """Options of the data set."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """What the weights depend on: flags of the training, its folds and the training that it starts from."""

    @property
    def images(self) -> int | None:
        """How many of the boxed images are scored, where ``data`` says that it is a drawn part of them; None: all."""
        return self.data.get("images")

    @property
    def key(self) -> str:
        """16 hex digits: the same configuration, the same key."""
        return files.key(self.model_dump(mode="json"))


class Record(_Frozen):
    """One cell's result, or the sentence that says why there is none."""

    schema_version: Literal[1] = 1
    cell: Cell
    status: Status = "ok"
    reason: str = ""
    """One sentence for ``n/a`` and ``failed``; a remark for ``ok``."""
    source: Source = "run"
    """``paper``: numbers that were published and not run here."""
    geometry: Literal["none", "surface", "pixels"] = "none"
    """What boxes were computed on."""
    checkpoints: tuple[str, ...] = ()
    """Hashes of the checkpoints behind the numbers: one per fold."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Software -> version."""
    created: str = ""
    """UTC, ISO 8601."""
    seconds: float | None = None
    """How long scoring took; training and explaining, whose results are stored, are mostly done before."""
    rests_on: dict[str, Any] = Field(default_factory=dict)
    """Counts that a reader must know beside the numbers: trainings, images, patients, cases, truth boxes."""
    data: dict[str, Any] = Field(default_factory=dict)
    """What the data set says of the images: hashes of its tables, counts, options."""
    thresholds: dict[str, Any] = Field(default_factory=dict)
    """Origin -> finding -> the thresholds that were chosen."""
    scores: tuple[Score, ...] = ()
    strata: tuple[Stratum, ...] = ()
    """Scores within groups of the cases, where the protocol has them."""

    @property
    def key(self) -> str:
        """The hash of the cell."""
        return self.cell.key

    def find(self, metric: str, finding: str = "mean", origin: str | None = None) -> Score | None:
        """The score of a metric, or None where the record has none; ``origin`` None takes the first of any origin."""
        matching = (s for s in self.scores if s.metric == metric and s.finding == finding)
        return next((s for s in matching if origin is None or s.threshold_origin == origin), None)
