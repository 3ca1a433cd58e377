"""Explain images with a finished network and methods, and write the files of ``heatmap.py``.

``checkpoint_of``, ``open_network``  choose the run (by path, or the newest of a backbone) and build its network
``dataset_images``, ``users_images``, ``uploaded_image``  the images
``Explainer``   runs the methods, and lists those that are not supported
``Thresholds``  score threshold of the drawn boxes: from the command line, chosen by a suite, or .5
``write_pictures``  for many images: a picture and a raw map per case and method, a figure of all methods, boxes.json
``write_overlay``   for one image: the heat map of one finding over the image in its original size, in one file

Maps are computed by ``locus.explaining``; a case is drawn by ``panels``.
"""

import contextlib
import functools
import itertools
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from locus import datasets, methods
from locus.backbones import Classifier, weight_files
from locus.backbones.catalog import resolve
from locus.benchmark import opening
from locus.benchmark.pictures import panels
from locus.benchmark.pictures.panels import (
    CasePicture,
    RawMap,
    frame_of,
    heat_in_frame,
    prepare_case,
)
from locus.benchmark.training import hardware, runs
from locus.config import HeatmapConfig, TrainConfig
from locus.core.cli import read_yaml
from locus.core.errors import (
    BadValueError,
    DataError,
    LocusError,
    NotAvailableError,
    UnknownNameError,
    examples,
)
from locus.core.files import atomic, is_hidden, json_hash, safe_filename, write_json
from locus.core.frames import Alignment, resize_image
from locus.core.names import MAIN_PROTOCOL, match
from locus.core.types import Echo, Sample
from locus.datasets.io import images, preprocess, transforms
from locus.datasets.io.tables import reading_json
from locus.drawing import blend
from locus.explaining.batch import (
    MethodMaps,
    build_methods,
    collect_evidence,
    prepare_model,
    run_methods,
)
from locus.methods.evidence import Evidence

