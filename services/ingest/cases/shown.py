"""Cases and their history as the API gives them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from typing_extensions import TypedDict

from libs.common.clock import VIETNAM, written
from libs.common.database import Row
from services.ingest.domain import cases


class RecordShown(TypedDict):
    """What one record says of a case."""

    as_of: str
    officer: str | None
    decided_on: date
    status: str
    status_since: date
    claims: list[str]
    key_case: bool
    due_vnd: int
    collected_vnd: int
    held_vnd: int | None
    verified_on: list[date]
    published_on: date | None
    auctioned_on: date | None
    handed_over_on: date | None
    reason_code: str | None


class CaseShown(RecordShown):
    """A case as its newest record has it; `flags` are as of today."""

    id: str
    unit: str
    case_no: str
    flags: list[str]


class VersionShown(RecordShown):
    """A record as it was received; one too old was kept and not applied."""

    version: int
    applied: bool
    received_at: str | None
    batch: str


class HistoryShown(TypedDict):
    """Every record received of a case, oldest first."""

    id: str
    unit: str
    case_no: str
    versions: list[VersionShown]


def case(row: Row, today: date) -> CaseShown:
    """A case with what it is flagged for on a day."""
    standing = cases.Standing(
        row["status"],
        row["decided_on"],
        row["claims"],
        row["due_vnd"],
        row["held_vnd"],
        row["key_case"],
    )
    return CaseShown(
        id=cases.id_of(row["id"]),
        unit=row["unit"],
        case_no=row["case_no"],
        flags=list(cases.flags(standing, today)),
        **_record(row),
    )


def history(head: Row, rows: list[Row]) -> HistoryShown:
    """A case's name and all its records."""
    return HistoryShown(
        id=cases.id_of(head["id"]),
        unit=head["unit"],
        case_no=head["case_no"],
        versions=[_version(row) for row in rows],
    )


def _version(row: Row) -> VersionShown:
    return VersionShown(
        version=row["version"],
        applied=row["applied"],
        received_at=written(row["received_at"]),
        batch=row["batch"],
        **_record(row),
    )


def _record(row: Row) -> RecordShown:
    return RecordShown(
        as_of=as_sent(row["as_of"]),
        officer=row["officer"],
        decided_on=row["decided_on"],
        status=row["status"],
        status_since=row["status_since"],
        claims=row["claims"],
        key_case=row["key_case"],
        due_vnd=row["due_vnd"],
        collected_vnd=row["collected_vnd"],
        held_vnd=row["held_vnd"],
        verified_on=row["verified_on"],
        published_on=row["published_on"],
        auctioned_on=row["auctioned_on"],
        handed_over_on=row["handed_over_on"],
        reason_code=row["reason_code"],
    )


def as_sent(moment: datetime) -> str:
    """A day was kept as its end, and is given back as the day; else the moment."""
    here = moment.astimezone(VIETNAM)
    if here.time() == time():
        return (here.date() - timedelta(days=1)).isoformat()
    return here.isoformat()
