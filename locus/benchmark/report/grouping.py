"""Rows of tables: records of a method, a network, or a method over networks, grouped and described in sentences.

``Row``          a row; it is computed from records when tables are made, and never stored

``Row.of`` makes the row of any protocol or check; those of the main protocol are computed in ``leaderboard`` and
``comparisons``. Tables, pages, charts and data frames read their attributes.

A network (backbone, pooling, attention) with its size, data set and training seed is a model; each of its training runs
is for one fold. Boxed images have a truth box. Sentences are about the data, training and software of a table
(``basis_lines``), names of networks, lists and counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self, TypeVar

from locus.benchmark import baselines
from locus.benchmark.records.record import (
    CONTRIBUTED,
    NOT_RECORDED,
    PUBLISHED,
    Cell,
    Record,
    describe,
)
from locus.benchmark.records.tidy import mean_over_runs
from locus.core import names
from locus.core.errors import examples
from locus.core.names import (
    MAIN,
    MAIN_PROTOCOL,
)
from locus.core.scores import Difference, Estimate, Score
from locus.scoring.statistics.mrmc import ALPHA, RowSamples

COLUMNS = names.HIT_COLUMNS
"""Columns of hits, 0 or 1 in each row per case; `leaderboard` fills other columns, and `main_table` shows both."""
IOU = tuple(name for name in COLUMNS if name.startswith("hit@iou"))
IOBB = tuple(name for name in COLUMNS if name.startswith("hit@iobb"))
NAMES_OF_MEASURES = {"iou": "IoU", "iobb": "IoBB"}
"""Measure in the name of a column -> its name in headings."""
POINTING = "pointing"
UNSOLVED = f"{MAIN}, without solved findings"
"""Mean of the main column over the findings that ``prior`` does not solve; only if there are some that it solves."""
BOXED = "auroc@boxed"
"""AUROC of the classifier on the images with boxes."""
SOLVED = 0.9
"""Share of its cases from which ``prior`` solves a finding."""
WEAK_AUROC = 0.75
"""A classifier with a lower AUROC is marked as weak."""
LABELS = {"seed": "seed", "img_size": "image size", "alignment": "alignment"}
"""Field of a cell -> its label above a table; left out if no cell has a value."""
COUNTED = {"boxed images": "images with boxes"}
"""Name of a stored count -> its label, if it differs."""
MAX_NAMES = 3
"""Largest number of names in a sentence; the others are counted."""
NUMBERS_IN_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a table."""

    kind: Literal["method", "network", "effect"]
    name: str
    runs: tuple[Record, ...]
    """Records from which it was computed, by seed."""
    scores: Mapping[str, Estimate] = field(default_factory=dict)
    """Column -> mean over findings, then over training runs, of the main protocol: ``COLUMNS``, ``UNSOLVED``, ``BOXED``
    and the others that ``leaderboard`` fills."""
    findings: Mapping[str, Estimate] = field(default_factory=dict)
    """Finding -> the main column, mean over training runs."""
    auroc: float | None = None
    """Mean AUROC of the classifier over its training runs."""
    significantly_worse: bool | None = None
    """Whether another row is significantly better; None if nothing was compared."""
    best_other: Difference | None = None
    """The better row: the best of the table or, if that is not significantly better, the best that is."""
    over_baselines: tuple[Difference, ...] = ()
    """Differences from the baselines that see no image; p is the larger one of both, after Holm."""
    note: str = ""
    settings: str = ""
    """Settings that tell its network apart from others with the same name: see ``told_apart``."""
    by_patient: RowSamples | None = None
    """Its main column by patient; None without rows per case or with other cases than the best row."""

    @classmethod
    def of(cls, runs: Sequence[Record]) -> Self:
        """Return the row of a method on the training ``runs`` of one network, by any protocol."""
        return cls("method", runs[0].method, tuple(runs))

    def of_run(self, run: Record) -> Self:
        """Return the row of one of its training runs, with the same network."""
        return replace(self.of([run]), settings=self.settings)

    def find(
        self, metric: str, finding: str = "mean", threshold_source: str | None = None
    ) -> Score | None:
        """Return the mean of a metric over training runs; see ``Record.find`` and ``mean_over_runs``."""
        first = self.runs[0].find(metric, finding, threshold_source)
        return None if first is None else mean_over_runs(self.runs, first)

    def value(self, metric: str, threshold_source: str | None = None) -> float | None:
        """Return the value of a metric, mean over findings and training runs; None if it has none."""
        scores = (record.find(metric, threshold_source=threshold_source) for record in self.runs)
        values = [score.value for score in scores if score is not None and score.value is not None]
        return sum(values) / len(values) if len(values) == len(self.runs) else None

    def select(self, finding: str) -> list[Score]:
        """Return the scores of a finding; see ``find``."""
        return [mean_over_runs(self.runs, score) for score in self.runs[0].select(finding=finding)]

    @cached_property
    def cell(self) -> Cell:
        """The cell of its runs, without a seed if there are several."""
        first = self.runs[0].cell
        return first if len(self.runs) == 1 else first.without_seed

    @property
    def method(self) -> str:
        """Name of its method."""
        return self.runs[0].method

    @property
    def main(self) -> Estimate:
        """The main column."""
        return self.scores.get(MAIN, Estimate(None))

    def share(self, column: str) -> float | None:
        """Return the value of a column of the main protocol; None if it has none."""
        return self.scores[column].value if column in self.scores else None

    @property
    def is_method(self) -> bool:
        """Whether it is ranked: not a baseline, not an upper bound, not drawn by people."""
        return not baselines.is_baseline(self.cell.method)

    @property
    def is_single(self) -> bool:
        """Whether it has one training run only. False for baselines that do not use the network."""
        return (
            len(self.runs) == 1
            and self.cell.seed is not None
            and not baselines.is_without_network(self.cell.method)
        )

    @property
    def is_published(self) -> bool:
        """Whether it is a published row beside those of a user."""
        return self.runs[0].source == PUBLISHED

    @property
    def contributed_by(self) -> str:
        """Name and date if someone else made its records, which were merged here; else empty."""
        return str(self.runs[0].rests_on.get(CONTRIBUTED, ""))

    @property
    def is_external(self) -> bool:
        """Whether it has maps or boxes made elsewhere, by an unknown network."""
        return "external" in self.cell.recipe

    @property
    def above_baselines(self) -> bool | None:
        """Whether it is significantly above all baselines of ``over_baselines``; None if that was not tested."""
        tested = [
            gap for gap in self.over_baselines if gap.estimate.low is not None or gap.p is not None
        ]
        return all(map(_is_above, tested)) if tested else None

    @property
    def over_floor(self) -> Difference | None:
        """Its difference from the higher one of the baselines of ``over_baselines``; None if it was not compared."""
        gaps = [gap for gap in self.over_baselines if gap.estimate.value is not None]
        return min(gaps, key=lambda gap: gap.estimate.value or 0.0, default=None)

    @property
    def differs_from_floor(self) -> bool | None:
        """Whether it is significantly above all baselines, or below the higher one; None if that was not tested."""
        gap = self.over_floor
        if gap is None or self.above_baselines is not False:
            return self.above_baselines
        return gap.estimate.mark == "below" and (gap.p is None or gap.p <= ALPHA)

    @property
    def in_top_group(self) -> bool | None:
        """Whether no other row is significantly better and it is above the baselines; None if nothing was compared."""
        worse = self.significantly_worse
        return None if worse is None else not worse and self.above_baselines is not False

    @property
    def has_network(self) -> bool:
        """Whether its records name a network, or maps or boxes made elsewhere."""
        return bool(self.cell.backbone) or self.is_external

    @property
    def network(self) -> str:
        """Its network as a person reads it, such as ``small CNN with PCAM``."""
        network_name = self.cell.network
        if self.contributed_by:
            network_name = network_name.removeprefix("own ")
        return f"{network_name}, {self.settings}" if self.settings else network_name

    @property
    def key_of_network(self) -> str:
        """Key that all methods and seeds of its network share."""
        return self.runs[0].cell.key_of_network


