"""The answer on the page of a validity check: findings, data behind them and limitations."""

from collections.abc import Sequence

from benchmark.report import select
from benchmark.report.checks import CheckReport
from benchmark.report.html.answer import PageAnswer
from benchmark.report.html.scope import OTHERS, of_data, rests

ONCE = (
    "This is unknown: each network was trained once, and the intervals cover only new patients.",
    "To check several training runs, set `seeds: [0, 1, 2]` in the suite's file and run it again.",
)
SEVERAL = ("The check was applied to each training run. The spread over seeds shows how much another run may change.",)


def answers(reports: Sequence[CheckReport]) -> list[PageAnswer]:
    """Return the answer of each check; checks without a question have none."""
    return [_answer(report) for report in reports if report.question]


def _answer(report: CheckReport) -> PageAnswer:
    """Return the question of a validity check, its answer, and what the answer covers."""
    seeds: dict[str, set[int | None]] = {}
    for record in report.rows:
        seeds.setdefault(select.network(record), set()).add(record.cell.seed)
    numbers = [len(of_network) for of_network in seeds.values()]
    return PageAnswer(
        report.question,
        tuple(report.sentences()),
        None,
        ONCE if max(numbers) == 1 else SEVERAL,
        (*rests(report.rows, numbers), f"Networks: {', '.join(seeds)}."),
        (*of_data(report.rows), report.limit, OTHERS),
    )