log = logging.getLogger(__name__)
ADVICE = "lower --memory_gib, use fewer methods at once, or use --precision bf16"
"""Advice if memory runs out."""
DEFAULT_BOX_THRESHOLD = 0.5
"""Threshold of boxes if no other is known."""
THRESHOLD_SOURCES = ("validation", "cross-fitted")
"""Where a record's thresholds were chosen, the preferred source first."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Suffixes of an overlay."""
MAX_REASONS = 8
"""Largest number of images for which the drawn finding is printed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainedImage:
    """One image with its predictions and maps."""

    sample: Sample
    pixels: NDArray[np.uint8]
    """(H, W)."""
    probabilities: list[float]
    """Probability of each finding."""
    likeliest: int
    """Index of the finding with the highest logit."""
    maps: dict[str, MethodMaps]
    """Maps of each supported method, for all findings."""
    alignment: Alignment

    def raw_map(self, method: str, k: int) -> RawMap:
        """Return the map of finding ``k``."""
        of_method = self.maps[method]
        grid = of_method.grid if self.alignment == "aligned" else self.alignment
        return RawMap(method, of_method.maps[0, k].numpy(), grid, self.probabilities[k])


def open_network(
    path: Path, config: HeatmapConfig, image: str | None
) -> tuple[opening.Checkpoint, Classifier]:
    """Read a checkpoint or run folder, build its network and log its description.

    Warns if a network trained on findings drawn by code explains a user's ``image``.
    """
    checkpoint = opening.checkpoint(path)
    model = prepare_model(
        checkpoint.network(config.trust),
        channels_last=config.channels_last,
        compiled=config.compile,
    )
    log.info("network %s", checkpoint)
    if image is not None and datasets.is_synthetic(checkpoint.trained_on):
        log.warning(
            "warning: %s was trained on %s, whose findings are drawn by code: its scores and maps of %s are "
            "meaningless for radiographs; use a run of another data set with --checkpoint",
            *(path, checkpoint.trained_on.split(":")[0], image),
        )
    return checkpoint, model


class Explainer:
    """Explains images with the methods of ``config``, and lists those that do not support the network."""

    def __init__(self, config: HeatmapConfig) -> None:
        self.config = config
        self.unsupported: dict[str, str] = {}
        """Method -> reason why it is not supported, by the network or because a library is missing."""
        self.failed: dict[str, str] = {}
        """Method -> error while it ran."""
        installed = []
        for word in methods.expand(config.method):
            try:
                methods.get(word)
                installed.append(word)
            except NotAvailableError as error:  # a library that is not installed
                self.unsupported[word] = str(error)
        self._methods = build_methods(installed)

    @property
    def unsupported_sentences(self) -> tuple[str, ...]:
        """A sentence for each method that is not supported."""
        return tuple(f"{word}: {reason}" for word, reason in self.unsupported.items())

    def explain(
        self, model: Classifier, samples: Sequence[Sample], max_bad_images: float
    ) -> Iterator[ExplainedImage]:
        """Explain the readable images among ``samples``, with one forward pass each, resized as in training.

        An unsupported method is tried only once. Raises ``LocusError`` if the share of unreadable images is larger than
        ``max_bad_images``, for an unknown layer, and if no method is supported.
        """
        config = self.config
        side = model.train_config.img_size
        for sample, pixels in readable_images(samples, max_bad_images, ", ".join(config.method)):
            resized = torch.from_numpy(resize_image(pixels, (side, side)).copy())
            batch = transforms.evaluation()(resized[None])
            with torch.autocast(
                batch.device.type, torch.bfloat16, enabled=config.precision == "bf16"
            ):
                evidence = collect_evidence(
                    model, batch, layer=config.layer, memory_gib=config.memory_gib, progress=True
                )
            logits = evidence.logits[0]
            exclusive = model.train_config.exclusive(len(logits))
            with torch.no_grad():
                probabilities = (
                    logits.softmax(0) if exclusive else model.predict(batch)[0].sigmoid()
                )
            yield ExplainedImage(
                sample=sample,
                pixels=pixels,
                probabilities=probabilities.tolist(),
                likeliest=int(logits.argmax()),
                maps=self._maps(evidence),
                alignment=config.alignment,
            )

    def _maps(self, evidence: Evidence) -> dict[str, MethodMaps]:
        """Return the maps of all methods; a method that raises an error is noted with its reason and not run again."""
        maps = {}
        for word, answer in run_methods(self._methods, evidence).items():
            if isinstance(answer, NotAvailableError):
                self.unsupported[word] = str(answer)
            elif isinstance(answer, LocusError):
                self.failed[word] = str(answer)
            else:
                maps[word] = answer
        self._methods = {word: method for word, method in self._methods.items() if word in maps}
        if not maps:
            reasons = "; ".join([*self.unsupported_sentences, *self.failed.values()])
            raise NotAvailableError(f"no method has a map: {reasons}")
        return maps


def readable_images(
    samples: Sequence[Sample], max_bad_images: float, methods: str
) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """Yield the samples with their pixels; unreadable files are left out and counted in a warning.

    ``methods``: their names, for a log line. Raises ``DataError`` if the share of unreadable images is larger than
    ``max_bad_images``, or none is left.
    """
    readable = []
    errors = []
    log.info("explaining %d images with %s", len(samples), methods)
    # read all images once before anything is written, without storing them: a folder may be large
    for sample in tqdm(samples, desc="read", unit="image", leave=False, disable=None):
        try:
            sample.read()
            readable.append(sample)
        except DataError as error:
            errors.append(str(error))
    if len(errors) > max_bad_images * len(samples):
        count = f"{len(errors)} of {len(samples)} images"
        raise DataError(
            f"{count} cannot be read, more than --max_bad_images: {examples(errors, 1)}"
        )
    if errors:
        log.warning("%d of %d images left out: %s", len(errors), len(samples), examples(errors))
    for sample in tqdm(readable, desc="explain", unit="image", leave=False, disable=None):
        yield sample, sample.image


def dataset_images(recipe: TrainConfig, root: str | None, count: int) -> list[Sample]:
    """Return ``count`` test images of a network's data set, those with a truth box if it has any.

    They are the first images of different patients, then, if there are too few patients, the first of the others.
    """
    test = datasets.load_split(replace(recipe, data_root_dir=root or recipe.data_root_dir), "test")
    boxed = [sample for sample in test if sample.boxes]
    if boxed:
        first_of_patient = {sample.patient_id: sample for sample in reversed(boxed)}
        others = [sample for sample in boxed if first_of_patient[sample.patient_id] is not sample]
        return [*reversed(first_of_patient.values()), *others][:count]
    log.info(
        "no test image of %s has a truth box: the first images are explained, without truth",
        recipe.dataset,
    )
    return list(test[:count])


def users_images(path: Path, steps: str) -> list[Sample]:
    """Return a file or all images of a folder as samples without labels and truth, preprocessed by ``steps``.

    The frame is that of the file. Raises ``DataError`` if there is no image.
    """
    if not path.exists():
        raise DataError(f"image file or folder {str(path)!r} not found")
    files = [path]
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in images.SUFFIXES)
        files = [file for file in found if not is_hidden(file, path)]
    if not files:
        raise DataError(
            f"the folder {str(path)!r} has no image file ({', '.join(images.SUFFIXES)})"
        )
    return [preprocess.one(_sample(file), steps) for file in files]


def uploaded_image(name: str, content: bytes, steps: str) -> Sample:
    """Return an image in memory as a sample without labels and truth, preprocessed by ``steps``.

    ``content``: the bytes of a PNG, JPEG or DICOM file, by the suffix of ``name``.
    """
    return preprocess.one(_sample(Path(name), content), steps)


def _sample(file: Path, content: bytes | None = None) -> Sample:
    read = functools.partial(images.decode, file, content)
    source = str(file) if content is None else ""
    return Sample(file.name, file.name, (0, 0), np.zeros(0, np.float32), {}, read, source=source)


def checkpoint_of(word: str, label: str | None, folder: Path) -> Path:
    """Return the checkpoint for ``word``: a path, or the newest run in ``folder`` with that backbone.

    Runs with the finding ``label`` are preferred. Raises ``DataError`` if there is no run.
    """
    if _is_path(word):
        return Path(word)
    backbone_name = _backbone(word)
    backbones = {
        path: _backbone_of_run(path.parent / "config.yaml") for path in runs.finished(folder)
    }
    same = [path for path, backbone in backbones.items() if backbone == backbone_name]
    if same:
        return next((path for path in same if label is None or _has_finding(path, label)), same[0])
    available = ", ".join(sorted(set(backbones.values()))) or "none"
    raise DataError(
        f"no finished run in {folder}/ has the backbone {backbone_name} (available: {available}): "
        "train one, or write the path of a checkpoint"
    )


def _is_path(word: str) -> bool:
    """Whether a word is the path of a checkpoint or a run folder; other folders may have the name of a backbone."""
    path = Path(word)
    return (
        path.suffix == ".ckpt"
        or len(path.parts) > 1
        or path.is_file()
        or (path / "config.yaml").is_file()
    )


def _backbone(name: str) -> str:
    """Return the registered name of a backbone, without options. Raises ``UnknownNameError``."""
    return resolve(weight_files.resolve(name, False)[0].split(":")[0])


def _has_finding(checkpoint: Path, label: str) -> bool:
    """Whether a run has a finding that matches the label."""
    with contextlib.suppress(LocusError):
        match(label, opening.checkpoint(checkpoint).findings)
        return True
    return False


def _backbone_of_run(path: Path) -> str:
    """Return the registered name of the backbone in the flags of a run; "unknown" if it cannot be read."""
    try:
        return _backbone(str(read_yaml(path).get("backbone")))
    except LocusError:
        return "unknown"


class Thresholds:
    """Thresholds for the pictures of one network.

    They apply to maps that are min-max scaled to [0,1]. The order of preference: a threshold of the command line, one
    that a suite chose on validation images, the median of those chosen by fold, and ``DEFAULT_BOX_THRESHOLD``.
    """

    def __init__(
        self,
        digest: str,
        runs: Path,
        alignment: str = "aligned",
        layer: str | None = None,
        typed: float | None = None,
    ) -> None:
        """Read the thresholds for the weights with a ``digest`` from the records in or next to the folder ``runs``.

        Suites store none for an earlier ``layer``. A ``typed`` threshold, from the command line, applies to all maps.
        """
        self.typed = typed
        results = tuple(folder / "results" for folder in (*reversed(runs.parents[:3]), runs))
        self.recorded = _recorded(digest, alignment, results) if layer is None else {}

    def lookup(self, method: str, finding: str) -> tuple[float, str]:
        """Return the threshold on the min-max scaled map, and a description of its source."""
        if self.typed is not None:
            return self.typed, "typed"
        by_source = self.recorded.get(method, {})
        for threshold_source in THRESHOLD_SOURCES:
            values = by_source.get(threshold_source, {}).get(finding, ())
            if len(values) == 1:
                return values[0], threshold_source
            if values:
                return median(values), f"{threshold_source}, median of {len(values)}"
        return DEFAULT_BOX_THRESHOLD, "fixed"


@functools.lru_cache(maxsize=4)
def _recorded(digest: str, alignment: str, results: tuple[Path, ...]) -> dict[str, Any]:
    """Return method -> source -> finding -> thresholds, from published records, then ``results``; the last one wins."""
    from locus.benchmark import records  # imports pyarrow, which one image does not need
    from locus.benchmark.records import packed

    thresholds: dict[str, Any] = {}
    for home in dict.fromkeys((Path("results"), *results)):
        for suite in records.suites(home):
            for text in packed.records_containing(suite, digest):
                record = json.loads(text)
                if _applies(record, digest, alignment):
                    thresholds[record["cell"]["method"]] = record["thresholds"]
    return thresholds


def _applies(record: Mapping[str, Any], digest: str, alignment: str) -> bool:
    """Whether a record, as JSON, has thresholds of the weights with a ``digest``, chosen on all images."""
    cell = record["cell"]
    is_scored = digest in record["checkpoints"] and record["status"] == "ok"
    is_main = cell["protocol"] == MAIN_PROTOCOL and cell["alignment"] == alignment
    return is_scored and is_main and "images" not in cell["data"]


@hardware.oom_as_error(ADVICE)
def write_pictures(config: HeatmapConfig, echo: Echo) -> int:
    """Explain the images of ``config``: write pictures and raw maps of each case, and ``boxes.json`` for all.

    The files are in a subfolder of ``config.output_dir`` for each network, named after its run and its weights. Later
    calls add cases to ``boxes.json``, or replace those of the same image, finding and method. ``failed`` lists the
    errors of the last call, and ``absent`` the methods that are not supported, with the reason. Both are also printed
    with ``echo``. ``config.checkpoint`` must be set. Returns 1 if anything failed, else 0. Raises ``LocusError`` for an
    unknown finding, method or layer, for too many unreadable images, without a supported method, and if ``boxes.json``
    is broken.
    """
    hardware.configure_torch(config.threads)
    explainer = Explainer(config)
    path = Path(str(config.checkpoint))
    checkpoint, model = open_network(path, config, config.image)
    recipe = checkpoint.config
    findings = checkpoint.findings
    for finding in config.findings:
        if finding not in findings:
            raise UnknownNameError("finding", finding, findings)
    thresholds = Thresholds(
        checkpoint.digest, Path(config.runs), config.alignment, config.layer, config.threshold
    )
    if config.image:
        samples = users_images(Path(config.image), recipe.preprocess)
    else:
        samples = dataset_images(recipe, config.data_root_dir, config.cases)
    folder = Path(config.output_dir) / _network_folder(path, checkpoint.digest)
    boxes = folder / "boxes.json"
    earlier = _earlier(boxes)
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    names = _file_names([sample.image_id for sample in samples])
    for explained in explainer.explain(model, samples, config.max_bad_images):
        stem = folder / names[explained.sample.image_id]
        for finding_index in _chosen(config.findings, explained, findings):
            pictures, errors = _pictures(
                explained, finding_index, findings[finding_index], thresholds
            )
            rows += _write_case(pictures, stem, config)
            failed += errors
    failed += explainer.failed.values()
    _write_boxes(boxes, path, earlier, rows, failed, explainer.unsupported)
    if config.image and not config.findings:
        for line in _reasons(rows):
            echo(line)
    echo(f"maps of {path} drawn: {len(rows)}, in {folder}/, boxes in {boxes}")
    for sentence in explainer.unsupported_sentences:
        echo(f"n/a: {sentence}")
    for sentence in failed:
        echo(f"failed: {sentence}")
    return 1 if failed else 0


def _write_case(
    pictures: Sequence[CasePicture], stem: Path, config: HeatmapConfig
) -> list[dict[str, Any]]:
    """Write the pictures of a case, and one of all methods if there are several; return the rows for ``boxes.json``."""
    rows = [_write(picture, stem, config) for picture in pictures]
    if len(pictures) > 1:
        name = safe_filename(stem.name, pictures[0].finding)
        for suffix in config.format:
            panels.save_methods(pictures, stem.parent / f"{name}.{suffix}")
    return rows


def _write_boxes(
    file: Path,
    checkpoint: Path,
    earlier: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    failed: Sequence[str],
    unsupported: Mapping[str, str],
) -> None:
    """Write ``boxes.json`` with the ``earlier`` cases and the new ``rows``, which replace those of the same case."""
    cases = {_case(row): row for row in (*earlier["cases"], *rows)}
    drawn_methods = {row["method"] for row in rows}
    reasons = {**earlier["absent"], **unsupported}
    absent = {word: reason for word, reason in reasons.items() if word not in drawn_methods}
    content = {
        "checkpoint": str(checkpoint),
        "cases": [*cases.values()],
        "failed": [*failed],
        "absent": absent,
    }
    write_json(file, content)


def _reasons(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which finding was drawn for each of a user's images, and why."""
    drawn = {row["image"]: row for row in rows}
    for image, row in itertools.islice(drawn.items(), MAX_REASONS):
        why = f"the finding with the highest score ({row['probability']:.3f})"
        yield f"{image}: {row['finding']} is drawn, {why}; --findings draws others"
    if len(drawn) > MAX_REASONS:
        yield f"{len(drawn) - MAX_REASONS} more images: the finding with the highest score is drawn"


