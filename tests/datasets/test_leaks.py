"""Training images as hashes of their names, and the images that they leave out of a test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, LeakError
from locus.core.types import Sample
from locus.datasets.base import Dataset
from locus.datasets.leaks import COUNT, TrainingImages, check_form, unseen_part
from tests.datasets.trees import rsna_pneumonia_tree  # noqa: F401 - a fixture


class Named(Dataset):
    """Samples with these (image, patient)."""

    findings, split, describe = ("Mass",), "test", {}

    def __init__(self, name: str, *pairs: tuple[str, str]) -> None:
        self.pairs = pairs
        object.__setattr__(self, "name", name)

    def __len__(self) -> int:
        return len(self.pairs)

    def sample(self, index: int) -> Sample:
        image, patient = self.pairs[index]
        return Sample(image, patient, (8, 8), np.ones(1, np.float32), {}, lambda: np.zeros((8, 8), np.uint8))


def used(data: Dataset, rows: range | None = None) -> TrainingImages:
    return TrainingImages.used(data.name, data.columns, rows or range(len(data)), data.columns)


def left(data: Dataset, seen: TrainingImages | None) -> list[str]:
    return [sample.image_id for sample in unseen_part(data, seen, data.findings)]


def test_images_of_training_patients_are_left_out_and_counted():
    seen = used(Named("folder", ("a.png", "p1"), ("b.png", "p2")))
    data = Named("folder", ("c.png", "p1"), ("d.png", "p3"), ("b.png", "another name of p2"))
    assert left(data, seen) == ["d.png"]
    assert unseen_part(data, seen, data.findings).describe[COUNT] == 2
    with pytest.raises(LeakError):
        left(Named("folder", ("c.png", "p1")), seen)


def test_unknown_training_images_leave_out_nothing():
    data = Named("folder", ("a.png", "p1"))
    assert unseen_part(data, None, data.findings) is data


def test_nih_names_are_compared_in_every_data_set_and_others_only_within_their_own():
    seen = used(Named("NIH", ("00000013_005.png", "00000013"))) | used(Named("chexpert", ("1.png", "1")))
    data = Named("folder", ("00000013_001.png", "x"), ("1.png", "1"), ("2.png", "2"))
    assert left(data, seen) == ["1.png", "2.png"]
    assert left(renamed(data, "chexpert"), seen) == ["2.png"]
    assert left(renamed(data, "samples"), seen) == ["2.png"]  # samples in memory may be of any data set


def renamed(data: Named, name: str) -> Named:
    return Named(name, *data.pairs)


def test_patients_of_nih_are_recognised_by_the_mapping_of_rsna(rsna_pneumonia_tree: Callable[..., Path]):  # noqa: F811
    data = datasets.load("rsna_pneumonia:whole=True", rsna_pneumonia_tree())
    patient = data.patients[0]
    seen = TrainingImages.listed([f"{patient}_999.png"])
    assert set(unseen_part(data, seen, data.findings).patients) == set(data.patients) - {patient}


def test_painted_radiographs_count_as_their_backgrounds(nih_sample: Path):
    data = datasets.load("implanted:train=30,val=4,test=4", nih_sample, "train", img_size=64)
    seen, sample = used(data), data[0]
    radiograph = Named("NIH", (sample.meta["nih"], sample.patient_id), ("00000000_000.png", "00000000"))
    assert left(radiograph, seen) == ["00000000_000.png"]


def test_packed_images_are_short_and_the_same_again():
    seen = used(Named("NIH", *((f"{n // 2:08}_{n % 2:03}.png", f"{n // 2:08}") for n in range(1000))))
    packed = seen.packed()
    assert TrainingImages.unpacked(packed) == seen
    assert (len(seen.images), len(seen.patients)) == (1000, 500)
    assert len(str(packed)) < 8 * (1000 + 500)
    assert "0000" not in packed["patients"][:40]  # hashes, not names


def test_names_of_another_form_are_refused_with_an_example_of_both():
    data = Named("NIH", ("00000013_005.png", "00000013"))
    check_form(["00000099_000.png"], data, "list.txt")
    for name in ("00000013_005", "13.png"):
        with pytest.raises(BadValueError, match=rf"list\.txt.*{name}.*00000013_005\.png"):
            check_form([name], data, "list.txt")


def test_validation_patients_count_as_seen_but_their_images_are_no_training_images():
    data, validation = Named("folder", ("a.png", "p1")), Named("folder", ("b.png", "p2"))
    seen = TrainingImages.used("folder", data.columns, range(1), validation.columns)
    assert len(seen.images) == 1
    assert left(Named("folder", ("c.png", "p2"), ("d.png", "p3")), seen) == ["d.png"]
