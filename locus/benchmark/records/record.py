"""A record: the configuration of a cell, how it was run, its scores, and the machine and software that computed them.

``Cell``        everything that determines the scores; its hash is the key
``Record``      the result of one cell, or the reason why it has none
``Provenance``  machine, precision and software. They are not part of the key, but change the rounding.
``Subgroup``, ``Reference``  scores within a group of cases, and the source of numbers published elsewhere

Records are stored by ``storage`` (one file each) and ``packed`` (one table per suite), their rows per case by
``cases``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    WrapValidator,
    field_validator,
)

from locus.core import files, names
from locus.core.scores import (
    CURVE_THRESHOLDS,
    FrozenModel,
    Name,
    Score,
    ScoreColumns,
    ThresholdSource,
    require_range,
)

if TYPE_CHECKING:
    from locus.config import TrainConfig

NOT_RECORDED = "not recorded"
SCHEMA_VERSION = 1
Status = Literal["ok", "n/a", "failed"]
Source = Literal["run", "external", "paper", "published"]
PUBLISHED = "published"
"""Source of published records that are shown next to a user's records; not stored in files."""
EXTERNAL_MODEL = "external"
"""Model id of all records of external entries, whose networks are unknown."""
CONTRIBUTED = "contributed by"
"""Name and date in ``rests_on`` of a record that someone else made and that was merged here."""
NOT_STATED = "not stated"
SCORED_BOXES = "the scored boxes"
"""Start of ``Reference.tuned_on`` if thresholds were chosen on the truth that they are scored on."""


class Provenance(BaseModel):
    """Machine, precision and software of a training run or of scoring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: str
    """Precision as named by Lightning: 32, bf16-mixed …"""
    threads: int
    """CPU threads of torch."""
    device: str
    """cpu, or the GPU's name."""
    processor: str
    versions: dict[str, str] = Field(default_factory=dict)
    """Software -> version."""
    data: dict[str, str] = Field(default_factory=dict)
    """Split -> fingerprint of images and labels used for training; empty for scoring."""
    others: tuple["Provenance", ...] = ()
    """Further machines, of earlier parts of a resumed training run or of runs of other folds."""


def join(used: Sequence[Provenance | None]) -> Provenance | None:
    """Return the first of ``used`` with all different ones as its ``others``; None if any was not recorded."""
    distinct: list[Provenance] = []
    for provenance in used:
        if provenance is None:
            return None
        machines = (provenance.model_copy(update={"others": ()}), *provenance.others)
        distinct += [machine for machine in machines if machine not in distinct]
    return distinct[0].model_copy(update={"others": tuple(distinct[1:])}) if distinct else None


def describe(provenance: Provenance | None) -> str:
    """Return precision, threads, device and processor of all machines in one line."""
    return NOT_RECORDED if provenance is None else " and ".join(_machines(provenance))


def _machines(provenance: Provenance) -> list[str]:
    """Return precision, threads, device and processor of each distinct machine."""
    lines = []
    for used in (provenance, *provenance.others):
        threads = "1 thread" if used.threads == 1 else f"{used.threads} threads"
        device = used.device
        if not device.endswith(used.processor):
            device = f"{device}, {used.processor}"
        lines.append(f"precision {used.precision}, {threads}, {device}")
    return list(dict.fromkeys(lines))


def _validated(scores: Any, validate: Callable[[Any], Sequence[Score]]) -> Sequence[Score]:
    if isinstance(scores, ScoreColumns) or (
        isinstance(scores, tuple) and {*map(type, scores)} <= {Score}
    ):
        return scores
    validated = validate(scores)
    for score in validated:
        numbers = [value for value in (score.value, score.low, score.high) if value is not None]
        require_range(score.metric, np.array(numbers))
        require_range("n", np.array(score.n))
    return validated


def _dicts(scores: Sequence[Score]) -> list[dict[str, Any]]:
    return [_without_defaults(score) for score in scores]


def _without_defaults(score: Score) -> dict[str, Any]:
    defaults = Score._field_defaults
    return {
        name: value for name, value in score._asdict().items() if value != defaults.get(name, ...)
    }


Scores = Annotated[tuple[Score, ...], WrapValidator(_validated), PlainSerializer(_dicts)]
"""Scores of a record; packed records have ``ScoreColumns``. Existing scores are not validated again. JSON has only the
fields that differ from the defaults."""


class Subgroup(FrozenModel):
    """Scores of a record within one group of its cases."""

    variable: str
    """Grouping of the cases: size, view, sex, age, co_occurrence or classifier_correct.

    The groups are defined in :mod:`locus.benchmark.maps.subgroups`.
    """
    group: str
    """Name of the group: small, PA, F, 60+, single, right …"""
    scores: Scores = ()


