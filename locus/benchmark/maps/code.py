"""Hashes of the code that computes maps, so that maps and records of changed code are not reused.

Records and stored maps contain the hash of their method and of their network. The code that runs methods, networks and
layers is not included: it has a version number, ``locus.benchmark.explain.VERSION``.
"""

from pathlib import Path

from locus import backbones, methods
from locus.config import TrainConfig
from locus.core.names import (
    CLASSIFIER,
    FIXED_BOX,
    OF_TRAINING_PART,
    PRIOR,
    READERS,
    SECOND_READERS,
    UNTRAINED,
    UPPER_BOUND,
)
from locus.core.user_code import code_hash, file_of, local_files

UNTRAINED_METHOD = "gradcam"
"""Method that explains the untrained network; it supports every network and pooling."""
BENCHMARK = Path(__file__).resolve().parents[1]
NOT_METHODS = {
    FIXED_BOX: BENCHMARK / "maps/fixed_box.py",
    **dict.fromkeys(OF_TRAINING_PART, BENCHMARK / "maps/fixed_region.py"),
    PRIOR: BENCHMARK / "maps/baselines.py",
    UPPER_BOUND: BENCHMARK / "maps/baselines.py",
    READERS: BENCHMARK / "suite/readers.py",
    SECOND_READERS: BENCHMARK / "suite/readers.py",
}
"""Row that is computed without a method -> the file that computes it."""


def code_of(network: str, method: str) -> dict[str, str]:
    """Return the hashes of a ``network`` and a ``method`` as in a record: without empty ones."""
    return {name: value for name, value in {"network": network, "method": method}.items() if value}


def method_code(word: str) -> str:
    """Return the hash of a method or baseline and the local modules that it imports; empty for the classifier.

    It is also empty for a class that was given in Python, for example in a notebook.

    >>> method_code("cam") == method_code("cam:smooth=aug"), method_code("cam") == method_code("gradcam")
    (False, False)
    """
    if word == CLASSIFIER:
        return ""
    if word in NOT_METHODS:
        return code_hash(local_files(NOT_METHODS[word]))
    if (user_file := file_of(word)) is not None:
        return code_hash(local_files(user_file))
    bare, smooth = methods.split_smooth(UNTRAINED_METHOD if word == UNTRAINED else word)
    file = methods.registry.files.get(methods.normalize_name(bare).split(":")[0])
    if file is None:
        return ""
    smoothing = local_files(methods.registry.home / "smoothing.py") if smooth else set()
    return code_hash(local_files(file) | smoothing)


def code_of_config(config: TrainConfig) -> str:
    """Return the hash of the network that a training run builds."""
    return backbones.network_code({"name": config.backbone})
