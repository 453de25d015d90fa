"""A server that can be broken, a sender that does not give up, and who counts after."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from libs.common import postgres
from libs.common.periods import Period
from libs.common.settings import Settings
from services import doctor

SECRET = "YmVuY2hlcyBvZiBkb25kb2MgdXNlIHRoaXMgdmFsdWU="
NOW = "2022-03-08T08:00:00+07:00"
UNITS = 200
FIRST = date(2020, 2, 1)
TOGETHER = 10
"""Reports in one request: 20 requests a second are 200 records."""


@dataclass(frozen=True, slots=True)
class Result:
    """One value, and whether it passes; `more` is what else was counted."""

    name: str
    value: float
    unit: str
    reach: str
    ok: bool
    more: dict[str, Any] = field(default_factory=dict)

    def line(self) -> dict[str, Any]:
        """As it is printed: {"name", "value", "unit", "reach", "pass", …}."""
        shown = asdict(self)
        return {**{k: v for k, v in shown.items() if k not in ("ok", "more")}, "pass": self.ok, **self.more}  # fmt: skip


@dataclass
class Stage:
    """The database, where the server listens, and the environment of all of them."""

    home: Path
    database: postgres.Server
    environment: dict[str, str]
    port: int
    sink: str
    key: str = ""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(
        self, *words: str, point: str | None = None, skew: int = 0
    ) -> subprocess.Popen[bytes]:
        """Start `dondoc`; one that will be killed at a point, or whose clock is wrong."""
        module = ["services"] if point is None else ["faults.crashing", point]
        if skew:
            module = ["faults.skewed", str(skew)]
        child = subprocess.Popen(
            [sys.executable, "-m", *module, *(words or ("serve", "all"))],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=(self.home / "log").open("ab"),
        )
        self.running.append(child)
        return child

    def ready(self, *, seconds: float = 30) -> float:
        """Wait until it serves; how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            try:
                if httpx.get(f"{self.address}/readyz", trust_env=False, timeout=2).is_success:  # fmt: skip
                    return time.monotonic() - began
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not serving after {seconds} s: see {self.home / 'log'}")

    def ask(self) -> httpx.Client:
        """A client with the administrator's key."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=30, trust_env=False)  # fmt: skip

    def subscribe(self, *paths: str) -> None:
        with self.ask() as client:
            for path in paths:
                wish = {"url": f"{self.sink}{path}", "types": ["report.*", "escalation.*"]}  # fmt: skip
                client.post("/v1/subscriptions", json=wish).raise_for_status()

    def came(self) -> list[dict[str, Any]]:
        """What the sink took since this was last asked."""
        import json

        text = httpx.get(self.sink, trust_env=False, timeout=60).text
        return [json.loads(line) for line in text.splitlines()]

    def rows(self, query: str, *given: object) -> list[Any]:
        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.database.url)
            try:
                return list(await connection.fetch(query, *given))
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def settled(self, *, seconds: float = 120) -> bool:
        """Wait until nothing is waiting to be handled or delivered any more."""
        waiting = (
            "SELECT (SELECT count(*) FROM platform.event) + (SELECT count(*) FROM"
            " alerts.delivery d JOIN alerts.subscription s ON s.id = d.subscription"
            " WHERE d.state <> 'delivered' AND s.url LIKE '%/ok/%')"
            " + (SELECT count(*) FROM platform.audit WHERE block IS NULL)"
        )
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.rows(waiting)[0][0] == 0:
                return True
            time.sleep(0.2)
        return False

    def waiting(self) -> list[tuple[Any, ...]]:
        """What is not at its end: (what, its state, tries, when next, how many)."""
        return [
            tuple(row)
            for row in self.rows(
                "SELECT topic, error, attempts, run_at::text, count(*) FROM platform.event"
                " GROUP BY 1, 2, 3, 4 UNION ALL SELECT s.url, d.state, d.attempts,"
                " (d.next_attempt_at - now())::text, count(*) FROM alerts.delivery d"
                " JOIN alerts.subscription s ON s.id = d.subscription"
                " WHERE d.state <> 'delivered' GROUP BY 1, 2, 3, 4 LIMIT 20"
            )
        ]

    def metrics(self) -> dict[str, float]:
        """What Prometheus would read, by name and labels."""
        answer = httpx.get(f"{self.address}/metrics", trust_env=False, timeout=30)
        lines = (line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#")  # fmt: skip
        return {name: float(value) for name, value in lines}

    def leases_end(self) -> None:
        """As if the 30 seconds of whoever died with leases had gone by.

        Subscriptions are locked first, in their order, as by whoever changes deliveries.
        """
        self.rows(
            "WITH held AS MATERIALIZED (SELECT id FROM alerts.subscription ORDER BY id"
            " FOR NO KEY UPDATE) UPDATE alerts.delivery SET next_attempt_at = now()"
            " WHERE state = 'leased' AND subscription = ANY(ARRAY(SELECT id FROM held))"
        )

    def stop(self) -> None:
        for child in self.running:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.terminate()
                child.wait(40)
        self.running.clear()


@contextmanager
def stage() -> Iterator[Stage]:
    """A fresh durable database with units, a sink, and no server yet."""
    home = Path(tempfile.mkdtemp(prefix="dondoc-faults-"))
    database = postgres.ensure(home / "postgres")
    sink = subprocess.Popen([sys.executable, "-m", "faults.sink"], stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert sink.stdout is not None
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database.url,
        "DONDOC_ENV": "test",
        "DONDOC_NOW": NOW,
        "DONDOC_PORT": str(port),
        "DONDOC_SECRET": SECRET,
        "DONDOC_ALLOW_NETWORKS": "127.0.0.1/32",
    }
    made = Stage(home, database, environment, port, sink.stdout.readline().strip())
    try:
        create = ("keys", "create", "--name", "f", "--role", "admin", "--under", "VN")
        told = subprocess.run([sys.executable, "-m", "services", *create], env=environment, capture_output=True, text=True, check=True)  # fmt: skip
        made.key = told.stdout.strip().splitlines()[-1]
        yield made
    finally:
        made.stop()
        sink.terminate()
        sink.wait()
        sink.stdout.close()
        database.stop()
        postgres.remove(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def plant(stage: Stage) -> None:
    """The units that reports are about."""
    units = [
        {"code": f"U{n}", "name": f"Đơn vị {n}", "kind": "province", "parent": "VN", "valid_from": "2010-01-01"}
        for n in range(UNITS)
    ]  # fmt: skip
    with stage.ask() as client:
        client.put("/v1/units", json={"units": units}).raise_for_status()


class Sender:
    """Sends reports that each open a matter, again and again until each is taken."""

    def __init__(
        self,
        stage: Stage,
        *,
        per_second: float = 20,
        together: int = TOGETHER,
        first: int = 0,
    ) -> None:
        """So many requests a second of so many reports; numbers must not come twice."""
        self._stage, self._pause = stage, 1 / per_second
        self._together, self._first = together, first
        self._ending, self._resting = threading.Event(), threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.taken: dict[str, list[tuple[str, str]]] = {}
        self.answers: Counter[str] = Counter()
        self.unworthy: list[str] = []
        """Answers that no fault of ours excuses: neither 202 nor 503 with Retry-After."""

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Send nothing meanwhile, and have nothing on its way, so that what was sent can
        come to its end."""
        self._idle.clear()
        self._resting.set()
        assert self._idle.wait(60), "a request that does not end"
        yield
        self._resting.clear()

    def _run(self) -> None:
        number = self._first
        with self._stage.ask() as client:
            while not self._ending.is_set():
                started = time.monotonic()
                if self._resting.is_set():
                    self._idle.set()
                    self._ending.wait(0.02)
                elif self.send(client, number):
                    number += 1
                self._ending.wait(max(0, self._pause - (time.monotonic() - started)))
            while not self.send(client, number):  # what was begun is seen through
                time.sleep(0.2)

    def send(self, client: httpx.Client, number: int) -> bool:
        """One request; True when it was taken."""
        figures = [{"measure": "cases", "enforceable": 100, "done": 40, "enforceable_over_1y": 30}]  # fmt: skip
        so_far = number * self._together
        pairs = [_nth(so_far + n) for n in range(self._together)]
        reports = [{"unit": u, "period": day, "figures": figures} for u, day in pairs]
        once = {"Idempotency-Key": f"request-{self._together}-{number}"}
        try:
            answer = client.post("/v1/reports", json={"reports": reports}, headers=once)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 202:
            self.taken[answer.json()["batch"]] = pairs
            return True
        if answer.status_code not in (409, 503) or (answer.status_code == 503 and not answer.headers.get("retry-after")):  # fmt: skip
            self.unworthy.append(f"{answer.status_code}: {answer.text[:200]}")
        return False


