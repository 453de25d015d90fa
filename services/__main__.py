"""`dondoc`: the command line that starts and tends the three services."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import asyncpg
import typer
import uvicorn
from fastapi import FastAPI

from libs.common import clock, keys, logs, postgres
from libs.common.database import speak_json
from libs.common.service import Service, create_app
from libs.common.settings import Settings
from migrations import migrate as migrate_all
from services.alerts import service as alerts
from services.alerts import usecases as alerts_usecases
from services.ingest import service as ingest
from services.scoring import service as scoring

cli = typer.Typer(
    help="dondoc: presses for what is due.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
key_commands = typer.Typer(help="API keys.", no_args_is_help=True)
cli.add_typer(key_commands, name="keys")


class Which(StrEnum):
    """What a process serves."""

    ALL = "all"
    INGEST = "ingest"
    SCORING = "scoring"
    ALERTS = "alerts"


PORTS = {Which.ALL: 8000, Which.INGEST: 8001, Which.SCORING: 8002, Which.ALERTS: 8003}


def build(which: Which, url: str, settings: Settings) -> list[Service]:
    """The services of one process, in the order that figures travel."""
    made = {
        Which.INGEST: lambda: ingest.build(url),
        Which.SCORING: lambda: scoring.build(url),
        Which.ALERTS: lambda: alerts.build(url, settings),
    }
    wanted = list(made) if which is Which.ALL else [which]
    return [made[name]() for name in wanted]


@contextmanager
def database(settings: Settings) -> Iterator[tuple[str, postgres.Server | None]]:
    """DATABASE_URL, or the embedded server for as long as the command runs."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value(), None
        return
    server = postgres.ensure(settings.data / "postgres")
    try:
        yield server.url, server
    finally:
        server.stop()


async def prepare(url: str, settings: Settings) -> None:
    """Migrate, make the shipped rules active, and start business time."""
    await migrate_all(url)
    shipped = alerts.shipped_rules()
    connection = await asyncpg.connect(url)
    try:
        await speak_json(connection)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(1, 1)")
            if settings.starts_at is not None:
                await clock.start_at(connection, settings.starts_at)
            now = await clock.business_now(connection)
            await alerts_usecases.publish_shipped(connection, shipped, now)
    finally:
        await connection.close()


@cli.command()
def serve(
    which: Annotated[Which, typer.Argument()] = Which.ALL,
    loops: Annotated[bool, typer.Option(help="Run the background loops too.")] = True,
) -> None:
    """Serve HTTP, and run the loops unless `--no-loops`."""
    settings = Settings()
    logs.configure()
    with database(settings) as (url, server):
        first_key = None
        if server is not None:
            asyncio.run(prepare(url, settings))
            first_key = asyncio.run(_first_key(url, settings))
        app = create_app(build(which, url, settings), settings, with_loops=loops)
        port = settings.port if settings.port is not None else PORTS[which]
        asyncio.run(_serve(app, settings.host, port, server, first_key))


@cli.command()
def work(which: Annotated[Which, typer.Argument()] = Which.ALL) -> None:
    """Run the background loops without HTTP."""
    settings = Settings()
    logs.configure()
    with database(settings) as (url, server):
        if server is not None:
            asyncio.run(prepare(url, settings))
        app = create_app(build(which, url, settings), settings)
        asyncio.run(_work(app, server))


class _Server(uvicorn.Server):
    """Says where it answers, once it does."""

    first_key: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        if self.first_key is not None:
            print(f"admin key (shown once): {self.first_key}")
        print(f"dondoc at http://{host}:{port}, docs at http://{host}:{port}/docs")
        print("ready", flush=True)


async def _serve(
    app: FastAPI,
    host: str,
    port: int,
    embedded: postgres.Server | None,
    first_key: str | None,
) -> None:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=15,
    )
    server = _Server(config)
    server.first_key = first_key
    tending = asyncio.create_task(_tend(embedded))
    await server.serve()
    tending.cancel()


