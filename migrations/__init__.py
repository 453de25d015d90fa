"""The database's history: one for each schema, in the order that readers need.

`migrate` brings every schema to its head under a lock, so several processes may
call it at once.
"""

from __future__ import annotations

import re
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, NullPool, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from libs.common.tables import platform
from services.alerts.tables import alerts
from services.ingest.tables import ingest
from services.scoring.tables import scoring

# Published views stand before those who read them.
HISTORIES: dict[str, MetaData] = {
    "platform": platform,
    "ingest": ingest,
    "scoring": scoring,
    "alerts": alerts,
}
_HERE = Path(__file__).parent
_PARTITION = re.compile(r"_p[0-9]{6}$")
"""A month of a partitioned table: they come and go while dondoc runs."""


async def migrate(url: str) -> None:
    """Bring every schema to its newest version."""
    await _run(url, _upgrade_all)


async def downgrade(url: str) -> None:
    """Take every schema back to nothing, readers first."""
    await _run(url, _downgrade_all)


async def differences(url: str) -> list[object]:
    """What the tables in the code have that the migrated database has not."""
    found: list[object] = []
    await _run(url, lambda connection: found.extend(_compare_all(connection)))
    return found


async def behind(url: str) -> list[str]:
    """The schemas that are not at their newest version."""
    found: list[str] = []
    await _run(url, lambda connection: found.extend(_behind(connection)))
    return found


def _behind(connection: Connection) -> list[str]:
    late = []
    for schema in HISTORIES:
        context = MigrationContext.configure(connection, opts=options(schema))
        newest = ScriptDirectory.from_config(config_for(schema, connection)).get_heads()
        if set(context.get_current_heads()) != set(newest):
            late.append(schema)
    return late


async def _run(url: str, step: object) -> None:
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            # Held to the end of the transaction; a second migrator waits here.
            await connection.execute(text("SELECT pg_advisory_xact_lock(1, 1)"))
            await connection.run_sync(step)  # type: ignore[arg-type]
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    plain = make_url(url).set(drivername="postgresql+asyncpg")
    return create_async_engine(plain, poolclass=NullPool)


def config_for(schema: str, connection: Connection) -> Config:
    """Alembic's settings for one schema's history."""
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / "versions" / schema))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, schema=schema)
    return config


def _upgrade_all(connection: Connection) -> None:
    for schema in HISTORIES:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        command.upgrade(config_for(schema, connection), "head")


def _downgrade_all(connection: Connection) -> None:
    for schema in reversed(HISTORIES):
        command.downgrade(config_for(schema, connection), "base")


def _compare_all(connection: Connection) -> list[object]:
    found: list[object] = []
    for schema, metadata in HISTORIES.items():
        context = MigrationContext.configure(connection, opts=options(schema))
        found += compare_metadata(context, metadata)
    return found


def options(schema: str) -> dict[str, object]:
    """What Alembic may look at: this schema's tables and no others."""
    return {
        "include_schemas": True,
        "include_name": lambda name, kind, _: kind != "schema" or name == schema,
        "include_object": lambda _object, name, kind, _reflected, _other: (
            kind != "table"
            or (name != "alembic_version" and not _PARTITION.search(name))
        ),
        "version_table_schema": schema,
        "compare_type": True,
    }
