"""Randomness that is the same on every machine: one generator per purpose, none global."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def generator(*keys: int | str) -> np.random.Generator:
    """A ``PCG64`` generator that depends on the ``keys`` alone: the same keys, the same numbers.

    >>> bool(generator(0, "folds").random() == generator(0, "folds").random())
    True
    """
    return np.random.Generator(np.random.PCG64([_number(key) for key in keys]))


def patient_folds(patients: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) fold of each case, 0 … folds-1: patients, in any order, are shuffled by ``seed`` and dealt in turn."""
    return patient_ranks(patients, seed, "patient folds")[0] % folds


def patient_ranks(patients: Sequence[str], seed: int, purpose: str) -> tuple[NDArray[np.int64], int]:
    """Random rank of each image's patient, and the number of patients; the order of the images does not matter."""
    unique, inverse = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    order = generator(seed, purpose).permutation(len(unique))
    return order[inverse.reshape(-1)], len(unique)


def _number(key: int | str) -> int:
    if isinstance(key, int):
        return key
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
