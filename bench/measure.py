"""Repeats, medians and the one line that a bench prints."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One measured value; `ratio` stands against `limit`, `reach` says how far."""

    name: str
    value: float
    unit: str
    limit: float | None
    ratio: float | None
    reach: str
    ok: bool

    def line(self) -> str:
        """One JSON line."""
        return json.dumps(asdict(self))


async def seconds(step: Callable[[], Awaitable[object]]) -> float:
    """How long one run takes."""
    started = time.perf_counter()
    await step()
    return time.perf_counter() - started


def median(values: list[float]) -> float:
    """The middle run; machines are noisy."""
    return round(statistics.median(values), 4)


def percentile(values: list[float], part: int) -> float:
    """The value that so many percent of all are not above."""
    return round(sorted(values)[-(-len(values) * part // 100) - 1], 4)


def share_of_limit(
    name: str, took: list[float], limit: list[float], reach: float
) -> Result:
    """Speed as a share of the limit's: 1 is as fast, 0.5 takes twice its time."""
    value, bound = median(took), median(limit)
    ratio = round(bound / value, 2)
    return Result(name, value, "s", bound, ratio, f">= {reach}", ratio >= reach)


def at_most(name: str, took: list[float], reach: float) -> Result:
    """An absolute time of this machine: printed, never asserted by a test."""
    value = median(took)
    return Result(name, value, "s", None, None, f"<= {reach} s", value <= reach)


def at_most_times(
    name: str, took: list[float], limit: list[float], reach: float
) -> Result:
    """How many times the limit's time it takes."""
    value, bound = median(took), median(limit)
    ratio = round(value / bound, 2)
    return Result(name, value, "s", bound, ratio, f"<= {reach} x", ratio <= reach)
