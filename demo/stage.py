"""Sets the stage for the story: a fresh database, the services, a subscriber."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from demo.api import Api
from demo.story import tell
from libs.common import logs, postgres
from libs.common.service import create_app
from libs.common.settings import Settings
from services import process
from services.process import Which

OPENS = "2022-03-08T08:00:00+07:00"


def play(*, once: bool) -> int:
    """Tell the story on a fresh database; 0 only if every golden figure came out."""
    os.environ.update(DONDOC_ENV="demo", DONDOC_NOW=OPENS)
    plain = Settings()
    os.environ["DONDOC_DATA"] = str(plain.data / "demo")
    settings = Settings()
    # The story is what a reader came for; what goes wrong still goes to the log.
    logs.configure(quiet=True)
    port = 0 if once else (settings.port or process.PORTS[Which.ALL])
    listening = process.listen(settings.host, port)
    with _fresh_database(settings) as (url, server):
        return asyncio.run(_play(settings, listening, url, server, once=once))


@contextmanager
def _fresh_database(
    settings: Settings,
) -> Iterator[tuple[str, postgres.Server | None]]:
    """The embedded server with nothing in it, or a database beside DATABASE_URL's."""
    if settings.database_url is not None:
        yield asyncio.run(_beside(settings.database_url.get_secret_value())), None
        return
    data = settings.data / "postgres"
    postgres.remove(data)
    server = postgres.ensure(data)
    try:
        yield server.url, server
    finally:
        server.stop()


async def _beside(url: str) -> str:
    parts = urlsplit(url)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP DATABASE IF EXISTS dondoc_demo WITH (FORCE)")
        await connection.execute("CREATE DATABASE dondoc_demo")
    finally:
        await connection.close()
    return urlunsplit(parts._replace(path="/dondoc_demo"))


async def _play(
    settings: Settings,
    listening: socket.socket,
    url: str,
    embedded: postgres.Server | None,
    *,
    once: bool,
) -> int:
    await process.prepare(url, settings)
    key = await process.first_key(url, settings)
    assert key is not None
    app = create_app(process.build(Which.ALL, url, settings), settings)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = process.Server(app, address.set_result)
    serving = asyncio.create_task(server.serve([listening]))
    tending = asyncio.create_task(process.tend(embedded))
    try:
        async with receiver() as hears:
            differences = await _told(await address, key, hears)
            if not once:
                print(f"\nadmin key: {key}")
                print(f"what the subscriber received: {hears}/received")
                print(f"docs explorer: {address.result()}/docs   (Ctrl-C ends)")
                print("ready", flush=True)
                await serving
    finally:
        server.should_exit = True
        await serving
        tending.cancel()
    return 1 if differences else 0


async def _told(address: str, key: str, hears: str) -> list[str]:
    api = Api({"all": address}, key)
    try:
        differences = await tell(api, hears, lambda line: print(line, flush=True))
    finally:
        await api.close()
    for line in differences:
        print(f"DIFFERENCE {line}", flush=True)
    if not differences:
        print("\nEvery golden figure of the letters came out of the API.", flush=True)
    return differences


@asynccontextmanager
async def receiver() -> AsyncIterator[str]:
    """The subscriber in a process of its own; its address."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo.receiver", "--until-eof"),
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        yield await _address(started)
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()


async def _address(started: Process) -> str:
    assert started.stdout is not None
    line = (await asyncio.wait_for(started.stdout.readline(), 20)).decode()
    return line.removeprefix("listening on ").strip()
