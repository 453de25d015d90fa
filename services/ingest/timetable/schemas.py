"""What the timetable takes over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from libs.common.http import Body, Day, PlainText
from libs.common.platform import UnitCode
from services.ingest.schemas import DocumentIn

Reason = Annotated[PlainText, Field(min_length=1, max_length=2000)]
Measure = Literal[
    "cases", "money", "complaints", "administrative", "decisions", "guidance"
]


class CloseIn(Body):
    """Close a period for a unit and all below it."""

    under: UnitCode = "VN"
    note: Reason | None = None


class ReopenIn(Body):
    """Reopen a period; the reason stays on record."""

    under: UnitCode = "VN"
    reason: Reason


class RowOwed(Body):
    """A row that the report must hold."""

    measure: Measure
    category: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "all"


class ObligationIn(Body):
    """All units of a kind under a unit owe a report within working days."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,59}$")]
    kind: Literal["national", "province", "office", "officer", "other"]
    under: UnitCode = "VN"
    months: Annotated[
        list[Annotated[int, Field(ge=1, le=12)]], Field(min_length=1, max_length=12)
    ]
    rows: Annotated[list[RowOwed], Field(min_length=1, max_length=100)]
    within_working_days: Annotated[int, Field(ge=0, le=366)]
    valid_from: Day
    valid_to: Day | None = None
    document: DocumentIn


class ObligationsIn(Body):
    """Obligations, upserted by (name, valid_from)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "obligations": [
                    {
                        "name": "province-monthly",
                        "kind": "province",
                        "months": list(range(1, 13)),
                        "rows": [{"measure": "cases"}, {"measure": "money"}],
                        "within_working_days": 4,
                        "valid_from": "2020-01-05",
                        "document": {
                            "number": "06/2019/TT-BTP",
                            "date": "2019-11-21",
                        },
                    }
                ]
            }
        }
    )

    obligations: Annotated[list[ObligationIn], Field(min_length=1, max_length=1000)]


class DecreedIn(Body):
    """A day on or off work by decree, whatever its weekday."""

    day: Day
    works: bool
    name: Annotated[PlainText, Field(min_length=1, max_length=200)]
    document: Annotated[PlainText, Field(min_length=1, max_length=200)] | None = None


class CalendarIn(Body):
    """All decreed days of a year; they replace those that stood."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "days": [
                    {
                        "day": "2024-04-29",
                        "works": False,
                        "name": "Nghỉ bù, hoán đổi với thứ Bảy 04/05/2024",
                        "document": "2450/VPCP-KGVX",
                    },
                    {
                        "day": "2024-05-04",
                        "works": True,
                        "name": "Làm bù cho ngày 29/04/2024",
                        "document": "2450/VPCP-KGVX",
                    },
                ]
            }
        }
    )

    days: Annotated[list[DecreedIn], Field(max_length=366)]
