"""Base class of data sets: a sequence of samples with a name, findings and a description for records.

``Request``            arguments that all data sets have in common
``Dataset``            one split of a data set; ``RelabeledDataset`` has the finding names of a model
``Columns``  names, labels and truth of all images
``maximum``            scores per study: the maximum over its images
``content_key``        key of the pixels of a data set, computed without decoding them

Data sets that are read from files derive from ``FileDataset`` (``locus.datasets._files``).
"""

import functools
import hashlib
import json
import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from tqdm import tqdm

from locus.core.errors import BadValueError, DataError
from locus.core.frames import checked_boxes
from locus.core.names import canonical_finding, duplicates, identity, require_findings
from locus.core.registry import validated
from locus.core.types import FloatArray, Sample
from locus.datasets.io.tables import check_links

if TYPE_CHECKING:
    from locus.datasets.io.download import Kaggle

log = logging.getLogger(__name__)
Split = Literal["train", "val", "test"]
Partition = Literal["official", "patient", "kfold", "all"]
Fold = Annotated[int, Field(ge=0)]
SPLITS: tuple[Split, ...] = get_args(Split)
ELSEWHERE = "set another folder with --data_root_dir or the environment variable LOCUS_DATA"
"""How a user sets the folder of a data set."""
ANNOUNCED_FILE_COUNT = 2000
"""Number of files above which reading their headers is announced, because it takes more than a second."""
DECODING_VERSION = 2
"""Increment this if files are decoded to other pixels; caches of earlier versions are not used any more."""


def maximum(values: ArrayLike, studies: Sequence[str]) -> tuple[list[str], FloatArray]:
    """Return the S studies, sorted, and (S,K) the maximum of the (N,K) scores or labels of each study.

    nan (unknown) is ignored unless a study has nothing else. CheXpert is scored this way: Irvin et al., AAAI 2019,
    maximum over the views of a study.

    >>> maximum([[0.1, 0.9], [0.4, 0.2], [0.3, 0.3]], ["b", "b", "a"])[1].tolist()
    [[0.3, 0.3], [0.4, 0.9]]
    """
    names, study_index = np.unique(np.asarray(studies, dtype=str), return_inverse=True)
    table = np.asarray(values, dtype=np.float64)
    largest = np.full((len(names), table.shape[1]), np.nan)
    np.fmax.at(largest, study_index.reshape(-1), table)
    return names.tolist(), largest


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns(Sequence[tuple[str, str, bool]]):
    """Columns of a data set. As a sequence, its items are (image, patient, True if it has a truth box)."""

    images: Sequence[str]
    patients: Sequence[str]
    sources: Sequence[str]
    """As in ``locus.core.types.Sample``."""
    labels: NDArray[np.float32]
    """(N, K) 0, 1 or nan (unknown)."""
    boxed: NDArray[np.bool_]
    """(N,) True for an image with a truth box."""
    studies: Sequence[str]
    """The study of each image; empty if any image has none."""
    truth: Mapping[str, tuple[tuple[int, int], Mapping[str, FloatArray]]]
    """Image with a truth box -> its frame, and its boxes by finding."""
    nih_or_own_names: Sequence[str] = ()
    """NIH's name of each image that has one under another name (``meta["nih"]``), else ``images``; empty if all have
    the names in ``images``."""

    def __len__(self) -> int:
        return len(self.boxed)

    def __getitem__(self, index: Any) -> Any:
        return self.images[index], self.patients[index], bool(self.boxed[index])


def from_samples(samples: Iterable[Sample], findings: int) -> Columns:
    """Return the columns of ``samples`` with K = ``findings`` labels."""
    samples = list(samples)
    studies = [str(sample.meta.get("study") or "") for sample in samples]
    labels = np.array([sample.labels for sample in samples], dtype=np.float32)
    has_boxes = [bool(sample.boxes) for sample in samples]
    images = [sample.image_id for sample in samples]
    patients = [sample.patient_id for sample in samples]
    sources = [sample.source for sample in samples]
    truth = {sample.image_id: (sample.frame, sample.boxes) for sample in samples if sample.boxes}
    nih_or_own_names = [str(sample.meta.get("nih") or sample.image_id) for sample in samples]
    return Columns(
        images=images,
        patients=patients,
        sources=sources,
        labels=labels.reshape(len(samples), findings),
        boxed=np.array(has_boxes, dtype=bool),
        studies=studies if all(studies) else (),
        truth=truth,
        nih_or_own_names=nih_or_own_names,
    )


