"""The last that the server of ``tests.warm`` imports: what numba and pydantic load when first used, once for all commands."""

import gc

import numba
import pydantic

numba.njit(lambda number: number)(1)
pydantic.create_model("Ready", number=(int, ...))
gc.freeze()  # no command looks through the libraries for garbage
