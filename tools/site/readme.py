"""Write the answer in README from the leaderboards of ``nih-heldout`` and ``nih-sample``."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from locus.core.names import FIXED_BOX, PRIOR

ROOT = Path(__file__).resolve().parents[2]
MARK = "<!-- answer -->\n"
ANSWER = re.compile(r"^\*\*(?:Best|Significantly above `prior`|Beside `prior`).*$", re.MULTILINE)
CHOSEN_ON = re.compile(r"^\*\*(?:Best|Significantly above `prior`|Beside `prior`|What boxes add).*$", re.MULTILINE)
METHODS = 2
"""Number of methods of the table."""
COLUMNS = (
    "method", "IoU > .1", "IoU > .3 [95%]", "without Cardiomegaly", "IoU > .5", "IoBB > .5", "− floor",
)  # fmt: skip


def with_answer(readme: str, heldout: str, sample: str) -> str:
    """Replace what is between README's two marks by the answers of both leaderboards and a part of the first table."""
    before, _, after = readme.split(MARK)
    answer = ANSWER.findall(heldout)
    network = answer[0].partition(" on ")[2].partition(" (AUROC")[0]
    table = "\n".join(_table(heldout, network))
    where = "On the 538 images [on which the recipe was chosen](results/nih-sample/leaderboard.md):"
    chosen_on = " ".join([where, *CHOSEN_ON.findall(sample)])
    return MARK.join([before, "\n\n".join([" ".join(answer), table, chosen_on]) + "\n", after])


def _table(leaderboard: str, network: str) -> Iterator[str]:
    """Yield the lines of the header, of the network's best methods, of ``fixed_box`` and of ``prior``."""
    start = leaderboard.index("| network (AUROC)")
    lines = leaderboard[start:].partition("\n\n")[0].splitlines()
    header, _, *rows = (line[2:-2].split(" | ") for line in lines)
    positions = [[*_headings(header)].index(column) for column in COLUMNS]
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * len(COLUMNS)}"
    name, left = "", METHODS
    for row in rows:
        name, method = row[0] or name, row[1]
        of_network = name.startswith(f"{network} (") and left > 0
        left -= of_network
        if of_network or method in (FIXED_BOX, PRIOR):
            yield f"| {' | '.join(row[n] for n in positions)} |"


def _headings(header: Sequence[str]) -> Iterator[str]:
    """Yield the headings with the name of the overlap before each threshold: ``.3 [95%]`` is ``IoU > .3 [95%]``."""
    overlap = ""
    for cell in header:
        overlap = cell.partition(" > ")[0] if " > " in cell else overlap
        yield f"{overlap} > {cell}" if cell.startswith(".") else cell


if __name__ == "__main__":
    file = ROOT / "README.md"
    boards = [(ROOT / "results" / suite / "leaderboard.md").read_text() for suite in ("nih-heldout", "nih-sample")]
    file.write_text(with_answer(file.read_text(), *boards))