@dataclass(frozen=True, kw_only=True)
class Request:
    """Arguments common to all data sets; see ``locus.datasets.load``. Raises ``BadValueError`` for invalid values."""

    root: Path | None = None
    """Folder of the data set's files."""
    split: Split = "test"
    """The part of the images to load."""
    partition: Partition = "official"
    """The rule that assigns patients to splits: published lists (official), at random (patient) or by fold (kfold)."""
    folds: Annotated[int, Field(ge=2)] = 5
    fold: Fold = 0
    """The fold that is the test split of ``kfold``."""
    findings: int | None = None
    """The number of findings, not their names; None: the default of the data set."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the splits and of generated images."""
    img_size: int | None = None
    """Side of generated images in pixels; other data sets ignore it."""
    cache: Path | str | None = None
    """Folder for the headers of DICOM files."""
    leave_out_fold: Fold | None = None
    """Fold of ``kfold`` that is excluded from all splits."""

    def __post_init__(self) -> None:
        validated(Request, vars(self))
        if self.fold >= self.folds:
            raise BadValueError(
                f"fold {self.fold} does not exist: use a number from 0 to {self.folds - 1}"
            )
        left_out = self.leave_out_fold
        if left_out is None:
            return
        if self.partition != "kfold" or left_out >= self.folds or left_out == self.fold:
            number = f"a number from 0 to {self.folds - 1} other than the test fold, {self.fold}"
            raise BadValueError(
                f"leave_out_fold is {left_out}: it requires --partition kfold and {number}"
            )

    def task(
        self, tasks: Mapping[int, tuple[str, ...]], name: str, default: int
    ) -> tuple[str, ...]:
        """Return the findings of the requested task: one of the lists in ``tasks``, by its length.

        ``name``: the data set. ``default``: length of the list if none is requested. Raises ``BadValueError`` with the
        valid numbers of findings.
        """
        number = default if self.findings is None else self.findings
        if number not in tasks:
            allowed = ", ".join(map(str, tasks))
            if len(tasks) > 1:
                allowed = f"one of {allowed}"
            raise BadValueError(
                f"{name} does not support {number} findings: set --num_classes to {allowed}"
            )
        return tasks[number]

    def folder(self, layout: str) -> Path:
        """Return the root. Raises ``DataError`` if it is missing or empty, or for a link that is not usable."""
        if self.root is None or not self.root.is_dir():
            raise DataError(f"the folder {self.root} is missing: {layout}; {ELSEWHERE}")
        content = list(self.root.iterdir())
        if not content:
            raise DataError(f"the folder {self.root} is empty: {layout}")
        check_links((path for path in content if path.is_symlink()), self.root)
        return self.root


@dataclass(frozen=True, kw_only=True)
class About:
    """What a user must know of a data set before downloading it; docs/data_setup.md is made from it."""

    title: str
    size: str
    """Number and kind of the images."""
    access: str
    """How to get the files: free download, registration, request."""
    licence: str
    citation: str
    boxes: str
    """What a box marks, and who drew it; "none" without boxes."""


