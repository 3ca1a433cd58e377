"""What ``python -m tools.speed methods`` measures and shows."""

from collections.abc import Mapping
from typing import Any

from tools.speed.methods import goals, page
from tools.speed.methods.config import SpeedConfig
from tools.speed.methods.record import SpeedRecord
from tools.speed.subject import Subject

QUICK: Mapping[str, Any] = {
    "backbones": ("custom",),
    "sizes": (64,),
    "batches": (2,),
    "findings": (1, 2),
    "sweep": (1, 2),
    "images": (1, 2),
    "rounds": 2,
    "records": "runs/speed",
    "output": "runs/speed/speed.md",
}
"""The flags of a run on a tiny network, which shows in a minute that everything works."""


SUBJECT = Subject(
    name="methods",
    config=SpeedConfig,
    tiny=QUICK,
    record=SpeedRecord,
    title="How fast is it?",
    about=page.ABOUT,
    goals=goals.GOALS,
    worst="networks and sizes",
    tables=page.tables,
)
