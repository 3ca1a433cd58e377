"""The answer on the page of a validity check: findings, data behind them and limitations."""

from collections.abc import Sequence

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.checks.base import CheckAnswer
from benchmark.report.checks.base import answers as check_answers
from benchmark.report.html import basis
from benchmark.report.html.answer import PageAnswer
from benchmark.report.html.limits import OTHERS, of_data

ONCE = (
    "Unknown: each network was trained once, and the intervals cover new patients only.",
    "Set `seeds: [0, 1, 2]` in the suite's file and run it again: the check is then applied to every training run.",
)
SEVERAL = ("The check was applied to every training run. The spread of the seeds shows what another run may change.",)


def answers(records: Sequence[Record], dataset: str) -> list[PageAnswer]:
    """Return the answer of each check of a data set, by the checks' names; checks without text have none."""
    return [_answer(result) for result in check_answers(records, dataset)]


def _answer(result: CheckAnswer) -> PageAnswer:
    trainings: dict[str, set[int | None]] = {}
    for record in result.behind:
        trainings.setdefault(select.network(record), set()).add(record.cell.seed)
    numbers = [len(seeds) for seeds in trainings.values()]
    return PageAnswer(
        result.question,
        result.sentences,
        None,
        ONCE if max(numbers) == 1 else SEVERAL,
        (*basis.rests(result.behind, numbers), f"Networks: {', '.join(trainings)}."),
        (*of_data(result.behind), result.limit, OTHERS),
    )
