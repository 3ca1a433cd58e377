"""The answer of a suite in at most three lines, and the answers of validity checks.

The answer is about the best row of all or, if a user's network, maps or boxes are in the table, about theirs.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from locus.benchmark.report.comparisons import above_prior_at, by_grid, compared_with
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.main_table import auroc_words, best, best_network
from locus.benchmark.report.row import IOU, WEAK, Row, by_score, runs_words
from locus.benchmark.report.select import counted, first_names
from locus.benchmark.report.table import of_interval, short
from locus.benchmark.scoring.statistics.mrmc import ALPHA
from locus.core.names import MAIN, PRIOR


@lru_cache(maxsize=4)
def answer(board: Leaderboard) -> tuple[str, ...]:
    """Return the lines of the answer, in Markdown; none if nothing was scored."""
    first = best(board)
    if first is None:
        return ()
    rank = f", the best of your {len(board.theirs)} rows" if len(board.theirs) > 1 else ""
    lines = [f"**{'Yours' if board.theirs else 'Best'}**: {_row(first)}{rank}.{_others(first, board)}"]
    lines += [_above(first, board)] if board.baseline(PRIOR, first) is not None else []
    return (*lines, *_networks(board))


def _row(row: Row) -> str:
    weak = ", weak classifier" if row.auroc is not None and row.auroc < WEAK else ""
    auroc = "" if row.auroc is None else f" (AUROC {auroc_words(row.auroc)}{weak})"
    runs = "" if row.cell.seed is None and len(row.runs) < 2 else f", {runs_words(len(row.runs))}"
    network = f" on {row.network}" if row.cell.backbone else ""
    return f"`{row.name}`{network}{auroc}: {of_interval(row.main)} at IoU > .3{runs}"


def _others(first: Row, board: Leaderboard) -> str:
    """Name the rows that are not significantly worse or, for a user's row, those that are better and worse."""
    if board.theirs:
        return _against_others(first, board)
    others = [row for row in best_network(board) if row is not first]
    equal = [row for row in others if row.may_be_best]
    if not first.may_be_best:
        return ""
    if equal:
        return f" Not significantly worse on this network: {_listed(equal)}.{_between(equal, others)}"
    below = "" if all(row.beaten for row in others) else " or not shown to be above the prior"
    return f" Every other method of this network is significantly worse{below}."


def _between(equal: Sequence[Row], others: Sequence[Row]) -> str:
    """Say why rows that score more than some of the ``equal`` ones are not among them."""
    lowest = min(row.main.value or 0 for row in equal)
    between = [row for row in others if not row.may_be_best and (row.main.value or 0) > lowest]
    reasons = {"significantly worse in the paired comparison": True, "not shown to be above the prior": False}
    named = {words: [row for row in between if row.beaten is beaten] for words, beaten in reasons.items()}
    return "".join(f" Between them, but {words}: {_listed(rows)}." for words, rows in named.items() if rows)


def _against_others(first: Row, board: Leaderboard) -> str:
    """Count and name the published rows, or the other rows of the suite, that are better and worse than a user's."""
    others = [row for row in board.methods if row not in board.theirs]
    if not others:
        return ""
    kind = "published" if all(row.is_published for row in others) else "other"
    gaps = list(compared_with(first, others))
    if not gaps:
        return f" Not compared with {counted(len(others), f'{kind} row')}: there are too few patients."
    significant = [(row, gap.difference.value or 0) for row, gap in gaps if gap.p is not None and gap.p <= ALPHA]
    better = _counted(row for row, gap in significant if gap > 0)
    worse = _counted(row for row, gap in significant if gap < 0)
    return f" Of {counted(len(gaps), f'{kind} row')}, {better} significantly better, {worse} significantly worse."


def _counted(rows: Iterable[Row]) -> str:
    """Return the number of rows and the names of the best of them."""
    names = [f"`{row.name}` on {row.network}" for row in by_score(rows)]
    return f"{len(names)} ({first_names(names)})" if names else "none"


def _above(first: Row, board: Leaderboard) -> str:
    """Say which methods of the first row's network are above ``prior``, and up to which threshold."""
    prior = board.baseline(PRIOR, first)
    rows = board.theirs or best_network(board)
    if prior is None or all(row.above_prior is None for row in rows):
        return "**Above the prior**: not tested, there are too few patients."
    above = [row for row in rows if row.above_prior]
    words = f"{_listed(above)} at IoU > .3" if above else "no method at IoU > .3"
    return f"**Above the prior** ({short(prior.main.value)}): {words}{_at_others(rows, above, board)}."


def _at_others(rows: Sequence[Row], above: Sequence[Row], board: Leaderboard) -> str:
    """Say for the higher thresholds how many methods are above ``prior``."""
    counts = {}
    for column in IOU[IOU.index(MAIN) + 1 :]:
        prior = board.baseline(PRIOR, rows[0])
        values = None if prior is None else board.column(column, [*rows, prior])
        if values is None or prior is None or values.entry(prior.runs) is None:
            return ""
        counts[column] = len(above_prior_at(rows, prior, values))
    levels = [column for column, count in counts.items() if count]
    first_without = next((column for column, count in counts.items() if not count), None)
    if not levels:
        return "; none at .4 or more" if above else " or more"
    if len(rows) == 1 and above:
        return f", {', '.join(f'.{column[-1]}' for column in levels)}"
    if first_without is None or IOU.index(first_without) < IOU.index(levels[-1]):
        return f"; {', '.join(f'{counts[c]} at .{c[-1]}' for c in levels)}"
    return f"; some up to .{levels[-1][-1]}, none at .{first_without[-1]} or more"


def _networks(board: Leaderboard) -> Iterator[str]:
    """Yield the comparison of networks by their mean over methods, grid by grid, and those that are not compared."""
    alone: dict[str, list[Row]] = {}
    for row in board.networks:
        if row.may_be_best is None:
            alone.setdefault(row.note, []).append(row)
    said = [_grid(rows) for rows in by_grid([row for row in board.networks if row.may_be_best is not None])]
    rest = "; ".join(f"{_names(rows)} ({note})" for note, rows in alone.items())
    if said:
        between = "; with another grid: ".join(said)
        left_out = f"; not compared: {rest}" if rest else ""
        methods = len(board.rank_methods)
        yield f"**Networks**, by the mean over the same {methods} methods, not by the best: {between}{left_out}."
    elif rest and len(board.networks) > 1:
        yield f"**Not compared**: {rest}."


def _grid(rows: Sequence[Row]) -> str:
    """Say which of the networks with one grid has the highest mean, and which are significantly worse."""
    (first, *level), worse = ([row for row in rows if row.beaten is beaten] for beaten in (False, True))
    prior = "" if first.may_be_best else ", not shown to be above the prior"
    named = {"not significantly worse": _names(level), "significantly worse": _names(worse)}
    others = (f"; {words}: {names}" for words, names in named.items() if names)
    return f"highest {first.name}, {of_interval(first.main)}{prior}{''.join(others)}"


def _names(rows: Sequence[Row]) -> str:
    return first_names([*dict.fromkeys(row.name for row in rows)])


def _listed(rows: Sequence[Row]) -> str:
    return first_names([f"`{row.name}`" for row in rows])
