"""Compare a method's declarations with its behaviour: its papers, needs and price."""

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
"""Maximum duration of measuring the price; a slow method is measured once."""
TIMES = 7


@question(
    "a reader of a table cannot tell what the map is: write a docstring (what it shows, formula, paper) and `source`"
)
def stated(trial: MethodOnModel) -> Observation:
    """Check that the class states what its map shows and where it comes from.

    This is its docstring and its ``source``; both appear in docs/methods.md.
    """
    part = type(trial.make())
    absent = [what for what, text in {"docstring": part.__doc__, "source": part.source}.items() if not text]
    return judged(not absent, f"no {' and no '.join(absent)}" if absent else part.source)


@question("the engine plans and batches by `needs`: list everything that the method reads")
def needs(trial: MethodOnModel) -> Observation:
    """Run the method on evidence that refuses anything undeclared.

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
    """A method uses the engine without declaring the need."""


NEEDED = {
    "head": ("head",), "drops": ("head",), "network": ("forwards", "pixels"), "sweep": ("forwards",),
    "gradients": ("gradients",), "class_maps": ("class_maps",), "bias": ("class_maps",),
    "attention": ("attention",), "others": ("others",), "full_gradients": ("pixels",),
}  # fmt: skip
"""Attribute of the engine -> needs; one of them must be declared. Other attributes are always allowed."""


@dataclass(frozen=True)
class Guard:
    """Engine that refuses everything outside ``needs``."""

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
        """Guard the evidence of another layer."""
        return guarded(self.engine.at(layer), self.needs)

    def others(self) -> tuple[tuple[int, ...], Engine]:
        """Guard the other engine."""
        findings, engine = self.__getattr__("others")()
        return findings, cast(Engine, Guard(engine, self.needs))

    def parts(self, evidence: Evidence) -> Iterator[tuple[slice, Evidence]]:
        """Guard the evidence of each part."""
        for rows, part in self.engine.parts(evidence):
            yield rows, guarded(part, self.needs)


def guarded(evidence: Evidence, needs: frozenset[str]) -> Evidence:
    """Return the ``evidence`` with an engine that refuses everything outside ``needs``."""
    return dataclasses.replace(evidence, engine=cast(Engine, Guard(evidence.engine, needs)))


@question("")
def cost(trial: MethodOnModel) -> Observation:
    """Measure the cost in bare forward passes of the same batch, on the largest network; not judged.

    Takes the smallest of up to ``TIMES`` runs, alternating with the bare pass, within ``SECONDS``.
    """
    bare: list[float] = []
    whole: list[float] = []
    while len(bare) < TIMES and sum(whole) < SECONDS:  # alternate: other load affects both
        bare.append(_seconds(lambda: trial.model(trial.images)))
        whole.append(_seconds(trial.maps))
    text = f"{min(whole) / min(bare):.1f} x the bare forward pass, {len(trial.images)} images"
    return Observation("info", text, min(bare))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        call()
    return time.perf_counter() - start