def _is_above(gap: Difference) -> bool:
    """Whether a difference is significantly above 0; its value is used if it has no interval."""
    low = gap.estimate.value if gap.estimate.low is None else gap.estimate.low
    return (low or 0.0) > 0 and (gap.p is None or gap.p <= ALPHA)


def run_names(runs: Sequence[Record]) -> tuple[str, ...]:
    """Return the digest of the weights of each run, or its model without a checkpoint: equal names, equal runs."""
    return tuple(" ".join(record.checkpoints) or record.cell.model_id for record in runs)


def told_apart(rows: Sequence[Row]) -> list[Row]:
    """Return the rows; networks with one name get their different settings, or the name of their model.

    >>> cells = [Cell(dataset="phantom", backbone="custom", recipe={"epochs": n, "lr": 0.1}) for n in (5, 9)]
    >>> [row.network for row in told_apart([Row.of([Record(cell=cell)]) for cell in cells])]
    ['small CNN, epochs=5', 'small CNN, epochs=9']
    """
    cells = {row.key_of_network: row.cell for row in rows if row.cell.backbone}
    settings: dict[str, str] = {}
    for keys in grouped(cells, lambda key: cells[key].network).values():
        if len(keys) > 1:
            settings |= _different_settings({key: cells[key] for key in keys})
    return [replace(row, settings=settings.get(row.key_of_network, "")) for row in rows]


