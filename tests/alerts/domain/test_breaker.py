"""When a subscription that fails is paused, probed and disabled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.domain.breaker import (
    LEAST_CALLS,
    PATIENCE,
    PROBE_AFTER,
    Health,
    Why,
    after,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def beaten(*calls: tuple[int, int], every: timedelta = SECOND) -> Health:
    """The health after (delivered, failed) calls, one after another."""
    health = Health()
    for n, (delivered, failed) in enumerate(calls):
        health = after(health, delivered=delivered, failed=failed, gone=False, now=NOW + n * every)  # fmt: skip
    return health


@pytest.mark.parametrize(
    ("calls", "opens"),
    [
        pytest.param([(0, 9)], False, id="nine failures are too few"),
        pytest.param([(0, 10)], True, id="ten failures"),
        pytest.param([(0, 1)] * 10, True, id="ten one after another"),
        pytest.param([(3, 0), (0, 7)], True, id="70 %"),
        pytest.param([(4, 0), (0, 9)], False, id="9 of 13 are 69.2 %"),
        pytest.param([(100, 0), (0, 100)], False, id="half"),
    ],
)
def test_it_opens_when_70_percent_of_10_calls_fail(
    calls: list[tuple[int, int]], opens: bool
) -> None:
    assert (beaten(*calls).paused_until is not None) == opens


def test_failures_older_than_five_minutes_do_not_count() -> None:
    spread = [(0, 1)] * LEAST_CALLS

    assert beaten(*spread, every=timedelta(seconds=29)).paused_until is not None
    assert beaten(*spread, every=timedelta(seconds=40)).paused_until is None


def test_a_probe_that_fails_waits_again_and_one_that_arrives_closes() -> None:
    paused = beaten((0, 10))
    assert paused.paused_until == NOW + PROBE_AFTER
    probe = NOW + PROBE_AFTER + SECOND

    failed = after(paused, delivered=0, failed=1, gone=False, now=probe)
    well = after(paused, delivered=1, failed=0, gone=False, now=probe)

    assert failed.paused_until == probe + PROBE_AFTER
    assert well == Health()


def test_what_was_under_way_when_it_opened_moves_nothing() -> None:
    paused = beaten((0, 10))

    late = after(paused, delivered=0, failed=3, gone=False, now=NOW + SECOND)

    assert late.paused_until == paused.paused_until


def test_gone_disables_at_once() -> None:
    health = after(Health(), delivered=0, failed=1, gone=True, now=NOW)

    assert health.disabled is Why.GONE


@pytest.mark.parametrize(
    ("hours", "between", "disabled"),
    [
        pytest.param(119, 0, None, id="119 hours"),
        pytest.param(120, 0, Why.FAILING, id="120 hours"),
        pytest.param(120, 1, None, id="one delivery between"),
    ],
)
def test_120_hours_of_unbroken_failure_disable(
    hours: int, between: int, disabled: Why | None
) -> None:
    health = after(Health(), delivered=0, failed=1, gone=False, now=NOW)
    health = after(health, delivered=between, failed=0, gone=False, now=NOW + SECOND)

    health = after(health, delivered=0, failed=1, gone=False, now=NOW + timedelta(hours=hours))  # fmt: skip

    assert health.disabled is disabled
    assert timedelta(hours=120) == PATIENCE


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 600)),
        max_size=60,
    )
)
def test_what_it_remembers_stays_small_and_true(
    calls: list[tuple[int, int, int]],
) -> None:
    health, now = Health(), NOW
    for delivered, failed, seconds in calls:
        now += timedelta(seconds=seconds)
        health = after(health, delivered=delivered, failed=failed, gone=False, now=now)
        assert len(health.recent) <= 10
        assert all(0 <= failures <= calls for _, calls, failures in health.recent)
        assert health.failing_since is None or health.failing_since <= now
