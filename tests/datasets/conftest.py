"""Fixtures that write tiny copies of the data sets, with their known defects."""

import functools
from pathlib import Path

import pytest

from locus import datasets
from tests.datasets import trees
from tests.datasets.trees import (  # noqa: F401 - fixtures
    chestx_det10_tree,
    chestx_det_tree,
    chexpert_tree,
    covid_radiography_tree,
    folder_tree,
    implanted_tree,
    ms_cxr_tree,
    nih_tree,
    padchest_gr_tree,
    rsna_pneumonia_tree,
    siim_covid_tree,
    siim_pneumothorax_tree,
    tbx11k_tree,
    vindr_cxr_tree,
)  # fmt: skip

WORDS = {
    "covid_radiography": "covid_radiography:val=2,test=2", "implanted": "implanted:train=4,val=2,test=4", "ms_cxr": "ms_cxr:whole=False",
}  # fmt: skip
"""Data sets whose default sizes are too large for a tiny copy, or that are whole test sets."""
SIZES = {"covid_radiography": {"images": 6}, "ms_cxr": {"more": 9}}


@pytest.fixture(scope="session")
def _written(tmp_path_factory: pytest.TempPathFactory):
    return functools.cache(lambda name: trees.write(tmp_path_factory.mktemp(name), getattr(trees, name.lower())(**SIZES.get(name, {}))))


@pytest.fixture(params=datasets.names())
def tiny(request: pytest.FixtureRequest, _written) -> tuple[str, Path | None]:
    """Each registered data set and a tiny copy of it to read; the phantom has no files."""
    return WORDS.get(request.param, request.param), None if request.param == "phantom" else _written(request.param)
