"""A case as rules see it, by the columns that ingest publishes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from services.alerts.domain.vocabulary import Facts, Value

VIETNAM: Final = ZoneInfo("Asia/Ho_Chi_Minh")

COLUMNS: Final[Mapping[str, str]] = {
    "unit.code": "unit",
    "unit.kind": "unit_kind",
    "case.status": "status",
    "case.status_since": "status_since",
    "case.previous_status": "previous_status",
    "case.not_enforceable_since": "not_enforceable_since",
    "case.decided_on": "decided_on",
    "case.claims": "claims",
    "case.key_case": "key_case",
    "case.due_vnd": "due_vnd",
    "case.collected_vnd": "collected_vnd",
    "case.held_vnd": "held_vnd",
    "case.held_since": "held_since",
    "case.verified_on": "verified_last",
    "case.verifications": "verifications",
    "case.published_on": "published_on",
    "case.auctioned_on": "auctioned_on",
    "case.handed_over_on": "handed_over_on",
    "case.reason_code": "reason_code",
}
"""name in a rule → column of a case."""


class Columns(Protocol):
    """A case, by column."""

    def __getitem__(self, column: str, /) -> object: ...


def facts_of(row: Columns, at: date) -> Facts:
    """One case on one evaluation day, which also dates its rules and parameters."""
    facts: dict[str, Value | None] = {
        name: _whole(row[column]) for name, column in COLUMNS.items()
    }
    return facts | {"at": at.toordinal(), "period.end": at.toordinal()}


def _whole(value: object) -> Value | None:
    match value:
        case datetime():
            return value.astimezone(VIETNAM).toordinal()
        case date():
            return value.toordinal()
        case list():
            return tuple(value)
        case None | bool() | int() | str():
            return value
        case _:
            raise TypeError(f"no fact is a {type(value).__name__}")
