"""F7, F9 and L3: workers that sleep or are told the wrong time, and bad company."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Iterator

import httpx

from faults.stage import Result, Sender, Stage, counted, plant, stage
from services.alerts.leases import IN_FLIGHT

DAYS = (10, 13, 16, 17, 19, 22)
"""Of March 2022, to which business time jumps: deadlines and steps lie between."""
OWING, DUTIES = 40, 3
"""Units that stay silent, and what comes of each: overdue, and two steps up."""


def stopped(seconds: float = 40) -> Iterator[Result]:
    """SIGSTOP a worker past its lease: another takes over, and its word is void."""
    with stage() as here:
        here.start("serve", "all", "--no-loops")
        here.ready()
        plant(here)
        here.subscribe("/ok/1", "/slow/1")
        for _ in range(2):
            here.start("work", "all")
        with Sender(here, per_second=5) as sender:
            time.sleep(4)
            here.running[-1].send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            here.running[-1].send_signal(signal.SIGCONT)
            time.sleep(2)
        settled = here.settled()
        count = counted(here, sender, here.came())
        several = here.rows("SELECT count(*) FROM alerts.delivery WHERE state = 'delivered' AND delivered_at IS NULL")[0][0]  # fmt: skip
        told = {"stopped": seconds, "delivered_again": count.again, "twice": count.twice, "doctor": count.ill}  # fmt: skip
        well = count.whole and settled and not several and count.again <= 4 * IN_FLIGHT
        yield Result("F7 lost", count.lost, "rows", "0", well, told)


def wrong_clocks(seconds: float = 60) -> Iterator[Result]:
    """Workers whose clocks are ten minutes off, one either way, and jump each second,
    in days that jump as well."""
    with stage() as here:
        here.start("serve", "all", "--no-loops")
        here.ready()
        plant(here)
        here.subscribe("/ok/1", "/fail/1")
        for skew in (-600, 600):
            here.start("work", "all", skew=skew)
        with here.ask() as client:
            _owe(client)
            with Sender(here, per_second=5) as sender:
                for day in DAYS:
                    time.sleep(seconds / len(DAYS))
                    now = {"now": f"2022-03-{day:02}T08:00:00+07:00"}
                    client.put("/v1/clock", json=now).raise_for_status()
        settled = here.settled()
        came = here.came()
        count = counted(here, sender, came)
        off = max((abs(one["at"] - one["signed"]) for one in came), default=99.0)
        fired, disordered, moved = here.rows(_DUTIES)[0]
        soonest, latest = (float(one or 0) for one in here.rows(_RETRIES)[0])
        told = {"days": len(DAYS), "heard": len(came), "delivered_again": count.again, "doctor": count.ill}  # fmt: skip
        well = count.whole and settled and not count.again
        yield Result("F9 lost", count.lost, "rows", "0", well, told)
        yield Result("F9 signed off by", round(off, 2), "s", "<= 5", off <= 5)
        fine = fired == DUTIES * OWING and not moved
        yield Result("F9 duties out of order", disordered, "duties", "0", fine and not disordered, {"fired": fired, "not_at_their_moment": moved})  # fmt: skip
        steady = 5 <= soonest <= latest <= 7
        yield Result("F9 tried again after", round(soonest, 2), "s", "5 to 7", steady, {"latest": round(latest, 2)})  # fmt: skip


def _owe(client: httpx.Client) -> None:
    """Units that did worse than a year ago: each owes an explanation by 15 March."""
    reports = [
        {"unit": f"U{n}", "period": period, "figures": [{"measure": "cases", "published_rate": rate}]}
        for n in range(OWING)
        for period, rate in (("2021M05", "45.00"), ("2022M05", "41.54"))
    ]  # fmt: skip
    answer = client.post("/v1/reports?wait=30", json={"reports": reports})
    answer.raise_for_status()


# What was fired before something that was due earlier, and what subscribers were told
# of with another moment than its own.
_DUTIES = """
WITH done AS (
  SELECT due_at, max(due_at) OVER (ORDER BY fired_at
    RANGE BETWEEN UNBOUNDED PRECEDING AND '1 microsecond' PRECEDING) AS before
  FROM alerts.timer WHERE fired_at IS NOT NULL),
said AS (
  SELECT convert_from(body, 'UTF8')::jsonb ->> 'time' AS at, escalation
  FROM alerts.message WHERE type ~ '^escalation.(overdue|escalated)$')
SELECT count(*), count(*) FILTER (WHERE due_at < before),
  (SELECT count(*) FROM said s WHERE NOT EXISTS (SELECT FROM alerts.timer t
    WHERE t.escalation = s.escalation AND t.due_at = s.at::timestamptz))
FROM done
"""

_RETRIES = """
SELECT extract(epoch FROM min(d.next_attempt_at - a.finished_at)),
  extract(epoch FROM max(d.next_attempt_at - a.finished_at))
FROM alerts.delivery d JOIN alerts.attempt a ON a.delivery = d.id AND a.n = d.attempts
WHERE d.state = 'retrying' AND d.attempts = 1
"""


def _p99(here: Stage) -> tuple[float, int]:
    """Of what the good ones heard: true seconds since it was decided, and how many."""
    decided = {r["id"]: r["at"] for r in here.rows("SELECT id, extract(epoch FROM created_at)::float8 AS at FROM alerts.message")}  # fmt: skip
    waits = sorted(
        one["at"] - decided[one["id"]]
        for one in here.came()
        if one["path"].startswith("/ok/") and one["id"] in decided
    )
    return (statistics.quantiles(waits, n=100)[98] if len(waits) > 1 else 0.0), len(waits)  # fmt: skip


def bad_company(seconds: float = 60, subscribers: int = 100) -> Iterator[Result]:
    """1 hangs, 5 answer 500 and 5 take three seconds: what the other 89 notice."""
    bad = ["/hang/1", *(f"/fail/{n}" for n in range(5)), *(f"/slow/{n}" for n in range(5))]  # fmt: skip
    good = [f"/ok/{n}" for n in range(subscribers - len(bad))]
    with stage() as here:
        here.start()
        here.ready()
        plant(here)
        here.subscribe(*good)
        found = []
        for turn, more in enumerate(([], bad)):
            here.subscribe(*more)
            with Sender(here, per_second=1, together=1, first=turn * 10_000):
                time.sleep(seconds)
            here.settled()
            found.append(_p99(here))
        retried = here.rows("SELECT count(*) FROM alerts.delivery d JOIN alerts.subscription s ON s.id = d.subscription WHERE d.attempts > 1 AND s.url LIKE '%/ok/%'")[0][0]  # fmt: skip
        (alone, before), (among, heard) = found
        ratio = round(among / alone, 2) if alone else 0.0
        told = {"p99_alone": round(alone, 3), "p99": round(among, 3), "heard": [before, heard], "retried": retried}  # fmt: skip
        well = ratio <= 2 and not retried and before > 0 and heard > 0
        yield Result("L3 p99", ratio, "x", "<= 2", well, told)
