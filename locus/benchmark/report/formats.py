"""Numbers as text: ``number`` for a score, a difference or an estimate with its interval, ``p_value`` for a p-value."""

from typing import Literal

from locus.core.scores import Estimate, Score

NOTHING = "–"
"""A missing value."""


def number(
    value: float | Estimate | Score | None,
    *,
    digits: int = 3,
    sign: Literal["", "value", "all"] = "",
    leading_zero: bool = False,
    interval: bool = True,
    n: bool = False,
) -> str:
    """Format a number, with its 95% interval if it has one; a dash if it is missing.

    Args:
        value: the number.
        digits: number of decimals; a share of 1 has two.
        sign: ``value`` also writes the plus sign of a difference, ``all`` those of the ends of its interval, too.
        leading_zero: write ``0.325`` and ``-0.2`` instead of ``.325`` and ``−.200``.
        interval: whether the interval is written.
        n: whether the number of cases is written.

    Example:
        >>> number(0.3254), number(1.0), number(-0.006), number(None), number(1.359), number(1.0004)
        ('.325', '1.00', '−.006', '–', '1.36', '>1.00')
        >>> number(Estimate(0.325, 0.285, 0.365)), number(Estimate(0.067, 0.015, 0.118), sign="value")
        ('.325 [.285, .365]', '+.067 [.015, .118]')
        >>> number(Estimate(0.05, -0.01, 0.1, n=20), sign="all", leading_zero=True, n=True)
        '+0.050 [-0.010, +0.100] (n 20)'
    """
    estimate = value if isinstance(value, Estimate | Score) else Estimate(value)
    if estimate.value is None:
        return NOTHING
    text = _digits(estimate.value, digits, leading_zero, has_sign=sign != "")
    if interval and estimate.low is not None and estimate.high is not None:
        low = _digits(estimate.low, digits, leading_zero, has_sign=sign == "all")
        high = _digits(estimate.high, digits, leading_zero, has_sign=sign == "all")
        text += f" [{low}, {high}]"
    return f"{text} (n {estimate.n})" if n else text


def _digits(value: float, digits: int, leading_zero: bool, has_sign: bool) -> str:
    if leading_zero:
        return f"{value:{'+' if has_sign else ''}.{digits}f}"
    size = abs(value)
    text = f"{size:.{digits}f}"
    if text.startswith("0."):
        text = text.removeprefix("0")
    else:
        text = f"{size:.2f}"
        if size > 1 and text == "1.00":
            text = ">1.00"
    if has_sign:
        return f"{'−' if value < 0 else '+'}{text}"
    is_negative = value < -0.5 * 10**-digits
    return f"−{text}" if is_negative else text


def p_value(p: float | None, *, digits: int = 3, leading_zero: bool = False) -> str:
    """Format a p-value; one that would be 0 as a bound; a dash if it is missing.

    >>> p_value(0.0042), p_value(0.00001), p_value(0.00001, digits=4, leading_zero=True), p_value(None)
    ('.004', '< .001', '< 0.0001', '–')
    """
    if p is None:
        return NOTHING
    smallest = 10**-digits
    text = f"{max(p, smallest):.{digits}f}"
    if not leading_zero:
        text = text.removeprefix("0")
    return f"< {text}" if p < smallest else text
