"""The three services as processes of their own give what all-in-one gives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.api import Api
from demo.stage import OPENS, receiver
from demo.story import tell
from tests.support.processes import (
    Process,
    admin_key,
    client,
    finished,
    started,
    until,
)
from tests.support.world import sample

SERVICES = ("ingest", "scoring", "alerts")


def environment(url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "DONDOC_ENV": "test",
        "DONDOC_NOW": OPENS,
        "DONDOC_PORT": "0",
        "DONDOC_ALLOW_NETWORKS": "127.0.0.1/32",
    }


@dataclass(frozen=True)
class Three:
    """Each service alone in its process, and an administrator's key for all."""

    processes: dict[str, Process]
    addresses: dict[str, str]
    key: str

    def ask(self, service: str, method: str, path: str, **more: Any) -> Any:
        """The answer of one service, with the administrator's key or a given one."""
        with client(self.addresses[service], more.pop("key", self.key)) as http:
            return http.request(method, path, **more)


@pytest.fixture
def three(empty_url: str, tmp_path: Path) -> Iterator[Three]:
    here = environment(empty_url)
    assert "migrated" in finished("migrate", within=tmp_path / "migrate", **here)
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(
                started("serve", name, within=tmp_path / name, **here)
            )
            for name in SERVICES
        }
        key = admin_key(tmp_path / "key", **here)
        addresses = {name: process.address() for name, process in processes.items()}
        yield Three(processes, addresses, key)


def test_three_processes_tell_the_letters_like_one(three: Three) -> None:
    told: list[str] = []

    differences = asyncio.run(_told(three, told))

    assert differences == []
    assert any("68  vn.dondoc.escalation.opened" in line for line in told), told
    for name, process in three.processes.items():
        assert process.end() == 0, f"{name} after SIGTERM: {process}"
        assert "Traceback" not in str(process)


async def _told(three: Three, told: list[str]) -> list[str]:
    api = Api(three.addresses, three.key)
    try:
        async with receiver() as hears:
            return await tell(api, hears, told.append)
    finally:
        await api.close()


def test_a_request_and_a_key_are_known_to_all_three_processes(three: Three) -> None:
    """What one is told holds at the others: whose keys live, whose request it was."""
    _a_key_made_at_one_opens_all_until_it_is_revoked_at_another(three)
    _a_request_given_to_ingest_is_in_every_log(three)


def _a_key_made_at_one_opens_all_until_it_is_revoked_at_another(three: Three) -> None:
    for maker, revoker in zip(SERVICES, reversed(SERVICES), strict=True):
        wanted = {"name": maker, "roles": ["admin"], "units": ["VN"]}
        made = three.ask(maker, "POST", "/v1/keys", json=wanted)
        assert made.status_code == 201, made.text
        key, id = made.json()["key"], made.json()["id"]
        assert _listing_keys(three, key) == [200, 200, 200]

        revoked = three.ask(revoker, "DELETE", f"/v1/keys/{id}")

        assert revoked.status_code == 204
        assert _listing_keys(three, key) == [401, 401, 401]


def _listing_keys(three: Three, key: str) -> list[int]:
    answers = [three.ask(name, "GET", "/v1/keys", key=key) for name in SERVICES]
    return [answer.status_code for answer in answers]


def _a_request_given_to_ingest_is_in_every_log(three: Three) -> None:
    three.ask("ingest", "PUT", "/v1/units", json=sample("units_2022.json"))

    sent = three.ask(
        "ingest",
        "POST",
        "/v1/reports",
        params={"wait": 30},
        headers={"x-request-id": "letter-679"},
        json=sample("reports_679.json"),
    )

    assert sent.status_code == 202, sent.text
    assert sent.headers["x-request-id"] == "letter-679"
    for name, process in three.processes.items():
        until(
            lambda log=process.log: any(
                line.get("request_id") == "letter-679" for line in log()
            ),
            or_say=lambda name=name: f"the log of {name} does not name the request",
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
        for process in (http, loops):
            assert process.end() == 0, process
            assert "Traceback" not in str(process)
