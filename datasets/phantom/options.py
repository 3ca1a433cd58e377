"""Validated options of the phantom."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from core.errors import BadValueError, UnknownNameError
from datasets.phantom.findings import LOOKS

FINDINGS = tuple(LOOKS)
DRAWING = 2
"""Version of the drawing. Increase it when the pixels of a patient change, so that records differ."""
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0, le=10)]
Softness = Annotated[float, Field(ge=0, le=0.2)]


def _finding(name: str) -> str:
    if name not in FINDINGS:
        raise UnknownNameError("finding", name, FINDINGS)
    return name


Finding = Annotated[str, AfterValidator(_finding)]
Prevalence = Share | Mapping[Finding, Share]
"""One number for all findings, or numbers for some of them and the default for the rest; so is ``Conspicuity``."""
Conspicuity = Factor | Mapping[Finding, Factor]


@dataclass(frozen=True)
class PhantomOptions:
    """Options of the phantom; shares are in [0, 1]."""

    prevalence: Mapping[str, float]
    """finding -> share of the images that have it."""
    conspicuity: Mapping[str, float]
    """finding -> factor of its brightness."""
    grain: float = 0
    """Standard deviation of the pixel noise, as a share of white."""
    clutter: float = 0
    """Frequency of tubes, electrodes and side markers: 0 is none, 1 is usual."""
    softness: float = 0
    """Standard deviation of the Gaussian that blurs the synthetic findings, as a share of the image side."""

    @property
    def described(self) -> dict[str, Any]:
        """Return the fields by name; ``softness`` only if it is not 0, so that older descriptions stay valid."""
        return {name: value for name, value in asdict(self).items() if name != "softness" or value}


def check_size(img_size: int | None) -> int:
    """Return the side in pixels; None is 128."""
    size = 128 if img_size is None else img_size
    if not 32 <= size <= 4096:
        raise BadValueError(f"img_size is {size}: it must be 32 to 4096 pixels")
    return size


def per_finding(value: Prevalence | Conspicuity, default: float) -> dict[str, float]:
    """Return the value of each finding."""
    given = value if isinstance(value, Mapping) else dict.fromkeys(FINDINGS, value)
    return {name: float(given.get(name, default)) for name in FINDINGS}
