"""Machine and software that computed a record. They are not part of its key, but change the rounding."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

NOT_RECORDED = "not recorded"


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

    def differences(self, other: "Provenance") -> list[str]:
        """Return the differences from ``other`` in words: ``threads 2 for 1``."""
        names, software = ("precision", "threads", "device", "processor"), sorted({*self.versions} & {*other.versions})
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        pairs += [(name, self.versions[name], other.versions[name]) for name in software]
        return [f"{name} {value} for {other_value}" for name, value, other_value in pairs if value != other_value]


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
    used = (provenance, *provenance.others)
    software = [f"precision {p.precision}, {p.threads} thread{'s' if p.threads != 1 else ''}" for p in used]
    devices = [p.device if p.device.endswith(p.processor) else f"{p.device}, {p.processor}" for p in used]
    lines = map(", ".join, zip(software, devices, strict=True))
    return list(dict.fromkeys(lines))


def why_other(published: Any, here: Any) -> str:
    """Explain why two records of one cell may differ, from their recorded training runs."""
    rounding = "Other threads, precision, processors or software round differently, which changes the trained network"
    if published.checkpoints and published.checkpoints == here.checkpoints:
        return "Both have the same weights."
    if any(used is None or len(_machines(used)) > 1 for used in (published.training, here.training)):
        return f"{rounding}. Published: {describe(published.training)}. Here: {describe(here.training)}."
    differ = here.training.differences(published.training)
    return f"{rounding}. Here: {', '.join(differ) if differ else 'no difference in any of them'}."