class Reference(FrozenModel):
    """Source of numbers published elsewhere, and their data; ``not stated`` if the source does not say."""

    authors: str
    year: int
    identifier: str
    """DOI or arXiv number."""
    table: str
    """Table or section."""
    hand: Literal["first", "second", "grey"]
    """first: from the authors' text or repository; second: quoted by other authors; grey: not reviewed."""
    quoted_by: str = ""
    """Authors who quote second-hand numbers."""
    split: str
    """Scored images."""
    n: str
    """Number of boxes or images."""
    tuned_on: str
    """Data on which thresholds and options were chosen; starts with ``SCORED_BOXES`` if those were used."""
    supervision: str = NOT_STATED
    """What the network was trained on: ``image labels``, and boxes (how many), anatomy or text."""
    operator: Literal[">", "≥", "not stated"] = "not stated"
    """Whether an overlap that equals the threshold is a hit."""
    prediction: str = NOT_STATED
    """What is compared with the truth: one box, the best of several, all regions together, a mask."""
    model: str = ""
    """The model, if there are several results of it: settings, ablations, reprints. By default the name of the row."""


class Declared(BaseModel):
    """The keys of a dictionary that tables read, and their types. Further keys are allowed; defaults are not used."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class External(Declared):
    """Maps or boxes made elsewhere, as their authors declare them. Further keys are not allowed."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["maps", "boxes"]
    entry: Name = ""
    files: Name = ""
    geometry: Name | dict[Name, list[float]] = ""
    missing: Literal["miss", "skip", "error"] = "error"


class Recipe(Declared):
    """``Cell.recipe``."""

    external: External = External(kind="maps")
    grid: Annotated[Sequence[StrictInt], Field(min_length=2, max_length=2)] = (1, 1)
    seed: StrictInt | None = None
    data_seed: StrictInt | None = None
    epochs: StrictInt = 0
    augment: Name = ""
    trained_on: Name = ""
    weights: Name = ""
    init: dict[str, Any] | None = None


class ScoredData(Declared):
    """``Cell.data``."""

    dataset: Name = ""
    images: StrictInt | None = None
    findings: StrictInt | None = None
    fitted_on: Name = ""


