"""How unevenly work is spread between the officers of a unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from libs.common.figures import percent


@dataclass(frozen=True, slots=True)
class Spread:
    """The least and the most loaded, the median, and most / least (two places)."""

    least: int
    median: Decimal
    most: int
    ratio: Decimal | None


def spread(loads: Sequence[int]) -> Spread:
    """Of at least one officer; nothing has no ratio to what is more."""
    ordered = sorted(loads)
    least, most, n = ordered[0], ordered[-1], len(ordered)
    median = Decimal(ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    ratio = percent((200 * most + least) // (2 * least)) if least else None
    return Spread(least, median, most, ratio)
