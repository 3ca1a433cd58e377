"""The fields of a suite's YAML file."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Self, TypeVar

import pydantic

import methods
from benchmark.records import papers
from benchmark.scoring import protocols
from config import TrainConfig
from core.flags import MODE, flags_with
from core.flags.choices import CHECKS
from core.names import CLASSIFICATION, MAIN_PROTOCOL, NOT_IN_METHODS, PAIRED, duplicates
from core.registry import named
from core.user_code import runs_code

METHOD_KEYS = ("methods", "methods_on_all_images")
"""The keys of a model's own methods, and of its slow methods that explain all images."""
T = TypeVar("T")


def check_methods(words: Sequence[str]) -> None:
    """Raise ``UnknownNameError`` for a word that is not a method, group, baseline or ``path/to/file.py:Class``.

    >>> check_methods(["cam", "fast", "prior", "smoothgrad:n=4"])
    """
    for word in words:
        if word not in (*NOT_IN_METHODS, *methods.GROUPS):
            _check_method(word)


def _check_method(word: str) -> None:
    if not runs_code(word):
        methods.registry.check(word)


def _checked_by(check: Callable[[str], object]) -> pydantic.AfterValidator:
    """Validator of a word: ``check`` raises ``UnknownNameError``."""
    return pydantic.AfterValidator(lambda word: (check(word), word)[1])


def _distinct(items: list[T]) -> list[T]:
    if repeated := duplicates(map(str, items)):
        raise ValueError(f"{', '.join(repeated)} is repeated: remove the duplicate")
    return items


MethodName = Annotated[str, _checked_by(_check_method)]
"""A registered method or ``path/to/file.py:Class``; the file is not executed here."""
ProtocolName = Annotated[str, _checked_by(protocols.registry.check)]
CheckName = Annotated[str, _checked_by(lambda word: named(dict.fromkeys(CHECKS), "check", word))]
PaperName = Annotated[str, _checked_by(papers.name)]
Distinct = pydantic.AfterValidator(_distinct)
AtLeastOne = pydantic.Field(min_length=1)
Count = Annotated[int, pydantic.Field(ge=1)]


class Suite(pydantic.BaseModel):
    """One suite, as in its YAML file."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str
    """Name of the file, and of the folder in ``results``."""
    title: str
    """Heading of the tables."""
    about: str
    """Description printed above the tables: the data and the limits of the results."""
    limits: str = ""
    """Printed first in the list of limitations."""
    how_to_get: str = ""
    """How to get the data, shown if it is missing."""
    train: dict[str, Any]
    """Flags of ``main.py`` that all models of the suite share."""
    init: dict[str, Any] | None = None
    """Flags of a training run that provides the initial weights (``--init_from``); network flags that it omits are
    taken from each model."""
    models: Annotated[list[dict[str, Any]], AtLeastOne]
    """Flags per model; a list of values makes one model each. ``methods`` and ``slow_images`` of a model replace the
    suite's; its slow methods in ``methods_on_all_images`` explain all images for the main protocol."""
    seeds: Annotated[list[Annotated[int, pydantic.Field(ge=0)]], AtLeastOne, Distinct] | None = None
    """Training seeds: each model is trained once per seed, on the same images (``data_seed`` stays); none: seed 0. A
    model with its own ``seed`` keeps it."""
    folds: Annotated[list[int], AtLeastOne, Distinct] | None = None
    """Folds whose held-out cases are pooled; none: the split named in ``train``."""
    methods: list[str] | str = "all"
    """Names of methods, or the groups ``all``, ``fast`` and ``slow``; the baselines are always added."""
    rank_methods: list[MethodName] = []
    """Methods whose mean represents each network in comparisons of networks; none: those that all its networks have on
    all images, without baselines."""
    slow_images: Count | None = None
    """Number of boxed images, drawn by patient, that slow methods explain; none: all. A model may override it."""
    full_seeds: list[int] | None = None
    """Seeds that have all cells; None: all seeds. For other seeds only the methods that explain all images are scored,
    by ``locus`` (or only fast ones by a check) on the aligned grid: enough for a leaderboard of several seeds."""
    protocols: Annotated[list[ProtocolName], Distinct] | None = None
    """Names of protocols; none: all in ``benchmark/scoring/protocols`` that need only maps."""
    conventional: Annotated[list[ProtocolName], Distinct] = []
    """Protocols that score the maps a second time with the conventional grid."""
    papers: list[PaperName] = []
    """Papers of ``benchmark/records/papers`` whose numbers are shown with ours."""
    check: CheckName | None = None
    """A validity check that replaces ``protocols``; the baselines are then those in ``methods``."""
    images: Count | None = None
    """Number of boxed images, drawn by patient, for a check; none: all."""
    second_readers: bool = False
    """Whether ChestX-Det's boxes are scored as a row ``second readers``, in suites on NIH. The annotations may be in
    the folder of NIH's files or next to it."""
    training_runs_of: str | None = None
    """Another suite whose training runs and maps this suite uses, in its folder in ``--runs``; none: no other."""

    @pydantic.field_validator("models")
    @classmethod
    def _method_lists(cls, models: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Check that the methods of a model are lists of names."""
        for key, words in ((key, model[key]) for model in models for key in METHOD_KEYS if key in model):
            if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
                raise ValueError(f"a model has `{key}` {words!r}: write a list of names, such as [cam, layercam]")
        return models

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        """Check all method names, and that no two fields contradict each other."""
        check_methods(self.all_words)
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """Yield an error message for every combination of fields that is not allowed."""
        if self.check is not None and (self.protocols or self.conventional):
            yield "`check` cannot be combined with `protocols` or `conventional`: leave these out"
        if self.check is None and self.images is not None:
            yield "`images` requires `check`: use `slow_images`, or add a `check`"
        if self.seeds is not None and "seed" in self.train:
            yield "`seeds` cannot be combined with `seed` in `train`: leave one out"
        for flag in sorted(flags_with(TrainConfig, MODE)):
            if any(flag in flags for flags in (self.train, self.init or {}, *self.models)):
                yield f"`{flag}` is not allowed in a suite: leave it out"

    @property
    def words(self) -> list[str]:
        """Registered names of its methods and groups of methods."""
        return list(map(methods.normalize_name, [self.methods] if isinstance(self.methods, str) else self.methods))

    @property
    def all_words(self) -> list[str]:
        """Names of its methods and of those of its models."""
        return [*self.words, *(word for model in self.models for key in METHOD_KEYS for word in model.get(key, ()))]

    @property
    def protocols_or_check(self) -> list[str]:
        """Names of its protocols, or of its check."""
        return [self.check] if self.check is not None else self.protocols or protocols.of_maps()

    def protocols_of_model(self, all_cells: bool) -> list[str]:
        """Return the protocols of a model with ``all_cells``, else of one with only the cells of the leaderboard."""
        return (
            [MAIN_PROTOCOL] if not all_cells and MAIN_PROTOCOL in self.protocols_or_check else self.protocols_or_check
        )

    @property
    def recorded_protocols(self) -> list[str]:
        """Protocols of its records, including those of the classifier and of paired comparisons."""
        paired = [PAIRED] if MAIN_PROTOCOL in self.protocols_or_check else []
        return [*self.protocols_or_check, CLASSIFICATION, *paired]
