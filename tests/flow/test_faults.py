"""Things break on purpose, in short: the long forms are `python3 dev.py faults`.

One database, one subscriber and one sender go through all of it, one fault after the
other; each is named as docs/reliability.md names it.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from faults.brood import Brood
from faults.crashing import POINTS
from faults.database import held_open, postmaster, revived
from faults.stage import TOGETHER, Count, Sender, Stage, counted, plant, stage
from services.alerts.leases import IN_FLIGHT

pytestmark = pytest.mark.slow
KILLS, STOPS, AWAY_SECONDS = 5, 2, 10
ENOUGH, PATIENCE = 200, 60.0
OTHERS = ("/ok/2", "/ok/3", "/ok/4", "/ok/5")
BATCH, APART = 500, 240
"""Reports in a batch; APART batches after the sender's first, so none comes twice."""


@dataclass
class Told:
    """What was seen while things broke, and what was counted afterwards."""

    died: list[int] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    twice_while_stopping: int = 0
    alive: set[int] = field(default_factory=set)
    ready: set[int] = field(default_factory=set)
    refused: list[httpx.Response] = field(default_factory=list)
    heard_beside: int = 0
    seen_beside: dict[str, float] = field(default_factory=dict)
    alone: dict[str, list[str]] = field(default_factory=dict)
    fanned: dict[str, list[str]] = field(default_factory=dict)
    beside: dict[str, list[str]] = field(default_factory=dict)
    batches: int = 0
    unworthy: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[Any, ...]] = field(default_factory=list)
    count: Count | None = None


@pytest.fixture(scope="module")
def told() -> Told:
    """Everything that follows, once."""
    found = Told()
    with stage() as here:
        brood = Brood(here.environment, (here.home / "brood.log").open("ab"))
        try:
            brood.serve()
            here.ready()
            plant(here)
            here.subscribe("/ok/1")
            came: list[dict[str, Any]] = []
            with Sender(here) as sender:
                _kill(here, brood, found)
                with sender.resting():
                    here.settled()
                came += here.came()
                _stop(here, brood, found)
                with sender.resting():
                    here.settled()
                stopping = here.came()
                ids = [one["id"] for one in stopping]
                found.twice_while_stopping = len(ids) - len(set(ids))
                came += stopping
                _cut(here)
                _stay_away(here, found)
                came += here.came()
                came += _hold_back(here, found)
                came += _load(here, sender, found)
            if not here.settled(seconds=60):
                found.waiting = here.waiting()
            found.count = counted(here, sender, came + here.came())
            found.unworthy += sender.unworthy
            found.answers = dict(sender.answers)
        finally:
            brood.close(signal.SIGTERM)
    return found


def _kill(here: Stage, brood: Brood, found: Told) -> None:
    """F1: at each of the named points, and at random."""
    os.kill(brood.pid, signal.SIGTERM)
    brood.ended()
    for point in POINTS:
        brood.serve(point)
        found.died.append(brood.ended())
        here.leases_end()
    chance = random.Random(1)
    for _ in range(KILLS):
        brood.serve()
        here.ready()
        time.sleep(chance.uniform(0, 0.3))
        os.kill(brood.pid, signal.SIGKILL)
        found.died.append(brood.ended())
        here.leases_end()
    brood.serve()
    here.ready()


def _stop(here: Stage, brood: Brood, found: Told) -> None:
    """F2: asked to end, under load."""
    for _ in range(STOPS):
        time.sleep(0.3)
        os.kill(brood.pid, signal.SIGTERM)
        found.stopped.append(brood.ended())
        brood.serve()
        here.ready()


def _cut(here: Stage) -> None:
    """F3: the database goes, in order and at once, and comes back."""
    for how in (signal.SIGINT, signal.SIGQUIT):
        os.kill(postmaster(here), how)
        revived(here)
        here.ready()


def _stay_away(here: Stage, found: Told) -> None:
    """F4: the database goes and stays away."""
    os.kill(postmaster(here), signal.SIGINT)
    time.sleep(0.5)
    until = time.monotonic() + AWAY_SECONDS
    with here.ask() as client:
        while time.monotonic() < until:
            found.refused.append(client.get("/v1/units"))
            found.alive.add(client.get("/livez").status_code)
            found.ready.add(client.get("/readyz").status_code)
            time.sleep(0.3)
    revived(here)
    here.ready()


