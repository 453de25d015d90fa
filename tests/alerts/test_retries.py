"""Ten tries over three days, never early, and longer when the subscriber asks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.domain.retries import WAITS, Verdict, classify, next_attempt

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def wait(
    attempts: int = 1,
    *,
    status: int | None = 500,
    retry_after: str | None = None,
    jitter: str = "0",
) -> timedelta | None:
    moment = next_attempt(
        attempts,
        status=status,
        retry_after=retry_after,
        now=NOW,
        jitter=lambda: Decimal(jitter),
    )
    return None if moment is None else moment - NOW


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((code, Verdict.DELIVERED) for code in (200, 201, 202, 204, 299)),
        (410, Verdict.GONE),
        *((code, Verdict.RETRY) for code in (100, 199, 300, 301, 302, 304, 307, 308)),
        *((code, Verdict.RETRY) for code in (400, 401, 403, 404, 409, 422, 429)),
        *((code, Verdict.RETRY) for code in (500, 501, 502, 503, 504, 599, 999, None)),
    ],
)
def test_verdict(status: int | None, verdict: Verdict):
    assert classify(status) is verdict


def test_the_ladder_is_ten_tries_in_75_6_hours():
    total = sum(WAITS, timedelta())

    assert len(WAITS) + 1 == 10
    assert round(Decimal(total // timedelta(seconds=1)) / 3600, 1) == Decimal("75.6")


@pytest.mark.parametrize(
    ("jitter", "share"), [("0", "1.10"), ("0.5", "1.15"), ("1", "1.20")]
)
def test_the_whole_ladder_with_jitter(jitter: str, share: str):
    waits = [wait(n, jitter=jitter) for n in range(1, 10)]
    seconds = [Decimal(w // timedelta(milliseconds=1)) / 1000 for w in waits if w]

    assert seconds == [
        Decimal(w // timedelta(seconds=1)) * Decimal(share) for w in WAITS
    ]


@pytest.mark.parametrize("attempts", [10, 11, 500])
def test_after_the_tenth_try_it_is_dead(attempts: int):
    assert wait(attempts, status=503, retry_after="60") is None


@pytest.mark.parametrize("status", [200, 204, 410])
def test_what_is_delivered_or_gone_is_not_tried_again(status: int):
    assert wait(status=status) is None


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        pytest.param(429, "3600", HOUR, id="seconds on 429"),
        pytest.param(503, "3600", HOUR, id="seconds on 503"),
        pytest.param(503, " 3600 ", HOUR, id="with blanks around"),
        pytest.param(503, "Mon, 02 Mar 2026 09:00:00 GMT", HOUR, id="a date"),
        pytest.param(
            503, "Monday, 02-Mar-26 09:00:00 GMT", HOUR, id="a date as of RFC 850"
        ),
        pytest.param(
            503, "Mon, 02 Mar 2026 16:00:00 +0700", HOUR, id="a date elsewhere"
        ),
        pytest.param(503, "1000000000", 24 * HOUR, id="30 years are a day"),
        pytest.param(
            503, "Fri, 31 Dec 9999 23:59:59 GMT", 24 * HOUR, id="the last day is a day"
        ),
    ],
)
def test_the_subscriber_may_ask_for_more(
    status: int, retry_after: str, expected: timedelta
):
    assert wait(status=status, retry_after=retry_after) == expected


@pytest.mark.parametrize(
    ("status", "retry_after"),
    [
        pytest.param(503, None, id="none"),
        pytest.param(503, "0", id="zero"),
        pytest.param(503, "5", id="less than the schedule"),
        pytest.param(503, "-5", id="negative"),
        pytest.param(503, "1.5", id="a fraction"),
        pytest.param(503, "1e9", id="an exponent"),
        pytest.param(503, "٣٦٠٠", id="digits of another script"),
        pytest.param(503, "", id="empty"),
        pytest.param(503, "soon", id="a word"),
        pytest.param(503, "9" * 5000, id="five thousand digits"),
        pytest.param(503, "Mon, 02 Mar 2026 25:61:00 GMT", id="no such hour"),
        pytest.param(503, "Thu, 01 Jan 1970 00:00:00 GMT", id="long ago"),
        pytest.param(500, "3600", id="a status that does not ask"),
        pytest.param(None, "3600", id="no answer"),
        pytest.param(301, "3600", id="a redirect"),
    ],
)
def test_otherwise_the_schedule_stands(status: int | None, retry_after: str | None):
    assert wait(status=status, retry_after=retry_after) == timedelta(seconds=5.5)


def test_a_late_step_is_not_shortened_by_the_cap():
    asked = wait(9, status=503, retry_after="1000000000", jitter="1")

    assert asked == 28 * HOUR + timedelta(minutes=48)


@settings(deadline=None)
@given(
    attempts=st.integers(1, 9),
    retry_after=st.text() | st.integers().map(str) | st.datetimes().map(str),
    jitter=st.decimals(-2, 2, places=6),
)
def test_it_is_never_early_and_never_more_than_a_day_late(
    attempts: int, retry_after: str, jitter: Decimal
):
    waited = wait(attempts, status=503, retry_after=retry_after, jitter=str(jitter))

    assert waited is not None
    assert waited >= WAITS[attempts - 1] * 11 / 10
    assert waited <= max(WAITS[attempts - 1] * 12 / 10, 24 * HOUR)
