"""Reproducible random numbers: one generator per purpose, without global state."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def generator(*keys: int | str) -> np.random.Generator:
    """Return a ``PCG64`` generator that depends only on the ``keys``.

    >>> bool(generator(0, "folds").random() == generator(0, "folds").random())
    True
    """
    return np.random.Generator(np.random.PCG64([_number(key) for key in keys]))


def patient_folds(patients: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the (N,) fold of each case, 0 … folds-1. The result does not depend on the order of the cases."""
    return patient_ranks(patients, seed, "patient folds")[0] % folds


def patient_ranks(patients: Sequence[str], seed: int, purpose: str) -> tuple[NDArray[np.int64], int]:
    """Return the (N,) random rank of each image's patient, and the number of patients.

    The ranks do not depend on the order of the images.
    """
    unique, inverse = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    order = generator(seed, purpose).permutation(len(unique))
    return order[inverse.reshape(-1)], len(unique)


def _number(key: int | str) -> int:
    if isinstance(key, int):
        return key
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
