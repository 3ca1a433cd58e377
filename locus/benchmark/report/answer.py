"""The answers on a suite's page, in sentences.

``answer``             the best network and method, their certainty, and whether they beat ``prior``
``by_finding``         the best method of a network for each finding, how many may be as good, and whether it is above
                       ``prior``
``answers_of_checks``  the answer of each validity check

The first part of the file has what both kinds of answer need: names of rows and networks in sentences, the data behind
an answer (``basis_sentences``), and the limitations that follow from it (``limits``). ``html`` shows the answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from locus.benchmark.records import Record
from locus.benchmark.report import entry, select
from locus.benchmark.report.all_tables import CheckReport
from locus.benchmark.report.detail_tables import TableLayout
from locus.benchmark.report.entry import NOT_SHOWN, Entry, against_prior, is_single, run_count, worse_by
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.select import COUNTED
from locus.benchmark.report.table import NOTHING, Table, number, signed, with_interval
from locus.benchmark.scoring.statistics.entries import BAND_RUNS
from locus.core.errors import examples
from locus.core.names import MAIN, PRIOR
from locus.core.scores import Origin

DRAWN = {
    "drawn by code": "The images and annotations are drawn by code. The order of methods may differ on radiographs.",
    "drawn into radiographs": "The findings are synthetic. The order of methods may differ for real findings.",
}
NETWORK = "A map may hit the box and still not show what the network used (suites `randomised` and `faithfulness`)."
OTHERS = "The results may not hold for other hospitals, findings or annotations. They are not for clinical use."
SPLITS = {
    "kfold": "each patient is tested in one fold",
    "official": "official test split",
    "patient": "test split by patient",
}
CROSS_FITTED = "Score thresholds are cross-fitted: each patient is scored at a threshold chosen on other patients."


def name(row: Record) -> str:
    """Return the name of a row: its method and network.

    >>> from locus.benchmark.records import Cell
    >>> name(Record(cell=Cell(dataset="NIH", backbone="resnet18", global_pool="AVG", method="cam")))
    '`cam` (resnet18, AVG)'
    """
    cell = row.cell
    words = (cell.backbone, cell.global_pool, cell.attention_map)
    return f"`{row.method}` ({', '.join(word for word in words if word not in ('', 'none')) or 'network unknown'})"


def network_name(record: Record) -> str:
    """Return the name of a network, such as ``custom PCAM``, or ``network unknown``."""
    return str(record.data.get("name") or select.network(record) or "network unknown")


def basis_sentences(behind: Sequence[Record], trainings: Sequence[int]) -> tuple[str, ...]:
    """Return sentences on the counts of images, patients, cases and boxes, the training runs, split and thresholds.

    ``behind``: the records of every training run; ``trainings``: number of training runs of each row.
    """
    record = behind[0]
    facts = {COUNTED.get(word, word): count for word, count in record.rests_on.items() if word != "trainings"}
    counts = ", ".join(f"{count:,} {word}" for word, count in facts.items() if isinstance(count, int))
    split = SPLITS.get(record.cell.partition or "", record.cell.split)
    thresholds = [CROSS_FITTED] * any(s.threshold_origin == "cross-fitted" for r in behind for s in r.scores)
    return (
        f"{counts or 'counts not stated'}.",
        f"{_trained(behind, trainings or [1])}. Split: {split or 'not stated'}.",
        *thresholds,
    )


def is_external(records: Sequence[Record]) -> bool:
    """Whether the records include maps or boxes that were supplied, so that their networks are unknown."""
    return any(record.source == "external" for record in records)


def _trained(behind: Sequence[Record], numbers: Sequence[int]) -> str:
    if is_external(behind):
        return "Training runs: not stated"
    few, many = min(numbers), max(numbers)
    if many == 1:
        return "Each network was trained once"
    seeds = ", ".join(map(str, sorted({r.cell.seed for r in behind if r.cell.seed is not None})))
    return f"Each network was trained {many if few == many else f'{few} to {many}'} times (seeds {seeds})"


def limits(entered: Sequence[Record], behind: Sequence[Record]) -> tuple[str, ...]:
    """Return sentences on what the order of the ``entered`` rows does not show.

    They concern synthetic images, a single training run, the ranking by pointing, and other networks. ``behind``: the
    records of every training run.
    """
    seeds = ["Another training run of these networks may give another order."] if is_single(entered[0]) else []
    return (*of_data(behind), *seeds, *_by_pointing(entered), NETWORK, OTHERS)


def of_data(records: Sequence[Record]) -> list[str]:
    """Return a sentence for each kind of synthetic image, by the ``source`` that the data set states."""
    sources = dict.fromkeys(str(record.data.get("source")) for record in records)
    return [DRAWN[source] for source in sources if source in DRAWN]


def _by_pointing(entered: Sequence[Record]) -> list[str]:
    """Say whether pointing ranks another method of the first row's network first."""
    entered = [row for row in entered if select.recipe_key(row) == select.recipe_key(entered[0])]
    values = {row.key: s.value for row in entered if (s := row.find("pointing")) is not None and s.value is not None}
    if not values:
        return []
    best = max((row for row in entered if row.key in values), key=lambda row: values[row.key])
    if best is entered[0]:
        return [f"Rows are ordered by `{MAIN}`. Other overlap thresholds may give another order."]
    return [
        f"Rows are ordered by `{MAIN}`. Other metrics may give another order: by `pointing`, {name(best)} scores "
        f"highest, with {values[best.key]:.3f}."
    ]


