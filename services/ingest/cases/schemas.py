"""One case record as it is sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.ingest.schemas import Count

DayText = Annotated[str, Meta(max_length=10, extra_json_schema={"format": "date"})]
Word = Annotated[str, Meta(max_length=40)]
MOST_CLAIMS, MOST_DAYS = 20, 50


class CaseIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One case as its agency knew it at a moment.

    Days stay text: the same few come a million times, so each is read once. What
    was left out is UNSET, so that a member sent twice can be told by counting.
    """

    unit: Annotated[str, Meta(min_length=1, max_length=40)]
    case_no: Annotated[str, Meta(min_length=1, max_length=100)]
    as_of: Annotated[str, Meta(max_length=40)]
    decided_on: DayText
    status: Literal[
        "enforceable",
        "not_enforceable",
        "postponed",
        "suspended",
        "completed",
        "terminated",
        "ledger",
    ]
    status_since: DayText
    due_vnd: Count
    collected_vnd: Count
    officer: Word | UnsetType | None = UNSET
    claims: Annotated[tuple[Word, ...], Meta(max_length=MOST_CLAIMS)] | UnsetType = (
        UNSET
    )
    key_case: bool | UnsetType = UNSET
    held_vnd: Count | UnsetType | None = UNSET
    verified_on: (
        Annotated[tuple[DayText, ...], Meta(max_length=MOST_DAYS)] | UnsetType
    ) = UNSET
    published_on: DayText | UnsetType | None = UNSET
    auctioned_on: DayText | UnsetType | None = UNSET
    handed_over_on: DayText | UnsetType | None = UNSET
    reason_code: Word | UnsetType | None = UNSET


class UnreadCases(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A JSON body with its records unread, so that each is read as a line is."""

    cases: Annotated[list[msgspec.Raw], Meta(min_length=1)]


CASE_EXAMPLE = {
    "unit": "TN-KV4",
    "case_no": "112/QĐ-THA",
    "as_of": "2025-09-12",
    "decided_on": "2021-03-15",
    "status": "enforceable",
    "status_since": "2021-04-01",
    "claims": ["credit"],
    "due_vnd": 21_000_000_000,
    "collected_vnd": 350_000_000,
    "verified_on": ["2024-03-01"],
}


def case_schema() -> dict[str, Any]:
    """The JSON Schema of one record, self-contained for OpenAPI."""
    _, parts = msgspec.json.schema_components([CaseIn])
    return dict(parts["CaseIn"])


def bodies() -> dict[str, Any]:
    """Both ways to send records, for OpenAPI."""
    many = {
        "title": "CasesIn",
        "type": "object",
        "required": ["cases"],
        "additionalProperties": False,
        "properties": {
            "cases": {"type": "array", "minItems": 1, "items": case_schema()}
        },
    }
    return {
        "required": True,
        "content": {
            "application/json": {"schema": many, "example": {"cases": [CASE_EXAMPLE]}},
            "application/x-ndjson": {"schema": case_schema(), "example": CASE_EXAMPLE},
        },
    }
