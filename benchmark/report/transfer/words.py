"""Sentences that say what the rankings of one suite predict for another."""

from collections.abc import Iterable, Iterator, Sequence
from math import comb

from benchmark.records import Score
from benchmark.report.sentences import listed
from benchmark.report.table import NOTHING, chance, number
from benchmark.report.transfer.pairs import MEAN, RankedTwice, SuiteScores, common_networks, ranking


def conclusions(
    one: SuiteScores, other: SuiteScores, methods: Sequence[RankedTwice], networks: Sequence[RankedTwice]
) -> str:
    """Return an answer and two lists: what the rankings of ``one`` predict for ``other``, and what they do not."""
    chief = [ranked for ranked in networks if ranked.of == MEAN]
    common = common_networks(one, other)
    once = {s.name: [name for name in common if s.networks[name].trainings == 1] for s in (one, other)}
    single = [f"{listed(networks)} on `{name}`" for name, networks in once.items() if networks]
    may, may_not = [*_held(methods, chief, single)], [*_open(methods, chief), *_limits(one, other, single)]
    answer = "No" if not may else "In part" if any(_open(methods, chief)) else "Yes"
    lists = (
        ("You may conclude:", may or ["nothing, because no ranking agrees;"]),
        ("You may not conclude:", may_not),
    )
    texts = ["\n".join([head, "", *(f"- {line}" for line in lines)]) for head, lines in lists]
    return "\n\n".join([f"**From `{one.name}` to `{other.name}`: {answer}.**", *texts]).removesuffix(";") + "."


def with_tau(ranked: RankedTwice) -> str:
    """Format a ranking with its tau, such as ``custom AVG (τ 0.81 [0.52, 1.00], p 0.002)``."""
    return f"{ranked.of} (τ {tau(ranked)}, p {p_of(ranked)})"


def tau(ranked: RankedTwice) -> str:
    """Format Kendall's tau-b with its 95% interval over patients, and over training runs if there are several."""
    a = ranked.agreement
    return f"{a.tau:.2f} [{a.low:.2f}, {a.high:.2f}]" if ranked.enough else NOTHING


def p_of(ranked: RankedTwice) -> str:
    """Format the exact p of tau; a dash if there are too few rows."""
    return chance(Score(finding="mean", metric="p", value=ranked.agreement.p)) if ranked.enough else NOTHING


def swaps(ranked: RankedTwice) -> str:
    """List the pairs that swap; the first of each pair is better on the first suite.

    Both differences exclude 0, in opposite directions; Holm over all pairs of both suites.
    """
    return ", ".join(f"{better} > {worse}" for better, worse in ranked.agreement.swapped)


def _held(methods: Sequence[RankedTwice], networks: Sequence[RankedTwice], single: Sequence[str]) -> Iterator[str]:
    """Yield the conclusions on which both suites agree."""
    if alike := [with_tau(ranked) for ranked in methods if ranked.holds]:
        yield f"that a method ranked higher on one suite tends to rank higher on the other, on {', '.join(alike)};"
    if methods and not _other_first(methods):
        yield "which of the common methods scores highest: it is the same on each network;"
    if alike := [with_tau(ranked) for ranked in networks if _orders(ranked)]:
        trained = " (these training runs only)" if single else ""
        yield f"which of {_counted(networks)} networks{trained} is better, by the {', by the '.join(alike)};"


def _open(methods: Sequence[RankedTwice], networks: Sequence[RankedTwice]) -> Iterator[str]:
    """Yield the questions that the comparison of the two suites leaves open."""
    if undecided := [with_tau(ranked) for ranked in methods if not ranked.holds]:
        yield f"how methods rank on {', '.join(undecided)}: no agreement is shown;"
    if other := _other_first(methods):
        same, differ = f"{len(methods) - len(other)} of {len(methods)}", ", ".join(other)
        yield f"which of the common methods scores highest: it is the same on {same} networks, and differs on {differ};"
    if swapped := [f"{ranked.of}: {swaps(ranked)}" for ranked in methods if ranked.agreement.swapped]:
        pairs = sum(comb(len(ranked.agreement.names), 2) for ranked in methods)
        count = sum(len(ranked.agreement.swapped) for ranked in methods)
        better = f"the first of a pair is better on `{methods[0].suites[0]}`: {'; '.join(swapped)}"
        yield f"which is better in a given pair of methods: {count} of {pairs} pairs swap significantly ({better});"
    for ranked in networks:
        if not _orders(ranked):
            swapped_words = f"; {swaps(ranked)} swap" if ranked.agreement.swapped else ""
            yield f"which of {_counted(networks)} networks is better: {_why_open(ranked)}{swapped_words};"
    if not methods or not networks:
        yield "more than that: the two suites have too few networks or methods in common;"


def _why_open(ranked: RankedTwice) -> str:
    """Explain why the networks are undecided: too few of them, or no agreement."""
    if ranked.enough:
        return f"no agreement is shown by the {with_tau(ranked)}"
    orders = "; ".join(_on_suites((", ".join(ranking(rows, ranked.names)) for rows in ranked.sides), ranked))
    return f"they are too few for a rank correlation (order by the {ranked.of}, not by `rank_methods`: {orders})"


def _limits(one: SuiteScores, other: SuiteScores, single: Sequence[str]) -> Iterator[str]:
    """Yield what these rankings cannot show; ``single``: names of the networks with one training run."""
    best = (f"{number(max(_scores(suite)))} on `{suite.name}`" for suite in (one, other))
    yield f"how high scores are: the highest is {' and '.join(best)};"
    if single:
        yield (
            f"what another training run would give: there is one training run of {'; '.join(single)}, so intervals "
            "and swaps of these networks do not reflect variation between runs;"
        )
    if absent := [name for name in one.networks if name not in other.networks]:
        yield f"anything about {', '.join(absent)}, which `{other.name}` does not have;"


def _orders(ranked: RankedTwice) -> bool:
    """Whether both suites rank the networks alike and no pair swaps."""
    return ranked.holds and not ranked.agreement.swapped


def _counted(networks: Sequence[RankedTwice]) -> int:
    return len(networks[0].agreement.names)


def _other_first(methods: Sequence[RankedTwice]) -> list[str]:
    other = [ranked for ranked in methods if len({*ranked.first}) > 1]
    return [f"{ranked.of} ({'; '.join(_on_suites(ranked.first, ranked))})" for ranked in other]


def _on_suites(words: Iterable[str], ranked: RankedTwice) -> Iterator[str]:
    """Yield one of ``words`` for each suite, followed by the suite's name."""
    return (f"{word} on `{suite}`" for word, suite in zip(words, ranked.suites, strict=True))


def _scores(suite: SuiteScores) -> Iterator[float]:
    return (float(row.theta.mean()) for network in suite.networks.values() for row in network.methods.values())
