"""What a suite's YAML states."""

from typing import Annotated, Any, Literal

import pydantic

import methods
from benchmark.scoring import protocols
from core.names import CHOICE, CLASSIFICATION, MAIN_PROTOCOL, PAIRED

RecipeName = Annotated[str, pydantic.Field(pattern=r"^\w+$")]


class RecipeChoice(pydantic.BaseModel):
    """How a suite chooses its recipe: each outer fold is scored by the candidate that is best on the other folds."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    candidates: Annotated[dict[RecipeName, dict[str, Any]], pydantic.Field(min_length=1, max_length=3)]
    """Name of a recipe -> the flags of ``train`` that it changes; of two that are equal the first is chosen."""
    method: str
    """The method whose maps are judged, by the protocol ``locus``: a fast one."""
    metric: Literal["hit@iou.3", "hit@iou.1", "hit@iou.5", "mean_iou", "pointing"] = "hit@iou.3"
    """What they are judged by: the mean over findings, at the cross-fitted threshold where it takes one."""


class Suite(pydantic.BaseModel):
    """One suite as its YAML states it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str
    """The file's name: the folder below ``results``."""
    title: str
    """One line above the tables."""
    about: str
    """What the numbers rest on and what they do not show; printed above the tables."""
    limits: str = ""
    """One sentence that stands first among what the suite does not show."""
    held_out: str = ""
    """What a check of the recipe on other images gave: a footnote below the tables, never compared in them."""
    how_to_get: str = ""
    """What to do when the data is absent."""
    train: dict[str, Any]
    """Flags of ``main.py`` that all models of the suite share."""
    init: dict[str, Any] | None = None
    """Flags of a training from which the models start (``--init_from``); what it does not say of its network is each
    model's."""
    models: Annotated[list[dict[str, Any]], pydantic.Field(min_length=1)]
    """Flags per model; a list of values makes one model each. ``methods`` and ``slow_images`` of a model replace the
    suite's."""
    seeds: Annotated[list[Annotated[int, pydantic.Field(ge=0)]], pydantic.Field(min_length=1)] | None = None
    """Training seeds: each model is trained once per seed, on the same images (``data_seed`` stays); none: seed 0. A
    model that states its own ``seed`` keeps to it."""
    folds: Annotated[list[int], pydantic.Field(min_length=1)] | None = None
    """Folds whose held-out cases are pooled; none: the split named in ``train``."""
    choice: RecipeChoice | None = None
    """Candidates among which inner folds choose the recipe of each outer fold; none: the recipe is ``train``."""
    methods: list[str] | str = "all"
    """Words of methods, ``all``, ``fast`` and ``slow`` among them; the baselines are always there."""
    rank_methods: list[str] = []
    """Methods whose mean represents each network where networks are compared; none: those that all of its networks
    have on all images, baselines left out."""
    slow_images: Annotated[int, pydantic.Field(ge=1)] | None = None
    """How many of the boxed images, drawn by patient, the methods that are not fast explain; none: all. A model may
    state its own."""
    full_seeds: list[int] | None = None
    """Seeds that have all cells; None: all seeds. On the others, the methods that explain all images are scored by
    ``locus`` (only the fast ones by a check) on the aligned grid: a leaderboard of several seeds needs no more."""
    protocols: list[str] | None = None
    """Words of protocols; none: all in ``benchmark/scoring/protocols`` that judge maps alone."""
    conventional: list[str] = []
    """Protocols that score the maps a second time as if their grid were the conventional one."""
    published: list[str] = []
    """Papers of ``benchmark/records/published`` whose numbers stand beside ours."""
    check: str | None = None
    """A validity check that judges the maps in place of ``protocols``; baselines are then those that ``methods``
    names."""
    images: Annotated[int, pydantic.Field(ge=1)] | None = None
    """How many of the boxed images, drawn by patient, a check looks at; none: all."""
    second_readers: bool = False
    """Whether ChestX-Det's boxes are scored as a row ``second readers``, in suites on NIH. The annotations are searched
    in and beside the folder of NIH's files."""
    test_on: dict[str, Any] | None = None
    """Flags of another data set (dataset, data_root_dir …) on whose test images the trained models are explained and
    scored."""
    trainings: str | None = None
    """The suite below whose folder of ``--runs`` its trainings and maps lie, so that no training is done twice; none:
    its own."""

    predicted_by: str | None = None
    """The suite whose published trainings say, at the end of a run, where each row of this one should lie."""

    @pydantic.field_validator("models")
    @classmethod
    def _method_lists(cls, models: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Check that the methods of a model are a list of words; a string would be read letter by letter."""
        for words in (model["methods"] for model in models if "methods" in model):
            if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
                raise ValueError(f"a model has methods {words!r}: write a list of words, such as [cam, layercam]")
        return models

    @property
    def words(self) -> list[str]:
        """Its methods and groups of methods, as they are registered."""
        return list(map(methods.normalize_name, [self.methods] if isinstance(self.methods, str) else self.methods))

    @property
    def all_words(self) -> list[str]:
        """Its methods and those of its models."""
        return [*self.words, *(word for model in self.models for word in model.get("methods", ()))]

    @property
    def scored_by(self) -> list[str]:
        """Its protocols."""
        return [self.check] if self.check is not None else self.protocols or protocols.of_maps()

    def protocols_of_model(self, all_cells: bool) -> list[str]:
        """The protocols of a model with all cells, or of one that has those of the leaderboard alone."""
        return [MAIN_PROTOCOL] if not all_cells and MAIN_PROTOCOL in self.scored_by else self.scored_by

    @property
    def recorded(self) -> list[str]:
        """Protocols of its records: its own, the classifier's, ``paired`` where methods are compared, ``choice``."""
        paired = [PAIRED] if MAIN_PROTOCOL in self.scored_by else []
        return [*self.scored_by, CLASSIFICATION, *paired, *([CHOICE] if self.choice is not None else [])]
