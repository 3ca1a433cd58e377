"""What ``python -m tools.speed training`` measures and shows."""

from collections.abc import Mapping
from typing import Any

from tools.speed.subject import Subject
from tools.speed.training import goals, page
from tools.speed.training.config import TrainingSpeedConfig
from tools.speed.training.record import TrainingRecord

QUICK: Mapping[str, Any] = {
    "backbones": ("custom",),
    "size": 64,
    "batch": 4,
    "steps": 2,
    "augments": ("light",),
    "files": 2,
    "file_side": 128,
    "decoded": 8,
    "long": 80,
    "long_batch": 8,
    "long_backbone": "custom",
    "rounds": 1,
    "compiled": False,
    "records": "runs/speed",
    "output": "runs/speed/training_speed.md",
}


SUBJECT = Subject(
    name="training",
    config=TrainingSpeedConfig,
    tiny=QUICK,
    record=TrainingRecord,
    title="How fast is training?",
    about=page.ABOUT,
    goals=goals.GOALS,
    worst="networks",
    tables=page.tables,
    note=page.devices,
)
