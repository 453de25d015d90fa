"""What alerts takes over HTTP."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from libs.common.http import Body, Day, PlainText

Severity = Literal["low", "medium", "high", "critical"]
Cause = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
Link = Annotated[PlainText, Field(pattern=r"^https?://", max_length=2048)]


class EvaluationIn(Body):
    """Judge a period now: by some rules or all, as of a day, for good or to see."""

    period: Annotated[str, Field(max_length=10, examples=["2022M05"])]
    rules: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    at: (
        Annotated[
            Day, Field(ge=datetime.date(2000, 1, 1), lt=datetime.date(2200, 1, 1))
        ]
        | None
    ) = None
    dry_run: bool = False


class NoteIn(Body):
    """A remark for the log."""

    note: Annotated[PlainText, Field(min_length=1, max_length=2000)] | None = None


class RemedyIn(Body):
    """What will be done, by when."""

    text: Annotated[PlainText, Field(min_length=1, max_length=4000)]
    by: Day


class ExplanationIn(Body):
    """An explanation, a plan or a report: causes, text, remedies."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "causes": ["large_cases"],
                "text": "Nhiều việc giá trị lớn, tài sản chưa bán được.",
                "remedies": [{"text": "Giao chỉ tiêu tuần", "by": "2022-03-31"}],
            }
        }
    )

    causes: Annotated[
        list[Cause],
        Field(min_length=1, max_length=20, examples=[["pandemic", "tet_holiday"]]),
    ]
    text: Annotated[PlainText, Field(min_length=1, max_length=20_000)]
    remedies: Annotated[list[RemedyIn], Field(max_length=50, default_factory=list)]
    attachments: Annotated[list[Link], Field(max_length=20, default_factory=list)]


class AcceptanceIn(Body):
    """Why it is accepted, if there is something to say."""

    reason: Annotated[PlainText, Field(min_length=1, max_length=2000)] | None = None


class ReturnIn(AcceptanceIn):
    """Why more is wanted, and by the end of which day; else three working days."""

    due: Day | None = None
