"""One real PostgreSQL for the run, a migrated database for each test that asks."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from libs.common import logs, postgres
from services.process import prepare
from tests.support.world import SECRET, World, settings_for

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who takes long begins first, so that nobody waits for it alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """What was imported stays: spare the collector of circles from walking it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> None:
    """No setting of the developer's shell, and no `.env`, reaches a test."""
    for name in [n for n in os.environ if n.startswith("DONDOC_")]:
        del os.environ[name]
    os.environ.pop("DATABASE_URL", None)
    os.environ["DONDOC_SECRET"] = SECRET
    logs.configure(quiet=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A server of our own launcher, without fsync and in memory if we can; its URL."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    careless = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with tempfile.TemporaryDirectory(prefix="dondoc-", dir=memory) as home:
        # Else root's account for PostgreSQL could not enter, and the cluster would be
        # sheltered on disk, where making some hundred databases takes minutes.
        Path(home).chmod(0o711)
        data = Path(home) / "postgres"
        server = postgres.ensure(data, settings=careless)
        yield server.url
        server.stop()
        postgres.remove(data)


@pytest.fixture(scope="session")
def template(cluster: str) -> str:
    """The URL of a migrated database that others are copied from."""
    asyncio.run(_make_template(cluster))
    return cluster


async def _make_template(cluster: str) -> None:
    connection = await asyncpg.connect(cluster)
    try:
        await connection.execute("CREATE DATABASE template_dondoc")
    finally:
        await connection.close()
    await prepare(at(cluster, "template_dondoc"), settings_for("unused", now=None))


def at(url: str, database: str) -> str:
    """The same server, another database."""
    return f"{url.rsplit('/', 1)[0]}/{database}"


@pytest.fixture
def empty_url(cluster: str) -> Iterator[str]:
    """A database with nothing in it."""
    yield from _database(cluster, "template1")


@pytest.fixture
def url(template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    yield from _database(template, "template_dondoc")


def _database(cluster: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    create = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
    asyncio.run(_execute(cluster, create))
    yield at(cluster, name)
    asyncio.run(_execute(cluster, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    """All three services over a database of their own, loops running."""
    async with World.running(url) as running:
        yield running


@pytest.fixture
async def still_world(url: str) -> AsyncIterator[World]:
    """The same without loops: nothing moves but what the test moves."""
    async with World.running(url, with_loops=False) as running:
        yield running
