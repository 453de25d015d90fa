"""PostgreSQL: a pool under one role, and transactions that commit on leaving."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
)
Row: TypeAlias = "asyncpg.Record"

# What says "the database is away", as against "the statement is wrong".
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in mid-answer
)

# What says "not migrated yet": the tables, or the role to work under, are missing.
UNMIGRATED = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InvalidParameterValueError,
)


LONGEST_STATEMENT = 128 * 1024
"""Bytes of a statement that a connection keeps prepared; scoring's is the longest."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose request is being served: the key, the request's id, the units it sees."""

    key: str
    request: str | None
    units: frozenset[str] | None


ASKER: ContextVar[Asker | None] = ContextVar("asker", default=None)
"""None while dondoc works of its own accord."""


READERS = {
    "dondoc_ingest": "dondoc_ingest_reader",
    "dondoc_alerts": "dondoc_alerts_reader",
}
"""The roles that read for keys of a part of the tree, by the service's own."""

_JOINED: ContextVar[Mapping[str, Connection]] = ContextVar(
    "joined",
    default={},  # noqa: B039 - never changed, only replaced
)


def stand_alone() -> None:
    """Belong to no one's transaction from here on.

    A server may handle a request in a context that another on the same connection left
    behind, and with it the transaction that was joined there.
    """
    _JOINED.set({})


class Database:
    """One pool, one database role: what that role may not do, no code here can."""

    def __init__(
        self, url: str, role: str, *, size: int = 10, plans: str = "custom"
    ) -> None:
        """`plans` are made for each call (custom) or once for all (generic)."""
        self.url, self.role, self._size, self._plans = url, role, size, plans
        # Writers that wait for each other must leave connections for everyone else.
        self.writers = asyncio.Semaphore(max(1, size // 2))
        # A stream holds its connection for as long as its sender takes.
        self.streams = asyncio.Semaphore(max(1, size // 5))
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Make the pool; connections are opened when first needed."""
        self._pool = await asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=self._size,
            init=speak_json,
            reset=_leave_as_it_is,
            max_cacheable_statement_size=LONGEST_STATEMENT,
            timeout=5,
            command_timeout=60,
            server_settings=self._session(),
        )

    async def close(self) -> None:
        """Give every connection back; waits for those at work."""
        if self._pool is not None:
            await self._pool.close()

    def _session(self) -> dict[str, str]:
        return {
            "role": self.role,
            "application_name": self.role,
            "timezone": "UTC",
            # Filters that may be absent share one statement; a plan made for all of
            # them is forty times slower on a list of a million scorecards.
            "plan_cache_mode": f"force_{self._plans}_plan",
            # Nothing here runs for so long that compiling it first would pay.
            "jit": "off",
        }

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction; waits at most five seconds.

        Inside `joined` it is the one whose transaction all else belongs to.
        """
        shared = _JOINED.get().get(self.role)
        if shared is not None:
            yield shared
            return
        if self._pool is None:
            raise asyncpg.InterfaceError("the pool is not open")
        async with self._pool.acquire(timeout=5) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Commits on leaving, rolls back on any error."""
        asker = None if self.role in _JOINED.get() else ASKER.get()
        async with self.connection() as connection, connection.transaction():
            if asker is not None:
                await tell_audit(connection, asker.key, asker.request)
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """The same for long writes, of which a pool takes only so many at once."""
        if self.role in _JOINED.get():
            async with self.transaction() as connection:
                yield connection
            return
        async with self.writers, self.transaction() as connection:
            yield connection

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[Connection]:
        """One transaction for all that this task does with the database meanwhile."""
        async with self.writing() as connection:
            token = _JOINED.set({**_JOINED.get(), self.role: connection})
            try:
                yield connection
            finally:
                _JOINED.reset(token)

    @asynccontextmanager
    async def reading(self, *, whole: bool = False) -> AsyncIterator[Connection]:
        """One unchanging picture for several queries of one answer.

        Inside `joined` it is what that transaction sees, moving as others commit.
        Whoever asks with a key that does not open the whole tree reads under a role
        to which PostgreSQL itself shows nothing else, unless the answer is computed
        from the `whole`.
        """
        async with self.connection() as connection, self._picture(connection, True):
            asker = None if whole else ASKER.get()
            if asker is not None and asker.units is not None and self.role in READERS:
                await see_only(connection, READERS[self.role], asker.units)
            yield connection

    @asynccontextmanager
    async def computing(self) -> AsyncIterator[Connection]:
        """The same, where the answer needs a table of its own that goes with it."""
        async with self.connection() as connection, self._picture(connection, False):
            yield connection

    def _picture(self, connection: Connection, readonly: bool) -> Transaction:
        if self.role in _JOINED.get():  # an isolation is chosen once, at the outermost
            return connection.transaction()
        return connection.transaction(isolation="repeatable_read", readonly=readonly)

    async def listener(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own for LISTEN; the caller closes it."""
        return await asyncpg.connect(
            self.url, timeout=5, server_settings=self._session()
        )


async def _leave_as_it_is(_connection: Connection) -> None:
    """What is set here is set for a transaction, and ends with it: nothing to reset."""


async def tell_audit(connection: Connection, actor: str, request: str | None) -> None:
    """Say whose deed this transaction is; what it changes is logged as theirs."""
    await connection.execute(
        "SELECT set_config('dondoc.actor', $1, true),"
        " set_config('dondoc.request', $2, true)",
        actor,
        request or "",
    )


async def see_only(connection: Connection, role: str, units: frozenset[str]) -> None:
    """To the end of this transaction, rows of these units and no others."""
    await connection.execute(
        "SELECT set_config('dondoc.units', $2, true), set_config('role', $1, true)",
        role,
        ",".join(sorted(units)),
    )


FEW = 300
"""Rows that are inserted one by one faster than by way of a table."""


async def insert_many(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    records: Sequence[tuple[object, ...]],
) -> None:
    """COPY into a table whose rows are protected one by one, which refuses COPY itself.

    `table` is `schema.name`. Many rows pass through a temporary table that the
    connection keeps, so that its catalogue does not grow with every call.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    if len(records) <= FEW:
        places = ", ".join(f"${n}" for n, _ in enumerate(columns, start=1))
        insert = f"INSERT INTO {table} ({names}) VALUES ({places})"
        await connection.executemany(insert, records)
        return
    passing = f"passing_{table.rpartition('.')[2]}"
    await connection.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {passing} ON COMMIT DELETE ROWS"
        f" AS SELECT {names} FROM {table} WITH NO DATA"
    )
    await connection.copy_records_to_table(
        passing, schema_name="pg_temp", columns=columns, records=records
    )
    await connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM pg_temp.{passing}"
    )
    await connection.execute(f"TRUNCATE pg_temp.{passing}")


async def speak_json(connection: Connection) -> None:
    """Teach a connection jsonb, with numbers that never become floats."""
    await connection.set_type_codec(
        "jsonb",
        encoder=_encode,
        decoder=_decode,
        schema="pg_catalog",
        format="binary",  # COPY knows no other
    )


_JSONB_VERSION = b"\x01"


# Made once: to make one takes as long as to read or write a matter's facts.
_WRITER = json.JSONEncoder(ensure_ascii=False, default=str)
_READER = json.JSONDecoder(parse_float=Decimal)


def _encode(value: object) -> bytes:
    return _JSONB_VERSION + _WRITER.encode(value).encode()


def _decode(stored: bytes) -> object:
    return _READER.decode(stored[1:].decode())
