"""When a matter opens, changes, closes and is overdue: tables of claims."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.alerts.domain.escalation import (
    ANNOUNCED,
    Change,
    Finding,
    Standing,
    State,
    advance,
    may_hand_in,
    overdue,
)

FACTS = {"rate": "41.54", "last_year.rate": "45.00"}
OTHER = {"rate": "43.00", "last_year.rate": "45.00"}
DUE = datetime.fromisoformat("2022-03-16T00:00:00+07:00")
INSTANT = timedelta(microseconds=1)


def found(
    fires: bool | None,
    *,
    severity: str | None = "medium",
    facts: dict[str, str] = FACTS,
    by_data: bool = False,
) -> Finding:
    return Finding(fires, severity if fires else None, facts, by_data)


def matter(state: State, closed_as: str | None = None) -> Standing:
    return Standing(state, closed_as, "medium", FACTS)


@pytest.mark.parametrize(
    ("current", "finding", "change"),
    [
        pytest.param(None, found(True), Change.OPENED, id="true opens"),
        pytest.param(None, found(False), None, id="false opens nothing"),
        pytest.param(None, found(None), None, id="unknown opens nothing"),
        pytest.param(matter(State.OPEN), found(True), None, id="true again is no news"),
        pytest.param(matter(State.OPEN), found(True, facts=OTHER), Change.UPDATED, id="other facts update"),
        pytest.param(matter(State.OPEN), found(True, severity="high"), Change.UPDATED, id="another severity updates"),
        pytest.param(matter(State.EXPLAINED), found(True, facts=OTHER), Change.UPDATED, id="an explained matter still follows its facts"),
        pytest.param(matter(State.OPEN), found(None, facts=OTHER), None, id="unknown changes nothing"),
        pytest.param(matter(State.OPEN), found(None, facts=OTHER, by_data=True), None, id="unknown closes nothing"),
        pytest.param(matter(State.OPEN), found(False, facts=OTHER, by_data=True), Change.CLOSED, id="false closes what data close"),
        pytest.param(matter(State.RETURNED), found(False, facts=OTHER, by_data=True), Change.CLOSED, id="a returned one too"),
        pytest.param(matter(State.OPEN), found(False, facts=OTHER), Change.FACTS_CHANGED, id="a duty outlives its cause"),
        pytest.param(matter(State.EXPLAINED), found(False, facts=OTHER), Change.FACTS_CHANGED, id="also when explained"),
        pytest.param(matter(State.OPEN), found(False), None, id="a change of facts is noted once"),
        pytest.param(matter(State.CLOSED, "data"), found(True), Change.REOPENED, id="closed by data, true again: re-opens"),
        pytest.param(matter(State.CLOSED, "data"), found(False), None, id="closed and false stays closed"),
        pytest.param(matter(State.CLOSED, "data"), found(None), None, id="closed and unknown stays closed"),
        pytest.param(matter(State.CLOSED, "accepted"), found(True, facts=OTHER), None, id="accepted is final"),
        pytest.param(matter(State.CLOSED, "exempted"), found(True), None, id="so is exempted"),
        pytest.param(matter(State.CLOSED, "withdrawn"), found(True), None, id="and withdrawn"),
    ],
)  # fmt: skip
def test_a_matter_and_what_a_rule_finds(
    current: Standing | None, finding: Finding, change: Change | None
) -> None:
    assert advance(current, finding) is change


@pytest.mark.parametrize(
    ("state", "ends_at", "now", "late"),
    [
        pytest.param(State.OPEN, DUE, DUE - INSTANT, False, id="the last instant"),
        pytest.param(State.OPEN, DUE, DUE, True, id="the deadline itself"),
        pytest.param(State.OPEN, DUE, DUE + timedelta(days=365), True, id="a year on"),
        pytest.param(State.RETURNED, DUE, DUE, True, id="returned runs"),
        pytest.param(State.EXPLAINED, DUE, DUE + timedelta(days=9), False, id="explained stops the clock"),
        pytest.param(State.CLOSED, DUE, DUE + timedelta(days=9), False, id="closed is never late"),
        pytest.param(State.OPEN, None, DUE, False, id="nothing owed is never late"),
    ],
)  # fmt: skip
def test_overdue(
    state: State, ends_at: datetime | None, now: datetime, late: bool
) -> None:
    assert overdue(state, ends_at, now) is late


@pytest.mark.parametrize(
    ("state", "possible"),
    [
        (State.OPEN, True),
        (State.RETURNED, True),
        (State.EXPLAINED, False),
        (State.CLOSED, False),
    ],
)
def test_handing_in(state: State, possible: bool) -> None:
    assert may_hand_in(state) is possible


def test_subscribers_hear_of_an_opening_twice_and_never_of_facts() -> None:
    assert ANNOUNCED[Change.OPENED] == ANNOUNCED[Change.REOPENED] == "escalation.opened"
    assert not {Change.UPDATED, Change.FACTS_CHANGED} & set(ANNOUNCED)
