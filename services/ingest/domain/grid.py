"""A sheet as values: cells by row and column, merged ranges, what is hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from libs.common.problems import escaped
from services.ingest.domain.naming import spelling

Kind = Literal["text", "number", "percent", "date", "flag", "error", "uncomputed"]
Range = tuple[int, int, int, int]
"""Top, left, bottom, right; all in it."""

WIDEST = 256
"""Columns that a sheet may have: the forms have some thirty."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell; `number` is exact, and a percent's is that of 100."""

    kind: Kind
    text: str
    number: Decimal | None = None

    @property
    def blank(self) -> bool:
        """Nothing but spaces."""
        return self.kind == "text" and not self.text.strip()


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet; rows and columns count from 1, blank cells may be left out."""

    name: str
    rows: Mapping[int, Mapping[int, Cell]]
    merged: Sequence[Range] = ()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    visible: bool = True
    ragged: bool = False
    """Whether rows may be longer than their header by mistake, as in a CSV."""
    _covered: dict[tuple[int, int], tuple[int, int]] = field(
        init=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        last = max(self.rows, default=0)
        for top, left, bottom, right in self.merged:
            for row in range(top, min(bottom, last) + 1):
                for column in range(left, min(right, WIDEST) + 1):
                    self._covered[row, column] = (top, left)

    def cell(self, row: int, column: int) -> Cell | None:
        """The cell itself; None when nothing stands in it."""
        found = self.rows.get(row, {}).get(column)
        return None if found is None or found.blank else found

    def origin(self, row: int, column: int) -> tuple[int, int]:
        """Where the content of a place stands: the first cell of a merged range."""
        return self._covered.get((row, column), (row, column))

    def through(self, row: int, column: int) -> Cell | None:
        """The cell, or the first one of the merged range that it lies in."""
        return self.cell(*self.origin(row, column))

    def path(self, first: int, rows: int, column: int) -> list[str]:
        """The titles over a column, from the top down, each once."""
        titles: list[str] = []
        for row in range(first, first + rows):
            cell = self.through(row, column)
            title = spelling(cell.text) if cell else ""
            if title and title not in titles[-1:]:
                titles.append(title)
        return titles

    def columns(self, first: int, rows: int) -> list[int]:
        """The columns that have anything in these rows."""
        found: set[int] = set()
        for row in range(first, first + rows):
            found |= self.rows.get(row, {}).keys()
        for top, left, bottom, right in self.merged:
            if top < first + rows and first <= bottom:
                found |= set(range(left, min(right, WIDEST) + 1))
        return sorted(found)

    def at(self, row: int | None = None, column: int | None = None) -> str:
        """A JSON pointer to a place of the sheet."""
        return pointer(self.name, row, column)


def pointer(sheet: str, row: int | None = None, column: int | None = None) -> str:
    """A JSON pointer: `/sheets/Phụ lục/rows/12/columns/C`."""
    place = f"/sheets/{escaped(sheet)}"
    place += f"/rows/{row}" if row else ""
    return place + (f"/columns/{letters(column)}" if column else "")


def letters(column: int) -> str:
    """A column as spreadsheets name it.

    >>> letters(3), letters(28)
    ('C', 'AB')
    """
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def number_of(name: str) -> int:
    """The number of a column: C is 3."""
    total = 0
    for letter in name:
        total = total * 26 + ord(letter) - 64
    return total


_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def place(reference: str) -> tuple[int, int] | None:
    """Row and column of a reference such as `B3`; None when it is none."""
    found = _PLACE.fullmatch(reference)
    return (int(found[2]), number_of(found[1])) if found else None


def matches(title: Sequence[str], path: Sequence[str]) -> bool:
    """Whether titles stand over a column in this order, the last one lowest."""
    left: Iterator[str] = iter(path)
    return path[-1:] == list(title[-1:]) and all(step in left for step in title)
