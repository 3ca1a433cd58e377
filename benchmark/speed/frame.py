"""What every run has, whatever it times: a quick variant, and what its record says of it."""

import datetime
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from benchmark.speed.record import Machine
from config import ScoringSpeedConfig, SpeedConfig, TrainingSpeedConfig

Config = TypeVar("Config", SpeedConfig, ScoringSpeedConfig, TrainingSpeedConfig)


def quick(config: Config, typed: Collection[str], tiny: Mapping[str, Any]) -> Config:
    """The same run with the flags of ``tiny``, apart from those that were ``typed``."""
    return replace(config, **{name: value for name, value in tiny.items() if name not in typed})


def stated(
    config: SpeedConfig | ScoringSpeedConfig | TrainingSpeedConfig, measured: Collection[str], machine: Machine, begun: float
) -> dict[str, Any]:
    """The fields of a ``record.Run`` that ends now and ``begun`` at that ``perf_counter``; ``measured``: the flags that it states."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - begun, 1),
        "machine": machine,
        "settings": {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items() if name in measured
        },
    }
