"""Time one subject, or write docs/speed.md from the committed records.

``python -m tools.speed SUBJECT`` measures. ``--page`` only writes the page; ``--quick`` is a short test run.
``python -m tools.speed summary`` writes docs/speed.md.
"""

import logging
import re
import sys
from collections.abc import Sequence
from importlib import import_module

from core import cli
from core.errors import BadValueError
from core.files import write_text
from tools.speed.subject import Subject, SummaryConfig, joined

log = logging.getLogger(__name__)
SUBJECTS = ("methods", "scoring", "training", "jobs", "external", "attention", "start")
HEAD = """# How fast is it?

<!-- Generated from tools/speed/records by `python -m tools.speed summary`: do not edit. -->

Each section was measured in one run. The contenders of a table were timed in turn, and the fastest round of each
counts. Where no number of rounds is given, there was one round. No GPU was measured.

"× ours" is a contender's time divided by that of Locus. In the goals, *compared with ours* is the other program's time
divided by that of Locus: 10× means that Locus is ten times as fast.

`python -m tools.speed SUBJECT --page` writes all published measurements to `runs/speed/SUBJECT.md`. Without `--page`,
it measures your machine. SUBJECT is one of """


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Measure a subject or write the summary, and print the path of the result."""
    name, *flags = (sys.argv[1:] if argv is None else argv) or [""]
    if name == "summary":
        config, _ = cli.parse(SummaryConfig, flags, "python -m tools.speed summary")
        write_text(config.output, summary(config.records))
        print(config.output)
    elif name in SUBJECTS:
        log.info("importing the measurements of %s", name)
        print(_subject(name)(flags))
    else:
        raise BadValueError(f"unknown subject {name!r}: choose from {', '.join(SUBJECTS)}, summary")


def summary(folder: str) -> str:
    """Return docs/speed.md: the goals and the most important tables of all subjects."""
    parts = [f"{HEAD}{', '.join(f'`{name}`' for name in SUBJECTS)}."]
    for subject in map(_subject, SUBJECTS):
        below = subject.parts(subject.read(folder), subject.highlights)
        parts += [f"## {subject.title}", subject.about, *(re.sub(r"(?m)^## ", "### ", part) for part in below)]
    return joined(parts)


def _subject(name: str) -> Subject:
    subject: Subject = import_module(f"tools.speed.{name}.subject").SUBJECT
    return subject


if __name__ == "__main__":
    sys.exit(main())