def _checked_by(schema: type[Declared]) -> WrapValidator:
    """Return a validator of dictionaries that checks them by ``schema`` and keeps them, because the key hashes them."""

    def check(value: Any, validate: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        schema.model_validate(value)
        return validate(value)

    return WrapValidator(check)


class Cell(FrozenModel):
    """Data set, split, model, method and protocol: everything that determines the scores; its hash is the key."""

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
    data: Annotated[dict[str, Any], _checked_by(ScoredData)] = Field(default_factory=dict)
    """The data set with its options, the number of findings and, if they apply, the size of the random subset of
    images, the other data set of training, and the suite of ``fitted_on``. ``Record.data`` is different: it describes
    the images."""
    recipe: Annotated[dict[str, Any], _checked_by(Recipe)] = Field(default_factory=dict)
    """Everything that the weights depend on: training flags with the seed, folds and the initial training run. For
    external maps and boxes, what their authors declare."""

    @classmethod
    def of_network(
        cls, config: "TrainConfig", model_id: str, recipe: dict[str, Any], pooling: str
    ) -> Self:
        """Return a cell with the fields that all cells of a network share.

        Args:
            config: the flags of its training, or of the data on which it is scored.
            model_id: its name with image size and training seed.
            recipe: everything that its weights depend on.
            pooling: its pooling, or that of a user's network.

        Returns:
            A cell without method and protocol.
        """
        dataset_name = config.dataset.split(":")[0]
        data = {"dataset": config.dataset, "findings": config.num_classes}
        return cls(
            dataset=dataset_name,
            partition=config.partition,
            split="test",
            backbone=config.backbone,
            global_pool=pooling,
            attention_map=config.attention_map or "none",
            img_size=config.img_size,
            seed=config.seed,
            model_id=model_id,
            alignment="aligned",
            data=data,
            recipe=recipe,
        )

    @cached_property
    def images(self) -> int | None:
        """Number of scored images if they are a random subset of the boxed images; None: all."""
        return self.data.get("images")

    @property
    def fitted_on(self) -> str | None:
        """Suite on whose cases thresholds and baselines were chosen; None: on other patients of the scored cases."""
        return self.data.get("fitted_on")

    @property
    def threshold_source(self) -> ThresholdSource:
        """Source of the score threshold of its rows per case and of the main column."""
        return "cross-fitted" if self.fitted_on is None else "fitted"

    @property
    def data_seed(self) -> int:
        """Seed for splitting and resampling patients; the same for all training runs."""
        return self.recipe.get("data_seed") or 0

    @cached_property
    def key(self) -> str:
        """16 hex digits: equal configurations have equal keys."""
        return files.json_hash(self.model_dump(mode="json"))

    @property
    def model_of_any_seed(self) -> str:
        """The model without its training seed: ``custom-PCAM-128px``."""
        return self.model_id.removesuffix(f"-seed{self.seed}")

    @property
    def network(self) -> str:
        """Its network in words: backbone, pooling, attention, augmentation and marker.

        The words of maps or boxes made elsewhere say what they are.

        >>> Cell(dataset="phantom", backbone="custom", global_pool="PCAM", attention_map="none").network
        'small CNN with PCAM'
        >>> Cell(dataset="phantom", recipe={"external": {"kind": "boxes"}}).network
        'own boxes'
        """
        if "external" in self.recipe:
            return f"own {self.recipe['external']['kind']}"
        backbone, *additions = self.network_without_marker
        if "epochs" in self.recipe and "dataset" in self.recipe:
            additions.append(names.marker_words(self.recipe["dataset"]))
        in_words = (names.backbone_words(backbone), " and ".join(filter(None, additions)))
        return " with ".join(filter(None, in_words)) or "network unknown"

    @property
    def network_without_marker(self) -> tuple[str, ...]:
        """What a network trained with a marker shares with the network trained without it.

        These are its backbone and the words for pooling, attention and augmentation.
        """
        layers = [
            name for name in (self.global_pool, self.attention_map) if name not in ("", "none")
        ]
        return (self.backbone, *layers, *names.augment_words(self.recipe.get("augment", "")))

    @property
    def without_method(self) -> Self:
        """The cell without its method."""
        return self.model_copy(update={"method": ""})

    @cached_property
    def model_key(self) -> tuple[object, ...]:
        """Fields shared by all cells that explain the same model on the same data."""
        of_data = self.dataset, self.partition, self.split
        return (
            *of_data,
            self.backbone,
            self.global_pool,
            self.attention_map,
            self.img_size,
            self.seed,
            self.model_id,
        )

    @cached_property
    def sort_key(self) -> tuple[str, ...]:
        """First sort key of table rows."""
        return (*map(str, self.model_key), self.method, self.alignment, self.key)

    @cached_property
    def key_of_any_seed(self) -> tuple[object, ...]:
        """Fields shared by the cells of all training runs of a row."""
        of_data = (self.dataset, self.partition, self.split)
        scored = (self.method, self.alignment, self.protocol)
        network = (
            self.backbone,
            self.global_pool,
            self.attention_map,
            self.img_size,
            self.model_of_any_seed,
        )
        contents = self.model_dump(mode="json", include={"data", "recipe"})
        return (
            *of_data,
            *network,
            *scored,
            files.json_hash([contents["data"], _without_seed(contents["recipe"])]),
        )

    @cached_property
    def key_of_network(self) -> str:
        """Key that the cells of all methods and seeds of one network share."""
        blank = {"method": "", "protocol": "", "alignment": "", "data": {}}
        return self.without_seed.model_copy(update=blank).key

    @cached_property
    def without_seed(self) -> Self:
        """The cell without its training seed, equal for all training runs of a row."""
        update = {
            "seed": None,
            "model_id": self.model_of_any_seed,
            "recipe": _without_seed(self.recipe),
        }
        return self.model_copy(update=update)


def _without_seed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe without the training seed."""
    settings = {name: value for name, value in recipe.items() if name not in ("seed", "weights")}
    if settings.get("init"):
        settings["init"] = {
            name: value for name, value in settings["init"].items() if name != "seed"
        }
    return settings


class Record(FrozenModel):
    """Result of one cell, or the reason why it has none."""

    schema_version: Literal[1] = 1
    cell: Cell
    status: Status = "ok"
    reason: str = ""
    """One sentence for ``n/a`` and ``failed``; a remark for ``ok``."""
    source: Source = "run"
    """``external``: maps or boxes made elsewhere, scored here; ``paper``: numbers published elsewhere."""
    reference: Reference | None = None
    """Source of a paper's numbers and their data."""
    method_name: str = ""
    """``name`` of a method from a user's file; the cell has its path."""
    geometry: Literal["none", "surface", "pixels"] = "none"
    """Where boxes were computed: ``surface``, on the bilinear surface of the map; ``pixels``, on the map resized to the
    image; ``none``, without boxes."""
    code: dict[str, str] = Field(default_factory=dict)
    """Hashes of the code of the ``method`` and of the ``network``; see ``locus.benchmark.maps``. Empty in records
    of external maps, of papers and of cells that were not computed."""
    checkpoints: tuple[str, ...] = ()
    """Hashes of the checkpoints: one per fold."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Software -> version."""
    training: Provenance | None = None
    """Provenance of the training; None without a network and in older records."""
    scoring: Provenance | None = None
    """Provenance of explaining and scoring."""
    fingerprint: str = ""
    """Hash of the scored images, labels and boxes; empty in older records."""
    created: str = ""
    """UTC, ISO 8601."""
    seconds: float | None = None
    """Duration of scoring, usually without training and explaining."""
    rests_on: dict[str, Annotated[StrictInt, Field(ge=0)] | Name] = Field(default_factory=dict)
    """Sample counts (training runs, images, patients, cases, truth boxes) and remarks on the data."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Description of the images (``Dataset.describe``): hashes of tables, counts, options."""
    thresholds: dict[str, Any] = Field(default_factory=dict)
    """Source of the score threshold (see ``ThresholdSource``) -> finding -> chosen thresholds."""
    hits_by_threshold: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    """``hit@iou.3``, mean over findings, at each of ``CURVE_THRESHOLDS``; empty except for ``single_box``."""
    resampled: tuple[float, ...] = ()
    """Main metric, mean over findings, in resamples of patients that choose everything again; only of ``added``."""
    scores: Scores = ()
    subgroups: tuple[Subgroup, ...] = ()
    """Scores within groups of the cases, if the protocol has groups."""

    @field_validator("hits_by_threshold")
    @classmethod
    def _whole(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(values) not in (0, len(CURVE_THRESHOLDS)):
            raise ValueError(
                f"hits_by_threshold has {len(values)} values, not one for each of {len(CURVE_THRESHOLDS)} thresholds"
            )
        return values

    def __hash__(self) -> int:
        """Return the hash of the cell's key: equal records have equal cells."""
        return hash(self.key)

    @property
    def key(self) -> str:
        """The hash of the cell."""
        return self.cell.key

    @property
    def method(self) -> str:
        """Name of the method in tables; also for a method given as ``path/to/file.py:Class``."""
        return self.method_name or self.cell.method

    def may_have_cases_of(self, other: Self) -> bool:
        """Return whether both agree on the data set, its counts and, if comparable, its images and boxes."""
        if self.cell.dataset != other.cell.dataset:
            return False
        for name in ("patients", "cases", "truth boxes"):
            if self.rests_on.get(name) != other.rests_on.get(name):
                return False
        # images of several folds are in another order; older records have no fingerprint
        has_several_folds = self.rests_on.get("trainings") != 1
        if has_several_folds or not self.fingerprint or not other.fingerprint:
            return True
        return self.fingerprint == other.fingerprint

    def find(
        self, metric: str, finding: str = "mean", threshold_source: str | None = None
    ) -> Score | None:
        """Return the score of a metric, or None if there is none.

        ``threshold_source``: how the score threshold was chosen; None: the first score of any threshold source.
        """
        for number, source in self._rows.get((metric, finding), ()):
            if threshold_source in (None, source):
                return self.scores[number]
        return None

    def select(self, metric: str | None = None, finding: str | None = None) -> list[Score]:
        """Return the scores of a metric, of a finding or of both, in record order."""
        numbers = []
        for name in self.names(metric, finding):
            numbers += [number for number, _ in self._rows[name]]
        return [self.scores[number] for number in sorted(numbers)]

    def names(self, metric: str | None = None, finding: str | None = None) -> list[tuple[str, str]]:
        """Return the distinct pairs of metric and finding that ``select`` returns, in record order."""
        if metric is not None and finding is not None:
            return [(metric, finding)] if (metric, finding) in self._rows else []
        if metric is not None:
            return [name for name in self._rows if name[0] == metric]
        if finding is not None:
            return [name for name in self._rows if name[1] == finding]
        return list(self._rows)

    @cached_property
    def _rows(self) -> dict[tuple[str, str], list[tuple[int, str]]]:
        if isinstance(self.scores, ScoreColumns):
            return _rows_by_name(self.scores.names)
        return _rows_by_name(
            tuple(map(attrgetter("metric", "finding", "threshold_source"), self.scores))
        )


@lru_cache(maxsize=128)
def _rows_by_name(
    names: tuple[tuple[str, str, str], ...],
) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """Return metric and finding -> rows and their sources; cached, since records of a protocol have the same names."""
    rows: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for n, (metric, finding, threshold_source) in enumerate(names):
        rows.setdefault((metric, finding), []).append((n, threshold_source))
    return rows
