"""One migrated database for a whole file of tests, made as new before each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from libs.common import clock
from tests.support.world import START, World


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the migrated template, and the tables that it has empty."""

    url: str
    empty: tuple[str, ...]

    async def as_new(self, *, but_key: str = "") -> None:
        """Forget what tests wrote, but for one key; business time starts again."""
        owner = await asyncpg.connect(self.url)
        try:
            # Copying costs a third of a second, forgetting some milliseconds.
            await owner.execute("SET session_replication_role = replica")
            for table in self.empty:
                kept = (
                    "WHERE id <> $1"
                    if table == "platform.api_key"
                    else "WHERE $1 <> ' '"
                )
                await owner.execute(f"DELETE FROM {table} {kept}", but_key)
            await owner.execute("DELETE FROM ingest.unit WHERE code <> 'VN'")
            await owner.execute("DELETE FROM ingest.mapping WHERE author <> 'dondoc'")
            await owner.execute("DELETE FROM alerts.rule_event WHERE actor <> 'dondoc'")
            await owner.execute("DELETE FROM alerts.rule WHERE origin <> 'shipped'")
            await owner.execute("UPDATE alerts.rule SET state = 'active'")
            await clock.start_at(owner, datetime.fromisoformat(START))
        finally:
            await owner.close()


@asynccontextmanager
async def copy_of(template: str, name: str) -> AsyncIterator[Copy]:
    """Made on entering, dropped on leaving."""
    server = await asyncpg.connect(template)
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE template_dondoc")
        url = f"{template.rsplit('/', 1)[0]}/{name}"
        yield Copy(url, await _empty_tables(url))
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


async def _empty_tables(url: str) -> tuple[str, ...]:
    owner = await asyncpg.connect(url)
    try:
        rows = await owner.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE"
            " schemaname IN ('platform', 'ingest', 'scoring', 'alerts') ORDER BY 1"
        )
        names = [row["name"] for row in rows]
        return tuple(
            [n for n in names if not await owner.fetchval(f"SELECT EXISTS (TABLE {n})")]
        )
    finally:
        await owner.close()


@dataclass(frozen=True, slots=True)
class Stage:
    """A world without loops for a whole file of tests."""

    copy: Copy
    world: World

    async def as_new(self) -> World:
        """The world as it was when it started; only its administrator's key stays."""
        own = self.world.admin.headers["authorization"].split("_")[2]
        await self.copy.as_new(but_key=own)
        return self.world


@asynccontextmanager
async def stage(template: str, name: str) -> AsyncIterator[Stage]:
    """A still world on a copy of its own."""
    async with (
        copy_of(template, name) as copy,
        World.running(copy.url, with_loops=False) as world,
    ):
        yield Stage(copy, world)
