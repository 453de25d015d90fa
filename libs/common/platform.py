"""What every service serves beside its own: keys, the clock, dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Request, Response
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field
from typing_extensions import TypedDict

from libs.common import clock, keys
from libs.common.access import Reader, allows
from libs.common.clock import written
from libs.common.database import AWAY, UNMIGRATED, Database, Row
from libs.common.events import PROPOSED, notify
from libs.common.http import Body, PlainText, api_router, database_of
from libs.common.keys import Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.problems import Conflict, Fault, NotFound, Text, invalid
from libs.common.settings import Settings

router = api_router("platform")
Platform = Annotated[Database, database_of("platform")]
Role = Literal[
    "analyst",
    "reporter",
    "steward",
    "responder",
    "supervisor",
    "subscriber",
    "admin",
]
UnitCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]


def _in_range(moment: datetime) -> datetime:
    if not 2000 <= moment.year < 2200:
        raise ValueError("a year from 2000 to 2199")
    return moment


Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_in_range)]
"""A moment with its offset, far from where calendars end."""


RootAdmin = Annotated[Principal, allows("admin", at_root=True)]


class KeyIn(Body):
    """A key for one client: its roles hold for its units and everything below."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "phần mềm", "roles": ["reporter"], "units": ["VN"]}
        }
    )

    name: Annotated[PlainText, Field(min_length=1, max_length=200)]
    roles: Annotated[list[Role], Field(min_length=1, max_length=7)]
    units: Annotated[list[UnitCode], Field(min_length=1, max_length=100)]
    not_before: Moment | None = None
    expires_at: Annotated[
        Moment | None, Field(description="Within a year; by default in a year.")
    ] = None


class ClockIn(Body):
    """Where business time moves to, with its offset."""

    now: Moment


class KeyShown(TypedDict):
    """A key without its secret."""

    id: str
    name: str
    roles: list[str]
    units: list[str]
    created_at: str | None
    not_before: str | None
    expires_at: str | None
    revoked_at: str | None


class NewKey(KeyShown):
    """A key with its secret, which is shown once."""

    key: str


class ClockShown(TypedDict):
    """Business time."""

    now: str | None


class DeadLetter(TypedDict):
    """An event that failed every try, with the last error."""

    id: int
    topic: str
    key: str
    batch: str | None
    request: str | None
    attempts: int
    error: str | None
    created: str | None
    dead_at: str | None


def _shown_key(row: Row) -> KeyShown:
    return KeyShown(
        id=row["id"],
        name=row["name"],
        roles=row["roles"],
        units=row["units"],
        created_at=written(row["created_at"]),
        not_before=written(row["not_before"]),
        expires_at=written(row["expires_at"]),
        revoked_at=written(row["revoked_at"]),
    )


@router.post("/v1/keys", status_code=201)
async def create_key(
    body: KeyIn, request: Request, _: RootAdmin, database: Platform
) -> NewKey:
    """Make a key. It is shown in this answer and never again."""
    settings: Settings = request.app.state.settings
    key, key_id = keys.mint(settings.env)
    async with database.transaction() as connection:
        unknown = set(body.units) - await keys.known_units(connection, body.units)
        if unknown:
            raise invalid(
                [
                    Fault(
                        f"/units/{i}",
                        "unknown_unit",
                        Text(f"Không có đơn vị «{u}».", f"There is no unit {u!r}."),
                    )
                    for i, u in enumerate(body.units)
                    if u in unknown
                ]
            )
        if body.expires_at and await keys.lives_too_long(connection, body.expires_at):
            raise invalid([Fault("/expires_at", "lives_too_long", _TOO_LONG)])
        row = await keys.create(
            connection,
            key,
            key_id,
            settings.key_for("key pepper"),
            name=body.name,
            roles=sorted(set(body.roles)),
            units=sorted(set(body.units)),
            not_before=body.not_before,
            expires_at=body.expires_at,
        )
    return NewKey(**_shown_key(row), key=key)


@router.get("/v1/keys")
async def list_keys(
    _: RootAdmin, database: Platform, limit: Limit = 100, cursor: Cursor = None
) -> Page[KeyShown]:
    """Every key, revoked ones too, without its secret."""
    after = read_cursor(cursor, str)
    async with database.connection() as connection:
        rows = await keys.listed(
            connection, after=str(after[0]) if after else None, limit=limit + 1
        )
    return page(rows, limit, lambda row: [row["id"]], _shown_key)


