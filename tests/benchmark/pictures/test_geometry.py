"""The JavaScript geometry of the page equals the engine: boxes, IoU, pictures and half precision."""

import base64
import json
import re

import numpy as np
import pytest

from locus.benchmark.report.table import FOLDER
from locus.core.frames import Grid, iou
from locus.scoring.surface import min_max
from locus.scoring.surface.bilinear import boxes, to_frame
from tests.browser import dom, needs_browser

pytestmark = [pytest.mark.oracle, needs_browser]
SCRIPT = (FOLDER / "surface.js").read_text(encoding="utf-8")
SHAPES = [(1, 1), (1, 6), (5, 1), (2, 2), (3, 4), (5, 5), (7, 7), (16, 16), (12, 19)]
FRAMES = [(128, 128), (1024, 1024), (300, 470)]
ASK = """
<pre id="answers"></pre><script>
const answers = QUESTIONS.map(({values, shape, frame, grid, thresholds, truth}) => {
  const on = geometry.surface(geometry.minMax(values), shape, frame, grid);
  const boxes = thresholds.map((t) => geometry.boxes(on, t));
  const painted = Array.from(geometry.painted(on, 8, 8));
  return {boxes, ious: boxes.map((each) => each.map((box) => geometry.iou(box, truth))), painted};
});
const halves = Array.from(geometry.halves(Uint8Array.from(atob("HALVES"), (letter) => letter.charCodeAt(0))));
document.getElementById("answers").textContent = JSON.stringify({answers, halves});
</script>"""


def a_map(random, shape):
    """A random map; every second one in five steps, so that it has plateaus, ties and corners equal to a threshold."""
    values = random.normal(size=shape).round(3)
    return np.round(values * 2).clip(-2, 2) if random.random() < 0.5 else values


def a_grid(random, shape):
    """One that leaves no vertex outside, one that leaves some, or the conventional one."""
    size = (224, 224)
    stride = tuple((224 / np.array(shape)).tolist())
    kind = random.integers(3)
    return [None, Grid(size, stride, (0.0, 0.0)), Grid(size, (stride[0] * 1.2, stride[1]), (-9.25, 14.0))][kind]


def some_thresholds(random, scaled, cropped):
    """Random ones, and where vertices are the map's positions also those at which they and saddles are passed."""
    levels = [*random.random(3).tolist(), 0.0]
    if cropped:
        return levels
    h, w = scaled.shape
    if h > 1 and w > 1:
        a, b, c, d = scaled[:2, :2].ravel()
        levels += [float((a * d - b * c) / (a + d - b - c))] if a + d != b + c else []
    return [*levels, *random.choice(scaled.ravel(), 2).tolist()]


def questions():
    random = np.random.default_rng(16)
    asked = []
    for n in range(240):
        shape, frame = SHAPES[n % len(SHAPES)], FRAMES[n % len(FRAMES)]
        values, grid = a_map(random, shape), a_grid(random, shape)
        cropped = grid is not None and grid.offset[0] < 0
        truth = np.sort(random.random((2, 2, 2)), axis=1).reshape(2, 4) * np.tile([frame[1], frame[0]], 2)
        asked.append((values, frame, grid, some_thresholds(random, min_max(values), cropped), truth))
    return asked


def as_json(values, frame, grid, thresholds, truth):
    where = None if grid is None else {"size": grid.size, "stride": grid.stride, "offset": grid.offset}
    return {"values": values.ravel().tolist(), "shape": values.shape, "frame": frame, "grid": where,
            "thresholds": thresholds, "truth": truth.tolist()}  # fmt: skip


HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)


@pytest.fixture(scope="module")
def asked():
    return questions()


@pytest.fixture(scope="module")
def answered(asked, tmp_path_factory):
    page = tmp_path_factory.mktemp("geometry") / "ask.html"
    finite = np.ascontiguousarray(HALVES[np.isfinite(HALVES)])
    ask = ASK.replace("QUESTIONS", json.dumps([as_json(*item) for item in asked]))
    page.write_text(f"<script>{SCRIPT}</script>{ask.replace('HALVES', base64.b64encode(finite.tobytes()).decode())}")
    return json.loads(re.search(r'<pre id="answers">(.*?)</pre>', dom(page), re.DOTALL)[1])


def test_boxes_equal_the_engine_within_a_millionth_of_the_frame(asked, answered):
    compared = 0
    for (values, frame, grid, thresholds, _), answer in zip(asked, answered["answers"], strict=True):
        for threshold, theirs in zip(thresholds, answer["boxes"], strict=True):
            ours = boxes(min_max(values), threshold, frame, grid or "conventional")
            assert len(ours) == len(theirs), (values, threshold, grid)
            np.testing.assert_allclose(np.reshape(theirs, (-1, 4)), ours, rtol=0, atol=1e-6 * min(frame))
            compared += len(ours)
    assert compared > 3000


def test_iou_equals_the_engine(asked, answered):
    for (*_, truth), answer in zip(asked, answered["answers"], strict=True):
        for theirs, ious in zip(answer["boxes"], answer["ious"], strict=True):
            ours = iou(np.reshape(theirs, (-1, 4)), truth).max(axis=1)
            np.testing.assert_allclose(ious, ours, rtol=0, atol=1e-12)


def test_the_picture_is_the_surface_at_the_centres_of_its_pixels(asked, answered):
    for (values, frame, grid, *_), answer in zip(asked, answered["answers"], strict=True):
        expected = to_frame(min_max(values), (8, 8), grid or "conventional")
        np.testing.assert_allclose(np.reshape(answer["painted"], (8, 8)), expected, rtol=0, atol=1e-6, err_msg=str(frame))


def test_half_precision_is_read_exactly(answered):
    assert answered["halves"] == HALVES[np.isfinite(HALVES)].astype(np.float64).tolist()
