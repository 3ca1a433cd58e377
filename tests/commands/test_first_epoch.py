"""``python main.py`` on files that are decoded for the first time: an unreadable one, a disk that fills up, the next start."""

import re

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.commands
TINY = "--dataset folder --epochs 1 --img_size 64 --num_classes 2 --backbone custom --pretrained False --plots False --logger csv"
BROKEN = "003.png"


@pytest.fixture
def images(tmp_path):
    """The flags of a training on a third of the images each for train, val and test; one training image is cut off."""
    folder, random = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    lines = ["image,split,Mass,Nodule"]
    for i in range(60):
        Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)).save(folder / f"{i:03}.png")
        lines.append(f"{i:03}.png,{('train', 'val', 'test')[i % 3]},{i // 3 % 2},{i // 6 % 2}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / BROKEN).write_bytes((folder / BROKEN).read_bytes()[:60])
    return f"{TINY} --data_root_dir {folder}"


def test_an_unreadable_image_is_named_and_left_out_and_too_many_stop_the_run(train, refused, images, caplog):
    assert re.search(rf"--max_bad_images.*{BROKEN}", refused(images))
    caplog.clear()
    assert train(f"{images} --max_bad_images 0.1") == 0
    (line,) = [line for line in caplog.text.splitlines() if "skipped: " in line]
    assert BROKEN in line