async def _work(app: FastAPI, embedded: postgres.Server | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    tending = asyncio.create_task(_tend(embedded))
    async with app.router.lifespan_context(app):
        print("ready", flush=True)
        await stop.wait()
    tending.cancel()


async def _tend(embedded: postgres.Server | None) -> None:
    """Bring the embedded server back when it was killed; pools reconnect by themselves.

    It runs on the main thread: the server's parent-death signal is tied to it.
    """
    while embedded is not None:
        await asyncio.sleep(1)
        embedded.revive()


@cli.command()
def migrate() -> None:
    """Bring the database to this version; its shipped rules become active."""
    settings = Settings()
    with database(settings) as (url, _):
        asyncio.run(prepare(url, settings))
    typer.echo("migrated")


async def _first_key(url: str, settings: Settings) -> str | None:
    """An administrator's key on a database that has none yet."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE platform.api_key IN EXCLUSIVE MODE")
            if await connection.fetchval("SELECT EXISTS (TABLE platform.api_key)"):
                return None
            return await _create(connection, settings, "first", ["admin"], ["VN"], None)
    finally:
        await connection.close()


async def _create(
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


@key_commands.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    role: Annotated[list[str], typer.Option(help="A role; may be repeated.")],
    under: Annotated[list[str], typer.Option(help="A unit; may be repeated.")],
    days: Annotated[int | None, typer.Option(help="Days until it expires.")] = None,
) -> None:
    """Make a key; it is printed as the last line and never again."""
    settings = Settings()
    unknown = sorted(set(role) - set(keys.ROLES))
    if unknown:
        raise typer.BadParameter(f"no role {unknown[0]!r}: {', '.join(keys.ROLES)}")

    async def run(url: str) -> str:
        connection = await asyncpg.connect(url)
        try:
            if not await _migrated(connection):
                await prepare(url, settings)
            known = await connection.fetch(
                "SELECT DISTINCT code FROM platform.unit WHERE code = ANY($1)", under
            )
            missing = sorted(set(under) - {row["code"] for row in known})
            if missing:
                raise typer.BadParameter(f"there is no unit {missing[0]!r}")
            expiry = None if days is None else datetime.now(UTC) + timedelta(days)
            return await _create(connection, settings, name, role, under, expiry)
        finally:
            await connection.close()

    with database(settings) as (url, server):
        if server is not None:
            asyncio.run(prepare(url, settings))
        typer.echo(asyncio.run(run(url)))


async def _migrated(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    there: bool = await connection.fetchval(
        "SELECT to_regclass('alerts.delivery') IS NOT NULL"
    )
    return there


@key_commands.command("list")
def list_keys() -> None:
    """Keys without their secrets."""

    async def run(url: str) -> list[dict[str, object]]:
        connection = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await keys.listed(connection)]
        finally:
            await connection.close()

    settings = Settings()
    with database(settings) as (url, _):
        for row in asyncio.run(run(url)):
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))


@key_commands.command("revoke")
def revoke_key(id: str) -> None:
    """End a key at once."""

    async def run(url: str) -> bool:
        connection = await asyncpg.connect(url)
        try:
            return await keys.revoke(connection, id)
        finally:
            await connection.close()

    settings = Settings()
    with database(settings) as (url, _):
        if not asyncio.run(run(url)):
            raise typer.BadParameter(f"there is no living key {id!r}")
    typer.echo(f"revoked {id}")


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document of all three services."""
    settings = Settings(secret=None, database_url=None)
    services = build(Which.ALL, "postgresql://nowhere", settings)
    app = create_app(services, settings)
    typer.echo(json.dumps(app.openapi(), ensure_ascii=False, indent=2))


@cli.command()
def demo(
    once: Annotated[bool, typer.Option(help="Exit when the story is told.")] = False,
) -> None:
    """Play the letters on a fresh database; `--once` compares and exits."""
    from demo.story import play

    raise typer.Exit(play(once=once))


def main() -> None:
    """The entry point of `dondoc`."""
    cli()


if __name__ == "__main__":
    main()
