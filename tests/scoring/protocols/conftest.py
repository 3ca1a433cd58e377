"""The original evaluator's results."""

import json
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def wsol(fixtures) -> dict[str, Any]:
    """40 maps with the results of the original code."""
    with np.load(fixtures / "wsol_dev.npz") as file:
        return {**file, **json.loads((fixtures / "wsol_dev.json").read_text())}
