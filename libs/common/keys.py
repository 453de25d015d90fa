"""API keys: who asks, what the key permits, which part of the tree it opens."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

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
LONGEST = "interval '1 year'"
"""How long a key lives at most."""

_SHOWN = "id, name, roles, units, created_at, not_before, expires_at, revoked_at"
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


def mint(environment: str, key_id: str | None = None) -> tuple[str, str]:
    """A new key and its id: `ddk_<env>_<id>_<43 letters of 256 bits><crc32>`.

    With an id it is a new secret of that key.

    The prefix and the checksum let scanners find leaked keys without asking us.
    """
    key_id = key_id or new_id("k")[2:]
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
    not_before: datetime | None = None,
    expires_at: datetime | None = None,
) -> Row:
    """Keep a new key's digest; the key itself is shown once and never stored.

    Without an end it lives a year, and no key lives longer.
    """
    row = await connection.fetchrow(
        "INSERT INTO platform.api_key"
        " (id, name, digest, roles, units, not_before, expires_at)"
        f" VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, now() + {LONGEST}))"
        f" RETURNING {_SHOWN}",
        key_id,
        name,
        digest(key, pepper),
        list(roles),
        list(units),
        not_before,
        expires_at,
    )
    assert row is not None
    return row


async def lives_too_long(connection: Connection, expires_at: datetime) -> bool:
    """Whether a key would live for more than a year, by true time."""
    found: bool = await connection.fetchval(
        f"SELECT $1 > now() + {LONGEST}", expires_at
    )
    return found


async def rekey(
    connection: Connection, key_id: str, key: str, pepper: bytes, overlap: timedelta
) -> Row | None:
    """Give a living key a new secret and another year; None when there is none.

    The old secret opens as well until the overlap ends; one older than that no more.
    What belongs to the key, subscriptions above all, stays its own.
    """
    return await connection.fetchrow(
        "UPDATE platform.api_key SET retired_digest = digest, digest = $2,"
        f" retired_until = now() + $3::interval, expires_at = now() + {LONGEST}"
        " WHERE id = $1 AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > now())"
        f" RETURNING {_SHOWN}",
        key_id,
        digest(key, pepper),
        overlap,
    )


async def listed(
    connection: Connection, *, after: str | None = None, limit: int = 1000
) -> list[Row]:
    """Keys by id, revoked ones too; never a digest."""
    return await connection.fetch(
        f"SELECT {_SHOWN}"
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
        "SELECT id, name, digest, roles, units,"
        " CASE WHEN retired_until > now() THEN retired_digest END AS retired"
        " FROM platform.api_key WHERE id = $1 AND revoked_at IS NULL"
        " AND (not_before IS NULL OR not_before <= now())"
        " AND (expires_at IS NULL OR expires_at > now())",
        key_id,
    )
    if row is None:
        return None
    presented = digest(key, pepper)
    living = [row["digest"], row["retired"] or row["digest"]]
    # Both are compared, whichever it is, so that the time taken tells nothing.
    if not any([hmac.compare_digest(one, presented) for one in living]):
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
