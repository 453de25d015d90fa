"""The three services as processes of their own give what all-in-one gives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.api import Api
from demo.stage import OPENS, receiver
from demo.story import tell
from tests.support.processes import (
    Process,
    admin_key,
    client,
    database,
    finished,
    started,
    until,
)
from tests.support.world import sample

pytestmark = pytest.mark.slow
SERVICES = ("ingest", "scoring", "alerts")


def environment(url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "DONDOC_ENV": "test",
        "DONDOC_NOW": OPENS,
        "DONDOC_PORT": "0",
        "DONDOC_ALLOW_NETWORKS": "127.0.0.1/32",
    }


@dataclass(frozen=True, slots=True)
class Three:
    """Each service alone in its process, and an administrator's key for all."""

    processes: dict[str, Process]
    addresses: dict[str, str]
    key: str

    def ask(
        self, service: str, method: str, path: str, *, key: str = "", **more: Any
    ) -> httpx.Response:
        """The answer of one service, to the administrator or to another key."""
        with client(self.addresses[service], key or self.key) as http:
            return http.request(method, path, **more)


@pytest.fixture(scope="module")
def three(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    """Migrated, keyed and served by one command each; ended by SIGTERM."""
    within = tmp_path_factory.mktemp("three")
    with ExitStack() as stack:
        here = environment(stack.enter_context(database(cluster, "three")))
        assert "migrated" in finished("migrate", within=within / "migrate", **here)
        processes = {
            name: stack.enter_context(
                started("serve", name, within=within / name, **here)
            )
            for name in SERVICES
        }
        key = admin_key(within / "key", **here)
        addresses = {name: process.address() for name, process in processes.items()}
        yield Three(processes, addresses, key)
        _sigterm_ends_them_well(*processes.values())


def _sigterm_ends_them_well(*processes: Process) -> None:
    for process in processes:
        assert process.end() == 0, process
        assert "Traceback" not in process.errors.read_text("utf-8"), process


def test_three_processes_tell_the_letters_like_one(three: Three) -> None:
    told: list[str] = []

    differences = asyncio.run(_told(three, told))

    assert differences == []
    assert any("(below-last-year): 59" in line for line in told), told
    assert any("0 duplicates, 0 refused" in line for line in told), told


async def _told(three: Three, told: list[str]) -> list[str]:
    api = Api(three.addresses, three.key)
    try:
        async with receiver() as hears:
            return await tell(api, hears, told.append)
    finally:
        await api.close()


def _report(period: str, done: int) -> dict[str, Any]:
    figures = {"measure": "cases", "enforceable": 100, "done": done}
    return {"reports": [{"unit": "P3", "period": period, "figures": [figures]}]}


def test_a_dry_run_goes_through_all_three_and_leaves_nothing_behind(
    three: Three,
) -> None:
    unit = {"code": "P3", "name": "P3", "kind": "province", "parent": "VN"}
    units = {"units": [{**unit, "valid_from": "2010-01-01"}]}
    three.ask("ingest", "PUT", "/v1/units", json=units).raise_for_status()
    once, dry = {"wait": 30}, {"wait": 30, "dry_run": "true"}
    path = "/v1/reports"
    three.ask("ingest", "POST", path, params=once, json=_report("2021M04", 50))

    sent = three.ask("ingest", "POST", path, params=dry, json=_report("2022M04", 40))
    batch = three.ask("ingest", "GET", f"/v1/batches/{sent.json()['batch']}").json()

    assert batch["state"] == "previewed"
    # The root, of which nothing else is reported here, is rolled up from it too.
    rates = {c["unit"]: c["rate"] for c in batch["preview"]["scorecards"]}
    assert rates["P3"] == "40.00"
    matters = {(m["unit"], m["rule"]["id"]) for m in batch["preview"]["opens"]}
    assert ("P3", "below-last-year") in matters
    shown = three.ask("scoring", "GET", "/v1/scorecards/P3/2022M04")
    assert shown.status_code == 404
    found = three.ask("alerts", "GET", "/v1/escalations", params={"unit": "P3"})
    assert found.json()["items"] == []


@pytest.mark.parametrize(
    ("maker", "revoker"), [*zip(SERVICES, reversed(SERVICES), strict=True)]
)
def test_a_key_opens_all_three_until_any_one_revokes_it(
    three: Three, maker: str, revoker: str
) -> None:
    wanted = {"name": maker, "roles": ["admin"], "units": ["VN"]}
    made = three.ask(maker, "POST", "/v1/keys", json=wanted).json()
    assert _listing_keys(three, made["key"]) == [200, 200, 200]

    revoked = three.ask(revoker, "DELETE", f"/v1/keys/{made['id']}")

    assert revoked.status_code == 204
    assert _listing_keys(three, made["key"]) == [401, 401, 401]


def _listing_keys(three: Three, key: str) -> list[int]:
    answers = [three.ask(name, "GET", "/v1/keys", key=key) for name in SERVICES]
    return [answer.status_code for answer in answers]


def test_a_request_sent_to_ingest_is_named_in_all_three_logs(three: Three) -> None:
    figures = {"measure": "cases", "enforceable": 100, "done": 40}
    report = {"unit": "VN", "period": "2021M03", "figures": [figures]}

    sent = three.ask(
        "ingest",
        "POST",
        "/v1/reports",
        headers={"x-request-id": "the-request"},
        params={"wait": 30},
        json={"reports": [report]},
    )

    assert sent.status_code == 202, sent.text
    assert sent.headers["x-request-id"] == "the-request"
    for name in SERVICES:
        until(
            lambda log=three.processes[name].log: any(
                line.get("request_id") == "the-request" for line in log()
            ),
            or_say=lambda name=name: f"the log of {name} does not name it",
        )


def test_loops_work_in_a_process_apart_from_http(url: str, tmp_path: Path) -> None:
    here = environment(url)
    with (
        started("serve", "all", "--no-loops", within=tmp_path / "http", **here) as http,
        started("work", within=tmp_path / "work", **here) as loops,
    ):
        key = admin_key(tmp_path / "key", **here)
        loops.said("ready")
        with client(http.address(), key) as ask:
            ask.put("/v1/units", json=sample("units_2022.json")).raise_for_status()
            sent = ask.post(
                "/v1/reports", params={"wait": 30}, json=sample("reports_679.json")
            )
            batch = ask.get(f"/v1/batches/{sent.json()['batch']}").json()

        assert batch["state"] == "evaluated"
        assert any("topic" in line for line in loops.log())
        assert not any("topic" in line for line in http.log())
        _sigterm_ends_them_well(http, loops)
