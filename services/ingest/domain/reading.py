"""From sheets to reports by a mapping, with the place of every fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from libs.common.periods import Period
from libs.common.problems import Fault, Text
from services.ingest.domain import spelling
from services.ingest.domain.cells import amount_in, count_in, rate_in
from services.ingest.domain.choosing import has_figures, is_skipped, no_sheet, tables
from services.ingest.domain.drafts import Draft, Drafts, Read
from services.ingest.domain.grid import Cell, Sheet, place
from services.ingest.domain.layout import Layout, laid_out
from services.ingest.domain.mapping import (
    UNITS_OF_MONEY,
    FigureColumn,
    Mapping,
    Table,
    WordColumn,
)
from services.ingest.domain.naming import Naming
from services.ingest.domain.naming import spelling as same_name
from services.ingest.domain.reports import COLUMNS, Row, Source
from services.ingest.domain.spelling import Misspelt

MOST_PERIODS = 60
"""Periods that one file may speak of: five years of months."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the sender says beside the file."""

    period: Period | None = None
    money_in: str | None = None
    sheet: str | None = None
    document: str | None = None
    reason: str | None = None


class _Reading:
    """One pass over the tables of a mapping."""

    def __init__(
        self, mapping: Mapping, asked: Asked, naming: Callable[[date], Naming]
    ) -> None:
        self.mapping, self.asked, self.naming = mapping, asked, naming
        self.drafts = Drafts()
        self.read = self.drafts.read
        self.periods: set[Period] = set()
        money_in = asked.money_in or mapping.money_in
        self.unit_of_money = UNITS_OF_MONEY[money_in] if money_in else None

    def table(self, sheet: Sheet, table: Table) -> None:
        layout = laid_out(sheet, table)
        if not isinstance(layout, Layout):
            self.read.faults += layout
            return
        period, known = self._period_above(sheet, table)
        if not known:
            return
        skipped = {same_name(text) for text in table.skip}
        for row in sorted(sheet.rows):
            if row > layout.header_end and has_figures(sheet, table, layout, row):
                self._row(sheet, table, layout, row, period, skipped)
        self._warn_of_hidden(sheet, layout)

    def _period_above(self, sheet: Sheet, table: Table) -> tuple[Period | None, bool]:
        """The period of the whole table, and whether there is no fault in it."""
        asked, said = self.asked.period, None
        if table.period_cell is not None:
            row, column = place(table.period_cell) or (1, 1)
            cell = sheet.through(row, column)
            said = spelling.period(cell.text) if cell else None
            if said is None and asked is None:
                self._fault_at(sheet.at(row, column), "unknown_period", _NO_PERIOD)
                return None, False
            if said is not None and asked not in (None, said):
                self._fault_at(sheet.at(row, column), "period_contradicts", _OTHER)
                return None, False
        if (asked or said) is None and table.period_column is None:
            self._fault_at(sheet.at(), "missing_period", _NO_PERIOD)
            return None, False
        return asked or said, True

    def _fault_at(self, pointer: str, code: str, message: Text) -> None:
        self.read.faults.append(Fault(pointer, code, message))

    def _row(
        self,
        sheet: Sheet,
        table: Table,
        layout: Layout,
        row: int,
        period: Period | None,
        skipped: set[str],
    ) -> None:
        column = layout.columns[table.unit.spot]
        named = sheet.through(row, column)
        if is_skipped(sheet, row, named, skipped):
            return
        if table.period_column is not None:
            period = self._period_of(sheet, layout, table, row, period)
        self.periods |= {period} if period else set()
        if len(self.periods) > MOST_PERIODS:
            self._fault_at(sheet.at(row), "too_many_periods", _PERIODS)
            return
        draft = self._draft(sheet, table, row, column, named, period)
        if sheet.ragged and max(sheet.rows[row]) > layout.widest:
            self.drafts.wrong(draft, "", "too_many_cells", _RAGGED, sheet.at(row))
            return
        for (measure, category), columns in self._by_cell(
            sheet, table, layout, row, draft
        ):
            self._figures(sheet, row, draft, measure, category, columns)

    def _period_of(
        self,
        sheet: Sheet,
        layout: Layout,
        table: Table,
        row: int,
        period: Period | None,
    ) -> Period | None:
        """The period that the row itself names; the one asked for where it is blank."""
        assert table.period_column is not None
        cell = sheet.through(row, layout.columns[table.period_column])
        said = spelling.period(cell.text) if cell else period
        return None if period is not None and said != period else said

    def _draft(
        self,
        sheet: Sheet,
        table: Table,
        row: int,
        column: int,
        named: Cell | None,
        period: Period | None,
    ) -> Draft:
        where = sheet.at(row, column)
        if period is None:
            where = sheet.at(row)
            return self.drafts.nobodys("/period", "unknown_period", _NO_PERIOD, where)
        if named is None:
            return self.drafts.nobodys("/unit", "missing", _NO_NAME, where)
        found = self.naming(period.end).of(
            named.text.strip(), table.unit.by, digits=named.kind == "number"
        )
        if found.unit is None:
            assert found.message is not None
            return self.drafts.nobodys("/unit", found.code, found.message, where)
        key = (found.unit, period.code)
        known = self.drafts.get(key)
        if known is not None:
            return known
        draft = self.drafts.begin(key, found.unit, period.code)
        base = f"/reports/{draft.index}"
        self.read.places[base] = sheet.at(row)
        self.read.places[f"{base}/unit"] = where
        return draft

    def _by_cell(
        self, sheet: Sheet, table: Table, layout: Layout, row: int, draft: Draft
    ) -> Iterator[tuple[tuple[str, str], list[tuple[FigureColumn, int]]]]:
        """The columns of a row by the measure and category that they speak of."""
        said: dict[str, str | None] = {}
        for name, words in (("measure", table.measure), ("category", table.category)):
            if words is not None:
                said[name] = self._word(sheet, layout, row, draft, words)
                if said[name] is None:
                    return
        grouped: dict[tuple[str, str], list[tuple[FigureColumn, int]]] = {}
        for figure in table.figures:
            measure = figure.measure or said.get("measure") or ""
            category = figure.category or said.get("category") or "all"
            column = layout.columns.get(figure.spot)
            if column is not None:
                grouped.setdefault((measure, category), []).append((figure, column))
        yield from grouped.items()

    def _word(
        self, sheet: Sheet, layout: Layout, row: int, draft: Draft, words: WordColumn
    ) -> str | None:
        column = layout.columns[words.spot]
        cell = sheet.through(row, column)
        values = {same_name(text): value for text, value in words.values.items()}
        found = values.get(same_name(cell.text)) if cell else None
        if found is None:
            message = _not_a_word(cell.text if cell else "", words.values)
            member = f"/figures/{draft.count}"
            draft.count += 1
            self.drafts.wrong(
                draft, member, "unknown_word", message, sheet.at(row, column)
            )
        return found

    def _figures(
        self,
        sheet: Sheet,
        row: int,
        draft: Draft,
        measure: str,
        category: str,
        columns: Sequence[tuple[FigureColumn, int]],
    ) -> None:
        number, counts = draft.count, dict[str, int]()
        rate: Decimal | None = None
        base = f"/reports/{draft.index}/figures/{number}"
        draft.count += 1
        self.read.places[base] = sheet.at(row)
        for figure, column in columns:
            member, where = f"/figures/{number}/{figure.column}", sheet.at(row, column)
            self.read.places[f"{base}/{figure.column}"] = where
            try:
                if sheet.origin(row, column) != (row, column):
                    raise Misspelt("merged_figures", _MERGED)
                cell = sheet.cell(row, column)
                if cell is None:
                    continue
                if figure.column == "published_rate":
                    rate = rate_in(cell)
                else:
                    counts[figure.column] = self._count(cell, measure)
            except Misspelt as error:
                self.drafts.wrong(draft, member, error.code, error.message, where)
        if counts or rate is not None:
            values = tuple(counts.get(name) for name in COLUMNS)
            self.drafts.keep(
                draft, Row(measure, category, values, rate), number, sheet.at(row)
            )

    def _count(self, cell: Cell, measure: str) -> int:
        if measure == "money":
            return amount_in(cell, self.unit_of_money)
        return count_in(cell)

    def _warn_of_hidden(self, sheet: Sheet, layout: Layout) -> None:
        hidden = sheet.hidden_rows & sheet.rows.keys()
        rows = sorted(row for row in hidden if row > layout.header_end)
        columns = sorted(sheet.hidden_columns & set(layout.columns.values()))
        for row in rows[:1]:
            message = _hidden_rows(len(rows))
            self.read.warnings.append(Fault(sheet.at(row), "hidden_rows", message))
        for column in columns:
            where = sheet.at(None, column)
            self.read.warnings.append(Fault(where, "hidden_column", _HIDDEN_COLUMN))


