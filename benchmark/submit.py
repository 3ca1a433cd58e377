"""Entry point: pack a scored entry, ``python -m benchmark.submit pack RUN``, or check one, ``… check FILE``."""

import sys
from collections.abc import Sequence

from config import PackConfig, SubmissionConfig
from core import cli
from core.errors import BadValueError

USAGE = "use `pack RUN` (a folder written by benchmark.score) or `check FILE` (a file written by `pack`)"


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Pack or check an entry; exit code 1 if a check fails, 2 for invalid input."""
    word, *args = (sys.argv[1:] if argv is None else argv) or [""]
    if word in ("pack", "-h", "--help"):
        flags = cli.first_as_flag("--run", args if word == "pack" else [word])
        packed, _ = cli.parse(PackConfig, flags, "python -m benchmark.submit pack RUN")
        from benchmark.external.submissions.pack_and_check import pack  # after the flags are checked: heavy imports

        return pack(packed, cli.say)
    if word != "check":
        raise BadValueError(f"{f'unknown command {word!r}' if word else 'no command given'}: {USAGE}")
    config, _ = cli.parse(SubmissionConfig, cli.first_as_flag("--file", args), "python -m benchmark.submit check FILE")
    from benchmark.external.submissions.pack_and_check import check

    return check(config, cli.say)


if __name__ == "__main__":
    sys.exit(main())
