"""Which sheet each table of a mapping is read from, and which of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from libs.common.problems import Text
from services.ingest.domain.grid import Cell, Sheet
from services.ingest.domain.layout import Layout
from services.ingest.domain.mapping import Mapping, Table
from services.ingest.domain.naming import spelling


def tables(
    sheets: Sequence[Sheet], mapping: Mapping, asked: str | None
) -> Iterator[tuple[Sheet, Table]]:
    """Each table with its sheet; a hidden one is read only when it is named."""
    by_name = {spelling(sheet.name): sheet for sheet in sheets}
    visible = [sheet for sheet in sheets if sheet.visible]
    wanted = spelling(asked) if asked else None
    alone = len(mapping.tables) == 1
    for table in mapping.tables:
        name = spelling(table.sheet) if table.sheet else None
        if wanted is not None and not alone and name != wanted:
            continue
        if len(sheets) == 1 and sheets[0].ragged:  # a CSV has no sheets to name
            if alone or wanted is not None:
                yield sheets[0], table
        elif (wanted or name) is None:
            yield from ((sheet, table) for sheet in visible[:1])
        elif (wanted or name or "") in by_name:
            yield by_name[wanted or name or ""], table


def needed(sheets: Sequence[Sheet], mapping: Mapping, asked: str | None) -> list[Sheet]:
    """The sheets that some table is read from; the others need not be opened."""
    return [sheet for sheet, _ in tables(sheets, mapping, asked)]


def has_figures(sheet: Sheet, table: Table, layout: Layout, row: int) -> bool:
    """Whether a row has figures, be they merged with another row's."""
    columns = {layout.columns.get(figure.spot) for figure in table.figures}
    return any(
        sheet.through(row, column) is not None
        and sheet.origin(row, column)[1] in columns
        for column in columns
        if column is not None
    )


def is_skipped(sheet: Sheet, row: int, named: Cell | None, skipped: set[str]) -> bool:
    """Whether a row begins with, or is called, what the mapping skips."""
    cells = sheet.rows[row]
    first = next((cells[c] for c in sorted(cells) if not cells[c].blank), None)
    return any(cell and spelling(cell.text) in skipped for cell in (named, first))


def no_sheet(mapping: Mapping) -> Text:
    """What is said when none of the mapping's sheets is there."""
    names = ", ".join(t.sheet for t in mapping.tables if t.sheet)
    return Text(
        f"Không thấy trang tính của mẫu đọc ({names}); với .csv hãy thêm tham số"
        " sheet.",
        f"No sheet of the mapping is there ({names}); with .csv say which by the"
        " parameter sheet.",
    )
