"""A model on the images of another data set: findings are matched by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import DataError
from locus.core.names import canonical_finding
from locus.datasets.base import RelabeledDataset
from tests.datasets.trees import chestx_det_tree, rsna_pneumonia_tree, vindr_cxr_tree  # noqa: F401 - fixtures

NIH = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax", "Pleural_Thickening")


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("chestx_det", {"Atelectasis", "Cardiomegaly", "Effusion", "Mass", "Nodule", "Pneumothorax", "Pleural_Thickening"}),
        ("vindr_cxr", {"Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Pneumothorax", "Pleural_Thickening"}),
        ("rsna_pneumonia", {"Pneumonia"}),
    ],
)
def test_findings_match_by_name_only(request: pytest.FixtureRequest, name: str, shared: set[str]):
    data = datasets.load(f"{name}:whole=True", request.getfixturevalue(f"{name}_tree")())
    result = RelabeledDataset(data, NIH, range(len(data)))
    assert set(result.describe["findings"]) == shared
    assert {finding for sample in result for finding in sample.boxes} <= shared
    known = ~np.isnan(result.labels).all(axis=0)
    assert {finding for finding, there in zip(NIH, known, strict=True) if there} == shared


def test_truth_and_labels_have_the_names_and_order_of_the_model(vindr_cxr_tree: Callable[..., Path]):  # noqa: F811
    data = datasets.load("vindr_cxr:whole=True", vindr_cxr_tree())
    result = RelabeledDataset(data, ("Edema", "Cardiomegaly"), [1, 2])
    assert result[0].boxes["Cardiomegaly"].tolist() == data[1].boxes["Cardiomegaly"].tolist()
    assert result.labels[0].tolist()[1] == 1
    read = {reader: list(marked) for reader, marked in result.readings(0).items()}
    assert read == {"R8": ["Cardiomegaly"], "R9": ["Cardiomegaly"], "R10": []}
    assert canonical_finding("Nodule/Mass") not in (canonical_finding("Nodule"), canonical_finding("Mass"))
    with pytest.raises(DataError, match=r"vindr_cxr.*\(Hernia\).*Cardiomegaly"):
        RelabeledDataset(data, ("Hernia",), [0])


def test_masks_have_the_names_of_the_model(chestx_det_tree: Callable[..., Path]):  # noqa: F811
    result = RelabeledDataset(datasets.load("chestx_det", chestx_det_tree()), ("Mass",), [0])
    assert {finding: mask.shape for finding, mask in result[0].masks.items()} == {"Mass": (1024, 1024)}