def _hold_back(here: Stage, found: Told) -> list[dict[str, Any]]:
    """F10: load beside a transaction that stays open until something was delivered."""
    with held_open(here):
        until = time.monotonic() + PATIENCE
        came: list[dict[str, Any]] = []
        while len(came) < ENOUGH and time.monotonic() < until:
            time.sleep(0.2)
            came += here.came()
        found.seen_beside = here.metrics()
    found.heard_beside = len(came)
    return came


def _load(here: Stage, sender: Sender, found: Told) -> list[dict[str, Any]]:
    """L1: the load by itself, to five subscribers, and beside batches of 500 reports."""
    here.leases_end()  # of posts that were under way when the database went
    before = _at_rest(here, sender)
    _sent(sender)
    alone = _at_rest(here, sender, lambda: here.subscribe(*OTHERS))
    _sent(sender)
    fanned = _at_rest(here, sender, lambda: _leave(here))
    with Sender(here, per_second=1, together=BATCH, first=APART) as batches:
        _sent(sender)
    beside = _at_rest(here, sender)
    found.alone, found.fanned, found.beside = map(_heard, (alone, fanned, beside))
    found.batches = len(batches.taken)
    found.unworthy += batches.unworthy
    sender.taken |= batches.taken
    return [*before, *alone, *(one for one in fanned if one["path"] == "/ok/1"), *beside]  # fmt: skip


def _sent(sender: Sender) -> None:
    """Come back when the sender has had so much more taken."""
    more = len(sender.taken) + ENOUGH // TOGETHER
    until = time.monotonic() + PATIENCE
    while len(sender.taken) < more and time.monotonic() < until:
        time.sleep(0.02)


def _at_rest(
    here: Stage, sender: Sender, then: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """What came, once everything that was sent has come to its end."""
    with sender.resting():
        assert here.settled(seconds=PATIENCE), here.waiting()
        then()
        return here.came()


def _leave(here: Stage) -> None:
    """The subscribers that came later go again."""
    with here.ask() as client:
        for one in client.get("/v1/subscriptions").json()["items"]:
            if one["url"].endswith(OTHERS):
                client.delete(f"/v1/subscriptions/{one['id']}").raise_for_status()


def _heard(came: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The messages that each subscriber heard, as often as it did."""
    heard: dict[str, list[str]] = {}
    for one in came:
        heard.setdefault(one["path"], []).append(one["id"])
    return {path: sorted(ids) for path, ids in sorted(heard.items())}


def test_nothing_is_lost_doubled_or_torn_whatever_broke(told: Told) -> None:
    """F1 to F4, F10, L1: counted in the database and at the subscriber."""
    assert told.waiting == [], "something still waits"
    assert told.count is not None
    assert told.count.whole, told.count
    assert told.unworthy == [], "neither 202 nor 503 with Retry-After"
    assert told.count.again <= IN_FLIGHT * 4 * (len(told.died) + 3)


def test_it_died_at_every_point_and_came_back(told: Told) -> None:
    """F1: 12 crash points, 5 random kills."""
    assert told.died == [-signal.SIGKILL] * (len(POINTS) + KILLS)


def test_asked_to_end_it_ends_well_and_delivers_nothing_twice(told: Told) -> None:
    """F2: SIGTERM under load."""
    assert told.stopped == [0] * STOPS
    assert told.twice_while_stopping == 0


def test_without_its_database_it_says_so_and_lives_on(told: Told) -> None:
    """F4: 503 with Retry-After; alive, not ready."""
    assert {one.status_code for one in told.refused} == {503}
    assert all(one.headers["retry-after"] for one in told.refused)
    assert (told.alive, told.ready) == ({200}, {503})


def test_deliveries_go_on_beside_a_transaction_that_stays_open(told: Told) -> None:
    """F10: how much slower is measured by the long form."""
    assert told.heard_beside >= ENOUGH
    assert told.seen_beside["dondoc_oldest_xmin_transactions"] > ENOUGH / 10


def test_under_load_everyone_hears_everything_once_and_nothing_stays_behind(
    told: Told,
) -> None:
    """L1: T1, T2 and T3; how fast is measured by the long form."""
    alone, fanned, beside = told.alone, told.fanned, told.beside
    assert list(alone) == list(beside) == ["/ok/1"]
    assert list(fanned) == ["/ok/1", *OTHERS]
    assert len({tuple(ids) for ids in fanned.values()}) == 1, "each hears the same"
    for ids in (*alone.values(), *fanned.values(), *beside.values()):
        assert len(ids) == len(set(ids)) >= ENOUGH
    assert len(beside["/ok/1"]) >= told.batches * BATCH + ENOUGH > BATCH
