"""What a process is made of: its database, its services, its server."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from types import FrameType

import asyncpg
import uvicorn
from fastapi import FastAPI

from libs.common import clock, keys, postgres
from libs.common.database import speak_json
from libs.common.service import Service
from libs.common.settings import Settings
from services.alerts.rulebook import shipped_rules
from services.alerts.rulebooks.files import publish_shipped


class Which(StrEnum):
    """What a process serves."""

    ALL = "all"
    INGEST = "ingest"
    SCORING = "scoring"
    ALERTS = "alerts"


PORTS = {Which.ALL: 8000, Which.INGEST: 8001, Which.SCORING: 8002, Which.ALERTS: 8003}


def build(which: Which, url: str, settings: Settings) -> list[Service]:
    """The services of one process, in the order that figures travel."""
    made = {Which.INGEST: _ingest, Which.SCORING: _scoring, Which.ALERTS: _alerts}
    wanted = list(made) if which is Which.ALL else [which]
    return [made[name](url, settings) for name in wanted]


def spare_the_collector() -> None:
    """Let the collector of circles pass by what stays, and wait for more.

    A national month makes some 300 000 values in one request, none of them in a
    circle; looking through them, and through the whole program, takes as long as
    reading them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(400_000, 20, 20)


# Each is loaded only where it serves: other commands start in half the time.


def _ingest(url: str, _: Settings) -> Service:
    from services.ingest import service

    return service.build(url)


def _scoring(url: str, _: Settings) -> Service:
    from services.scoring import service

    return service.build(url)


def _alerts(url: str, settings: Settings) -> Service:
    from services.alerts import service

    return service.build(url, settings)


@contextmanager
def database(settings: Settings) -> Iterator[tuple[str, postgres.Server | None]]:
    """DATABASE_URL, or the embedded server, migrated, while the command runs."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value(), None
        return
    server = postgres.ensure(settings.data / "postgres")
    try:
        asyncio.run(prepare(server.url, settings))
        yield server.url, server
    finally:
        server.stop()


async def prepare(url: str, settings: Settings) -> None:
    """Migrate, make the shipped rules active, and start business time."""
    # Only who migrates pays for loading Alembic.
    from migrations import migrate

    await migrate(url)
    shipped = shipped_rules()
    connection = await asyncpg.connect(url)
    try:
        await speak_json(connection)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(1, 1)")
            if settings.starts_at is not None:
                await clock.start_at(connection, settings.starts_at)
            now = await clock.business_now(connection)
            await publish_shipped(connection, shipped, now)
    finally:
        await connection.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one."""
    try:
        listening = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SystemExit(
            f"Cannot listen on {host}:{port}: {why}. Is dondoc running there already?"
            " Set DONDOC_PORT to another port."
        ) from None
    # Inherited by what is accepted. asyncio sets it only where the protocol is named,
    # and without it the body of an answer waits 40 ms for its header's receipt.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


class Server(uvicorn.Server):
    """One application over HTTP; calls back with its address once it answers."""

    def __init__(self, app: FastAPI, ready: Callable[[str], None]) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody's word is taken for who is asking
            timeout_graceful_shutdown=15,
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(f"http://{host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop gracefully, and let the command end well.

        uvicorn would raise the signal again, and with it kill us before the
        embedded database is stopped.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


async def tend(embedded: postgres.Server | None) -> None:
    """Bring the embedded server back when it was killed; pools reconnect by themselves.

    It runs on the main thread: the server's parent-death signal is tied to it.
    """
    while embedded is not None:
        await asyncio.sleep(1)
        embedded.revive()


async def migrated(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    there: bool = await connection.fetchval(
        "SELECT to_regclass('alerts.delivery') IS NOT NULL"
    )
    return there


_HAS_ADMIN = """
SELECT EXISTS (SELECT FROM platform.api_key WHERE 'admin' = ANY(roles)
  AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))
"""


async def first_key(url: str, settings: Settings) -> str | None:
    """An administrator's key where there is no living one."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE platform.api_key IN EXCLUSIVE MODE")
            if await connection.fetchval(_HAS_ADMIN):
                return None
            return await create_key(
                connection, settings, "first", ["admin"], ["VN"], None
            )
    finally:
        await connection.close()


async def create_key(
    connection: asyncpg.Connection[asyncpg.Record],
    settings: Settings,
    name: str,
    roles: Sequence[str],
    units: Sequence[str],
    expires_at: datetime | None,
) -> str:
    key, key_id = keys.mint(settings.env)
    pepper = settings.key_for("key pepper")
    await keys.create(
        connection,
        key,
        key_id,
        pepper,
        name=name,
        roles=roles,
        units=units,
        expires_at=expires_at,
    )
    return key