HEADER = (
    "finding",
    "best method",
    "above prior?",
    "score [95%]",
    "− prior [95%]",
    "prior",
    "may be as good",
    "n cases",
)
ABOUT = (
    "The best method of this network for each finding, by `hit@iou.3`. `above prior?`: yes if the interval of the "
    "difference is above 0. `may be as good`: number of other methods that are not significantly worse than any "
    "method (5%, Holm over the comparisons of a method). The findings are tested separately, and the best method is "
    "chosen on these images. So its score is slightly too high, and some findings may be above prior only by chance."
)


def by_finding(methods: Sequence[Record], rows: Sequence[Record]) -> Table | None:
    """Return a table with a row per finding and the columns of ``HEADER``, or None if no finding has a score.

    ``methods``: the methods of one network, among ``rows``.
    """
    names = dict.fromkeys(f for row in methods for _, f in row.names(MAIN) if f != "mean")
    lines = [line for finding in names if (line := _of_finding(finding, methods, rows)) is not None]
    single = ", this run only" * all(map(is_single, methods))
    header = tuple(heading.replace("95%", f"95%{single}") for heading in HEADER)
    if not lines:
        return None
    cells, keys = zip(*lines, strict=True)
    title = f"{methods[0].cell.dataset}: best method of each finding, {network_name(methods[0])}"
    return Table(title, ABOUT, header, cells, tuple((key,) for key in keys))


def of_entry(row: Record) -> dict[str, list[Any]]:
    """Return finding -> value, ends of its interval, n, and whether the method may be the best (or None)."""
    verdicts = {s.finding: bool(s.value) for s in row.select("may_be_best")}
    scores = (s for s in row.select(MAIN) if s.threshold_origin == "cross-fitted")
    return {s.finding: [s.value, s.low, s.high, s.n, verdicts.get(s.finding)] for s in scores}


def of_protocol_table(layout: TableLayout, table: Table, by_key: Mapping[str, Record]) -> dict[str, Any]:
    """Return ``main``, the heading of a protocol's main metric, and ``rows``: key -> ``of_entry`` without verdicts."""
    metric, origin = layout.main
    rows = {keys[0]: _of_metric(by_key[keys[0]], metric, origin) for keys in table.keys if keys}
    chosen = f", {origin}" if origin not in (None, "none") else ""
    return {"main": f"{metric}{chosen} [95%]", "rows": rows}