def _pictures(
    explained: ExplainedImage, k: int, finding: str, thresholds: Thresholds
) -> tuple[list[CasePicture], list[str]]:
    """Return the picture of finding ``k`` by each method, and the errors of maps that are not finite."""
    pictures = []
    errors = []
    sample = explained.sample
    for word in explained.maps:
        raw = explained.raw_map(word, k)
        threshold, threshold_source = thresholds.lookup(word, finding)
        try:
            pictures.append(
                prepare_case(sample, explained.pixels, finding, raw, threshold, threshold_source)
            )
        except BadValueError as error:
            errors.append(f"{sample.image_id}, {finding}, {word}: {error}")
    return pictures, errors


def _network_folder(path: Path, digest: str) -> str:
    """Return the name of a network's folder: its run or file of weights, and the first digits of its hash.

    >>> _network_folder(Path("runs/suites/demo/custom-PCAM-128px-seed0/best.ckpt"), "1a2b3c4d5e6f7081")
    'custom-PCAM-128px-seed0-1a2b3c4d'
    """
    if path.suffix == ".ckpt" and path.stem in ("best", "last"):
        name = path.resolve().parent.name
    else:
        name = path.name.removesuffix(".safetensors").removesuffix(".ckpt")
    return safe_filename(f"{name or path.resolve().name}-{digest[:8]}")


