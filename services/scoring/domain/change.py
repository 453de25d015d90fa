"""What a rate's change since last year is made of: finishing, and the denominator."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

LARGEST_EFFECT = Decimal(10_000_000)
"""Beyond that many points the two sides are nothing that compares."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was done of what could be enforced."""

    done: int
    enforceable: int


@dataclass(frozen=True, slots=True)
class Effects:
    """Points that came from finishing, and points that came from the denominator.

    Their sum is the change as published.
    """

    numerator: Decimal
    denominator: Decimal

    @property
    def denominator_share(self) -> Decimal | None:
        """How much of all movement came from the denominator, in percent."""
        moved = abs(self.numerator) + abs(self.denominator)
        if not moved:
            return None
        share = _nearest(int(abs(self.denominator) * 1_000_000), int(moved * 100))
        return share.scaleb(-2)


def effects(points: Decimal, now: Counts, last: Counts) -> Effects | None:
    """The change in points, split without regard to which came first.

    Finishing counts as (done − last done) × 100 × the mean of 1 / enforceable on both
    sides, rounded half up; the rest of the published points is the denominator's. That
    is the mean of the two orders in which one could change before the other.
    """
    if not now.enforceable or not last.enforceable:
        return None
    more = now.done - last.done
    over = 10_000 * abs(more) * (now.enforceable + last.enforceable)
    exact = _nearest(over, 2 * now.enforceable * last.enforceable)
    numerator = (exact if more >= 0 else -exact).scaleb(-2)
    if abs(numerator) >= LARGEST_EFFECT:
        return None
    return Effects(numerator, points - numerator)


def _nearest(over: int, under: int) -> Decimal:
    return Decimal((2 * over + under) // (2 * under))
