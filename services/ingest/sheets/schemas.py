"""Mappings and categories as they are sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from libs.common.http import Body, Day, PlainText
from libs.common.platform import UnitCode
from services.ingest.domain import mapping as domain
from services.ingest.domain.forms import FORMS, form_named
from services.ingest.domain.mapping import Mapping, MoneyIn, Spot, Table
from services.ingest.domain.naming import By, spelling
from services.ingest.domain.reports import COLUMNS

Printed = Annotated[PlainText, Field(min_length=1, max_length=300)]
Category = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_GIVES = (*COLUMNS, "published_rate")


def _given(name: str) -> str:
    if name not in _GIVES:
        raise ValueError(f"not one of {', '.join(_GIVES)}")
    return name


Gives = Annotated[
    str,
    AfterValidator(_given),
    Field(examples=["enforceable"], json_schema_extra={"enum": list(_GIVES)}),
]
Titles = Annotated[
    list[Printed],
    Field(
        min_length=1,
        max_length=10,
        description="The titles over the column from the top down, the lowest last;"
        " those between may be left out as long as only one column fits.",
        examples=[["Có điều kiện", "Việc"]],
    ),
]
Letter = Annotated[
    str,
    Field(
        pattern=r"^([A-Z]|[A-H][A-Z]|I[A-V])$",
        description="The column's letter, A to IV, instead of its titles.",
    ),
]


def _form(name: str) -> str:
    found = form_named(name)
    if found is None:
        raise ValueError(f"no such forms; name one of {', '.join(f.id for f in FORMS)}")
    return found.id


class SpotIn(Body):
    """A column, by its titles or by its letter."""

    title: Titles | None = None
    letter: Letter | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.title is None) == (self.letter is None):
            raise ValueError("name a column by `title` or by `letter`")
        return self

    def spot(self) -> Spot:
        return Spot(tuple(self.title or ()), self.letter)


class HeaderIn(Body):
    """Where the titles stand: found by themselves, or from a row on."""

    row: Annotated[int, Field(ge=1, le=1000)] | None = None
    rows: Annotated[int, Field(ge=1, le=10)] = 1


class UnitColumnIn(SpotIn):
    """The column that says whose row it is: names, our codes, or state codes (gso)."""

    by: By = "name"


class WordColumnIn(SpotIn):
    """A column whose words say the measure or the category of its row."""

    values: Annotated[
        dict[Printed, Category],
        Field(min_length=1, max_length=100, examples=[{"Tín dụng": "credit"}]),
    ]


class FigureColumnIn(SpotIn):
    """A column of figures, and which of ours it gives."""

    gives: Gives
    measure: Literal["cases", "money"] | None = None
    category: Category | None = None
    optional: bool = False


class PeriodIn(Body):
    """Where the sheet names its period: in a cell, or in a column for each row."""

    title: Titles | None = None
    letter: Letter | None = None
    cell: Annotated[str, Field(pattern=r"^[A-Z]{1,3}[1-9][0-9]{0,6}$")] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(one is not None for one in (self.title, self.letter, self.cell)) != 1:
            raise ValueError("name the period's place by `title`, `letter` or `cell`")
        return self

    def spot(self) -> Spot | None:
        return None if self.cell else Spot(tuple(self.title or ()), self.letter)


class TableIn(Body):
    """One table of the file."""

    sheet: Annotated[
        Printed | None,
        Field(description="The sheet's name; left out, the first one not hidden."),
    ] = None
    header: HeaderIn = HeaderIn()
    unit: UnitColumnIn
    figures: Annotated[list[FigureColumnIn], Field(min_length=1, max_length=100)]
    measure_from: WordColumnIn | None = None
    category_from: WordColumnIn | None = None
    period: PeriodIn | None = None
    skip: Annotated[
        list[Printed],
        Field(
            max_length=100,
            default_factory=list,
            description="Rows that begin so, or whose unit is so called, are no units'"
            " rows: totals, the line that numbers the columns.",
        ),
    ]

    @model_validator(mode="after")
    def _every_figure_says_what_it_is(self) -> Self:
        seen = set()
        for figure in self.figures:
            if (figure.measure is None) == (self.measure_from is None):
                raise ValueError("say `measure` of each figure, or `measure_from`")
            if figure.category is not None and self.category_from is not None:
                raise ValueError("say `category` of figures, or `category_from`")
            what = (figure.measure, figure.category or "all", figure.gives)
            if what in seen and not figure.optional:
                raise ValueError(f"two columns give {figure.gives} of the same row")
            seen.add(what)
        words = self.measure_from.values.values() if self.measure_from else ()
        if not {"cases", "money"}.issuperset(words):
            raise ValueError("`measure_from` gives cases or money")
        return self

    def table(self) -> Table:
        period = self.period
        return Table(
            domain.UnitColumn(self.unit.spot(), self.unit.by),
            tuple(
                domain.FigureColumn(
                    f.spot(), f.gives, f.measure, f.category, f.optional
                )
                for f in self.figures
            ),
            self.sheet,
            self.header.row,
            self.header.rows,
            _words(self.measure_from),
            _words(self.category_from),
            period.spot() if period else None,
            period.cell if period else None,
            tuple(self.skip),
        )


def _words(column: WordColumnIn | None) -> domain.WordColumn | None:
    return domain.WordColumn(column.spot(), column.values) if column else None


class MappedSourceIn(Body):
    """Where the figures come from; left out, the file's name."""

    document: Printed | None = None
    date: Day | None = None
    illustrative: bool = False


