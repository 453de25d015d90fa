"""From sheets to reports by a mapping, with the place of every fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from libs.common.periods import Period
from libs.common.problems import Fault, Text
from services.ingest.domain import spelling
from services.ingest.domain.cells import amount_in, count_in, rate_in
from services.ingest.domain.forms import findings
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
from services.ingest.domain.reports import (
    COLUMNS,
    Report,
    Row,
    Source,
    fault,
    faults_of_row,
)
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


@dataclass(slots=True)
class Read:
    """Reports and faults as a JSON body has them, and where in the file each is."""

    reports: list[Report] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def placed(self, found: Fault) -> Fault:
        """The same fault with its pointer into the file."""
        pointer = found.pointer
        while pointer and pointer not in self.places:
            pointer = pointer.rpartition("/")[0]
        where = self.places.get(pointer, found.pointer)
        return Fault(where, found.code, found.message)


@dataclass(slots=True)
class _Draft:
    """One unit's report while its rows are read."""

    index: int
    unit: str | None
    period: str | None
    rows: list[Row] = field(default_factory=list)
    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    count: int = 0
    sound: bool = True


class _Reading:
    """One pass over the tables of a mapping."""

    def __init__(
        self, mapping: Mapping, asked: Asked, naming: Callable[[date], Naming]
    ) -> None:
        self.mapping, self.asked, self.naming = mapping, asked, naming
        self.read = Read()
        self.drafts: dict[tuple[object, ...], _Draft] = {}
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
            if row > layout.header_end and _has_figures(sheet, table, layout, row):
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
        if _is_skipped(sheet, row, named, skipped):
            return
        if table.period_column is not None:
            period = self._period_of(sheet, layout, table, row, period)
        self.periods |= {period} if period else set()
        if len(self.periods) > MOST_PERIODS:
            self._fault_at(sheet.at(row), "too_many_periods", _PERIODS)
            return
        draft = self._draft(sheet, table, row, column, named, period)
        if sheet.ragged and max(sheet.rows[row]) > layout.widest:
            self._wrong(draft, "", "too_many_cells", _RAGGED, sheet.at(row))
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
    ) -> _Draft:
        if period is None:
            draft = self._new((sheet.name, row), None, None)
            self._wrong(draft, "/period", "unknown_period", _NO_PERIOD, sheet.at(row))
            return draft
        if named is None:
            draft = self._new((sheet.name, row), None, None)
            self._wrong(draft, "/unit", "missing", _NO_NAME, sheet.at(row, column))
            return draft
        found = self.naming(period.end).of(
            named.text.strip(), table.unit.by, digits=named.kind == "number"
        )
        if found.unit is None:
            draft = self._new((sheet.name, row), None, None)
            where = sheet.at(row, column)
            assert found.message is not None
            self._wrong(draft, "/unit", found.code, found.message, where)
            return draft
        key = (found.unit, period.code)
        if key not in self.drafts:
            draft = self._new(key, found.unit, period.code)
            place = f"/reports/{draft.index}"
            self.read.places[place] = sheet.at(row)
            self.read.places[f"{place}/unit"] = sheet.at(row, column)
        return self.drafts[key]

    def _new(
        self, key: tuple[object, ...], unit: str | None, period: str | None
    ) -> _Draft:
        draft = _Draft(len(self.drafts), unit, period)
        self.drafts[key] = draft
        return draft

    def _wrong(
        self, draft: _Draft, member: str, code: str, message: Text, where: str
    ) -> None:
        draft.sound = False
        found = fault(draft.index, member, code, message)
        self.read.places[found.pointer] = where
        self.read.faults.append(found)

    def _by_cell(
        self, sheet: Sheet, table: Table, layout: Layout, row: int, draft: _Draft
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
        self, sheet: Sheet, layout: Layout, row: int, draft: _Draft, words: WordColumn
    ) -> str | None:
        column = layout.columns[words.spot]
        cell = sheet.through(row, column)
        values = {same_name(text): value for text, value in words.values.items()}
        found = values.get(same_name(cell.text)) if cell else None
        if found is None:
            message = _not_a_word(cell.text if cell else "", words.values)
            member = f"/figures/{draft.count}"
            draft.count += 1
            self._wrong(draft, member, "unknown_word", message, sheet.at(row, column))
        return found

    def _figures(
        self,
        sheet: Sheet,
        row: int,
        draft: _Draft,
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
                self._wrong(draft, member, error.code, error.message, where)
        if counts or rate is not None:
            values = tuple(counts.get(name) for name in COLUMNS)
            self._keep(
                draft, Row(measure, category, values, rate), number, sheet.at(row)
            )

    def _keep(self, draft: _Draft, row: Row, number: int, where: str) -> None:
        earlier = draft.cells.setdefault(row.cell, where)
        member = f"/figures/{number}"
        if earlier != where:
            self._wrong(draft, member, "duplicate_row", _twice(earlier), where)
            return
        for name, code, message in faults_of_row(row):
            step = f"{member}/{name}" if name else member
            draft.sound = False
            self.read.faults.append(fault(draft.index, step, code, message))
        draft.rows.append(row)

    def _count(self, cell: Cell, measure: str) -> int:
        if measure == "money":
            return amount_in(cell, self.unit_of_money)
        return count_in(cell)

    def _warn_of_hidden(self, sheet: Sheet, layout: Layout) -> None:
        rows = sorted(sheet.hidden_rows & {r for r in sheet.rows if sheet.rows[r]})
        columns = sorted(sheet.hidden_columns & set(layout.columns.values()))
        for row in [r for r in rows if r > layout.header_end][:1]:
            message = _hidden_rows(len(rows))
            self.read.warnings.append(Fault(sheet.at(row), "hidden_rows", message))
        for column in columns:
            where = sheet.at(None, column)
            self.read.warnings.append(Fault(where, "hidden_column", _HIDDEN_COLUMN))

    def finished(self) -> Read:
        source = Source(
            self.mapping.document or self.asked.document,
            self.mapping.document_date,
            self.mapping.illustrative,
        )
        for draft in self.drafts.values():
            if draft.sound and draft.rows and draft.unit and draft.period:
                self._add(
                    Report(
                        draft.index,
                        draft.unit,
                        draft.period,
                        tuple(draft.rows),
                        source,
                        self.mapping.form,
                        self.asked.reason,
                    )
                )
        return self.read

    def _add(self, report: Report) -> None:
        found = list(findings(report))
        wrong = [fault for severity, fault in found if severity == "error"]
        self.read.faults += wrong
        if not wrong:
            self.read.reports.append(report)
            self.read.warnings += [fault for _, fault in found]


def read(
    sheets: Sequence[Sheet],
    mapping: Mapping,
    asked: Asked,
    naming: Callable[[date], Naming],
) -> Read:
    """Every report that the file holds by this mapping, and every fault in it."""
    reading = _Reading(mapping, asked, naming)
    found = list(_tables(sheets, mapping, asked))
    if not found:
        reading.read.faults.append(Fault("", "sheet_not_found", _no_sheet(mapping)))
    for sheet, table in found:
        reading.table(sheet, table)
    made = reading.finished()
    if not made.reports and not made.faults:
        made.faults.append(Fault("", "no_figures", _NOTHING))
    return made


def _tables(
    sheets: Sequence[Sheet], mapping: Mapping, asked: Asked
) -> Iterator[tuple[Sheet, Table]]:
    """Each table with its sheet; a hidden one is read only when it is named."""
    by_name = {same_name(sheet.name): sheet for sheet in sheets}
    visible = [sheet for sheet in sheets if sheet.visible]
    wanted = same_name(asked.sheet) if asked.sheet else None
    alone = len(mapping.tables) == 1
    for table in mapping.tables:
        name = same_name(table.sheet) if table.sheet else None
        if wanted is not None and not alone and name != wanted:
            continue
        if len(sheets) == 1 and sheets[0].ragged:  # a CSV has no sheets to name
            if alone or wanted is not None:
                yield sheets[0], table
        elif (wanted or name) is None:
            yield from ((sheet, table) for sheet in visible[:1])
        elif (wanted or name or "") in by_name:
            yield by_name[wanted or name or ""], table


def _has_figures(sheet: Sheet, table: Table, layout: Layout, row: int) -> bool:
    """Whether a row has figures, be they merged with another row's."""
    columns = {layout.columns.get(figure.spot) for figure in table.figures}
    return any(
        sheet.through(row, column) is not None
        and sheet.origin(row, column)[1] in columns
        for column in columns
        if column is not None
    )


def _is_skipped(sheet: Sheet, row: int, named: Cell | None, skipped: set[str]) -> bool:
    cells = sheet.rows[row]
    first = next((cells[c] for c in sorted(cells) if not cells[c].blank), None)
    return any(cell and same_name(cell.text) in skipped for cell in (named, first))


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


def _twice(earlier: str) -> Text:
    return Text(
        f"Đơn vị này đã có số liệu cùng loại ở {earlier}.",
        f"The same figures of this unit stand at {earlier} already.",
    )


def _not_a_word(text: str, values: object) -> Text:
    known = ", ".join(str(value) for value in values)[:200]  # type: ignore[attr-defined]
    return Text(
        f"«{text[:80]}» không có trong mẫu đọc; dùng được: {known}.",
        f"{text[:80]!r} is not in the mapping; known: {known}.",
    )


def _no_sheet(mapping: Mapping) -> Text:
    names = ", ".join(t.sheet for t in mapping.tables if t.sheet)
    return Text(
        f"Không thấy trang tính của mẫu đọc ({names}); với .csv hãy thêm tham số"
        " sheet.",
        f"No sheet of the mapping is there ({names}); with .csv say which by the"
        " parameter sheet.",
    )
