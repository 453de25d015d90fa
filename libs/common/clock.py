"""Business time, which decides what is owed; true time is the database's own."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from libs.common.database import Connection

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

MOVED = "clock"
"""What is notified when business time was moved: timers may have come due."""


async def business_now(connection: Connection) -> datetime:
    """The moment that decides periods, deadlines and duties, the same for all."""
    moment: datetime = await connection.fetchval("SELECT platform.business_now()")
    return moment.astimezone(VIETNAM)


def day_of(moment: datetime) -> date:
    """The calendar day of a moment, as people in Vietnam write it."""
    return moment.astimezone(VIETNAM).date()


def end_of(moment: datetime | date) -> datetime:
    """A moment, or the end of a day in Vietnam."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime.combine(moment + timedelta(days=1), time(), VIETNAM)


def written(moment: datetime | None) -> str | None:
    """A moment as the API prints it: RFC 3339 with Vietnam's offset."""
    return None if moment is None else moment.astimezone(VIETNAM).isoformat()


async def start_at(connection: Connection, moment: datetime) -> None:
    """Where business time starts on a database that has none stored."""
    await connection.execute(
        'INSERT INTO platform.clock ("only", business_at, true_at)'
        " VALUES (true, $1, clock_timestamp()) ON CONFLICT DO NOTHING",
        moment,
    )


async def move_to(connection: Connection, moment: datetime) -> bool:
    """Move business time forward for every process; False when that is backwards."""
    # One mover at a time, so that two cannot pass the check with one old reading.
    await connection.execute("SELECT pg_advisory_xact_lock(9, 0)")
    if moment < await business_now(connection):
        return False
    await connection.execute(
        'INSERT INTO platform.clock ("only", business_at, true_at)'
        ' VALUES (true, $1, clock_timestamp()) ON CONFLICT ("only")'
        " DO UPDATE SET business_at = excluded.business_at,"
        " true_at = excluded.true_at",
        moment,
    )
    await connection.execute("SELECT pg_notify('dondoc', $1)", MOVED)
    return True