def _earlier(boxes: Path) -> dict[str, Any]:
    """Return ``cases`` and ``absent`` of an existing ``boxes.json``. Raises ``DataError`` if it is broken."""
    if not boxes.exists():
        return {"cases": [], "absent": {}}
    with reading_json(boxes, "it was not written by heatmap.py; delete it") as content:
        earlier = {"cases": list(content["cases"]), "absent": dict(content["absent"])}
        for row in earlier["cases"]:
            _case(row)  # raises an error for a row without its image, finding or method
    return earlier


def _case(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what identifies a case in ``boxes.json``: image, finding and method."""
    return row["image"], row["finding"], row["method"]


def _chosen(
    requested: tuple[str, ...], explained: ExplainedImage, findings: tuple[str, ...]
) -> list[int]:
    """Return the indices of the requested findings, else of those with truth, else of the likeliest one."""
    names = requested or [finding for finding in findings if finding in explained.sample.boxes]
    return [findings.index(name) for name in names] or [explained.likeliest]


def _file_names(image_ids: Sequence[str]) -> dict[str, str]:
    """Return image -> name for its files, without suffix; images whose names would be equal also have a hash.

    >>> _file_names(["x.png", "a/b.png", "a_b.png"])
    {'x.png': 'x', 'a/b.png': 'a_b-cc803c03', 'a_b.png': 'a_b-acf494dd'}
    """
    stems = {
        image: safe_filename(image.removesuffix(Path(image).suffix) or image) for image in image_ids
    }
    count = Counter(stem.lower() for stem in stems.values())  # some file systems ignore case
    names = {}
    for image, stem in stems.items():
        is_unique = count[stem.lower()] == 1
        names[image] = stem if is_unique else f"{stem}-{json_hash(image)[:8]}"
    return names


def _write(picture: CasePicture, stem: Path, config: HeatmapConfig) -> dict[str, Any]:
    """Write the files of a case, whose names begin with ``stem``; return its entry in ``boxes.json``."""
    path = stem.parent / safe_filename(stem.name, picture.finding, picture.raw.method)
    if picture.flat:
        words = f"{picture.image_id}, {picture.finding}, {picture.raw.method}"
        log.warning("%s: flat map: all positions have the same value, so there is no box", words)
    for kind in config.format:
        panels.save(picture, Path(f"{path}.{kind}"))
    if config.save_raw:
        with atomic(Path(f"{path}.npy")) as temporary, temporary.open("wb") as file:
            np.save(file, picture.raw.values)
    return {
        **picture.row,
        "picture": f"{path.name}.{config.format[0]}",
        "raw": f"{path.name}.npy" if config.save_raw else None,
        "alignment": config.alignment,
        "layer": config.layer,
        "precision": config.precision,
    }


@hardware.oom_as_error(ADVICE)
def write_overlay(config: HeatmapConfig, echo: Echo) -> int:
    """Write the overlay of ``config.image_path`` to ``config.output_path``, a file or an existing folder.

    ``echo`` the file with the finding, its probability, the method and the checkpoint; returns 0.

    Raises ``LocusError`` for an unknown label or picture format, if the model has no training run, for an unreadable
    image, and for a method that is not supported or whose map is not finite.
    """
    source = Path(str(config.image_path))
    target = Path(config.output_path)
    _check_target(target, source)
    has_one_method = len(methods.expand(config.method)) == 1
    if not has_one_method or config.image is not None or (config.model and config.checkpoint):
        raise BadValueError(
            "with --image_path, pass exactly one --method, no --image, and at most one of --model and --checkpoint"
        )
    hardware.configure_torch(config.threads)
    original = images.decode(source)
    run_path = config.checkpoint or checkpoint_of(
        str(config.model), config.label, Path(config.runs)
    )
    checkpoint, model = open_network(Path(run_path), config, str(source))
    # an unknown label is an error before the image is explained
    labelled = None if config.label is None else _position(config.label, checkpoint)
    samples = users_images(source, checkpoint.config.preprocess)
    (explained,) = Explainer(config).explain(model, samples, max_bad_images=0)
    finding_index = explained.likeliest if labelled is None else labelled
    finding = checkpoint.findings[finding_index]
    (method,) = explained.maps
    raw_map = explained.raw_map(method, finding_index)
    heat = heat_in_frame(raw_map, frame_of(explained.sample, explained.pixels))
    if not heat.any():
        text = "flat map: %s has the same value at all positions for %s; the picture shows only the image"
        log.warning(text, method, finding)
    path = target
    if target.is_dir():
        path = target / f"{safe_filename(source.stem, finding)}.png"
    height, width = original.shape
    picture = blend(original, heat[:height, :width])  # preprocessing may pad right and bottom
    with atomic(path) as temporary:
        Image.fromarray(picture).save(
            temporary, Image.registered_extensions()[path.suffix.lower()], quality=95
        )
    score = f"score {raw_map.probability:.3f}"
    if config.label is None:
        score += " and the highest of all findings (--label draws another)"
    echo(f"overlay: {path} ({finding}, {score}, {method}, by {checkpoint.path})")
    return 0


def _check_target(path: Path, source: Path) -> None:
    """Raise ``BadValueError`` if ``path`` has no picture format, or is the image itself."""
    if path.is_dir():
        return
    if path.suffix.lower() not in SUFFIXES:
        endings = ", ".join(SUFFIXES)
        raise BadValueError(
            f"--output_path {path} is not a picture: write a {endings} file or an existing folder"
        )
    if path.resolve() == source.resolve():
        raise BadValueError(f"--output_path {path} is the image itself: choose another name")


def _position(label: str, checkpoint: opening.Checkpoint) -> int:
    """Return the index of the finding that matches a label. Raises ``BadValueError`` with the run."""
    try:
        return checkpoint.findings.index(match(label, checkpoint.findings))
    except UnknownNameError as error:
        raise BadValueError(f"{error} (the run {checkpoint.path.parent})") from error
