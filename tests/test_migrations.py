"""The histories of the four schemas, on a database that starts with nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

import migrations
from services.process import prepare
from tests.support.world import settings_for

pytestmark = pytest.mark.anyio
SCHEMAS = ["alerts", "ingest", "platform", "scoring"]


@pytest.fixture
async def owner(
    empty_url: str,
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(empty_url)
    yield connection
    await connection.close()


async def relations(owner: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Everything that a migration made, but Alembic's own bookmarks."""
    rows = await owner.fetch(
        "SELECT relnamespace::regnamespace || '.' || relname AS name FROM pg_class"
        " WHERE relnamespace::regnamespace::text = ANY($1)"
        " AND relkind IN ('r', 'v', 'S', 'i') AND relname NOT LIKE 'alembic%'"
        " UNION SELECT pronamespace::regnamespace || '.' || proname FROM pg_proc"
        " WHERE pronamespace::regnamespace::text = ANY($1) ORDER BY 1",
        SCHEMAS,
    )
    return [row["name"] for row in rows]


async def test_the_migrated_database_is_what_the_tables_say(empty_url: str) -> None:
    await migrations.migrate(empty_url)

    assert await migrations.differences(empty_url) == []


async def test_a_column_that_is_missing_is_a_difference(
    empty_url: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await migrations.migrate(empty_url)
    await owner.execute("ALTER TABLE platform.batch DROP COLUMN opened")

    assert len(await migrations.differences(empty_url)) == 1


async def test_migrating_twice_changes_nothing(
    empty_url: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await migrations.migrate(empty_url)
    once = await relations(owner)

    await migrations.migrate(empty_url)

    assert await relations(owner) == once
    assert {name.partition(".")[0] for name in once} == set(SCHEMAS)


async def test_down_leaves_nothing_and_up_again_brings_everything(
    empty_url: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await migrations.migrate(empty_url)
    before = await relations(owner)

    await migrations.downgrade(empty_url)
    between = await relations(owner)
    await migrations.migrate(empty_url)

    assert between == []
    assert await relations(owner) == before
    assert await migrations.differences(empty_url) == []


async def test_two_migrators_at_once_make_one_database(
    empty_url: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    settings = settings_for(empty_url)

    await asyncio.gather(*(prepare(empty_url, settings) for _ in range(2)))

    assert await migrations.differences(empty_url) == []
    versions = "SELECT version_num FROM platform.alembic_version"
    assert len(await owner.fetch(versions)) == 1
    active = "SELECT count(*), count(DISTINCT id) FROM alerts.rule"
    rules, ids = await owner.fetchrow(active) or (0, 0)
    assert rules == ids > 0


async def test_the_second_migrator_waits_for_the_first(
    empty_url: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock(1, 1)")
        second = asyncio.create_task(migrations.migrate(empty_url))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        async with asyncio.timeout(10):
            while not await owner.fetchval(waiting):
                assert not second.done()
                await asyncio.sleep(0.01)
        assert await relations(owner) == []

    await second

    assert await relations(owner) != []


async def test_what_is_stored_survives_migrating_again(
    empty_url: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    settings = settings_for(empty_url)
    await prepare(empty_url, settings)
    await owner.execute(
        "INSERT INTO ingest.unit (code, valid_from, name, name_sort, kind, parent,"
        " aliases, codes) VALUES ('BG', '2010-01-01', 'Bắc Giang', 'bac giang',"
        " 'province', 'VN', '{}', '[]')"
    )
    await owner.execute(
        "UPDATE alerts.rule SET state = 'retired' WHERE id = 'below-last-year'"
    )
    clock = await owner.fetchrow("SELECT * FROM platform.clock")

    await prepare(empty_url, settings)

    codes = await owner.fetch("SELECT code FROM platform.unit ORDER BY code")
    assert [row["code"] for row in codes] == ["BG", "VN"]
    state = "SELECT state FROM alerts.rule WHERE id = 'below-last-year'"
    assert await owner.fetchval(state) == "retired"
    assert await owner.fetchrow("SELECT * FROM platform.clock") == clock
