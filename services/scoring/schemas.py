"""What scoring takes over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from libs.common.http import Body, Day, PlainText
from libs.common.periods import InvalidPeriod, Period
from libs.common.platform import UnitCode

Rate = Annotated[
    str,
    Field(
        pattern=r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)$",
        examples=["84.05"],
        description="Percent, 0 to 100, at most 2 decimals, as a string.",
    ),
]
Measure = Literal[
    "cases", "money", "complaints", "administrative", "decisions", "guidance"
]
Category = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def _period(text: str) -> str:
    try:
        Period.parse(text)
    except InvalidPeriod:
        raise ValueError("no such period; write 2025M06 or 2025-09-12") from None
    return text


class DocumentIn(Body):
    """The decision that set or amended a target."""

    number: Annotated[PlainText, Field(min_length=1, max_length=200)]
    date: Day
    amends: Annotated[PlainText, Field(min_length=1, max_length=200)] | None = None


class TargetIn(Body):
    """What a unit, and all below it without one of their own, must reach in a year."""

    unit: UnitCode
    year: Annotated[int, Field(ge=2000, le=2199)]
    measure: Measure
    category: Category = "all"
    rate: Rate
    operator: Literal["at_least", "more_than"]
    basis: (
        Literal["annual", "pro_rata"]
        | Annotated[
            dict[Annotated[str, AfterValidator(_period)], Rate],
            Field(min_length=1, max_length=400),
        ]
    ) = "annual"
    document: DocumentIn


class TargetsIn(Body):
    """Targets, in the order of their decisions: a later one of a cell amends."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "targets": [
                    {
                        "unit": "VN",
                        "year": 2022,
                        "measure": "cases",
                        "rate": "81.50",
                        "operator": "more_than",
                        "document": {
                            "number": "1020/QĐ-TCTHADS",
                            "date": "2021-12-24",
                        },
                    }
                ]
            }
        }
    )

    targets: Annotated[list[TargetIn], Field(min_length=1, max_length=20_000)]
