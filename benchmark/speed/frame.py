"""What every run has, whatever it times: its door, a quick variant, and what its record says of it."""

import datetime
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, TypeVar

from benchmark.speed import record
from benchmark.speed.record import Machine
from config import ScoringSpeedConfig, SpeedConfig, TrainingSpeedConfig
from core import cli
from core.files import write_text

Config = TypeVar("Config", SpeedConfig, ScoringSpeedConfig, TrainingSpeedConfig)
Record = TypeVar("Record", bound=record.Run)


@dataclass(frozen=True)
class Door(Generic[Config, Record]):
    """What differs between the doors that time something."""

    command: str
    config: type[Config]
    tiny: Mapping[str, Any]
    """The flags of a run on very little, which shows quickly that everything works."""
    run: Callable[[Config], Record]
    record: type[Record]
    page: Callable[[Record], str]

    def __call__(self, argv: Sequence[str] | None) -> str:
        """Measure, unless the page alone is asked for; write the record and the page. Returns the sentence that says where they lie."""
        config, typed = cli.parse(self.config, argv, self.command)
        config = quick(config, typed, self.tiny) if config.quick else config
        if not config.page:
            record.write(self.run(config), config.record)
        write_text(config.output, self.page(record.read(self.record, config.record, self.command)))
        return f"{config.output} shows the record {config.record}"


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
