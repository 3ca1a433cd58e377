"""On what machine and with what software a figure was made, beside its key: another rounding is another network."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

NOT_RECORDED = "not recorded"


class Provenance(BaseModel):
    """What was used where ``auto`` or nothing was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: str
    """Lightning's word: 32, bf16-mixed …"""
    threads: int
    """CPU threads of torch."""
    device: str
    """cpu, or the GPU's name."""
    processor: str
    versions: dict[str, str] = Field(default_factory=dict)
    """Software -> version."""
    data: dict[str, str] = Field(default_factory=dict)
    """Split -> fingerprint of the images and labels that a training used; empty for a scoring."""
    others: tuple["Provenance", ...] = ()
    """What else the same figures rest on: where a resumed training ran before, or the trainings of other folds."""

    def differences(self, other: "Provenance") -> list[str]:
        """What differs from ``other``'s, in words: ``threads 2 for 1``."""
        names, software = ("precision", "threads", "device", "processor"), sorted({*self.versions} & {*other.versions})
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        pairs += [(name, self.versions[name], other.versions[name]) for name in software]
        return [f"{name} {mine} for {theirs}" for name, mine, theirs in pairs if mine != theirs]


def join(used: Sequence[Provenance | None]) -> Provenance | None:
    """The first of those ``used``, with all that differ among its ``others``; None where one was not recorded."""
    each: list[Provenance] = []
    for provenance in used:
        if provenance is None:
            return None
        machines = (provenance.model_copy(update={"others": ()}), *provenance.others)
        each += [machine for machine in machines if machine not in each]
    return each[0].model_copy(update={"others": tuple(each[1:])}) if each else None


def describe(provenance: Provenance | None) -> str:
    """Precision, threads, device and processor in a line, of each machine that was used."""
    return NOT_RECORDED if provenance is None else " and ".join(_machines(provenance))


def _machines(provenance: Provenance) -> list[str]:
    used = (provenance, *provenance.others)
    software = [f"{p.precision}, {p.threads} thread{'s' if p.threads != 1 else ''}" for p in used]
    devices = [p.device if p.device.endswith(p.processor) else f"{p.device}, {p.processor}" for p in used]
    lines = map(", ".join, zip(software, devices, strict=True))
    return list(dict.fromkeys(lines))


def why_other(published: Any, here: Any) -> str:
    """Why two records of one cell may differ: what is known of how each training was made."""
    causes = "Other threads, precision, processor or software round otherwise"
    rounding = f"{causes}, and another rounding is another network"
    if published.checkpoints and published.checkpoints == here.checkpoints:
        return "Both rest on the same weights."
    if any(used is None or len(_machines(used)) > 1 for used in (published.training, here.training)):
        return f"{rounding}. Published: {describe(published.training)}. Here: {describe(here.training)}."
    differ = here.training.differences(published.training)
    return f"{rounding}. Here: {', '.join(differ) if differ else 'the same of all of these as published'}."
