"""What a record is: the cell's whole configuration, how it was run, and its scores."""

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator

from benchmark.records.provenance import Provenance
from benchmark.records.score import Scores, rows_by_name
from core import files
from core.scores import CURVE_THRESHOLDS, FrozenModel, Name, Score

SCHEMA_VERSION = 1

Status = Literal["ok", "n/a", "failed"]
Source = Literal["run", "external", "paper", "published"]
PUBLISHED = "published"
"""The source of a published record that stands beside a user's own: no file states it."""


class Stratum(FrozenModel):
    """Scores of a record within one group of its cases."""

    variable: str
    """What the cases are grouped by: size, view, sex, age, company or answer."""
    group: str
    """Which group: small, PA, F, 60+, single, right …"""
    scores: Scores = ()


NOT_STATED = "not stated"


class Reference(FrozenModel):
    """Where numbers that were published elsewhere stand, and what they rest on; ``not stated`` where nobody says."""

    authors: str
    year: int
    identifier: str
    """DOI or arXiv number."""
    table: str
    """Where in the text."""
    hand: Literal["first", "second"]
    """first: read in the authors' own text; second: as somebody else quotes them."""
    quoted_by: str = ""
    """Who quotes them, where they are second-hand."""
    split: str
    """On which images."""
    n: str
    """On how many boxes or images."""
    tuned_on: str
    """On what thresholds and options were chosen."""


class Cell(FrozenModel):
    """dataset × split × model × method × protocol: all that decides the numbers, hashed as the record's key."""

    dataset: Name
    partition: Name = ""
    split: Name = ""
    backbone: Name = ""
    global_pool: Name = ""
    attention_map: Name = ""
    img_size: int | None = None
    seed: int | None = None
    model_id: Name = ""
    method: Name = ""
    alignment: Name = ""
    protocol: Name = ""
    data: dict[str, Any] = Field(default_factory=dict)
    """Options of the data set."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """What the weights depend on: flags of the training, its folds and the training that it starts from."""

    @cached_property
    def images(self) -> int | None:
        """How many of the boxed images are scored, where ``data`` says that it is a drawn part of them; None: all."""
        return self.data.get("images")

    @property
    def data_seed(self) -> int:
        """Deals the patients into folds and draws them: one for all trainings, so that baselines are equal on each."""
        return self.recipe.get("data_seed") or 0

    @cached_property
    def key(self) -> str:
        """16 hex digits: the same configuration, the same key."""
        return files.key(self.model_dump(mode="json"))

    @property
    def model_of_any_seed(self) -> str:
        """The model, whatever its training seed: ``custom-PCAM-128px``."""
        return self.model_id.removesuffix(f"-seed{self.seed}")

    @property
    def without_method(self) -> Self:
        """What it is but for its method."""
        return self.model_copy(update={"method": ""})

    @cached_property
    def model_key(self) -> tuple[object, ...]:
        """What cells share that explain the same model on the same data."""
        of_data = self.dataset, self.partition, self.split
        return (*of_data, self.backbone, self.global_pool, self.attention_map, self.img_size, self.seed, self.model_id)

    @cached_property
    def sort_key(self) -> tuple[str, ...]:
        """By what the rows of a table are sorted before all else."""
        return (*map(str, self.model_key), self.method, self.alignment, self.key)

    @cached_property
    def without_seed(self) -> Self:
        """What the cells of all seeds of an entry share."""
        recipe = {name: value for name, value in self.recipe.items() if name not in ("seed", "weights", "chosen")}
        if recipe.get("init"):
            recipe["init"] = {name: value for name, value in recipe["init"].items() if name != "seed"}
        return self.model_copy(update={"seed": None, "model_id": self.model_of_any_seed, "recipe": recipe})


class Record(FrozenModel):
    """One cell's result, or the sentence that says why there is none."""

    schema_version: Literal[1] = 1
    cell: Cell
    status: Status = "ok"
    reason: str = ""
    """One sentence for ``n/a`` and ``failed``; a remark for ``ok``."""
    source: Source = "run"
    """``external``: maps or boxes that others made, scored here; ``paper``: numbers that were published elsewhere."""
    reference: Reference | None = None
    """Where the numbers of a paper stand and what they rest on."""
    method_name: str = ""
    """The ``name`` of a method from a file outside the tree, whose word in the cell is its path."""
    geometry: Literal["none", "surface", "pixels"] = "none"
    """What boxes were computed on."""
    checkpoints: tuple[str, ...] = ()
    """Hashes of the checkpoints behind the numbers: one per fold."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Software -> version."""
    training: Provenance | None = None
    """How the networks were trained; None where that was not recorded, as before these were, or where there is no
    network."""
    scoring: Provenance | None = None
    """How they were explained and scored."""
    fingerprint: str = ""
    """Hash of the images, labels and boxes that were scored; nothing where it was not recorded."""
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
    hits_by_threshold: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    """Of ``locus``: ``hit@iou.3``, mean over findings, with one of ``CURVE_THRESHOLDS`` for all cases; empty where that
    was not recorded."""
    scores: Scores = ()
    strata: tuple[Stratum, ...] = ()
    """Scores within groups of the cases, where the protocol has them."""

    @field_validator("hits_by_threshold")
    @classmethod
    def _whole(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(values) not in (0, len(CURVE_THRESHOLDS)):
            raise ValueError(f"{len(values)} values where there are {len(CURVE_THRESHOLDS)} thresholds")
        return values

    def __hash__(self) -> int:
        """The hash of the cell's key: equal records have equal cells."""
        return hash(self.key)

    @property
    def key(self) -> str:
        """The hash of the cell."""
        return self.cell.key

    @property
    def method(self) -> str:
        """What tables call the method: its name, also where the cell's word is ``path/to/file.py:Class``."""
        return self.method_name or self.cell.method

    def find(self, metric: str, finding: str = "mean", origin: str | None = None) -> Score | None:
        """The score of a metric, or None where the record has none; ``origin`` None takes the first of any origin."""
        rows = self._rows.get((metric, finding), ())
        return next((self.scores[n] for n, of_row in rows if origin in (None, of_row)), None)

    def select(self, metric: str | None = None, finding: str | None = None) -> list[Score]:
        """The scores of a metric, of a finding or of both, in their order."""
        return [self.scores[n] for n in sorted(n for name in self.names(metric, finding) for n, _ in self._rows[name])]

    def names(self, metric: str | None = None, finding: str | None = None) -> list[tuple[str, str]]:
        """Metric and finding of what ``select`` gives, each once, in their order."""
        return [(m, f) for m, f in self._rows if metric in (None, m) and finding in (None, f)]

    @cached_property
    def _rows(self) -> dict[tuple[str, str], list[tuple[int, str]]]:
        return rows_by_name(self.scores)
