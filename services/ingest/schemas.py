"""What ingest takes and gives over HTTP: msgspec for bulk, pydantic for the rest."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import ConfigDict, Field

from libs.common.figures import LARGEST_COUNT
from libs.common.http import Body, Day, PlainText
from libs.common.platform import UnitCode
from services.ingest.domain.reports import COLUMNS, COLUMNS_OF, MOST_ROWS

Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_COUNT)]
MEASURES = tuple(COLUMNS_OF)
# Python's $ alone would let a last line break through.
_CATEGORY = msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$(?!\n)")


class SourceIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the figures were read; `illustrative` marks made-up samples."""

    document: Annotated[str, msgspec.Meta(min_length=1, max_length=300)] | None = None
    date: datetime.date | None = None
    illustrative: bool = False


FigureIn: Any = msgspec.defstruct(
    "FigureIn",
    [
        ("measure", Literal[MEASURES]),
        ("category", Annotated[str, _CATEGORY], "all"),
        ("published_rate", str | None, None),
        # In the order of COLUMNS, so that a row's counts are its rest. One word has two
        # uses: a count of the forms (thu hồi), or `true` to take the row back.
        *(
            (name, Count | bool | None if name == "withdrawn" else Count | None, None)
            for name in COLUMNS
        ),
    ],
    forbid_unknown_fields=True,
    frozen=True,
    gc=False,
    module=__name__,
)  # fmt: skip
FigureIn.__doc__ = "One row: measure and category, with counts or a published rate."


class ReportIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The figures of one unit for one period."""

    unit: Annotated[str, msgspec.Meta(max_length=200)]
    period: Annotated[str, msgspec.Meta(max_length=10)]
    figures: Annotated[list[FigureIn], msgspec.Meta(min_length=1, max_length=MOST_ROWS)]
    form: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    source: SourceIn | None = None


MoneyIn = Literal["vnd", "thousand_vnd"]


class ReportsIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Reports of several units; `money_in` says the unit of every money count."""

    reports: Annotated[list[ReportIn], msgspec.Meta(min_length=1)]
    money_in: MoneyIn | None = None


class UnreadReports(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The same body with its reports unread, so that each fault can be found."""

    reports: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    money_in: MoneyIn | None = None


class CodeIn(Body):
    """A state code, which names a unit only together with a day."""

    scheme: Annotated[PlainText, Field(min_length=1, max_length=40)]
    code: Annotated[PlainText, Field(min_length=1, max_length=40)]
    from_: Annotated[Day | None, Field(alias="from")] = None
    to: Day | None = None


class UnitIn(Body):
    """One dated row of a unit."""

    code: Annotated[UnitCode, Field(examples=["TN-KV4"])]
    name: Annotated[PlainText, Field(min_length=1, max_length=200)]
    kind: Literal["national", "province", "office", "officer", "other"]
    parent: UnitCode | None
    valid_from: Day
    valid_to: Day | None = None
    aliases: Annotated[
        list[Annotated[PlainText, Field(min_length=1, max_length=200)]],
        Field(max_length=50, default_factory=list),
    ]
    codes: Annotated[list[CodeIn], Field(max_length=50, default_factory=list)]


class UnitsIn(Body):
    """Rows of the tree, upserted by (code, valid_from)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "units": [
                    {
                        "code": "BG",
                        "name": "Bắc Giang",
                        "kind": "province",
                        "parent": "VN",
                        "valid_from": "2010-01-01",
                        "valid_to": "2025-07-01",
                    }
                ]
            }
        }
    )

    units: Annotated[list[UnitIn], Field(min_length=1, max_length=20_000)]


class DocumentIn(Body):
    """The document that decided it."""

    number: Annotated[PlainText, Field(min_length=1, max_length=200)]
    date: Day


Share = Annotated[
    str, Field(pattern=r"^(?:0\.[0-9]{1,8}|1)$", examples=["0.6"], max_length=10)
]
"""A part of one whole, at most 8 decimals; as a string, for it is exact."""


class ReorganisationIn(Body):
    """Units that end and the units that they become, from one day on."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "effective": "2025-07-01",
                "from": ["BK", "TN1"],
                "into": ["TN"],
                "document": {"number": "202/2025/QH15", "date": "2025-06-12"},
            }
        }
    )

    effective: Day
    from_: Annotated[
        list[UnitCode],
        Field(alias="from", min_length=1, max_length=100, examples=[["BK", "TN1"]]),
    ]
    into: Annotated[
        list[UnitCode], Field(min_length=1, max_length=100, examples=[["TN"]])
    ]
    shares: Annotated[
        dict[UnitCode, Share] | None,
        Field(
            description="What part of a split unit's figures each successor takes over"
            " in comparisons with the time before; together exactly 1.",
        ),
    ] = None
    document: DocumentIn


REPORTS_EXAMPLE = {
    "money_in": "vnd",
    "reports": [
        {
            "unit": "BG",
            "period": "2022M06",
            "source": {"document": "Hội nghị sơ kết 6 tháng 2022"},
            "figures": [
                {"measure": "cases", "enforceable": 7479, "done": 4778},
                {
                    "measure": "money",
                    "enforceable": 761546547000,
                    "done": 195723741000,
                },
            ],
        }
    ],
}


def reports_schema() -> dict[str, Any]:
    """The JSON Schema of a body of reports, self-contained for OpenAPI."""
    (root,), parts = msgspec.json.schema_components([ReportsIn])
    return {**_inlined(parts["ReportsIn"], parts), "title": root["$ref"][8:]}


def _inlined(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(member, parts) for member in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(parts[node["$ref"].rsplit("/", 1)[1]], parts)
    return {key: _inlined(value, parts) for key, value in node.items()}
