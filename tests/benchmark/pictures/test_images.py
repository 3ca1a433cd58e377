"""Progress while images are explained."""

import logging

import numpy as np
from PIL import Image

from locus.benchmark.pictures import explained


def test_progress_bars_count_images_and_the_log_has_a_line(tmp_path, terminal, caplog):
    for name in "ab":
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / f"{name}.png")
    with caplog.at_level(logging.INFO):
        assert len(list(explained.readable_images(explained.users_images(tmp_path, "none"), 0, "cam"))) == 2
    visible = terminal()
    assert "read:   0%" in visible
    assert "explain:   0%" in visible
    assert "explaining 2 images with cam" in caplog.messages
