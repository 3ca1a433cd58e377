"""Time decoding files into the cache, compared with one process and with one process per core."""

import logging
import multiprocessing
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import cv2
from PIL import Image

import datasets
from core.frames import resize_image
from core.types import Sample
from datasets.io import cache, images, limits
from datasets.io.decoding import FEW
from tools.speed import names
from tools.speed.record import On, Row
from tools.speed.timing import Task, interleaved, row
from tools.speed.training.subject import TrainingSpeedConfig

log = logging.getLogger(__name__)


def rates(config: TrainingSpeedConfig, folder: Path) -> list[Row]:
    """Return the rows of decoding. A single process gets fewer images, because it takes longer per image."""
    cores = limits.cpus()
    files = written(folder, config.files, config.file_side)
    many = list(islice(cycle(files), max(config.decoded, FEW * cores)))
    few = many[: max(len(many) // cores // 2, 1)]
    log.info("decoding: %d files of %d px", len(files), config.file_side)
    size = config.size
    calls = {
        Task(names.ONE_PROCESS, len(few)): partial(alone, few, size),
        Task(names.ALL_CORES, len(few) * cores): partial(together, few, size, cores),
        Task(names.CACHE, len(many)): partial(cached, many, size),
    }
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)  # one process uses one core
    measured = interleaved(calls, config.rounds)
    cv2.setNumThreads(threads)
    on: On = {"device": names.CPU, "size": size, "cores": cores}
    return [
        row("decoding", on, task.contender, times, task.amount, images=task.amount) for task, times in measured.items()
    ]


def written(folder: Path, count: int, side: int) -> list[Sample]:
    """Write ``count`` phantoms of ``side`` pixels as PNG files to ``folder``; return samples that read them."""
    drawn = datasets.load(f"phantom:train={count},val=1,test=1", split="train", img_size=side)
    return [_written(sample, folder / sample.image_id) for sample in drawn]


def _written(sample: Sample, path: Path) -> Sample:
    path = path.with_suffix(".png")
    Image.fromarray(sample.image).save(path)
    read = partial(images.decode, path)
    return Sample(path.name, sample.patient_id, sample.frame, sample.labels, {}, read, str(path))


def alone(samples: Sequence[Sample], size: int) -> None:
    """Decode and resize images in a loop."""
    for sample in samples:
        resize_image(sample.image, (size, size))


def together(samples: Sequence[Sample], size: int, cores: int) -> None:
    """Run the loop in one process per core at the same time."""
    context = multiprocessing.get_context("fork")
    work = [context.Process(target=alone, args=(samples, size)) for _ in range(cores)]
    for process in work:
        process.start()
    for process in work:
        process.join()


def cached(samples: Sequence[Sample], size: int) -> None:
    """Decode images into an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        cache.pixels(samples, size, folder)
