"""What a method says of itself, held against what it does: its papers, its needs, its price."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch

from benchmark.check.method.question import MethodOnModel, Observation, judged, question
from benchmark.explain import run_method
from core.errors import BadValueError
from methods.evidence import NEEDS, Engine, Evidence

SECONDS = 3.0
"""How long the price is measured at most; a slow method is measured once."""
TIMES = 7


@question(
    "a reader of a table cannot tell what the map is: write a docstring (what it shows, formula, paper) and `source`"
)
def stated(trial: MethodOnModel) -> Observation:
    """Whether the class says what its map shows and where it comes from.

    Its docstring and its ``source``: both stand in docs/methods.md.
    """
    part = type(trial.make())
    absent = [what for what, text in {"docstring": part.__doc__, "source": part.source}.items() if not text]
    return judged(not absent, f"no {' and no '.join(absent)}" if absent else part.source)


@question("the engine plans, batches and groups by `needs`: name there all that the method reads")
def needs(trial: MethodOnModel) -> Observation:
    """The method on evidence that refuses what is not declared.

    Reading gradients without ``needs`` ⊇ {"gradients"} fails: the engine would have to guess what to compute.
    """
    method = trial.make()
    if unknown := method.needs - NEEDS:
        return Observation("fail", f"unknown needs: {', '.join(sorted(unknown))}; known: {', '.join(sorted(NEEDS))}")
    evidence = trial.evidence()
    try:
        run_method(method, guarded(evidence, method.needs))
    except UndeclaredError as error:
        return Observation("fail", str(error))
    return Observation("pass", f"reads no more than {', '.join(sorted(method.needs))}")


class UndeclaredError(BadValueError):
    """A method asks the engine for what it has not declared."""


NEEDED = {
    "head": ("head",), "drops": ("head",), "network": ("forwards", "pixels"), "sweep": ("forwards",),
    "gradients": ("gradients",), "class_maps": ("class_maps",), "bias": ("class_maps",),
    "attention": ("attention",), "others": ("others",), "full_gradients": ("pixels",),
}  # fmt: skip
"""What the engine gives -> one of what a method must declare for it; all else is free for all."""


@dataclass(frozen=True)
class Guard:
    """An engine that refuses what is not among ``needs``."""

    engine: Engine
    needs: frozenset[str]

    def __getattr__(self, name: str) -> Any:
        needed = NEEDED.get(name, ())
        if needed and not self.needs & set(needed):
            declared = ", ".join(sorted(self.needs)) or "nothing"
            what = {"gradients": "gradients or .G"}.get(name, name)
            raise UndeclaredError(f"reads evidence.{what} and declares {declared}: add {' or '.join(needed)} to needs")
        return getattr(self.engine, name)

    def at(self, layer: str | None) -> Evidence:
        """The other level's evidence is guarded too."""
        return guarded(self.engine.at(layer), self.needs)

    def others(self) -> tuple[tuple[int, ...], Engine]:
        """An engine that is guarded too."""
        findings, engine = self.__getattr__("others")()
        return findings, cast(Engine, Guard(engine, self.needs))

    def parts(self, evidence: Evidence) -> Iterator[tuple[slice, Evidence]]:
        """Each part's evidence is guarded too."""
        for rows, part in self.engine.parts(evidence):
            yield rows, guarded(part, self.needs)


def guarded(evidence: Evidence, needs: frozenset[str]) -> Evidence:
    """The ``evidence`` with an engine that refuses what is not among ``needs``."""
    return dataclasses.replace(evidence, engine=cast(Engine, Guard(evidence.engine, needs)))


@question("")
def cost(trial: MethodOnModel) -> Observation:
    """How many bare forward passes of the same batch it costs, of the largest network; not judged.

    The smallest of up to ``TIMES`` runs, taken in turns with the bare pass, within ``SECONDS``.
    """
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
