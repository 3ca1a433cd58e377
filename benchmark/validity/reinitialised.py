"""A trained network whose weights are drawn anew from the head down, part by part."""

from dataclasses import dataclass, fields

from backbones import Classifier
from backbones.parts import path
from benchmark.maps import untrained
from benchmark.validity.base import TrainedSubset

REST = "last stage"
"""The part behind the last earlier level, whose output is pooled."""


@dataclass(frozen=True)
class PartlyReinitialised(TrainedSubset):
    """A training with the first ``depth`` parts, counted from the head, drawn anew.

    They are taken from one network as the architecture itself initialises it, batch norm's statistics too, so a deeper
    step keeps all that a shallower one drew.
    """

    depth: int = 0

    @property
    def digest(self) -> str:
        """Says which weights: the training's, and how many parts are not."""
        return f"{super().digest}, {self.depth} parts as in {untrained.of(self).digest}"

    def model(self, device: str) -> Classifier:
        """The network, in evaluation mode on ``device``."""
        trained, drawn = super().model(device), untrained.of(self).model(device).state_dict()
        anew = {key for _, keys in parts(trained)[: self.depth] for key in keys}
        state = trained.state_dict()
        trained.load_state_dict({key: drawn[key] if key in anew else value for key, value in state.items()})
        return trained


def parts(model: Classifier) -> list[tuple[str, tuple[str, ...]]]:
    """The network's parts from the head down: a name and its entries of ``state_dict``, each of them in one part.

    Cut at the earlier levels (``model.levels``), in the order in which the network's modules are written. A part is
    called like the level that it ends in; ``last stage`` is what follows the last of them, and an attention module
    stands by itself.
    """
    index = {name: n for n, (name, _) in enumerate(model.named_modules())}
    ends = {level: max(n for name, n in index.items() if _within(name, path(model, level))) for level in model.levels}
    keys: dict[str, list[str]] = {}
    for key in model.state_dict():
        owner = key.rpartition(".")[0]
        top = owner.split(".")[0]
        name = top if top != "extractor" else next((level for level, end in ends.items() if index[owner] <= end), REST)
        keys.setdefault(name, []).append(key)
    order = ["head", "attention", REST, *reversed(model.levels)]
    return [(name, tuple(keys[name])) for name in order if name in keys]


def _within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(f"{whole}.")


def part_names(run: TrainedSubset) -> tuple[str, ...]:
    """The names of a training's network's parts, from the head down.

    As ``reinitialise`` counts them: depth 1 is the head alone.
    """
    return tuple(name for name, _ in parts(untrained.of(run).model("cpu")))


def reinitialise(run: TrainedSubset, depth: int) -> PartlyReinitialised:
    """The same training and images with the first ``depth`` parts drawn anew.

    Cascading randomisation from the head down: Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """
    return PartlyReinitialised(**{field.name: getattr(run, field.name) for field in fields(run)}, depth=depth)
