"""`dondoc`: the command line that starts and tends the three services."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import signal
import socket
from datetime import UTC, datetime, timedelta
from typing import Annotated

import asyncpg
import typer
from fastapi import FastAPI
from pydantic import ValidationError

from libs.common import keys, logs, postgres
from libs.common.database import AWAY
from libs.common.service import create_app
from libs.common.settings import Settings
from services import authoring, process
from services.doctor import doctor
from services.importing import import_file
from services.ingest.cases import erasure as erasing
from services.ingest.domain.cases import number_of
from services.process import PORTS, Which, build, database, prepare

cli = typer.Typer(
    help="dondoc: presses for what is due.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
key_commands = typer.Typer(help="API keys.", no_args_is_help=True)
cli.add_typer(key_commands, name="keys")
cli.add_typer(authoring.commands, name="rules")


@cli.command()
def serve(
    which: Annotated[Which, typer.Argument()] = Which.ALL,
    loops: Annotated[bool, typer.Option(help="Run the background loops too.")] = True,
) -> None:
    """Serve HTTP, and run the loops unless `--no-loops`."""
    settings = Settings()
    logs.configure()
    port = settings.port if settings.port is not None else PORTS[which]
    listening = process.listen(settings.host, port)
    with database(settings) as (url, server):
        first_key = None
        if server is not None:
            first_key = asyncio.run(process.first_key(url, settings))
        app = create_app(build(which, url, settings), settings, with_loops=loops)
        asyncio.run(_serve(app, listening, server, first_key))


@cli.command()
def work(which: Annotated[Which, typer.Argument()] = Which.ALL) -> None:
    """Run the background loops without HTTP."""
    settings = Settings()
    logs.configure()
    with database(settings) as (url, server):
        app = create_app(build(which, url, settings), settings)
        asyncio.run(_work(app, server))


async def _serve(
    app: FastAPI,
    listening: socket.socket,
    embedded: postgres.Server | None,
    first_key: str | None,
) -> None:
    def ready(address: str) -> None:
        if first_key is not None:
            print(f"admin key (shown once): {first_key}")
        print(f"dondoc at {address}, docs at {address}/docs")
        print("ready", flush=True)

    process.spare_the_collector()
    tending = asyncio.create_task(process.tend(embedded))
    await process.Server(app, ready).serve([listening])
    tending.cancel()


async def _work(app: FastAPI, embedded: postgres.Server | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    process.spare_the_collector()
    tending = asyncio.create_task(process.tend(embedded))
    async with app.router.lifespan_context(app):
        print("ready", flush=True)
        await stop.wait()
    tending.cancel()


@cli.command()
def migrate() -> None:
    """Bring the database to this version; its shipped rules become active."""
    settings = Settings()
    with database(settings) as (url, embedded):
        if embedded is None:
            asyncio.run(prepare(url, settings))
    typer.echo("migrated")


@key_commands.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    role: Annotated[list[str], typer.Option(help="A role; may be repeated.")],
    under: Annotated[list[str], typer.Option(help="A unit; may be repeated.")],
    days: Annotated[
        int, typer.Option(min=1, max=365, help="Days until it expires.")
    ] = 365,
) -> None:
    """Make a key; it is printed as the last line and never again."""
    settings = Settings()
    unknown = sorted(set(role) - set(keys.ROLES))
    if unknown:
        raise typer.BadParameter(f"no role {unknown[0]!r}: {', '.join(keys.ROLES)}")

    async def run(url: str) -> str:
        connection = await asyncpg.connect(url)
        try:
            if not await process.migrated(connection):
                await prepare(url, settings)
            missing = sorted(set(under) - await keys.known_units(connection, under))
            if missing:
                raise typer.BadParameter(f"there is no unit {missing[0]!r}")
            expiry = datetime.now(UTC) + timedelta(days)
            return await process.create_key(
                connection, settings, name, role, under, expiry
            )
        finally:
            await connection.close()

    with database(settings) as (url, _):
        typer.echo(asyncio.run(run(url)))


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


@key_commands.command("rekey")
def rekey(
    id: str,
    hours: Annotated[
        int, typer.Option(min=0, max=168, help="How long the old secret opens too.")
    ] = 24,
) -> None:
    """Give a key a new secret and another year; it is printed as the last line.

    Its rights, its subscriptions and its id stay. With `--hours 0` the old secret
    opens nothing from now on.
    """
    settings = Settings()
    key, _ = keys.mint(settings.env, id)

    async def run(url: str) -> bool:
        connection = await asyncpg.connect(url)
        try:
            pepper = settings.key_for("key pepper")
            overlap = timedelta(hours=hours)
            return bool(await keys.rekey(connection, id, key, pepper, overlap))
        finally:
            await connection.close()

    with database(settings) as (url, _):
        if not asyncio.run(run(url)):
            raise typer.BadParameter(f"there is no living key {id!r}")
    typer.echo(key)


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


cli.command("import")(import_file)
cli.command("doctor")(doctor)


@cli.command("erase-cases")
def erase_cases(
    unit: Annotated[str | None, typer.Option(help="Of this unit and below.")] = None,
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Finished before this day."),
    ] = None,
    case: Annotated[str | None, typer.Option(help="One case, by its id.")] = None,
    yes: Annotated[bool, typer.Option(help="Do not ask.")] = False,
) -> None:
    """Erase finished cases and their history, older than DONDOC_CASE_RETENTION.

    `--case` erases that one, also while it goes on. Who erased how many is kept.
    """
    settings = Settings()
    months = settings.case_retention
    number = None if case is None else number_of(case)
    if case is not None and number is None:
        raise typer.BadParameter(f"{case!r} is no case's id")
    if before is None and case is None and months is None:
        raise typer.BadParameter(
            "say --before or --case, or set DONDOC_CASE_RETENTION (months)"
        )

    async def run(url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            day = None if before is None else before.date()
            erasure = await erasing.chosen(
                connection, unit=unit, before=day, months=months, case=number
            )
            found = await erasing.count(connection, erasure)
            if found and not yes:
                typer.confirm(f"Erase {found} case(s) for good?", abort=True)
            gone = await erasing.erase(connection, erasure, _login()) if found else 0
            typer.echo(f"erased {gone} case(s)")
        except LookupError:
            raise typer.BadParameter(f"there is no unit {unit!r}") from None
        finally:
            await connection.close()

    with database(settings) as (url, _):
        asyncio.run(run(url))


def _login() -> str:
    """Who runs the command, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user may have no name
        return str(os.getuid())


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
    from demo.stage import play

    raise typer.Exit(play(once=once))


def _settings_faults(error: ValidationError) -> str:
    """What is wrong in the environment, a line each, without the values."""
    named = (("_".join(str(p) for p in e["loc"]), e["msg"]) for e in error.errors())
    return "\n".join(
        f"{name if name == 'DATABASE_URL' else f'DONDOC_{name.upper()}'}: {said}"
        for name, said in named
    )


def main() -> None:
    """The entry point of `dondoc`."""
    try:
        cli()
    except ValidationError as error:
        raise SystemExit(_settings_faults(error)) from None
    except asyncpg.UndefinedTableError:
        raise SystemExit(
            "The database has no schemas of dondoc yet: run `dondoc migrate`."
        ) from None
    except postgres.PostgresUnavailable as error:
        raise SystemExit(str(error)) from None
    except AWAY as error:
        raise SystemExit(f"The database cannot be reached: {error}") from None


if __name__ == "__main__":
    main()