def _of_metric(record: Record, metric: str, origin: Origin | None) -> dict[str, list[Any]]:
    scores = ((f, record.find(metric, f, origin)) for _, f in record.names(metric) if f != "mean")
    return {f: [*map(_short, (s.value, s.low, s.high)), s.n, None] for f, s in scores if s is not None}


def _short(value: float | None) -> float | None:
    """Round to the decimals of a table: a page has thousands of these values."""
    return None if value is None else float(number(value))


def _of_finding(finding: str, methods: Sequence[Record], rows: Sequence[Record]) -> tuple[tuple[str, ...], str] | None:
    """Return the table row of a finding and the key of its best method's row."""
    values = {row.key: value for row in methods if (value := select.main_value(row, finding)) is not None}
    if not values:
        return None
    scored = [row for row in methods if row.key in values]
    first = max(scored, key=lambda row: (values[row.key], row.find("above_prior", finding) is not None))
    verdicts = [score for row in scored if row is not first and (score := row.find("may_be_best", finding)) is not None]
    others = sum(bool(verdict.value) for verdict in verdicts)
    above, score = first.find("above_prior", finding), select.main_score(first, finding)
    of_network = (row for row in rows if select.model_key(row) == select.model_key(first))
    prior = next((select.main_value(row, finding) for row in of_network if row.cell.method == PRIOR), None)
    line = (
        *(finding, name(first), _verdict(first, finding, others), with_interval(score), signed(above)),
        number(prior),
        f"{others} of {len(verdicts)}" if verdicts else NOTHING,
        str(score.n) if score is not None else NOTHING,
    )
    return line, first.key


def _verdict(first: Record, finding: str, others: int) -> str:
    """Say whether the best method of a finding is above the prior, and how many others may be as good."""
    above = first.find("above_prior", finding)
    if above is None or above.value is None or (above.low is None and above.value > 0):
        return NOTHING
    if verdict := against_prior(first, finding):
        return "not shown" if verdict == NOT_SHOWN else verdict
    names = "one other" if others == 1 else f"{others} others"
    return f"yes, but {names} may be as good" if others else "yes, and better than all others"


NAMED = 6
"""Maximum number of rows that a sentence lists by name; the others are counted."""
ONCE = (
    "This is unknown: each network was trained once, and the intervals reflect only variation between patients.",
    "To check several training runs, set `seeds: [0, 1, 2]` in the suite's file and run it again.",
)
SEVERAL = ("The check was applied to each training run. The spread over seeds shows how much another run may differ.",)


@dataclass(frozen=True)
class PageAnswer:
    """Question and answer for one data set. Sentences may contain `code`."""

    question: str
    first: tuple[str, ...]
    findings: Table | None
    """The first method of each finding, and whether it is above ``prior``."""
    another: tuple[str, ...]
    """What another training run could change."""
    based_on: tuple[str, ...]
    """Data and training runs behind the answer."""
    limits: tuple[str, ...]
    """What the answer does not show."""


def answer(leaderboard: Leaderboard) -> PageAnswer | None:
    """Return the answer for one data set, or None if nothing was scored."""
    methods = [row for row in leaderboard.entries if select.is_method(row) and select.main_value(row) is not None]
    if not methods:
        return None
    groups = select.grouped(methods, select.recipe_key)
    first, *_ = of_first = next(iter(groups.values()))
    behind, both = leaderboard.runs(), "network and which method score"
    return PageAnswer(
        f"Which {both if len(groups) > 1 else 'method scores'} highest on {leaderboard.dataset}?",
        _first(leaderboard.networks, groups),
        by_finding(of_first, leaderboard.entries),
        _another(first, methods),
        (*basis_sentences(behind, [run_count(row) or 1 for row in methods]), *_optimism(first)),
        limits(methods, behind),
    )


