"""The answer of a page whose suite is a check: its sentences, what they rest on and what they do not show."""

from collections.abc import Sequence

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.checks.base import CheckAnswer
from benchmark.report.checks.base import answers as check_answers
from benchmark.report.html import basis
from benchmark.report.html.answer import PageAnswer
from benchmark.report.html.limits import OTHERS, of_data

ONCE = (
    "Nobody knows yet: each network was trained once, and the intervals are those of other patients.",
    "Write `seeds: [0, 1, 2]` into the suite's file and run it again: every training is then asked.",
)
SEVERAL = ("Every training was asked: how far the seeds of a network lie apart is what another may change.",)


def answers(records: Sequence[Record], dataset: str) -> list[PageAnswer]:
    """The answer of each check of a data set.

    In the order of the checks' words; none for a check without sentences.
    """
    return [_answer(said) for said in check_answers(records, dataset)]


def _answer(said: CheckAnswer) -> PageAnswer:
    trainings: dict[str, set[int | None]] = {}
    for record in said.behind:
        trainings.setdefault(select.network(record), set()).add(record.cell.seed)
    numbers = [len(seeds) for seeds in trainings.values()]
    return PageAnswer(
        said.question,
        said.sentences,
        None,
        ONCE if max(numbers) == 1 else SEVERAL,
        (*basis.rests(said.behind, numbers), f"Networks: {', '.join(trainings)}."),
        (*of_data(said.behind), said.limit, OTHERS),
    )
