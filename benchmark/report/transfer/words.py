"""What one may conclude from one suite for another, and what not, in words that follow from the numbers."""

from collections.abc import Iterator, Sequence
from math import comb

from benchmark.report.table import NOTHING, number
from benchmark.report.transfer.pairs import MEAN, RankedTwice, common_networks, ranking
from benchmark.report.transfer.scores import SuiteScores


def conclusions(
    one: SuiteScores, other: SuiteScores, methods: Sequence[RankedTwice], networks: Sequence[RankedTwice]
) -> str:
    """An answer and two lists: what the rankings of ``one`` say of those of ``other``, and what they do not."""
    chief = [ranked for ranked in networks if ranked.of == MEAN]
    common = common_networks(one, other)
    single = [f"`{s.name}` has one of {', '.join(n)}" for s in (one, other) if (n := _single(s, common))]
    may, may_not = [*_held(methods, chief, single)], [*_open(methods, chief), *_limits(one, other, single)]
    answer = "No" if not may else "In part" if any(_open(methods, chief)) else "Yes"
    lists = (
        ("One may conclude:", may or ["nothing: no ranking agrees;"]),
        ("One may not conclude:", may_not),
    )
    texts = ["\n".join([head, "", *(f"- {line}" for line in lines)]) for head, lines in lists]
    return "\n\n".join([f"**From `{one.name}` to `{other.name}`: {answer}.**", *texts]).removesuffix(";") + "."


def with_tau(ranked: RankedTwice) -> str:
    """A network, or what networks are ranked by, with its tau.

    As ``custom AVG (τ 0.81 [0.52, 1.00], p 0.002)``.
    """
    return f"{ranked.of} (τ {tau(ranked)}, p {p_of(ranked)})"


def tau(ranked: RankedTwice) -> str:
    """Kendall's tau with its interval.

    Tau-b, 95 %, patients drawn, and trainings where there are several.
    """
    a = ranked.agreement
    return f"{a.tau:.2f} [{a.low:.2f}, {a.high:.2f}]" if ranked.enough else NOTHING


def p_of(ranked: RankedTwice) -> str:
    """The exact p of tau; a dash where there are too few rows for it."""
    return number(max(ranked.agreement.p, 0.001)) if ranked.enough else NOTHING


def swaps(ranked: RankedTwice) -> str:
    """The pairs that swap, each with the one that is better on the first suite in front.

    Both differences exclude 0, in opposite directions; Holm over all pairs of both suites.
    """
    return ", ".join(f"{better} > {worse}" for better, worse in ranked.agreement.swapped)


def _held(methods: Sequence[RankedTwice], networks: Sequence[RankedTwice], single: Sequence[str]) -> Iterator[str]:
    if held := [with_tau(ranked) for ranked in methods if ranked.holds]:
        yield f"which methods are rather good on {', '.join(held)}: both suites rank them alike;"
    if methods and not _other_first(methods):
        yield "which method is first: the same on each network;"
    if held := [with_tau(ranked) for ranked in networks if _orders(ranked)]:
        trained = " of these very trainings" if single else ""
        yield f"which of {_counted(networks)} networks{trained} is rather good, by the {', by the '.join(held)};"


def _open(methods: Sequence[RankedTwice], networks: Sequence[RankedTwice]) -> Iterator[str]:
    if undecided := [with_tau(ranked) for ranked in methods if not ranked.holds]:
        yield f"which methods are good on {', '.join(undecided)}: no agreement is shown;"
    if other := _other_first(methods):
        same = len(methods) - len(other)
        yield f"which method is first: it is the same on {same} of {len(methods)} networks ({'; '.join(other)});"
    if swapped := [f"{ranked.of}: {swaps(ranked)}" for ranked in methods if ranked.agreement.swapped]:
        pairs = sum(comb(len(ranked.agreement.names), 2) for ranked in methods)
        count = sum(len(ranked.agreement.swapped) for ranked in methods)
        yield f"which of two methods is better: {count} of {pairs} pairs swap ({'; '.join(swapped)});"
    for ranked in networks:
        if not _orders(ranked):
            swapped_words = f"; {swaps(ranked)} swap" if ranked.agreement.swapped else ""
            yield f"which of {_counted(networks)} networks is good: {_why_open(ranked)}{swapped_words};"
    if not methods or not networks:
        yield "more than that: the two suites have too few networks or methods in common;"


def _why_open(ranked: RankedTwice) -> str:
    """Why nothing is said of the networks: too few of them, with both orders, or a tau that shows no agreement."""
    if ranked.enough:
        return f"no agreement is shown by the {with_tau(ranked)}"
    orders = (" > ".join(ranking(rows, ranked.names)) for rows in ranked.sides)
    stated = (f"{order} on `{suite}`" for order, suite in zip(orders, ranked.suites, strict=True))
    return f"they are too few for a rank correlation (by the {ranked.of} {', '.join(stated)})"


def _limits(one: SuiteScores, other: SuiteScores, single: Sequence[str]) -> Iterator[str]:
    """What no ranking can say, or these ones cannot; ``single``: which networks were trained once."""
    best = (f"{number(max(_scores(suite)))} on `{suite.name}`" for suite in (one, other))
    yield f"how high a score is: the best is {', '.join(best)};"
    if single:
        yield (
            f"what another training gives: {'; '.join(single)}, so there intervals and swaps are over patients alone, "
            "among these networks;"
        )
    if absent := [name for name in one.networks if name not in other.networks]:
        yield f"anything of {', '.join(absent)}, which `{other.name}` does not have;"


def _orders(ranked: RankedTwice) -> bool:
    """Whether networks, of which there are few, are in the same order, and none swaps."""
    return ranked.holds and not ranked.agreement.swapped


def _counted(networks: Sequence[RankedTwice]) -> int:
    return len(networks[0].agreement.names)


def _other_first(methods: Sequence[RankedTwice]) -> list[str]:
    return [f"{ranked.of}: {' and '.join(ranked.first)}" for ranked in methods if len({*ranked.first}) > 1]


def _single(suite: SuiteScores, names: Sequence[str]) -> list[str]:
    return [name for name in names if suite.networks[name].trainings == 1]


def _scores(suite: SuiteScores) -> Iterator[float]:
    return (float(row.theta.mean()) for network in suite.networks.values() for row in network.methods.values())
