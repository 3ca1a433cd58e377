"""Entry point: time one subject; ``--page`` writes its page again, ``--quick`` tries it.

``python -m tools.speed methods|attention|scoring|external|training|jobs``.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from core import cli
from core.errors import BadValueError

SUBJECTS = ("methods", "attention", "scoring", "external", "training", "jobs")


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record and the page, and say where they lie."""
    name, *flags = (sys.argv[1:] if argv is None else argv) or [""]
    if name not in SUBJECTS:
        raise BadValueError(f"{name!r} is no subject to time: give one of {', '.join(SUBJECTS)}, then its flags")
    print(import_module(f"tools.speed.{name}.subject").SUBJECT(flags))


if __name__ == "__main__":
    sys.exit(main())
