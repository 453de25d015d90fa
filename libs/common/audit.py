"""The audit log: every change of configuration and state, chained so that it shows.

Triggers write the rows in the transaction of the change itself, so neither can be had
without the other, and writers never wait for each other. Once a second one sealer puts
what stands unsealed into a block: its hash is an HMAC over the block before it and a
digest of its rows. Whoever changes, drops, adds or moves a sealed row, even as the
database's owner, would need DONDOC_SECRET to make the chain whole again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import structlog
from fastapi import Query
from typing_extensions import TypedDict

from libs.common.clock import end_of, written
from libs.common.database import Connection, Database, Row
from libs.common.http import Day, PlainText, api_router
from libs.common.loops import Loop
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.platform import Moment, Platform, RootAdmin
from libs.common.settings import Settings

log = structlog.get_logger()

SEALED_FOR = "audit chain"
"""The purpose that the key of the chain is derived for."""


@dataclass(frozen=True, slots=True)
class Block:
    """What the hash of a block is made over."""

    n: int
    previous: bytes | None
    count: int
    digest: bytes

    def hash(self, key: bytes) -> bytes:
        """32 bytes that nobody without the key can make."""
        before = self.previous or b""
        said = f"{self.n}:{self.count}:{len(before)}:".encode() + before + self.digest
        return hmac.digest(key, said, hashlib.sha256)


async def seal(connection: Connection, key: bytes) -> int:
    """Close a block over what stands unsealed, one sealer at a time; how many rows."""
    waiting = "SELECT EXISTS (SELECT FROM platform.audit WHERE block IS NULL)"
    if not await connection.fetchval(waiting):
        return 0
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(9, 1)"):
        return 0
    row = await connection.fetchrow("SELECT * FROM platform.next_audit_block()")
    assert row is not None
    block = Block(row["n"], row["previous"], row["count"], row["digest"])
    if block.count:  # another sealer may have been quicker
        hash = block.hash(key)
        await connection.execute(
            "SELECT platform.seal_audit_block($1, $2, $3, $4, $5)",
            block.n,
            block.previous,
            block.count,
            block.digest,
            hash,
        )
        # Kept elsewhere, it shows that the end of the chain was cut off.
        await log.ainfo(
            "audit sealed", block=block.n, rows=block.count, hash=hash.hex()
        )
    return block.count


def sealer(database: Database, settings: Settings) -> Loop:
    """The loop that seals every second."""
    key = settings.key_for(SEALED_FOR)

    async def step() -> bool:
        async with database.transaction() as connection:
            return await seal(connection, key) > 0

    return Loop("audit sealer", step, poll=1.0)


@dataclass(frozen=True, slots=True)
class Chain:
    """How the chain fares: where it is broken, and what is not sealed yet."""

    blocks: int
    rows: int
    unsealed: int
    oldest_unsealed_seconds: int
    broken: tuple[str, ...]


_BLOCKS = """
SELECT b.n, b.previous, b.count, b.digest, b.hash,
  (SELECT count(*) FROM platform.audit a WHERE a.block = b.n) AS found,
  platform.audit_digest(b.n) AS digest_found
FROM platform.audit_block b WHERE b.n > $1 ORDER BY b.n LIMIT 500
"""


async def _blocks(connection: Connection) -> AsyncIterator[Row]:
    last = -(2**62)
    while rows := await connection.fetch(_BLOCKS, last):
        for row in rows:
            yield row
        last = rows[-1]["n"]


async def verify(connection: Connection, key: bytes) -> Chain:
    """Follow the chain from its first block; the connection must see the whole log."""
    broken: list[str] = []
    previous, expected, rows = None, 1, 0
    async for row in _blocks(connection):
        n = row["n"]
        block = Block(n, row["previous"], row["count"], row["digest"])
        if n != expected:
            broken.append(f"block {expected} is missing")
        if row["previous"] != previous:
            broken.append(f"block {n} does not follow the block before it")
        if not hmac.compare_digest(block.hash(key), row["hash"]):
            broken.append(f"block {n} was not sealed with this DONDOC_SECRET")
        if row["found"] != row["count"]:
            broken.append(f"block {n} holds {row['found']} rows, not {row['count']}")
        elif row["digest_found"] != row["digest"]:
            broken.append(f"block {n}: a row is not what was sealed")
        previous, expected, rows = row["hash"], n + 1, rows + row["found"]
    strays = await connection.fetchval(
        "SELECT count(*) FROM platform.audit a WHERE block IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM platform.audit_block b WHERE b.n = a.block)"
    )
    if strays:
        broken.append(f"{strays} rows say they are sealed in a block that is missing")
    tail = await connection.fetchrow(
        "SELECT count(*), coalesce(extract(epoch FROM platform.business_now()"
        ' - min("at")), 0)::bigint FROM platform.audit WHERE block IS NULL'
    )
    assert tail is not None
    return Chain(expected - 1, rows, tail[0], max(tail[1], 0), tuple(broken))


# Reading it -----------------------------------------------------------------------

router = api_router("platform")
Named = Annotated[PlainText | None, Query(max_length=200)]
When = Moment | Day | None


class AuditRow(TypedDict):
    """One change: who, when (business time), what, and of the object what may be shown.

    `detail.changed` names the columns that changed, also those never shown.
    """

    id: int
    at: str | None
    role: str
    actor: str
    request: str | None
    action: str
    kind: str
    object: str
    detail: dict[str, Any]
    block: int | None


_LIST = """
SELECT id, "at", role, actor, request, action, kind, object, detail, block
FROM platform.audit
WHERE ($1::bigint IS NULL OR id < $1) AND ($2::text IS NULL OR actor = $2)
  AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR object = $4)
  AND ($5::timestamptz IS NULL OR "at" >= $5) AND ($6::timestamptz IS NULL OR "at" < $6)
ORDER BY id DESC LIMIT $7
"""


@router.get("/v1/audit")
async def list_audit(
    _: RootAdmin,
    database: Platform,
    actor: Named = None,
    kind: Named = None,
    object: Named = None,
    since: When = None,
    until: When = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AuditRow]:
    """Every change of configuration and state, the newest first.

    `since` and `until` are business time: a moment, or a whole day that is in. `block`
    is null until the row is sealed, about a second after it was written.
    """
    after = read_cursor(cursor, int)
    async with database.connection() as connection:
        rows = await connection.fetch(
            _LIST,
            after[0] if after else None,
            *(actor, kind, object),
            _start_of(since),
            None if until is None else end_of(until),
            limit + 1,
        )
    return page(rows, limit, lambda row: [row["id"]], _shown)


def _start_of(when: datetime | date | None) -> datetime | None:
    if when is None or isinstance(when, datetime):
        return when
    return end_of(when - timedelta(days=1))


def _shown(row: Row) -> AuditRow:
    return AuditRow(
        id=row["id"],
        at=written(row["at"]),
        role=row["role"],
        actor=row["actor"],
        request=row["request"],
        action=row["action"],
        kind=row["kind"],
        object=row["object"],
        detail=row["detail"],
        block=row["block"],
    )
