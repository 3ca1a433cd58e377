"""Build a self-contained HTML file from cases, with images, raw maps and scripts."""

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
"""Largest side of an image, in pixels."""


@dataclass(frozen=True)
class MethodSummary:
    """Row of a method in the table above the cases."""

    word: str
    kind: str
    """Reason why it is not ranked; empty if it is ranked."""
    score: float | None
    """Mean of the main column over findings."""
    low: float | None
    high: float | None
    reason: str
    """Reason why it has no score; empty if it has one."""


@dataclass(frozen=True)
class Panel:
    """Result of one method on a case."""

    method: str
    map: int | None
    """Index of its map in the data of the page; None without a map."""
    threshold: float | None
    iou: float | None
    hit: bool
    reason: str
    """Reason why it has no box or no map; empty if it has both."""


@dataclass(frozen=True)
class PageCase:
    """An image and a finding with the results of all methods."""

    finding: str
    rank: str
    image_id: str
    patient_id: str
    mean_iou: float
    probability: float | None
    """Classifier probability of the finding."""
    image: int
    """Index of its picture."""
    frame: tuple[int, int]
    """(H, W) of the boxes."""
    truth: list[list[float]]
    panels: list[Panel]


@dataclass(frozen=True)
class Page:
    """Content of the template."""

    suite: str
    suite_page: str
    """Relative path of the suite's page; empty if there is none."""
    title: str
    model_id: str
    basis: str
    """Images behind the scores of ``methods``."""
    command: str
    methods: list[MethodSummary]
    cases: list[PageCase]
    images: list[str]
    """Data URLs."""
    maps: list[dict[str, Any]] = field(default_factory=list)
    """See ``packed_map``."""


def render_page(page: Page) -> str:
    """Return the page as HTML with all pictures and maps inside; it opens without a server."""
    frames = [{"frame": case.frame, "truth": case.truth} for case in page.cases]
    findings = list(dict.fromkeys(case.finding for case in page.cases))
    kinds = {method.word: method.kind.partition(":")[0] for method in page.methods}
    data = {"maps": page.maps, "cases": frames}
    return render("gallery.html", page=page, findings=findings, kinds=kinds, maps_and_cases=data)


def packed_map(values: NDArray[np.float16], grid: Grid | str) -> dict[str, Any]:
    """Return a stored (h,w) map and its grid for the page, compressed without loss; no grid for ``conventional``.

    >>> packed_map(np.zeros((2, 3), np.float16), "conventional")["shape"]
    [2, 3]
    """
    raw = zlib.compress(np.ascontiguousarray(values, "<f2").tobytes(), 9)
    where = {"size": grid.size, "stride": grid.stride, "offset": grid.offset} if isinstance(grid, Grid) else None
    return {"values": base64.b64encode(raw).decode(), "shape": list(values.shape), "grid": where}


def data_url(image: NDArray[np.uint8]) -> str:
    """Return a (H,W) image as the data URL of a PNG, with sides of at most ``SIDE`` pixels."""
    share = min(1.0, SIDE / max(image.shape))
    small = resize_image(image, (max(1, round(image.shape[0] * share)), max(1, round(image.shape[1] * share))))
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()
