"""Queries of mappings and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from libs.common.database import Connection, Row

CategoryRow = tuple[str, str, str, str | None]


async def mapping(
    connection: Connection, name: str, version: int | None = None
) -> Row | None:
    """The latest version of a mapping, or the one asked for."""
    return await connection.fetchrow(
        "SELECT * FROM ingest.mapping WHERE name = $1"
        " AND ($2::int IS NULL OR version = $2) ORDER BY version DESC LIMIT 1",
        name,
        version,
    )


async def mapping_names(connection: Connection) -> list[str]:
    """The names of all mappings, in order."""
    rows = await connection.fetch("SELECT DISTINCT name FROM ingest.mapping ORDER BY 1")
    return [row["name"] for row in rows]


async def keep_mapping(
    connection: Connection,
    name: str,
    version: int,
    body: Mapping[str, object],
    *,
    units: Sequence[str],
    author: str,
    now: datetime,
) -> None:
    """Append a version; the earlier ones stay."""
    await connection.execute(
        "INSERT INTO ingest.mapping (name, version, body, units, author, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        name,
        version,
        body,
        list(units),
        author,
        now,
    )


async def categories(
    connection: Connection, *, after: str = "", limit: int | None = None
) -> list[Row]:
    """Declared categories by code."""
    return await connection.fetch(
        "SELECT code, vi, en, partition FROM ingest.category"
        ' WHERE code > $1 COLLATE "C" ORDER BY code COLLATE "C" LIMIT $2',
        after,
        limit,
    )


async def put_categories(
    connection: Connection, categories: Sequence[CategoryRow]
) -> None:
    """Insert or replace by code."""
    await connection.executemany(
        "INSERT INTO ingest.category (code, vi, en, partition)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (code) DO UPDATE"
        " SET vi = excluded.vi, en = excluded.en, partition = excluded.partition",
        categories,
    )
