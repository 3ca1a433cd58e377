"""What a method says of itself, held against what it does: its papers, its needs, its price."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.check.method.trial import Observation, Trial, question
from benchmark.explain import one
from core.errors import BadValueError
from core.frames import Grid
from methods.base import NEEDS, Engine, Evidence, Pass
from methods.gradients import Gradients

SECONDS = 3.0
"""How long the price is measured at most; a slow method is measured once."""
TIMES = 7


@question(
    "a reader of a table cannot tell what the map is: write a docstring (what it shows, formula, paper) and `source`"
)
def stated(trial: Trial) -> Observation:
    """Whether the class says what its map shows and where it comes from."""
    part = type(trial.make())
    absent = [what for what, text in {"docstring": part.__doc__, "source": part.source}.items() if not text]
    return Observation("fail", f"no {' and no '.join(absent)}") if absent else Observation("pass", part.source)


@question("the engine plans, batches and groups by `needs`: name there all that the method reads")
def needs(trial: Trial) -> Observation:
    """The method on evidence that refuses what is not declared."""
    method = trial.make()
    if unknown := method.needs - NEEDS:
        return Observation("fail", f"unknown needs: {', '.join(sorted(unknown))}; known: {', '.join(sorted(NEEDS))}")
    evidence = trial.evidence()
    try:
        one(method, dataclasses.replace(evidence, engine=Guard(evidence.engine, method.needs)))
    except UndeclaredError as error:
        return Observation("fail", str(error))
    return Observation("pass", f"reads no more than {', '.join(sorted(method.needs))}")


class UndeclaredError(BadValueError):
    """A method asks the engine for what it has not declared."""


@dataclass(frozen=True)
class Guard:
    """An engine that refuses what is not among ``needs``."""

    engine: Engine
    needs: frozenset[str]

    def head(self, features: Tensor) -> Tensor:
        """Needs ``head``."""
        return self._asked("evidence.head", "head").head(features)

    def drops(self) -> Tensor | None:
        """Needs ``head``."""
        return self._asked("evidence.drops", "head").drops()

    def network(self, images: Tensor) -> Tensor:
        """Needs ``forwards``, or ``pixels`` to differentiate it."""
        return self._asked("evidence.network", "forwards", "pixels").network(images)

    def sweep(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """Needs ``forwards``."""
        return self._asked("evidence.sweep", "forwards").sweep(count, render)

    def gradients(self) -> Gradients:
        """Needs ``gradients``."""
        return self._asked("evidence.gradients or .G", "gradients").gradients()

    def class_maps(self) -> Tensor:
        """Needs ``class_maps``."""
        return self._asked("evidence.class_maps", "class_maps").class_maps()

    def bias(self) -> Tensor:
        """Needs ``class_maps``."""
        return self._asked("evidence.bias", "class_maps").bias()

    def at(self, layer: str | None) -> Evidence:
        """The other level's evidence is guarded too."""
        return self._guarded(self.engine.at(layer))

    def grid_at(self, layer: str | None) -> Grid:
        """Free for all."""
        return self.engine.grid_at(layer)

    def at_once(self, what: Pass) -> int:
        """Free for all."""
        return self.engine.at_once(what)

    def parts(self, evidence: Evidence) -> Iterator[tuple[slice, Evidence]]:
        """Each part's evidence is guarded too."""
        for rows, part in self.engine.parts(evidence):
            yield rows, self._guarded(part)

    def _guarded(self, evidence: Evidence) -> Evidence:
        return dataclasses.replace(evidence, engine=Guard(evidence.engine, self.needs))

    def _asked(self, what: str, *needed: str) -> Engine:
        if not self.needs & set(needed):
            declared = ", ".join(sorted(self.needs)) or "nothing"
            raise UndeclaredError(f"reads {what} and declares {declared}: add {' or '.join(needed)} to needs")
        return self.engine


@question("")
def cost(trial: Trial) -> Observation:
    """How many bare forward passes of the same batch it costs, of the largest network; not judged."""
    bare: list[float] = []
    whole: list[float] = []
    while len(bare) < TIMES and sum(whole) < SECONDS:  # taken in turns: a busy machine is busy for both
        bare.append(_seconds(lambda: trial.model(trial.images)))
        whole.append(_seconds(trial.maps))
    text = f"{min(whole) / min(bare):.1f} x the bare forward pass, {len(trial.images)} images"
    return Observation("info", text, min(bare))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        call()
    return time.perf_counter() - start
