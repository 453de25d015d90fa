"""F3, F4 and F10: a database that goes, stays away, or is held back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx

from faults.stage import Result, Sender, Stage, counted, plant, stage


def postmaster(here: Stage) -> int:
    """The process id of the server's first process."""
    file = Path(here.home / "postgres" / "cluster" / "postmaster.pid")
    return int(file.read_text().split("\n", 1)[0])


def revived(here: Stage) -> float:
    """Bring the server back; the moment at which it answered."""
    began = time.monotonic()
    while time.monotonic() - began < 60:
        here.database.revive()
        try:
            here.rows("SELECT 1")
            return time.monotonic()
        except (OSError, asyncpg.PostgresError):
            time.sleep(0.05)
    raise AssertionError("PostgreSQL does not come back")


def restarts(times: int = 20) -> Iterator[Result]:
    """PostgreSQL restarts under load, by turns at once and in order."""
    with stage() as here:
        here.start()
        here.ready()
        plant(here)
        here.subscribe("/ok/1")
        slowest = 0.0
        with Sender(here) as sender:
            for turn in range(times):
                time.sleep(1)
                os.kill(postmaster(here), signal.SIGQUIT if turn % 2 else signal.SIGINT)  # fmt: skip
                back = revived(here)
                here.ready()
                slowest = max(slowest, time.monotonic() - back)
        settled = here.settled()
        count = counted(here, sender, here.came())
        told = {"restarts": times, "records": 10 * len(sender.taken), "delivered_again": count.again, "answers": dict(sender.answers), "unworthy": sender.unworthy[:3], "doctor": count.ill}  # fmt: skip
        well = count.whole and settled and not sender.unworthy
        yield Result("F3 lost", count.lost, "rows", "0", well, told)
        yield Result("F3 recovered", round(slowest, 2), "s", "<= 5", slowest <= 5)


def away(seconds: float = 600) -> Iterator[Result]:
    """PostgreSQL is down: told at once, alive all the while, and all made up for."""
    with stage() as here:
        here.start()
        here.ready()
        plant(here)
        here.subscribe("/ok/1")
        slowest, live, unready = 0.0, True, True
        with Sender(here) as sender:
            time.sleep(2)
            os.kill(postmaster(here), signal.SIGINT)
            time.sleep(1)
            until = time.monotonic() + seconds
            with here.ask() as client:
                while time.monotonic() < until:
                    began = time.monotonic()
                    client.get("/v1/units")
                    slowest = max(slowest, time.monotonic() - began)
                    live = live and client.get("/livez").status_code == 200
                    unready = unready and client.get("/readyz").status_code == 503
                    time.sleep(0.5)
            revived(here)
            here.ready()
        settled = here.settled()
        count = counted(here, sender, here.came())
        told = {"down": seconds, "live": live, "unready": unready, "answers": dict(sender.answers), "unworthy": sender.unworthy[:3], "doctor": count.ill}  # fmt: skip
        well = count.whole and settled and live and unready and not sender.unworthy
        yield Result("F4 lost", count.lost, "rows", "0", well, told)
        yield Result("F4 refused", round(slowest, 2), "s", "< 1", slowest < 1)


def held_back(seconds: float = 60) -> Iterator[Result]:
    """A transaction that stays open while all else goes on: how much slower it gets."""
    with stage() as here:
        here.start()
        here.ready()
        plant(here)
        here.subscribe("/ok/1")
        with Sender(here) as sender:
            time.sleep(2)
            here.came()
            time.sleep(seconds / 2)
            before = len(here.came())
            with held_open(here):
                time.sleep(seconds / 2)
                seen = here.metrics()
            during = len(here.came())
        here.settled()
        here.rows("VACUUM (INDEX_CLEANUP ON)")  # not only where it is worth its while
        left = dead_rows(here.metrics())
        drop = round(100 * (1 - during / before), 1) if before else 100.0
        told = {"before": before, "during": during, "unworthy": sender.unworthy[:3]}
        yield Result("F10 slower", drop, "%", "< 20", drop < 20, told)
        open_for, least = seen["dondoc_oldest_xmin_seconds"], int(seconds / 2) - 1
        yield Result("F10 seen", open_for, "s", f">= {least}", open_for >= least, {"transactions": seen["dondoc_oldest_xmin_transactions"]})  # fmt: skip
        piled = dead_rows(seen)
        yield Result("F10 dead rows left", left, "rows", "<= 100", left <= 100 < piled, {"beside_it": piled})  # fmt: skip


def dead_rows(metrics: dict[str, float]) -> float:
    """Of all tables."""
    return sum(value for name, value in metrics.items() if name.startswith("dondoc_dead_rows"))  # fmt: skip


@contextmanager
def held_open(here: Stage) -> Iterator[None]:
    """A transaction that has read, and does nothing until the block ends."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(here.database.url))
        runner.run(connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        runner.run(connection.fetchval("SELECT count(*) FROM alerts.delivery"))
        try:
            yield
        finally:
            runner.run(connection.close())


def reachable(address: str) -> bool:
    """Whether anything answers there."""
    try:
        return httpx.get(address, trust_env=False, timeout=1).is_success
    except httpx.HTTPError:
        return False
