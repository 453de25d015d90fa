"""How far a unit is from what was asked of it, in exact numbers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

MORE_THAN, AT_LEAST = "more_than", "at_least"


@dataclass(frozen=True, slots=True)
class Target:
    """What a unit must reach; trên X% is more_than, đạt X% is at_least."""

    rate: Decimal
    operator: str


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Points missing; without counts `exact` is None, and `needed` unless it is 0.

    `exact` is target/100 × enforceable − done; `needed` the least whole number of
    further cases (or đồng) with which the target is met in exact terms. Both
    assume that `enforceable` stays as it is.
    """

    points: Decimal
    exact: Decimal | None
    needed: int | None


def met(rate: Decimal, target: Target) -> bool:
    """Whether a published rate meets a target, as a reader of the letter checks it."""
    return rate > target.rate or (target.operator == AT_LEAST and rate == target.rate)


def shortfall(
    rate: Decimal, target: Target, *, done: int | None, enforceable: int | None
) -> Shortfall:
    """What is missing: 79.07 against 84.05 lacks 4.98 points, of 10 880 cases 542."""
    is_met = met(rate, target)
    points = Decimal("0.00") if is_met else target.rate - rate
    if done is None or enforceable is None:
        return Shortfall(points, None, 0 if is_met else None)
    exact = target.rate * enforceable / 100 - done
    return Shortfall(points, exact, 0 if is_met else needed(target, done, enforceable))


def needed(target: Target, done: int, enforceable: int) -> int:
    """The least k ≥ 1 with which done + k reaches (or passes) the target exactly."""
    # In ten-thousandths everything is whole: rates have two places.
    wanted = int(target.rate.scaleb(2)) * enforceable
    least = (
        -(-wanted // 10_000) if target.operator == AT_LEAST else wanted // 10_000 + 1
    )
    return max(1, least - done)


def written(number: Decimal | None) -> str | None:
    """An exact decimal as the API prints it: no exponent, no idle zeros."""
    if number is None:
        return None
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