def _different_settings(cells: Mapping[str, Cell]) -> dict[str, str]:
    """Return key -> the training flags that differ between the cells, or the name of its model."""
    recipes = {key: _flat(cell.without_seed.recipe) for key, cell in cells.items()}
    flags = dict.fromkeys(flag for recipe in recipes.values() for flag in recipe)
    different = [
        flag for flag in flags if len({str(recipe.get(flag)) for recipe in recipes.values()}) > 1
    ]
    if not different:
        return {key: cell.model_of_any_seed for key, cell in cells.items()}
    return {
        key: ", ".join(f"{flag}={recipe.get(flag)}" for flag in different)
        for key, recipe in recipes.items()
    }


def _flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe whose initial training run has a flag of its own for each setting, such as ``init.epochs``."""
    initial = recipe.get("init") or {}
    other_flags = {flag: value for flag, value in recipe.items() if flag != "init"}
    return other_flags | {f"init.{flag}": value for flag, value in initial.items()}


def runs_words(count: int) -> str:
    """Return a number of training runs in words.

    >>> runs_words(1), runs_words(3), runs_words(12)
    ('one training run', 'three training runs', '12 training runs')
    """
    spelled = NUMBERS_IN_WORDS[count] if count < len(NUMBERS_IN_WORDS) else str(count)
    return f"{spelled} training run" if count == 1 else f"{spelled} training runs"


def by_score(rows: Iterable[Row]) -> list[Row]:
    """Return rows by the main column, best first; equal values by name, rows without a value last."""
    return sorted(
        rows, key=lambda row: (1 if row.main.value is None else -row.main.value, row.name)
    )


def by_network(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return network -> its rows, in their order."""
    return grouped(rows, lambda row: row.key_of_network)


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Return key -> the items that have it, all in their order.

    >>> grouped([3, 1, 4], lambda n: n % 2)
    {1: [3, 1], 0: [4]}
    """
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def row_key(record: Record) -> tuple[object, ...]:
    """Return model and method, which the records of a table row share if they have one seed."""
    return record.cell.model_key, record.cell.method


def datasets(records: Iterable[Record]) -> list[str]:
    """Return the data sets of the records, sorted."""
    return sorted({record.cell.dataset for record in records})


def scored(records: Iterable[Record], protocol: str) -> list[Record]:
    """Return the records of a protocol that were run and have scores, in a fixed order."""
    of_run = (
        record
        for record in records
        if record.scores and record.source != "paper" and record.cell.protocol == protocol
    )
    return sorted(of_run, key=lambda record: record.cell.sort_key)


def of_protocol(records: Iterable[Record], dataset: str, protocol: str) -> list[Record]:
    """Return the scored records of a protocol or validity check on one data set, in a fixed order."""
    return [record for record in scored(records, protocol) if record.cell.dataset == dataset]


def one_alignment(records: Sequence[Record]) -> list[Record]:
    """Return one record per model and method: the conventional alignment only if there is no other.

    Submitted maps may have the conventional alignment only.
    """
    keys_with_other_alignment = {
        row_key(record) for record in records if record.cell.alignment != "conventional"
    }
    return [
        record
        for record in records
        if record.cell.alignment != "conventional"
        or row_key(record) not in keys_with_other_alignment
    ]


def main_records(records: Iterable[Record], dataset: str) -> list[Record]:
    """Return the records of the main table (``single_box``), one per model and method, without papers' numbers."""
    return one_alignment(of_protocol(records, dataset, MAIN_PROTOCOL))


def is_method(record: Record) -> bool:
    """Whether a record is ranked: not from a paper, not a baseline and not an upper bound.

    >>> from locus.benchmark.records import Cell
    >>> [is_method(Record(cell=Cell(dataset="phantom", method=word))) for word in ("cam", "prior", "truth")]
    [True, False, False]
    """
    return record.source != "paper" and not baselines.is_baseline(record.cell.method)


def main_methods(records: Iterable[Record]) -> list[Record]:
    """Return the records of methods, without baselines, that the main protocol scored."""
    return [
        record for record in records if record.cell.protocol == MAIN_PROTOCOL and is_method(record)
    ]


def main_score(record: Record, finding: str = "mean") -> Score | None:
    """Return hits at IoU .3 at the threshold of its rows, of one finding or the unweighted mean; None if not scored.

    A hit is a case (image x finding) whose scored box has IoU above .3 with a truth box.
    """
    return record.find(MAIN, finding, record.cell.threshold_source)


