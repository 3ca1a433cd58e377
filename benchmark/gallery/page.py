"""From shown cases to the bytes of one HTML file: images, raw maps and scripts are in it, nothing is loaded."""

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.report.html.render import render
from core.frames import Grid, resize_image

SIDE = 320
"""The longer side of a shown image, in pixels, at most."""


@dataclass(frozen=True)
class MethodSummary:
    """A method's row above the cases."""

    word: str
    kind: str
    """Why it takes no place; nothing for a method."""
    score: float | None
    """The main column's mean over findings."""
    low: float | None
    high: float | None
    reason: str
    """Why it has no score."""


@dataclass(frozen=True)
class Panel:
    """What one method shows on a case."""

    method: str
    map: int | None
    """Number of its map in the page's data; None where there is none."""
    threshold: float | None
    iou: float | None
    hit: bool
    reason: str
    """Why there is no box, or no answer at all."""


@dataclass(frozen=True)
class ShownCase:
    """An image × finding with all methods."""

    finding: str
    rank: str
    image_id: str
    patient_id: str
    mean_iou: float
    probability: float | None
    """The classifier's, of the finding."""
    image: int
    """Number of its picture."""
    frame: tuple[int, int]
    """(H, W) in which all boxes lie."""
    truth: list[list[float]]
    panels: list[Panel]


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    suite: str
    suite_page: str
    """Where the suite's page lies, seen from this one; nothing where there is none."""
    title: str
    model_id: str
    basis: str
    """On which images the scores of ``methods`` rest."""
    command: str
    methods: list[MethodSummary]
    cases: list[ShownCase]
    images: list[str]
    """Data URLs."""
    maps: list[dict[str, Any]] = field(default_factory=list)
    """See ``packed_map``."""


def render_page(page: Page) -> str:
    """The page as HTML. The same page gives the same text.

    One file with all pictures and maps inside; it opens without a server.
    """
    frames = [{"frame": case.frame, "truth": case.truth} for case in page.cases]
    findings = list(dict.fromkeys(case.finding for case in page.cases))
    kinds = {method.word: method.kind.partition(":")[0] for method in page.methods}
    data = {"maps": page.maps, "cases": frames}
    return render("gallery.html", page=page, findings=findings, kinds=kinds, maps_and_cases=data)


def packed_map(values: NDArray[np.float16], grid: Grid | str) -> dict[str, Any]:
    """(h,w) stored map and its grid for the page: deflated half precision, exact; no grid for ``conventional``.

    >>> packed_map(np.zeros((2, 3), np.float16), "conventional")["shape"]
    [2, 3]
    """
    raw = zlib.compress(np.ascontiguousarray(values, "<f2").tobytes(), 9)
    where = {"size": grid.size, "stride": grid.stride, "offset": grid.offset} if isinstance(grid, Grid) else None
    return {"values": base64.b64encode(raw).decode(), "shape": list(values.shape), "grid": where}


def data_url(image: NDArray[np.uint8]) -> str:
    """(H,W) image as a PNG in an address, shrunk to ``SIDE``.

    Images that are smaller stay as they are; the ratio of the sides stays.
    """
    share = min(1.0, SIDE / max(image.shape))
    small = resize_image(image, (max(1, round(image.shape[0] * share)), max(1, round(image.shape[1] * share))))
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()
