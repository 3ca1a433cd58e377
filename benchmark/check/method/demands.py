"""Compare a method's declarations with its behaviour: source, needs and cost."""

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch

from benchmark.check.method.question import MethodOnModel, Observation, judged, question
from benchmark.explain import run_method
from benchmark.explain.network import NetworkEvidence
from core.errors import BadValueError
from methods.evidence import NEEDS, Evidence, EvidenceView

SECONDS = 3.0
"""Maximum duration of measuring the cost; a slow method is measured once."""
TIMES = 7


@question("the map is not documented: write a docstring (what the map shows, formula, paper) and `source`")
def stated(subject: MethodOnModel) -> Observation:
    """Check that the class has a docstring and a ``source``, which appear in docs/methods.md."""
    part = type(subject.make())
    absent = [what for what, text in {"docstring": part.__doc__, "source": part.source}.items() if not text]
    return judged(not absent, f"no {' and no '.join(absent)}" if absent else part.source)


@question("the engine computes what `needs` declares: list everything that the method reads")
def needs(subject: MethodOnModel) -> Observation:
    """Run the method on evidence that raises an error for everything undeclared.

    For example, reading gradients without "gradients" in ``needs`` fails.
    """
    method = subject.make()
    if unknown := method.needs - NEEDS:
        return Observation("fail", f"unknown needs: {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(NEEDS))}")
    evidence = subject.evidence()
    try:
        run_method(method, guarded(evidence, method.needs))
    except UndeclaredError as error:
        return Observation("fail", str(error))
    return Observation("pass", f"reads only {', '.join(sorted(method.needs))}")


class UndeclaredError(BadValueError):
    """Raised if a method reads evidence without declaring the need."""


NEEDED = {
    "head": ("head",), "ablation_drops": ("head",), "network": ("forwards", "pixels"),
    "batched_forward": ("forwards",),
    "gradients": ("gradients",), "class_maps": ("class_maps",), "bias": ("class_maps",),
    "attention": ("attention",), "all_findings": ("all_findings", "others"), "full_gradients": ("pixels",),
}  # fmt: skip
"""Attribute of the evidence -> needs; one of them must be declared. Other attributes are always allowed."""


class GuardedEvidence(EvidenceView):
    """Evidence that raises ``UndeclaredError`` for everything outside ``needs``."""

    def __init__(self, evidence: Evidence, needs: frozenset[str]) -> None:
        super().__init__(lambda: evidence)
        self._needs = needs

    def __getattr__(self, name: str) -> Any:
        needed = NEEDED.get(name, ())
        if needed and not self._needs & set(needed):
            declared = ", ".join(sorted(self._needs)) or "nothing"
            what = {"gradients": "gradients or .G"}.get(name, name)
            raise UndeclaredError(f"reads evidence.{what} but declares {declared}: add {needed[0]} to needs")
        value = super().__getattr__(name)
        return guarded(value, self._needs) if isinstance(value, NetworkEvidence) else value

    def at(self, layer: str | None) -> Evidence:
        """Guard the evidence of another layer."""
        return guarded(self._source().at(layer), self._needs)

    def parts(self) -> Iterator[tuple[slice, Evidence]]:
        """Guard the evidence of each part."""
        for rows, part in self._source().parts():
            yield rows, guarded(part, self._needs)


def guarded(evidence: Evidence, needs: frozenset[str]) -> Evidence:
    """Return ``evidence`` that raises ``UndeclaredError`` for everything outside ``needs``."""
    return cast(Evidence, GuardedEvidence(evidence, needs))


@question("")
def cost(subject: MethodOnModel) -> Observation:
    """Measure the cost in forward passes of the same batch. The largest over the networks is reported, not judged.

    On each network, the shortest run is divided by the shortest plain forward pass. Both alternate up to ``TIMES``
    times, until ``SECONDS`` have passed.
    """
    bare: list[float] = []
    whole: list[float] = []
    while len(bare) < TIMES and sum(whole) < SECONDS:  # alternate: other load affects both
        bare.append(_seconds(lambda: subject.model(subject.images)))
        whole.append(_seconds(subject.maps))
    text = f"{min(whole) / min(bare):.1f} times a forward pass, {len(subject.images)} images"
    return Observation("info", text, min(bare))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        call()
    return time.perf_counter() - start