def _nth(number: int) -> tuple[str, str]:
    """The unit and the period of the n-th report: a day for all units, then the next."""
    day = (FIRST + timedelta(number // UNITS)).isoformat()
    return f"U{number % UNITS}", Period.parse(day).code  # it may be the end of a month


@dataclass(frozen=True, slots=True)
class Count:
    """What was lost or doubled, counted in the database and at the sink."""

    lost: int
    twice: int
    again: int
    torn: int
    ill: list[str]

    @property
    def whole(self) -> bool:
        return not (self.lost or self.twice or self.torn or self.ill)


def counted(stage: Stage, sender: Sender, came: list[dict[str, Any]]) -> Count:
    """Compare what was taken with what is stored, and that with what was received."""
    wanted = {pair for pairs in sender.taken.values() for pair in pairs}
    matters = {(r["unit"], r["period"]) for r in stage.rows("SELECT unit, period FROM alerts.escalation")}  # fmt: skip
    messages = {r["id"] for r in stage.rows("SELECT id FROM alerts.message WHERE type ~ '^(report|escalation)'")}  # fmt: skip
    heard = Counter(one["id"] for one in came if one["path"].startswith("/ok/"))
    twice = stage.rows("SELECT 1 FROM alerts.escalation GROUP BY rule, unit, period, measure, category HAVING count(*) > 1")  # fmt: skip
    torn = [
        batch
        for batch, pairs in sender.taken.items()
        if stage.rows("SELECT count(*) FROM ingest.report WHERE batch = $1", batch)[0][0] != len(pairs)
    ]  # fmt: skip
    settings = Settings(_env_file=None, database_url=stage.database.url, secret=SECRET, env="test")  # type: ignore[call-arg,arg-type]  # fmt: skip
    found = asyncio.run(doctor.examine(stage.database.url, settings))
    ill = [f"{name}: {note}" for name, state, note in found if state == doctor.FAIL]
    again = sum(heard.values()) - len(heard)
    lost = len(wanted - matters) + len(messages - heard.keys())
    return Count(lost, len(twice), again, len(torn), ill)
