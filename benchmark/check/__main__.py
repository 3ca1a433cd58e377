"""Door: what is wrong with a method or a data set.

``python -m benchmark.check method mycam``, ``... dataset NAME --root PATH``; ``... methods`` lists all methods.
"""

import functools
import sys
from collections.abc import Sequence

from config import CheckConfig, DoctorConfig
from core import cli
from core.errors import BadValueError

USAGE = (
    "write `method NAME` or `method path/to/file.py:Class`, several if you like; `methods` lists them all; "
    "`dataset NAME --root PATH` examines data"
)


@cli.door
def main(argv: Sequence[str] | None = None) -> int:
    """Ask a data set or each method all questions and print the tables; 1 when an answer is wrong, 2 for bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["methods"]:
        from benchmark.check.method import page

        print(page(), end="")
        return 0
    if words[:1] == ["dataset"]:
        return _dataset(words[1:])
    config, _ = cli.parse(CheckConfig, _flags(words), "python -m benchmark.check method NAME")
    if not config.method:
        raise BadValueError(f"no method given: {USAGE}")
    from benchmark.check import method as conformance  # torch is imported when the words are right

    return 1 if conformance.run(config, functools.partial(print, flush=True)) else 0


def _dataset(words: Sequence[str]) -> int:
    """Examine the data set NAME, the first of the words unless it is a flag."""
    if not words:
        raise BadValueError(f"no data set given: {USAGE}")
    flags = list(words) if words[0].startswith("-") else ["--name", *words]
    config, _ = cli.parse(DoctorConfig, flags, "python -m benchmark.check dataset NAME")
    if config.download:
        from datasets.io import download

        download.fetch(config.name, config.root)
    from datasets import check_folder

    check_folder(config.name, config.root)
    from benchmark.check import dataset as doctor

    return 1 if doctor.run(config, functools.partial(print, flush=True)) else 0


def _flags(words: Sequence[str]) -> list[str]:
    """The words as flags: ``method NAME …`` is short for ``--method NAME …``."""
    if words and words[0].startswith("-"):
        return list(words)
    if not words or words[0] != "method":
        raise BadValueError(f"{f'{words[0]!r} cannot be checked' if words else 'nothing to check'}: {USAGE}")
    return ["--method", *words[1:]]


if __name__ == "__main__":
    sys.exit(main())