def read(
    sheets: Sequence[Sheet],
    mapping: Mapping,
    asked: Asked,
    naming: Callable[[date], Naming],
) -> Read:
    """Every report that the file holds by this mapping, and every fault in it."""
    reading = _Reading(mapping, asked, naming)
    found = list(tables(sheets, mapping, asked.sheet))
    if not found:
        reading.read.faults.append(Fault("", "sheet_not_found", no_sheet(mapping)))
    for sheet, table in found:
        reading.table(sheet, table)
    source = Source(
        mapping.document or asked.document, mapping.document_date, mapping.illustrative
    )
    made = reading.drafts.finished(source, form=mapping.form, reason=asked.reason)
    if not made.reports and not made.faults:
        made.faults.append(Fault("", "no_figures", _NOTHING))
    return made


_NO_PERIOD = Text(
    "Không rõ kỳ báo cáo; hãy thêm tham số period, ví dụ 2022M05 hoặc 2025-09-12.",
    "No period is named; add the parameter period, e.g. 2022M05 or 2025-09-12.",
)
_PERIODS = Text(
    f"Một tệp có tối đa {MOST_PERIODS} kỳ.",
    f"A file has at most {MOST_PERIODS} periods.",
)
_OTHER = Text(
    "Kỳ ghi trong bảng khác với tham số period.",
    "The sheet names another period than the parameter does.",
)
_NO_NAME = Text("Có số liệu nhưng thiếu tên đơn vị.", "Figures without a unit's name.")
_RAGGED = Text(
    "Dòng có nhiều ô hơn tiêu đề: số thập phân có dấu phẩy thì phải đặt trong ngoặc"
    " kép, hoặc phân cách bằng dấu chấm phẩy.",
    "More cells than the header has: quote numbers with a decimal comma, or separate"
    " by semicolons.",
)
_MERGED = Text(
    "Ô số liệu bị gộp với ô khác; hãy bỏ gộp và ghi số cho từng dòng.",
    "A figure is merged with another cell; unmerge it and give each row its own.",
)
_HIDDEN_COLUMN = Text(
    "Cột này bị ẩn nhưng vẫn được đọc.", "This column is hidden, and was read."
)
_NOTHING = Text(
    "Không có dòng số liệu nào dưới tiêu đề.", "No figures stand below the header."
)


def _hidden_rows(count: int) -> Text:
    return Text(
        f"{count} dòng bị ẩn vẫn được đọc, bắt đầu từ dòng này.",
        f"{count} hidden row(s) were read, from this one on.",
    )


def _not_a_word(text: str, values: object) -> Text:
    known = ", ".join(str(value) for value in values)[:200]  # type: ignore[attr-defined]
    return Text(
        f"«{text[:80]}» không có trong mẫu đọc; dùng được: {known}.",
        f"{text[:80]!r} is not in the mapping; known: {known}.",
    )