def _first(networks: Sequence[Entry], groups: Mapping[str, Sequence[Entry]]) -> tuple[str, ...]:
    """Name the best network of each grid and the best method on it; only the methods if no networks are compared.

    ``groups``: the methods of each network, best first.
    """
    sentences = {key: _of_network(group) for key, group in groups.items()}
    compared = [r for r in networks if r.find("may_be_best") is not None]
    not_compared = [r for r in networks if r not in compared]
    if not compared:
        warning = (
            f"The {len(groups)} networks are not compared: {_why(not_compared)}. Their order here is not a result."
        )
        return (*([warning] if len(groups) > 1 else []), *list(sentences.values())[:NAMED])
    grids = select.grouped(compared, _bound)
    lines = [
        words
        for grid in grids.values()
        for words in (_of_grid(grid, len(grids) > 1), sentences[select.recipe_key(grid[0])])
    ]
    rows = [row for group in groups.values() for row in group]
    lines += _significant(groups[select.recipe_key(compared[0])][0], rows)
    highest = max(rows, key=lambda row: select.main_value(row) or 0.0)
    if select.recipe_key(highest) != select.recipe_key(compared[0]):
        lines.append(
            f"The highest score of any row is {with_interval(select.main_score(highest))}, by {name(highest)}. It does "
            "not decide between networks, because the best of many rows overstates the score."
        )
    return (*lines, *([f"Not compared: {_why(not_compared)}."] if not_compared else []))


def _why(not_compared: Sequence[Entry]) -> str:
    alone = "no other network has the same grid and several runs"
    return examples([f"{network_name(r)} ({r.reason or alone})" for r in not_compared], NAMED)


def _significant(first: Entry, rows: Sequence[Entry]) -> list[str]:
    """Name the rows that are above ``prior`` after Holm's correction, unless the ``first`` is one of them."""
    above = [row for row in rows if row.find("p_holm") is not None and not entry.against_prior(row)]
    if first in above or first.find("p_holm") is None:
        return []
    names = examples([f"{name(row)} with {with_interval(select.main_score(row))}" for row in above], NAMED)
    return [
        f"After correction for the number of methods, {names or 'no row'} is significantly above `prior`."
        if len(above) < 2
        else f"After correction for the number of methods, these rows are significantly above `prior`: {names}."
    ]


def _of_grid(grid: Sequence[Entry], several: bool) -> str:
    """Say which network of one grid size is best, and which others may be as good."""
    first, *others = grid
    where = f" (among networks with the same grid as {first.cell.backbone})" if several else ""
    score = with_interval(first.find(MAIN))
    mean = f"{network_name(first)} has the highest `{MAIN}`, averaged over the suite's `rank_methods`{where}: {score}"
    equal, worse = _parted(others)
    same = f" Not significantly worse: {examples([network_name(r) for r in equal], NAMED)}." if equal else ""
    rest = f" Significantly worse: {examples([_gap(network_name(r), r) for r in worse], NAMED)}." if worse else ""
    two = [network_name(r) for r in grid if run_count(r) == 2]
    few = f" With two training runs ({examples(two, NAMED)}), this comparison is not reliable." if two else ""
    return f"Network: {mean}.{_certainty(first)}{same}{rest}{few}"


def _of_network(group: Sequence[Entry]) -> str:
    """Say which method is best on one network, and which others may be as good."""
    first, *others = group
    main = with_interval(select.main_score(first))
    equal, worse = _parted(others)
    head = f"Method on {network_name(first)}: `{first.method}` scores {main} on `{MAIN}` ({_interval_scope(first)})."
    alone = " with this training run" * is_single(first)
    same = examples([f"`{row.method}`" for row in equal], NAMED)
    sure = f" Not significantly worse{alone}: {same}." if equal else ""
    if worse:
        gap = _gap(f"`{worse[0].method}`", worse[0])
        sure += f" The best method that is significantly worse{alone} is {gap}."
    return f"{head}{_certainty(first)}{sure}"


