"""All three services in one process over a real database, and a client that asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from libs.common import keys
from libs.common.database import Database, speak_json
from libs.common.service import create_app
from libs.common.settings import Settings
from services.process import Which, build

SECRET = "dGVzdHMgb2YgZG9uZG9jIHVzZSB0aGlzIHNlY3JldCE="
START = "2022-03-08T08:00:00+07:00"
DATA = Path(__file__).parents[2] / "demo" / "data"


def settings_for(url: str, **more: Any) -> Settings:
    """Settings of a test environment: business time starts on 8 March 2022."""
    given: dict[str, Any] = {
        "database_url": SecretStr(url),
        "secret": SecretStr(SECRET),
        "env": "test",
        "now": START,
        "allow_networks": "127.0.0.1/32",
        **more,
    }
    return Settings(_env_file=None, **given)


def sample(name: str) -> Any:
    """A body of the demonstration's own data."""
    return json.loads((DATA / name).read_text("utf-8"))


@dataclass
class World:
    """A running system: `admin` asks with the root's key, `client(...)` with another."""

    app: FastAPI
    url: str
    settings: Settings
    admin: httpx.AsyncClient
    anonymous: httpx.AsyncClient
    owner: asyncpg.Connection[asyncpg.Record]
    _clients: list[httpx.AsyncClient]

    @classmethod
    @asynccontextmanager
    async def running(
        cls, url: str, *, with_loops: bool = True, **more: Any
    ) -> AsyncIterator[World]:
        """Start everything, and stop it again."""
        settings = settings_for(url, **more)
        services = build(Which.ALL, url, settings)
        app = create_app(services, settings, with_loops=with_loops)
        owner = await asyncpg.connect(url)
        await speak_json(owner)
        async with app.router.lifespan_context(app):
            world = cls(
                app, url, settings, _client(app, None), _client(app, None), owner, []
            )
            world.admin = await world.client("admin")
            try:
                yield world
            finally:
                for client in [world.anonymous, *world._clients]:
                    await client.aclose()
        await owner.close()

    def database(self, service: str) -> Database:
        """The pool that a service works with, under its role."""
        found: Database = self.app.state.databases[service]
        return found

    async def key(self, *roles: str, under: str = "VN", days: int | None = None) -> str:
        """A new key with these roles under a unit."""
        key, key_id = keys.mint("test")
        pepper = self.settings.key_for("key pepper")
        await keys.create(
            self.owner, key, key_id, pepper, name="test", roles=roles, units=[under]
        )
        return key

    async def client(self, *roles: str, under: str = "VN") -> httpx.AsyncClient:
        """A client that asks with a key of its own."""
        client = _client(self.app, await self.key(*roles, under=under))
        self._clients.append(client)
        return client

    async def load(self, *names: str) -> None:
        """Send bodies of the demonstration's data, each to where it belongs."""
        for name in names:
            kind = Path(name).stem.split("_")[0]
            if kind in ("units", "targets"):
                answer = await self.admin.put(f"/v1/{kind}", json=sample(name))
            else:
                answer = await self.admin.post("/v1/reports", json=sample(name))
                await self.evaluated(answer.json()["batch"])
            assert answer.status_code in (200, 202), answer.text

    async def evaluated(self, batch: str) -> dict[str, Any]:
        """The batch once everything that descends from it is done."""

        async def ended() -> dict[str, Any] | None:
            shown: dict[str, Any] = (
                await self.admin.get(f"/v1/batches/{batch}")
            ).json()
            assert shown["state"] != "failed", shown
            return shown if shown["state"] == "evaluated" else None

        found: Any = await until(ended)
        return dict(found)

    async def tree(self) -> None:
        """The provinces of 2022, Thái Nguyên of 2025, and the targets."""
        await self.load("units_2022.json", "units_2025.json", "targets.json")

    async def report(self, *reports: dict[str, Any], **more: Any) -> httpx.Response:
        """Post reports as the administrator, money in đồng."""
        body = {"money_in": "vnd", "reports": list(reports)}
        return await self.admin.post("/v1/reports", json=body, params=more)


def _client(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
        base_url="http://dondoc",
        headers=headers,
        timeout=60,
    )


async def until(
    claim: Callable[[], Awaitable[object]], *, seconds: float = 20
) -> object:
    """Ask again and again until the answer is true; fail when it never is.

    The longer it takes, the seldomer: whoever is asked needs the processor too.
    """
    pause = 0.01
    async with asyncio.timeout(seconds):
        while not (answer := await claim()):
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.08)
    return answer