class Dataset(Sequence[Sample]):
    """One split of a data set, as a sequence of samples. ``__init__(request, **options)`` sets the attributes below.

    A subclass sets ``name``, ``about`` and these attributes and implements ``__len__`` and ``sample``.

    Example::

        class OneImage(Dataset):
            name = "one_image"

            def __init__(self, request):
                self.findings, self.split, self.describe = ("Mass",), request.split, {"images": 1}

            def __len__(self):
                return 1

            def sample(self, index):
                labels = np.ones(1, np.float32)
                return Sample("a.png", "patient 1", (1024, 1024), labels, {"Mass": boxes}, read_image)
    """

    name: ClassVar[str]
    """Name on the command line."""
    origin: ClassVar["Kaggle | str"] = "there is nothing to download"
    """Source of ``--download``, or a description of how to get the files by hand."""
    layout: ClassVar[str] = ""
    """Required files and their source, for error messages; empty if the data set needs no files."""
    about: ClassVar[About]
    """Licence, access, citation, size and what boxes mean."""
    synthetic: ClassVar[bool] = False
    """True if the findings are drawn by code: a network trained on them cannot read real radiographs."""
    findings: tuple[str, ...]
    """The K findings, in the order of the labels."""
    split: str
    """train, val or test."""
    describe: dict[str, Any]
    """JSON-serializable description of these images for records (lists, counts, options); not a method."""
    training_part: "Callable[[], Sequence[Sample]] | None" = None
    """Function that reads the truth of the training images, on which ``fixed_point`` and ``fixed_region`` are chosen;
    None if the data set has no published one. Protocols of masks also score the images without a finding then."""

    @abstractmethod
    def sample(self, index: int) -> Sample:
        """Return the sample at ``index``; no image is decoded here.

        Args:
            index: in [0, len). ``data[index]`` also accepts negative indices.

        Returns:
            The sample, with boxes in pixels of its frame.
        """

    @functools.cached_property
    def columns(self) -> Columns:
        """Names, labels and truth of all samples, without reading an image."""
        return from_samples(self, len(self.findings))

    @property
    def labels(self) -> NDArray[np.float32]:
        """(N, K) labels of all samples, without reading an image: 0, 1 or nan (unknown).

        Columns are in the order of ``findings``.
        """
        return self.columns.labels

    @property
    def patients(self) -> list[str]:
        """Patient of each sample. Splits and confidence intervals keep the images of a patient together."""
        return [*self.columns.patients]

    def __repr__(self) -> str:
        """Say what the data set is: ``phantom, test: 600 images, 8 findings``."""
        return f"{self.name}, {self.split}: {len(self)} images, {len(self.findings)} findings"

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self.sample(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range: {self.name} has {len(self)} samples")
        return self.sample(index % len(self))


class Samples(Dataset):
    """Samples in memory as a data set, with labels in the order of ``findings``. Boxes are clipped at the image's edge.

    Raises ``BadValueError`` for a sample that is not valid or is given twice.
    """

    name = "samples"

    def __init__(self, samples: Sequence[Sample], findings: Sequence[str], split: str) -> None:
        if isinstance(samples, str) or not isinstance(samples, Sequence):
            raise BadValueError(
                f"data is a {type(samples).__name__}: give a data set or a list of samples"
            )
        self.samples = [_checked(sample, findings) for sample in samples]
        self.findings = tuple(findings)
        self.split = split
        self.describe = {"images": len(samples), "findings": list(findings)}
        repeated = duplicates(identity(sample.image_id) for sample in samples)
        if repeated:
            raise BadValueError(f"the sample {repeated[0]} is given twice: give each image once")

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index``."""
        return self.samples[index]


def _checked(sample: Sample, findings: Sequence[str]) -> Sample:
    """Return a sample with clipped boxes. Raises ``BadValueError`` unless it is valid and fits the ``findings``."""
    if not isinstance(sample, Sample):
        raise BadValueError(f"data has a {type(sample).__name__}: give locus.Sample objects")
    for field in ("image_id", "patient_id"):
        value = getattr(sample, field)
        if not isinstance(value, str) or not value:
            raise BadValueError(f"the {field} of a sample is {value!r}: give a name")
    where = f"sample {sample.image_id}"
    for field in ("boxes", "meta"):
        value = getattr(sample, field)
        if not isinstance(value, Mapping):
            raise BadValueError(f"the {field} of {where} is {value!r}: give a dict")
    order = f"labels must be in the order of the model's findings: {', '.join(findings)}"
    labels = np.asarray(sample.labels, dtype=np.float32)
    if labels.shape != (len(findings),):
        raise BadValueError(f"{where} has {labels.size} labels, not {len(findings)}: {order}")
    if not (np.isnan(labels) | np.isin(labels, (0, 1))).all():
        raise BadValueError(f"{where} has the labels {labels.tolist()}: give 1, 0 or nan (unknown)")
    for finding in sample.boxes:
        if finding not in findings:
            raise BadValueError(
                f"{where} has a box of {finding!r}, which is not a finding of the model"
            )
        if labels[list(findings).index(finding)] == 0:
            raise BadValueError(f"{where} has a box of {finding!r} and the label 0 for it: {order}")
    boxes = {}
    for finding, given_boxes in sample.boxes.items():
        clipped = checked_boxes(given_boxes, sample.frame, f"{where}, {finding}")
        if len(clipped):
            boxes[finding] = clipped
    source = (
        sample.source if _reads_source(sample.read) else ""
    )  # without one, pixels identify the image
    return replace(sample, labels=labels, boxes=boxes, source=source)


def _reads_source(read: Callable[[], NDArray[np.uint8]]) -> bool:
    """Return True if a function of this package reads the image, so that the source of the sample names its pixels."""
    function = read.func if isinstance(read, functools.partial) else read
    return str(getattr(function, "__module__", "")).startswith("locus.")


class DatasetWrapper(Dataset):
    """Modified samples of another data set, with the same ``name``, ``split`` and other attributes."""

    def __init__(self, data: Dataset) -> None:
        object.__setattr__(
            self, "name", data.name
        )  # a ClassVar, so type checkers forbid self.name = …
        self.data = data
        self.findings = data.findings
        self.split = data.split
        self.describe = data.describe

    def __len__(self) -> int:
        return len(self.data)

    def readings(self, index: int) -> Mapping[str, Any]:
        """Return the boxes of each reader (radiologist), for data sets with several readers."""
        read: Mapping[str, Any] = getattr(self.data, "readings")(index)  # noqa: B009 - few data sets have it
        return read


class RelabeledDataset(DatasetWrapper):
    """Images ``indices`` of a data set, with labels, boxes and masks of a model's ``findings``, in their order.

    A finding that the data set lacks is unknown (nan) on every image and has no box. Raises ``DataError`` if it lacks
    all of them. Cite the original data set.
    """

    name: ClassVar[str]

    def __init__(self, data: Dataset, findings: Sequence[str], indices: Sequence[int]) -> None:
        require_findings(data.findings)
        require_findings(findings)
        index_of = {
            canonical_finding(finding): index for index, finding in enumerate(data.findings)
        }
        self._label_indices = [index_of.get(canonical_finding(finding)) for finding in findings]
        self.names = {}
        for finding, index in zip(findings, self._label_indices, strict=True):
            if index is not None:
                self.names[data.findings[index]] = finding
        if not self.names:
            requested = ", ".join(findings)
            existing = ", ".join(data.findings)
            raise DataError(
                f"{data.name} has none of the model's findings ({requested}): it has {existing}"
            )
        super().__init__(data)
        self.findings = tuple(findings)
        self.indices = list(indices)
        self.describe = {
            **data.describe,
            "images": len(self.indices),
            "findings": list(self.names.values()),
        }

    def __len__(self) -> int:
        return len(self.indices)

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index`` with the model's finding names."""
        sample = self.data.sample(self.indices[index])
        labels = [
            np.nan if index is None else sample.labels[index] for index in self._label_indices
        ]
        masks = sample.read_masks and functools.partial(_renamed_masks, sample, self.names)
        boxes = _renamed(sample.boxes, self.names)
        return replace(sample, labels=np.array(labels, np.float32), boxes=boxes, read_masks=masks)

    def readings(self, index: int) -> dict[str, Any]:
        """Return each reader's boxes under the model's names, for data sets with several readers."""
        readings = super().readings(self.indices[index])
        return {reader: _renamed(boxes, self.names) for reader, boxes in readings.items()}


def _renamed_masks(sample: Sample, names: Mapping[str, str]) -> dict[str, Any]:
    return _renamed(sample.masks, names)


def _renamed(by_finding: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[finding]: value for finding, value in by_finding.items() if finding in names}


def content_key(data: Sequence[Sample], size: int) -> str:
    """Return 16 hex digits that identify the images of ``data`` resized to ``size``."""
    if len(data) > ANNOUNCED_FILE_COUNT:
        log.info("checking the files of %d images", len(data))
    label_count = len(data[0].labels) if data else 0
    columns = data.columns if isinstance(data, Dataset) else from_samples(data, label_count)
    digest = hashlib.sha256(b"rows %d, decoding %d" % (size, DECODING_VERSION))
    names = zip(columns.sources, columns.images, strict=True)
    bar = tqdm(names, desc="list images", total=len(data), unit="image", leave=False, disable=None)
    for index, (source, image) in enumerate(bar):
        if source:
            content = _content(source, image)
        else:
            content = [image, hashlib.sha256(data[index].image.tobytes()).hexdigest()]
        digest.update(json.dumps(content).encode())
    return digest.hexdigest()[:16]


def _content(source: str, image: str) -> list[object]:
    """Return a list that identifies the pixels: path, time and length of a file, or source and name of the image."""
    stamp = content_stamp(source)
    return [os.path.abspath(source), *stamp] if stamp else [source, image]  # noqa: PTH100 - four times as fast


def content_stamp(path: Path | str) -> tuple[int, ...]:
    """Return times of modification and of change (ns) and the length (bytes) of a file; () if it is missing.

    The time of change is new for a file that replaces another one with the same length and time of modification.
    """
    try:
        state = os.stat(path)  # noqa: PTH116 - faster than a Path object for each of many files
    except OSError:
        return ()
    return state.st_mtime_ns, state.st_size, state.st_ctime_ns