def _parted(rows: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Split rows into those that may be the best, and those significantly worse than another row or ``prior``."""
    verdicts = [(row, entry.may_be_best(row)) for row in rows if row.find("may_be_best") is not None]
    return [row for row, may in verdicts if may], [row for row, may in verdicts if not may]


def _gap(name: str, row: Entry) -> str:
    gap = worse_by(row)[1]
    return name if gap is None else f"{name}, by {with_interval(gap)}"


def _interval_scope(first: Entry) -> str:
    """Describe the interval of a row: for new patients only, or for new training runs too."""
    runs = run_count(first) or 0
    if is_single(first) or runs < 2:
        return "95% interval over patients only, from one training run"
    few = "; with two runs, it is not reliable" * (runs < BAND_RUNS)
    return f"95% interval over training runs and patients, from {runs} runs{few}"


def _certainty(first: Entry) -> str:
    """Say how often a row ranks first, and whether it is above ``prior``."""
    share, above, said = first.find("p_first"), first.find("above_prior"), []
    if share is not None and share.value is not None:
        said.append(f"ranks first in {100 * share.value:.0f}% of resamples")
    if above is not None and above.value is not None:
        verdict = entry.against_prior(first) or "above prior"
        if verdict == entry.NOT_SHOWN and (above.low or 0.0) > 0:
            verdict += " after correction for the number of methods"
        said.append(f"is {verdict.replace('prior', '`prior`')} ({signed(above)})")
    return f" It {' and '.join(said)}." if said else ""


def _bound(record: Record) -> float | None:
    score = record.find("bound")
    return None if score is None else score.value


def _optimism(first: Record) -> tuple[str, ...]:
    """Say how much a threshold chosen on the test annotations would add to the first row."""
    score = first.find("optimism")
    if score is None or score.value is None:
        return ()
    return (
        f"With thresholds chosen on the test annotations, {name(first)} would score {number(score.value)} higher "
        "(`optimism`).",
    )


def _another(first: Entry, methods: Sequence[Entry]) -> tuple[str, ...]:
    """Say what to expect of another training run."""
    following, spread, runs = first.find("one_more"), first.find("seed_sd"), run_count(first)
    if is_external([first]):
        return (
            "This is unknown: the entry is scored as given, so its interval and comparisons reflect only variation "
            "between patients.",
        )
    if is_single(first) or spread is None or runs is None:
        return (
            "This is unknown: the first row has one training run, so its interval and comparisons reflect only "
            "variation between patients. Another seed may change the order.",
            "To get intervals for new runs, set `seeds: [0, 1, 2]` in the suite's file and run it again.",
        )
    band = f"{name(first)} has fewer than {BAND_RUNS} training runs, too few to predict the score of another run. "
    if following is not None:
        ends = f"{number(following.low)} to {number(following.high)}"
        band = f"Another run of {name(first)} is expected to score {ends} on these images (95%). "
    single = sum(map(is_single, methods))
    rest = (
        f" {single} of {len(methods)} rows have one run, so their intervals do not include variation between runs."
        if single
        else ""
    )
    spread_words = f"Its {runs} runs have a standard deviation of {number(spread.value)}."
    return (
        f"{band}{spread_words}",
        f"Comparisons of rows with several runs reflect variation between runs and between patients.{rest}",
    )


def answers_of_checks(reports: Sequence[CheckReport]) -> list[PageAnswer]:
    """Return the answer of each check; checks without a question have none."""
    return [_answer_of_check(report) for report in reports]


def _answer_of_check(report: CheckReport) -> PageAnswer:
    """Return the question of a validity check, its answer, and what the answer covers."""
    networks = select.grouped(report.rows, select.network)
    numbers = [len({record.cell.seed for record in group}) for group in networks.values()]
    return PageAnswer(
        report.question,
        tuple(report.sentences()),
        None,
        ONCE if max(numbers) == 1 else SEVERAL,
        (*basis_sentences(report.rows, numbers), f"Networks: {', '.join(networks)}."),
        (*of_data(report.rows), report.limit, OTHERS),
    )
