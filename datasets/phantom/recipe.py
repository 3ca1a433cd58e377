"""Validated options of the phantom."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import BadValueError, UnknownNameError
from datasets.phantom.findings import LOOKS

FINDINGS = tuple(LOOKS)
DRAWING = 2
"""Version of the drawing. Increase it when the pixels of a patient change, so that records differ."""
Amount = float | Mapping[str, float]
"""One number for all findings, or numbers for some of them and the default for the rest."""
MOST = {"grain": 1, "clutter": 10, "shortcut_present": 1, "shortcut_absent": 1, "softness": 0.2}
"""Upper limit of each option; the lower limit is 0."""


@dataclass(frozen=True)
class Recipe:
    """Options of the phantom; shares are in [0, 1]."""

    prevalence: Mapping[str, float]
    """finding -> share of the images that have it."""
    conspicuity: Mapping[str, float]
    """finding -> factor of its brightness."""
    grain: float
    """Standard deviation of the pixel noise, as a share of white."""
    clutter: float
    """Frequency of tubes, electrodes and side markers; 1 is the default."""
    shortcut: str | None
    """Finding correlated with the corner token."""
    shortcut_present: float
    """Share of the images with that finding that have the token."""
    shortcut_absent: float
    """Share of the other images that have the token."""
    softness: float = 0
    """Standard deviation of the Gaussian that blurs the drawn findings, as a share of the image side."""

    @property
    def described(self) -> dict[str, Any]:
        """Return the fields by name; ``softness`` only if it is not 0, so that older descriptions stay valid."""
        return {name: value for name, value in asdict(self).items() if name != "softness" or value}


def recipe(prevalence: Amount, conspicuity: Amount, shortcut: str | None = None, **shares: float) -> Recipe:
    """Return the validated options. Options of ``MOST`` that are not in ``shares`` are 0.

    Raises ``BadValueError`` or ``UnknownNameError``.
    """
    return Recipe(
        prevalence=_each(prevalence, "prevalence", usual=0.18, most=1),
        conspicuity=_each(conspicuity, "conspicuity", usual=1, most=10),
        shortcut=None if shortcut is None else _finding(shortcut),
        **{option: _between(shares.get(option, 0), option, most) for option, most in MOST.items()},
    )


def check_size(img_size: int | None) -> int:
    """Return the side in pixels; None is 128."""
    size = 128 if img_size is None else img_size
    if not 32 <= size <= 4096:
        raise BadValueError(f"img_size is {size}: give 32 to 4096 pixels")
    return size


def check_count(value: int, option: str) -> int:
    """Validate a number of images, which may have any type."""
    if not isinstance(value, int) or not 0 <= value <= 1_000_000:
        raise BadValueError(f"{option} is {value}: give a number of images from 0 to 1000000")
    return value


def _each(value: Amount, option: str, usual: float, most: float) -> dict[str, float]:
    given = {_finding(f): v for f, v in value.items()} if isinstance(value, Mapping) else dict.fromkeys(FINDINGS, value)
    return {f: _between(given.get(f, usual), option, most) for f in FINDINGS}


def _between(value: float, option: str, most: float) -> float:
    if isinstance(value, str) or not 0 <= value <= most:
        raise BadValueError(f"{option} is {value!r}: give a number from 0 to {most}")
    return float(value)


def _finding(name: str) -> str:
    if name not in FINDINGS:
        raise UnknownNameError("finding", name, FINDINGS)
    return name
