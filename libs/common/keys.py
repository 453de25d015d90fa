"""API keys: who asks, what the key permits, which part of the tree it opens."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.common.database import Connection, Row
from libs.common.ids import new_id

ROLES = (
    "analyst",
    "reporter",
    "steward",
    "responder",
    "supervisor",
    "subscriber",
    "admin",
)
ROOT = "VN"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Principal:
    """The key behind a request; `scope` is None when it opens the whole tree."""

    key: str
    name: str
    roles: frozenset[str]
    units: tuple[str, ...]
    scope: frozenset[str] | None

    def may(self, role: str) -> bool:
        """Whether it has the role; every role reads, and admin may everything."""
        return role == "analyst" or role in self.roles or "admin" in self.roles

    def sees(self, unit: str) -> bool:
        """Whether the unit lies in its subtree."""
        return self.scope is None or unit in self.scope

    @property
    def codes(self) -> list[str] | None:
        """Its subtree as a query's argument; None filters nothing."""
        return None if self.scope is None else sorted(self.scope)


def mint(environment: str) -> tuple[str, str]:
    """A new key and its id: `ddk_<env>_<id>_<43 letters of 256 bits><crc32>`.

    The prefix and the checksum let scanners find leaked keys without asking us.
    """
    key_id = new_id("k")[2:]
    number = secrets.randbits(256)
    letters = "".join(_BASE62[number // 62**i % 62] for i in range(43))
    body = f"ddk_{environment}_{key_id}_{letters}"
    return f"{body}{zlib.crc32(body.encode()):08x}", key_id


def digest(key: str, pepper: bytes) -> bytes:
    """What is kept of a key: it cannot be computed without the pepper."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def id_in(key: str) -> str | None:
    """The id inside a well-formed key; None saves the database a look-up."""
    parts = key.split("_")
    if len(parts) != 4 or parts[0] != "ddk" or len(key) > 200 or not key.isascii():
        return None
    body, checksum = key[:-8], key[-8:]
    return parts[2] if f"{zlib.crc32(body.encode()):08x}" == checksum else None


async def create(
    connection: Connection,
    key: str,
    key_id: str,
    pepper: bytes,
    *,
    name: str,
    roles: Sequence[str],
    units: Sequence[str],
    expires_at: datetime | None = None,
) -> Row:
    """Keep a new key's digest; the key itself is shown once and never stored."""
    row = await connection.fetchrow(
        "INSERT INTO platform.api_key (id, name, digest, roles, units, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
        " RETURNING id, name, roles, units, created_at, expires_at, revoked_at",
        key_id,
        name,
        digest(key, pepper),
        list(roles),
        list(units),
        expires_at,
    )
    assert row is not None
    return row


async def listed(
    connection: Connection, *, after: str | None = None, limit: int = 1000
) -> list[Row]:
    """Keys by id, revoked ones too; never a digest."""
    return await connection.fetch(
        "SELECT id, name, roles, units, created_at, expires_at, revoked_at"
        " FROM platform.api_key WHERE $1::text IS NULL OR id > $1"
        " ORDER BY id LIMIT $2",
        after,
        limit,
    )


async def revoke(connection: Connection, key_id: str) -> bool:
    """End a key at once; False when there is no such living key."""
    status = await connection.execute(
        "UPDATE platform.api_key SET revoked_at = now()"
        " WHERE id = $1 AND revoked_at IS NULL",
        key_id,
    )
    return status == "UPDATE 1"


async def recognise(
    connection: Connection, key: str, pepper: bytes
) -> Principal | None:
    """The living key that was presented, with its subtree as of today; else None."""
    key_id = id_in(key)
    if key_id is None:
        return None
    row = await connection.fetchrow(
        "SELECT id, name, digest, roles, units FROM platform.api_key"
        " WHERE id = $1 AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > now())",
        key_id,
    )
    if row is None or not hmac.compare_digest(row["digest"], digest(key, pepper)):
        return None
    units = tuple(row["units"])
    scope = None if ROOT in units else await _scope(connection, units)
    return Principal(row["id"], row["name"], frozenset(row["roles"]), units, scope)


# Itself, all under it in the tree of a day, and without a day every ended unit whose
# last parent is among these.
_SUBTREE = """
WITH RECURSIVE placed AS (
  SELECT DISTINCT ON (code) code, parent FROM platform.unit
  WHERE valid_from <= coalesce($2, platform.business_date())
    AND ($2 IS NULL OR valid_to IS NULL OR valid_to > $2)
  ORDER BY code, valid_from DESC),
under AS (
  SELECT unnest($1::text[]) AS code
  UNION SELECT placed.code FROM placed JOIN under ON placed.parent = under.code)
SELECT code FROM under
"""

# A key's subtree holds, by lineage, the predecessors of all its units too.
_SCOPE = f"""
WITH RECURSIVE seen AS (
  SELECT code FROM ({_SUBTREE}) subtree
  UNION SELECT predecessor FROM platform.lineage JOIN seen ON successor = seen.code)
SELECT code FROM seen
"""


async def _scope(connection: Connection, units: Sequence[str]) -> frozenset[str]:
    rows = await connection.fetch(_SCOPE, list(units), None)
    return frozenset(row["code"] for row in rows)


async def known_units(connection: Connection, codes: Sequence[str]) -> set[str]:
    """Which of these codes any unit ever had."""
    rows = await connection.fetch(
        "SELECT DISTINCT code FROM platform.unit WHERE code = ANY($1)", list(codes)
    )
    return {row["code"] for row in rows}


async def subtree(
    connection: Connection, units: Sequence[str], on: date | None = None
) -> frozenset[str]:
    """The codes at and under these units, as of a day or as they last stood."""
    rows = await connection.fetch(_SUBTREE, list(units), on)
    return frozenset(row["code"] for row in rows)
