"""When a matter's deadline passes and when it goes up, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from services.alerts.domain.deadlines import Due, within
from services.alerts.domain.rules import Step

DEADLINE = 0
"""The number of the timer that says the deadline has passed."""


@dataclass(frozen=True, slots=True)
class Timer:
    """One moment of a matter; `step` is None for the deadline itself."""

    n: int
    due_at: datetime
    step: Step | None


def timers_of(
    due: Due | None,
    steps: Sequence[Step],
    *,
    since: datetime,
    is_working: Callable[[date], bool],
) -> Iterator[Timer]:
    """The deadline, and each step at the deadline or working days after the last one.

    A first step of so many working days counts from `since`, the opening. A step at
    the deadline of a matter that has none is never taken, nor is one whose moment
    was over before the matter began: it starts at level 0, however late.
    """
    if due is not None:
        yield Timer(DEADLINE, max(due.ends_at, since), None)
    before, moment = since.date(), since
    for n, step in enumerate(steps, start=1):
        if step.working_days is None:
            if due is None:
                return
            before, moment = due.on, due.ends_at
        elif step.working_days:
            last = within(step.working_days, before, is_working=is_working)
            before, moment = last.on, last.ends_at
        if moment >= since:
            yield Timer(n, moment, step)
