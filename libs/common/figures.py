"""Rates as the agencies print them, in exact arithmetic."""

from __future__ import annotations

from decimal import Decimal

LARGEST_COUNT = 2**53 - 1
"""No count or amount is larger, so every client reads it exactly."""


def hundredths(done: int, enforceable: int) -> int | None:
    """The published rate in hundredths of a percent, rounded half up.

    None when nothing could be enforced: a rate without a denominator is
    unknown, neither 0 nor 100.

    >>> hundredths(4778, 7479)
    6389
    """
    if enforceable == 0:
        return None
    return (20_000 * done + enforceable) // (2 * enforceable)


def percent(in_hundredths: int) -> Decimal:
    """Hundredths as a decimal with its two places: 6389 is 63.89."""
    return Decimal(in_hundredths).scaleb(-2)


def published(done: int, enforceable: int) -> Decimal | None:
    """The rate as a letter prints it: two places, half up (4778/7479 is 63.89)."""
    exact = hundredths(done, enforceable)
    return None if exact is None else percent(exact)
