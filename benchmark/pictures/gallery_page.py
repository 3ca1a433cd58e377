"""Build a self-contained HTML file from cases, with images, raw maps and scripts."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.report.html.render import render
from core.frames import Grid, resize_image

SIDE = 320
"""Largest side of an image, in pixels."""


def render_page(page: Mapping[str, Any]) -> str:
    """Return the page as HTML with all pictures and maps inside; it opens without a server.

    ``page`` has the values that the template names; ``images`` are data URLs, ``maps`` are from ``packed_map``, and a
    panel has the index of its map, or None.
    """
    data = {"maps": page["maps"], "cases": [{"frame": case["frame"], "truth": case["truth"]} for case in page["cases"]]}
    findings = list(dict.fromkeys(case["finding"] for case in page["cases"]))
    kinds = {method["word"]: method["kind"].partition(":")[0] for method in page["methods"]}
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
