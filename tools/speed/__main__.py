"""Entry point ``python -m tools.speed SUBJECT``: time one subject on this machine and print its tables."""

import sys
from collections.abc import Sequence
from importlib import import_module

from locus.core.errors import BadValueError
from locus.flags import cli

SUBJECTS = {
    "methods": "MethodsConfig",
    "costs": "CostsConfig",
    "scoring": "ScoringConfig",
    "added": "AddedConfig",
    "gradients": "GradientsConfig",
}
"""Module -> its flags."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables of a subject, each as soon as it is measured."""
    name, *flags = (sys.argv[1:] if argv is None else argv) or [""]
    if name not in SUBJECTS:
        raise BadValueError(f"unknown subject {name!r}: choose from {', '.join(SUBJECTS)}")
    subject = import_module(f"tools.speed.{name}")
    config, _ = cli.parse(getattr(subject, SUBJECTS[name]), flags, f"python -m tools.speed {name}")
    for paragraph in subject.report(config):
        print(paragraph, end="\n\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