def main_value(record: Record) -> float | None:
    """Return the value of ``main_score`` for the mean over findings, or None."""
    score = main_score(record)
    return None if score is None else score.value


def ranked(records: Iterable[Record]) -> list[Record]:
    """Return records by the main column, best first: equal values by network and method, upper bounds last."""

    def place(record: Record) -> tuple[bool, float, str, str]:
        method = record.cell.method
        value = main_value(record)
        negative = 1.0 if value is None else -value
        return baselines.is_reference(method), negative, record.cell.network, method

    return sorted(records, key=place)


def basis_lines(rows: Sequence[Row], thresholds: str) -> str:
    """Return the counts, settings, thresholds and software of ``rows``; different values as a range or a list."""
    records = [record for row in rows for record in row.runs]
    facts = "; ".join(_facts(records))
    training = "; or ".join(_training_words(records))
    versions = sorted(_by_name([record.versions for record in records]).items())
    software = ", ".join(f"{name} {_summarized(values)}" for name, values in versions)
    return (
        f"Based on: {facts}.\nThresholds: {thresholds}. "
        f"Training: {training}. Software: {software or 'not stated'}."
    )


def _facts(records: Sequence[Record]) -> Iterator[str]:
    """Yield the counts on which records rest, then their settings."""
    facts = _by_name([record.rests_on for record in records])
    folds = facts.pop("trainings", [1])
    is_count = {name: isinstance(values[0], int) for name, values in facts.items()}
    counts = [
        f"{_summarized(values)} {COUNTED.get(name, name)}"
        for name, values in facts.items()
        if is_count[name]
    ]
    if counts:
        yield ", ".join(counts)
    if max(folds) > 1:
        yield f"folds, with one training run each: {_summarized(folds)}"
    for name, values in facts.items():
        if not is_count[name]:
            yield f"{name}: {_summarized(values)}"
    recipes = [record.cell.recipe for record in records]
    epochs = [recipe["epochs"] for recipe in recipes if "epochs" in recipe]
    if epochs:
        yield f"maximum epochs: {_summarized(epochs)}"
    for name, label in LABELS.items():
        values = [getattr(record.cell, name) for record in records]
        values = [value for value in values if value not in (None, "", "none")]
        if name == "seed" and len(set(values)) > 1:
            yield f"seeds: {_summarized(values)}"
        elif values:
            yield f"{label}: {_summarized(values)}"


def _training_words(records: Sequence[Record]) -> list[str]:
    """Return the machines on which networks were trained; last, that this was not recorded."""
    machines = {describe(record.training) for record in records}
    recorded = sorted(machines - {NOT_RECORDED})
    if len(recorded) == len(machines):
        return recorded
    return [*recorded, f"for some runs {NOT_RECORDED}" if recorded else NOT_RECORDED]


def _by_name(mappings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return name -> its values in the ``mappings`` that have it."""
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    return {name: [mapping[name] for mapping in mappings if name in mapping] for name in names}


def _summarized(values: Sequence[Any]) -> str:
    """Return a single value unchanged, numbers as a range, other values as a list.

    >>> _summarized([3, 3]), _summarized([3, 9]), _summarized(["a", "b"])
    ('3', '3 to 9', 'a, b')
    """
    distinct = sorted({str(value) for value in values})
    if len(distinct) > 1 and all(isinstance(value, (int, float)) for value in values):
        return f"{min(values)} to {max(values)}"
    return examples(distinct, 6)


def headings(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the headings of columns.

    >>> headings(IOU[:2]), headings(IOBB[:2])
    (('IoU > .1', '.2'), ('IoBB > .1', '.25'))
    """
    measure = columns[0].removeprefix("hit@").partition(".")[0]
    first_threshold, *other_thresholds = (f".{column.partition('.')[2]}" for column in columns)
    return (f"{NAMES_OF_MEASURES[measure]} > {first_threshold}", *other_thresholds)


def listed(texts: Sequence[str]) -> str:
    """Join texts with commas and "and".

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *first_texts, last_text = texts
    return f"{', '.join(first_texts)} and {last_text}" if first_texts else last_text


def first_names(names: Sequence[str]) -> str:
    """Join the first names with commas and count the others.

    >>> first_names(["a", "b"]), first_names(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c, 2 more')
    """
    shown_names = list(names[:MAX_NAMES])
    if len(names) > MAX_NAMES:
        shown_names.append(f"{len(names) - MAX_NAMES} more")
    return ", ".join(shown_names)


def counted(count: int, noun: str) -> str:
    """Format a number with its noun.

    >>> counted(1, "network"), counted(3, "network")
    ('1 network', '3 networks')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
