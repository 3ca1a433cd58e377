"""``python main.py`` on files that are decoded for the first time: an unreadable one, a disk that fills up, the next start."""

import errno
import os
import resource

import numpy as np
import pytest
from PIL import Image

import main as run_command

pytestmark = pytest.mark.commands
TINY = (
    "--dataset folder --epochs 1 --img_size 64 --num_classes 2 --backbone custom --pretrained False --threads 1 --plots False --logger csv"
)
BROKEN = "003.png"
COUNT = 60


@pytest.fixture
def images(tmp_path):
    """A third of the images each for train, val and test; one training image is cut off."""
    folder, random = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    lines = ["image,split,Mass,Nodule"]
    for i in range(COUNT):
        Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)).save(folder / f"{i:03}.png")
        lines.append(f"{i:03}.png,{('train', 'val', 'test')[i % 3]},{i // 3 % 2},{i // 6 % 2}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    broken = folder / BROKEN
    broken.write_bytes(broken.read_bytes()[:60])
    return folder


@pytest.fixture
def train(tmp_path, images, capsys, caplog):
    """train(limit, flags) -> exit status, log and stderr of the command; no file may be larger than ``limit``."""

    def run(limit=resource.RLIM_INFINITY, more=""):
        places = f"--data_root_dir {images} --model_save_dir {tmp_path}/runs --log_dir {tmp_path}/logs --cache_dir {tmp_path}/cache"
        caplog.clear()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            status = run_command.main([*TINY.split(), *places.split(), *more.split()])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return status, caplog.text, capsys.readouterr().err

    return run


def test_an_unreadable_image_is_named_and_left_out_and_too_many_stop_the_run(train):
    status, _, stderr = train()
    assert status == 2
    (error,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert "--max_bad_images" in error
    assert BROKEN in error
    status, log, _ = train(more="--max_bad_images 0.1")
    assert status == 0
    (line,) = [line for line in log.splitlines() if "skipped: " in line]
    assert BROKEN in line


def test_a_disk_that_fills_up_is_one_sentence_and_the_next_start_decodes_nothing_again(train, tmp_path):
    """The cache fits on the disk, the checkpoint of the first epoch does not."""
    status, log, stderr = train(limit=500_000, more="--max_bad_images 0.1")
    assert status == 2
    (error,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert os.strerror(errno.EFBIG) in error
    assert log.count(" decoding 20 images") == 2  # of training and validation
    status, log, _ = train(more="--max_bad_images 0.1")
    assert status == 0
    assert log.count(" decoding 20 images") == 1  # of the test images
    assert len([*(tmp_path / "cache").glob("*.npy")]) == 3
