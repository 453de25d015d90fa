"""A mapping: where in a clerk's sheet the units, the figures and the period stand."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.ingest.domain.naming import By
from services.ingest.domain.spelling import TY

MoneyIn = Literal["vnd", "thousand_vnd", "ty"]
UNITS_OF_MONEY: dict[str, int] = {"vnd": 1, "thousand_vnd": 1000, "ty": TY}


@dataclass(frozen=True, slots=True)
class Spot:
    """A column, by its titles from the top down or by its letter."""

    title: tuple[str, ...] = ()
    letter: str | None = None


@dataclass(frozen=True, slots=True)
class UnitColumn:
    """The column that says whose row it is."""

    spot: Spot
    by: By = "name"


@dataclass(frozen=True, slots=True)
class WordColumn:
    """A column whose words say the measure or the category of a row."""

    spot: Spot
    values: Dictionary[str, str]


@dataclass(frozen=True, slots=True)
class FigureColumn:
    """A column of figures; `column` is one of ours, or `published_rate`."""

    spot: Spot
    column: str
    measure: str | None
    category: str | None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its sheet, its header and what its columns hold."""

    unit: UnitColumn
    figures: tuple[FigureColumn, ...]
    sheet: str | None = None
    header_row: int | None = None
    header_rows: int = 1
    measure: WordColumn | None = None
    category: WordColumn | None = None
    period_column: Spot | None = None
    period_cell: str | None = None
    skip: tuple[str, ...] = ()

    def spots(self) -> list[Spot]:
        """Every column that must be there."""
        columns = [self.unit.spot, *(f.spot for f in self.figures if not f.optional)]
        words = [w.spot for w in (self.measure, self.category) if w]
        return [*columns, *words, *([self.period_column] if self.period_column else [])]


@dataclass(frozen=True, slots=True)
class Mapping:
    """One or several tables, and what holds for all of them."""

    tables: tuple[Table, ...]
    money_in: str | None = None
    labels: Dictionary[str, str] | None = None
    form: str | None = None
    document: str | None = None
    document_date: date | None = None
    illustrative: bool = False
