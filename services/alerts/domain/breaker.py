"""When a subscription that fails is paused, probed and in the end disabled.

Pausing and disabling only hold: what is owed stays owed and goes out afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

TICK = timedelta(seconds=30)
TICKS = 10
"""Calls are counted by ticks of half a minute, over five minutes."""

LEAST_CALLS = 10
FAILING_PERCENT = 70
PROBE_AFTER = timedelta(seconds=30)
PATIENCE = timedelta(hours=120)
"""Of failures without one delivery between them; then it is disabled."""


class Why(StrEnum):
    """Why a subscription was disabled."""

    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Health:
    """How a subscription fares, as all workers see it."""

    recent: Sequence[Sequence[int]] = ()
    """[tick, calls, failures], oldest first."""
    paused_until: datetime | None = None
    """Nothing is sent before; from then on one call at a time probes."""
    failing_since: datetime | None = None
    disabled: Why | None = None


def after(
    health: Health, *, delivered: int, failed: int, gone: bool, now: datetime
) -> Health:
    """The health after some calls ended; `gone` is a 410 among them."""
    if gone:
        return replace(health, disabled=Why.GONE, recent=(), paused_until=None)
    if not delivered and not failed:
        return health
    health = _beaten(health, delivered, failed, now)
    since = None if delivered else health.failing_since or now
    if since is not None and now - since >= PATIENCE:
        return Health(failing_since=since, disabled=Why.FAILING)
    return replace(health, failing_since=since)


def _beaten(health: Health, delivered: int, failed: int, now: datetime) -> Health:
    if health.paused_until is not None:
        if now < health.paused_until:  # the last of those that opened it
            return health
        return Health() if delivered else _paused(health, now)
    recent = _counted(health.recent, delivered + failed, failed, now)
    calls = sum(calls for _, calls, _ in recent)
    failures = sum(failures for _, _, failures in recent)
    if calls >= LEAST_CALLS and failures * 100 >= FAILING_PERCENT * calls:
        return _paused(health, now)
    return replace(health, recent=recent)


def _paused(health: Health, now: datetime) -> Health:
    return replace(health, recent=(), paused_until=now + PROBE_AFTER)


def _counted(
    recent: Sequence[Sequence[int]], calls: int, failures: int, now: datetime
) -> list[list[int]]:
    """The calls of the last five minutes, with these among them."""
    tick = int(now.timestamp()) // int(TICK.total_seconds())
    kept = [list(one) for one in recent if tick - TICKS < one[0] <= tick]
    if kept and kept[-1][0] == tick:
        kept[-1] = [tick, kept[-1][1] + calls, kept[-1][2] + failures]
    else:
        kept.append([tick, calls, failures])
    return kept