@router.delete("/v1/keys/{id}", status_code=204, response_class=Response)
async def revoke_key(
    id: Annotated[str, Path(max_length=64)], _: RootAdmin, database: Platform
) -> Response:
    """Revoke a key: it opens nothing from now on."""
    async with database.transaction() as connection:
        if not await keys.revoke(connection, id):
            raise _no_such("key", "khóa", id)
    return Response(status_code=204)


@router.get("/v1/clock")
async def read_clock(_: Reader, database: Platform) -> ClockShown:
    """Business time: it decides periods, deadlines and duties."""
    async with database.connection() as connection:
        return ClockShown(now=written(await clock.business_now(connection)))


@router.put("/v1/clock")
async def move_clock(
    body: ClockIn, request: Request, _: RootAdmin, database: Platform
) -> ClockShown:
    """Move business time forward, in demo and test only (404 in production)."""
    if request.app.state.settings.env == "production":
        raise NotFound(
            "not_found",
            Text(
                "Trong vận hành thật, đồng hồ không chỉnh được.",
                "In production the clock cannot be moved.",
            ),
        )
    async with database.transaction() as connection:
        if not await clock.move_to(connection, body.now):
            now = written(await clock.business_now(connection))
            raise Conflict(
                "clock_backwards",
                Text(
                    f"Đồng hồ đang là {now}; chỉ được chỉnh tới sau.",
                    f"It is {now}; business time moves forward only.",
                ),
            )
        return ClockShown(now=written(await clock.business_now(connection)))


@router.get("/v1/dead-letters")
async def list_dead_letters(
    _: RootAdmin, database: Platform, limit: Limit = 100, cursor: Cursor = None
) -> Page[DeadLetter]:
    """Events that failed every try, with the last error."""
    after = read_cursor(cursor, int)
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT id, topic, key, batch, request, attempts, error, created, dead_at"
            " FROM platform.event WHERE dead_at IS NOT NULL AND id > $1"
            " ORDER BY id LIMIT $2",
            after[0] if after else 0,
            limit + 1,
        )
    return page(rows, limit, lambda row: [row["id"]], _shown_letter)


@router.post("/v1/dead-letters/{id}/retry", status_code=202)
async def retry_dead_letter(
    id: Annotated[int, Path(ge=0, lt=2**63)], _: RootAdmin, database: Platform
) -> DeadLetter:
    """Put a dead event back into the queue with all its tries.

    A dry run's cannot be tried again: what it proposed is gone, so send it anew.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            "UPDATE platform.event SET dead_at = NULL, attempts = 0, run_at = now()"
            " WHERE id = $1 AND dead_at IS NOT NULL RETURNING *",
            id,
        )
        if row is None:
            raise _no_such("dead letter", "sự kiện hỏng", str(id))
        if row["topic"] in PROPOSED:
            raise Conflict("preview_gone", _PREVIEW_GONE)
        await notify(connection, row["topic"])
    return _shown_letter(row)


_TOO_LONG = Text(
    "Khóa có hiệu lực nhiều nhất một năm; sau đó hãy đổi khóa.",
    "A key lives for a year at most; renew it by then.",
)
_PREVIEW_GONE = Text(
    "Lần chạy thử này đã hỏng và không còn gì được giữ lại; hãy gửi lại với dry_run.",
    "This dry run failed and nothing of it was kept; send it again with dry_run.",
)


def _shown_letter(row: Row) -> DeadLetter:
    return DeadLetter(
        id=row["id"],
        topic=row["topic"],
        key=row["key"],
        batch=row["batch"],
        request=row["request"],
        attempts=row["attempts"],
        error=row["error"],
        created=written(row["created"]),
        dead_at=written(row["dead_at"]),
    )


def _no_such(kind: str, loai: str, name: str) -> NotFound:
    return NotFound(
        "not_found", Text(f"Không có {loai} «{name}».", f"There is no {kind} {name!r}.")
    )


async def start_clock(database: Database, settings: Settings) -> None:
    """Let business time start at DONDOC_NOW where the database has none stored."""
    if settings.starts_at is None:
        return
    try:
        async with database.transaction() as connection:
            await clock.start_at(connection, settings.starts_at)
    except (*AWAY, *UNMIGRATED):
        pass  # readiness says so; the clock is set by migrate
