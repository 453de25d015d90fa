"""kill -9 at any moment: what was accepted stays, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common import postgres
from tests.support.processes import Process, client, started, until
from tests.support.world import START, sample

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
KEY = "admin key (shown once): "


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data directory for all who serve: making a database takes long."""
    data = tmp_path_factory.mktemp("killed")
    yield data
    postgres.remove(data / "postgres")


@contextmanager
def serving(data: Path, within: Path) -> Iterator[tuple[Process, httpx.Client]]:
    """All-in-one on the embedded database, and a client with the first key."""
    here = {
        "DONDOC_DATA": str(data),
        "DONDOC_ENV": "test",
        "DONDOC_NOW": START,
        "DONDOC_PORT": "0",
        "DONDOC_ALLOW_NETWORKS": "127.0.0.1/32",
    }
    with started("serve", "all", within=within, **here) as process:
        address = process.address()
        kept = data / "key"
        if not kept.exists():
            kept.write_text(process.said(KEY).removeprefix(KEY))
        with client(address, kept.read_text()) as ask:
            yield process, ask


@contextmanager
def subscriber() -> Iterator[str]:
    """The demonstration's receiver, which outlives what we kill; its address."""
    command = [sys.executable, "-m", "demo.receiver"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().removeprefix("listening on ").strip()
        finally:
            child.terminate()


@pytest.fixture
def demo_data(tmp_path: Path) -> Iterator[Path]:
    """Where the demonstration keeps its database; the database goes afterwards."""
    yield tmp_path / "data"
    postgres.remove(tmp_path / "data" / "demo" / "postgres")


def test_the_demonstration_killed_midway_plays_through_the_next_time(
    demo_data: Path, tmp_path: Path
) -> None:
    data = {"DONDOC_DATA": str(demo_data)}
    with started("demo", "--once", within=tmp_path / "first", **data) as first:
        first.said("22 April 2022")
        assert len(first.family()) > 5, "itself, receiver, postgres and its backends"

        first.kill()

    with started("demo", "--once", within=tmp_path / "again", **data) as again:
        assert again.child.wait(60) == 0, again
        assert "Every golden figure" in again.output.read_text("utf-8")


def test_an_accepted_report_takes_its_whole_effect_once_though_all_is_killed(
    data: Path, tmp_path: Path
) -> None:
    with subscriber() as hears:
        with serving(data, tmp_path / "first") as (process, ask):
            subscription = _subscribe(ask, hears)
            ask.put("/v1/units", json=sample("units_2022.json")).raise_for_status()
            _send(ask, "reports_last_year_illustrative.json", wait=30)
            batch = _send(ask, "reports_679.json")

            process.kill()

        with serving(data, tmp_path / "again") as (process, ask):
            _evaluated(ask, batch)
            matters = _all(ask, "/v1/escalations")

            below = [m for m in matters if m["rule"]["id"] == "below-last-year"]
            assert _places(below) == _below_last_year(ask)
            for matter in matters:
                assert _changes(ask, matter) == ["opened"]
            heard = _delivered(ask, subscription, hears)
            assert sorted(heard) == sorted(m["id"] for m in matters)

            again = ask.post("/v1/reports", json=sample("reports_679.json")).json()
            assert (again["accepted"], again["unchanged"]) == (0, 64)
            process.kill()

        with serving(data, tmp_path / "third") as (_, ask):
            assert _all(ask, "/v1/escalations") == matters


def _subscribe(ask: httpx.Client, hears: str) -> str:
    wanted = {"url": f"{hears}/hook", "types": ["escalation.*"]}
    made = ask.post("/v1/subscriptions", json=wanted).json()
    httpx.put(f"{hears}/secret", content=made["secret"], trust_env=False)
    return str(made["id"])


def _send(ask: httpx.Client, name: str, *, wait: int = 0) -> str:
    sent = ask.post("/v1/reports", params={"wait": wait}, json=sample(name))
    assert sent.status_code == 202, sent.text
    return str(sent.json()["batch"])


def _evaluated(ask: httpx.Client, batch: str) -> None:
    until(lambda: ask.get(f"/v1/batches/{batch}").json()["state"] == "evaluated")


def _all(ask: httpx.Client, path: str, **query: str) -> list[Any]:
    listed = ask.get(path, params={"limit": 1000, **query}).raise_for_status().json()
    assert listed["next"] is None
    return list(listed["items"])


def _places(matters: list[Any]) -> list[tuple[str, str]]:
    return sorted((m["unit"], m["measure"]) for m in matters)


def _below_last_year(ask: httpx.Client) -> list[tuple[str, str]]:
    """Where the rule must have opened a matter, by the scorecards themselves."""
    cards = _all(ask, "/v1/scorecards", period="2022M05", kind="province")
    assert len(cards) == 2 * 63
    return sorted(
        (card["unit"], card["measure"])
        for card in cards
        if card["last_year"]["rate"] is not None
        and Decimal(card["rate"]) < Decimal(card["last_year"]["rate"])
    )


def _changes(ask: httpx.Client, matter: Any) -> list[str]:
    shown = ask.get(f"/v1/escalations/{matter['id']}").json()
    return [entry["change"] for entry in shown["history"]]


def _delivered(ask: httpx.Client, subscription: str, hears: str) -> list[str]:
    """The matters whose opening was heard and verified, once all is delivered."""
    path = f"/v1/subscriptions/{subscription}/deliveries"

    def all_delivered() -> bool:
        return all(sent["state"] == "delivered" for sent in _all(ask, path))

    until(all_delivered, seconds=60)
    received = httpx.get(f"{hears}/received", trust_env=False).json()
    assert {one["type"] for one in received} == {"vn.dondoc.escalation.opened"}
    return [one["data"]["id"] for one in received]


def test_a_killed_database_server_comes_back_under_the_running_services(
    data: Path, tmp_path: Path
) -> None:
    meanwhile: list[httpx.Response] = []

    def back() -> bool:
        meanwhile.append(ask.get("/v1/units"))
        again = _postmaster(data) not in (None, killed)
        return again and ask.get("/readyz").status_code == 200

    with serving(data, tmp_path / "serving") as (process, ask):
        ask.put("/v1/units", json=sample("units_2022.json")).raise_for_status()
        before = _all(ask, "/v1/units")
        killed = _postmaster(data)
        assert killed in process.family(), "only what we started is ours to kill"
        os.kill(killed, signal.SIGKILL)

        until(back, seconds=30)

        assert _all(ask, "/v1/units") == before
        figures = {"measure": "cases", "enforceable": 100, "done": 40}
        report = {"unit": "VN", "period": "2021M03", "figures": [figures]}
        sent = ask.post("/v1/reports", json={"reports": [report]})
        assert sent.status_code == 202, sent.text
        _evaluated(ask, sent.json()["batch"])
        assert process.child.poll() is None, "nobody had to start it again"

    # How many were refused is a matter of moments; none may see a fault of ours.
    for answer in meanwhile:
        if answer.status_code != 200:
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]


def test_who_only_asks_it_to_stop_finds_the_database_server_stopped_too(
    data: Path, tmp_path: Path
) -> None:
    with serving(data, tmp_path / "serving") as (process, _):
        assert _postmaster(data) in process.family()

        assert process.end() == 0, process

    assert _postmaster(data) is None, "a clean stop removes the file"
    assert "Traceback" not in process.errors.read_text("utf-8")


def _postmaster(data: Path) -> int | None:
    file = data / "postgres" / "cluster" / "postmaster.pid"
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
