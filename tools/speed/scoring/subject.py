"""What ``python -m tools.speed scoring`` measures and shows."""

from collections.abc import Mapping
from typing import Any

from tools.speed.scoring import goals, page
from tools.speed.scoring.config import ScoringSpeedConfig
from tools.speed.scoring.record import ScoringRecord
from tools.speed.subject import Subject

QUICK: Mapping[str, Any] = {
    "positions": (7,),
    "thresholds": (10,),
    "levels": (10, 20),
    "sizes": (32,),
    "methods": 1,
    "images": 80,
    "rounds": 1,
    "records": "runs/speed",
    "output": "runs/speed/scoring_speed.md",
}


SUBJECT = Subject(
    name="scoring",
    config=ScoringSpeedConfig,
    tiny=QUICK,
    record=ScoringRecord,
    title="How fast is scoring?",
    about=page.ABOUT,
    goals=goals.GOALS,
    worst="that a goal speaks of",
    tables=page.tables,
)