MAPPING_EXAMPLE: Any = {
    "about": "Biểu tổng hợp của tỉnh",
    "money_in": "thousand_vnd",
    "labels": {"Toàn tỉnh": "TN"},
    "tables": [
        {
            "header": {"rows": 2},
            "unit": {"title": ["Tên đơn vị"]},
            "figures": [
                {
                    "title": ["Có điều kiện", measure],
                    "measure": ours,
                    "gives": "enforceable",
                }
                for measure, ours in (("Việc", "cases"), ("Tiền", "money"))
            ],
            "skip": ["Tổng số"],
        }
    ],
}


class MappingIn(Body):
    """How a clerk's sheet is read: its tables, and what holds for all of them."""

    model_config = ConfigDict(json_schema_extra={"example": MAPPING_EXAMPLE})

    about: Annotated[PlainText, Field(max_length=1000)] = ""
    money_in: Annotated[
        MoneyIn | None,
        Field(description="What one stands for where a cell has no word of its own."),
    ] = None
    form: Annotated[str, AfterValidator(_form)] | None = None
    source: MappedSourceIn = MappedSourceIn()
    labels: Annotated[
        dict[Printed, UnitCode],
        Field(
            max_length=2000,
            default_factory=dict,
            description="What the sheet calls a unit, and the unit's code.",
        ),
    ]
    tables: Annotated[list[TableIn], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _tables_are_told_apart(self) -> Self:
        names = [spelling(table.sheet or "") for table in self.tables]
        if len(set(names)) != len(names):
            raise ValueError("each table names a sheet of its own")
        return self

    def mapping(self) -> Mapping:
        """The same as a value."""
        return Mapping(
            tuple(table.table() for table in self.tables),
            self.money_in,
            {spelling(name): code for name, code in self.labels.items()},
            self.form,
            self.source.document,
            self.source.date,
            self.source.illustrative,
        )


class TitleIn(Body):
    """What people call it."""

    vi: Printed
    en: Printed


class CategoryIn(Body):
    """A declared category; those of one `partition` add up to the whole."""

    code: Annotated[Category, Field(examples=["own_initiative"])]
    title: TitleIn
    partition: Annotated[Category | None, Field(examples=["initiation"])] = None


class CategoriesIn(Body):
    """Categories, upserted by code."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "categories": [
                    {
                        "code": "own_initiative",
                        "title": {"vi": "Chủ động", "en": "On own initiative"},
                        "partition": "initiation",
                    }
                ]
            }
        }
    )

    categories: Annotated[list[CategoryIn], Field(min_length=1, max_length=1000)]
