"""Where a mapping's columns stand in a sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from libs.common.problems import Fault, Text
from services.ingest.domain.grid import WIDEST, Sheet, matches, number_of
from services.ingest.domain.mapping import Spot, Table
from services.ingest.domain.naming import spelling

HIGHEST_HEADER = 60
"""Rows that are searched for a header: above it stand a letterhead and a title."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The header's last row, and the column of each spot that was found."""

    header_end: int
    columns: Mapping[Spot, int]
    widest: int


@dataclass(frozen=True, slots=True)
class _Tried:
    """What one place for the header gives."""

    columns: dict[Spot, int]
    missing: list[Spot]
    doubled: list[tuple[Spot, list[int]]]
    end: int
    widest: int


def laid_out(sheet: Sheet, table: Table) -> Layout | list[Fault]:
    """Find the header, where the mapping says or where all its titles stand."""
    if not any(spot.title for spot in table.spots()) and table.header_row is None:
        return _as_layout(_at(sheet, table, 0))
    last = min(max(sheet.rows, default=0), HIGHEST_HEADER)
    rows = [table.header_row] if table.header_row else range(1, last + 1)
    best: _Tried | None = None
    for row in rows:
        tried = _at(sheet, table, row)
        if not tried.missing and not tried.doubled:
            return _as_layout(tried)
        if best is None or len(tried.missing) < len(best.missing):
            best = tried
    return _faults(sheet, table, best)


def _as_layout(tried: _Tried) -> Layout:
    return Layout(tried.end, tried.columns, tried.widest)


def _at(sheet: Sheet, table: Table, row: int) -> _Tried:
    rows = table.header_rows if row else 0
    paths = {c: sheet.path(row, rows, c) for c in sheet.columns(row, rows)}
    optional = [f.spot for f in table.figures if f.optional]
    columns: dict[Spot, int] = {}
    missing, doubled = [], []
    for spot in dict.fromkeys([*table.spots(), *optional]):
        found = _columns_of(spot, paths)
        if len(found) == 1:
            columns[spot] = found[0]
        elif found:
            doubled.append((spot, found))
        elif spot not in optional:
            missing.append(spot)
    widest = max((c for c, path in paths.items() if path), default=WIDEST)
    return _Tried(columns, missing, doubled, row + max(rows - 1, 0), widest)


def _columns_of(spot: Spot, paths: Mapping[int, Sequence[str]]) -> list[int]:
    """A column of exactly these titles, else those that have them among others."""
    if spot.letter is not None:
        return [number_of(spot.letter)]
    title = [spelling(step) for step in spot.title]
    exactly = [c for c, path in paths.items() if path == title]
    return exactly or [c for c, path in paths.items() if matches(title, path)]


def _faults(sheet: Sheet, table: Table, best: _Tried | None) -> list[Fault]:
    if best is None:
        return [Fault(sheet.at(), "empty_sheet", _EMPTY)]
    row = best.end if table.header_row or best.columns else None
    return [
        *(Fault(sheet.at(row), "column_not_found", _missing(s)) for s in best.missing),
        *(
            Fault(sheet.at(best.end, columns[1]), "ambiguous_column", _doubled(spot))
            for spot, columns in best.doubled
        ),
    ]


_EMPTY = Text("Trang tính không có gì.", "The sheet is empty.")


def _missing(spot: Spot) -> Text:
    title = " › ".join(spot.title)
    return Text(
        f"Không thấy cột có tiêu đề «{title}» như mẫu đọc đã khai.",
        f"No column is headed {title!r}, as the mapping says.",
    )


def _doubled(spot: Spot) -> Text:
    title = " › ".join(spot.title)
    return Text(
        f"Nhiều cột có tiêu đề «{title}»; mẫu đọc cần thêm tiêu đề cấp trên.",
        f"Several columns are headed {title!r}; let the mapping name those above too.",
    )
