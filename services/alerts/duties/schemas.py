"""What people send about matters."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from libs.common.http import Body, Day, PlainText
from libs.common.platform import UnitCode

Cause = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
Link = Annotated[PlainText, Field(pattern=r"^https?://", max_length=2048)]
Reason = Annotated[PlainText, Field(min_length=1, max_length=2000)]
RuleId = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=64)]


class Act(Body):
    """What every act may say: which reading of the matter it rests on."""

    sequence: Annotated[
        int | None,
        Field(
            ge=1,
            lt=2**31,
            description="The matter's `sequence` as you read it; 409 if it moved on.",
        ),
    ] = None


class NoteIn(Act):
    """A remark for the log."""

    note: Reason | None = None


class RemedyIn(Body):
    """What will be done, by when."""

    text: Annotated[PlainText, Field(min_length=1, max_length=4000)]
    by: Day


class ExplanationIn(Act):
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


class AcceptanceIn(Act):
    """Why it is accepted, or taken back, if there is something to say."""

    reason: Reason | None = None


class ReturnIn(AcceptanceIn):
    """Why more is wanted, and by the end of which day; else three working days."""

    due: Day | None = None


class WithdrawalIn(Act):
    """Why the matter should not stand."""

    reason: Reason


class EscalationIn(WithdrawalIn):
    """To which level above its unit the matter goes, and why."""

    to: UnitCode


class DocumentIn(Body):
    """The document that an exemption rests on."""

    number: Annotated[PlainText, Field(min_length=1, max_length=100)]
    date: Day


class ExemptionIn(Body):
    """A unit that owes nothing under a rule for a while, by which document and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "unit": "TV",
                "rule": "below-last-year",
                "until": "2022-06-30",
                "document": {"number": "12/TCTHADS-NV", "date": "2022-03-10"},
                "reason": "Bão lụt kéo dài.",
            }
        }
    )

    unit: UnitCode
    rule: RuleId
    until: Annotated[Day, Field(description="The last day on which it holds.")]
    document: DocumentIn
    reason: Reason


class EndIn(Body):
    """Why an exemption ends before its day."""

    reason: Reason
