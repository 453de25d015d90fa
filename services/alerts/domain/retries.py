"""When a delivery that failed is tried again, and when it is given up."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After the first try at once: ten tries in 75.6 hours, before jitter."""

RETRY_AFTER_CAP = timedelta(hours=24)
_LEAST_JITTER = Decimal("0.10")
_MORE_JITTER = Decimal("0.10")
_SECONDS = re.compile(r"[0-9]{1,18}")
_ASKING_TO_WAIT = (429, 503)


class Verdict(StrEnum):
    DELIVERED = "delivered"
    GONE = "gone"
    RETRY = "retry"


def classify(status: int | None) -> Verdict:
    """What an answer means; None is no answer. Whatever is not named is retried."""
    if status is not None and 200 <= status <= 299:
        return Verdict.DELIVERED
    if status == 410:
        return Verdict.GONE
    return Verdict.RETRY


def next_attempt(
    attempts: int,
    *,
    status: int | None,
    retry_after: str | None,
    now: datetime,
    jitter: Callable[[], Decimal],
) -> datetime | None:
    """When to try again after `attempts` tries; None when there is nothing more to try.

    `jitter` gives 0 to 1 and only ever adds: a subscriber is never called early.
    """
    if classify(status) is not Verdict.RETRY or attempts > len(WAITS):
        return None
    scheduled = now + _spread(WAITS[max(attempts, 1) - 1], jitter())
    if status not in _ASKING_TO_WAIT or retry_after is None:
        return scheduled
    return max(scheduled, now + _asked(retry_after, now))


def _spread(wait: timedelta, jitter: Decimal) -> timedelta:
    """The wait and 10 to 20 % of it, in whole milliseconds."""
    share = 1 + _LEAST_JITTER + _MORE_JITTER * min(max(jitter, Decimal(0)), Decimal(1))
    exact = share * (wait // timedelta(milliseconds=1))
    return timedelta(milliseconds=int(exact.to_integral_value(ROUND_CEILING)))


def _asked(retry_after: str, now: datetime) -> timedelta:
    """The wait a Retry-After header asks for, up to a day; nothing if it is garbage."""
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        seconds = min(int(text), int(RETRY_AFTER_CAP.total_seconds()))
        return timedelta(seconds=seconds)
    moment = _http_date(text)
    if moment is None:
        return timedelta()
    return min(max(moment - now, timedelta()), RETRY_AFTER_CAP)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
