"""What the engine promised, and whether a run's figures keep it: always the worst of all networks and sizes."""

from collections.abc import Callable

from tools.speed.goals import Goal, ratio
from tools.speed.methods.record import (
    ALONE,
    CAPTUM,
    FORWARD,
    PACKAGE_SCORE,
    PACKAGE_SIX,
    SCORE,
    SEVEN,
    TORCHCAM,
    Group,
    SpeedRecord,
)
from tools.speed.record import Setting

USUAL, MOST, ONE = 8, 14, 1
"""Findings that the goals speak of."""


def _ratios(
    group: Group, above: tuple[str, int], below: tuple[str, int]
) -> Callable[[SpeedRecord], dict[str, float | None]]:
    """Reads wall time of ``above`` / ``below``, each (contender, findings), at every setting of a group."""

    def read(record: SpeedRecord) -> dict[str, float | None]:
        return {at(s): ratio(record.wall(group, s, *above), record.wall(group, s, *below)) for s in record.of(group)}

    return read


def _peaks(record: SpeedRecord) -> dict[str, float | None]:
    return {
        f"{at(peak.setting)}, {peak.setting.batch} images": peak.mib for peak in record.peaks if peak.contender == SCORE
    }


def at(setting: Setting) -> str:
    """The network and the size in words."""
    return f"{setting.backbone} at {setting.size}"


GOALS: tuple[Goal[SpeedRecord], ...] = (
    Goal(
        "seven methods for 8 findings against the bare forward pass",
        1.15,
        True,
        _ratios("methods", (SEVEN, USUAL), (FORWARD, 0)),
    ),
    Goal(
        "grad-cam's six methods against our seven, 8 findings",
        80,
        False,
        _ratios("methods", (PACKAGE_SIX, USUAL), (SEVEN, USUAL)),
    ),
    Goal("captum's Grad-CAM against ours, 8 findings", 8, False, _ratios("methods", (CAPTUM, USUAL), (ALONE, USUAL))),
    Goal(
        "torchcam's Grad-CAM against ours, 8 findings", 8, False, _ratios("methods", (TORCHCAM, USUAL), (ALONE, USUAL))
    ),
    Goal(
        "seven methods for 14 findings against the same for one",
        1.3,
        True,
        _ratios("methods", (SEVEN, MOST), (SEVEN, ONE)),
    ),
    Goal(
        "grad-cam's Score-CAM against ours, 8 findings",
        8,
        False,
        _ratios("scorecam", (PACKAGE_SCORE, USUAL), (SCORE, USUAL)),
    ),
    Goal("peak memory of Score-CAM above the bare model, 8 findings", 300, True, _peaks, " MiB"),
)
