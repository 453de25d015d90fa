"""An .xlsx read into sheets: exact numbers, formulas' kept values, what is hidden.

The numbers are taken from the file's own text, so none passes through a float. What
makes a cell a rate, a date or a failed formula is kept; a reader that returns bare
values shows an error as an empty cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Context, Decimal, InvalidOperation

from libs.common.problems import Text, Unacceptable
from services.ingest.domain.grid import (
    WIDEST,
    Cell,
    Kind,
    Range,
    Sheet,
    place,
    pointer,
)
from services.ingest.sheets.packages import Package, nothing, placed, unreadable

MOST_ROWS = 20_000
"""Rows with something in them: as many as there may be units in one request."""
MOST_CELLS = 500_000
MOST_TEXT = 32 * 1024 * 1024
MOST_MERGED = 200_000
MOST_RANGES = 20_000
MOST_STYLES = 100_000
MOST_SHEETS = 100
_WORKBOOK = "xl/workbook.xml"
_LAST_ROW = 1_048_576


Needed = Callable[[Sequence[Sheet]], Sequence[Sheet]]
"""Chooses by name and visibility, before anything is read, which sheets to read."""


def ALL(sheets: Sequence[Sheet]) -> Sequence[Sheet]:
    """Every sheet."""
    return sheets


def sheets_in(content: bytes, needed: Needed = ALL) -> list[Sheet]:
    """The worksheets in the workbook's order; those not `needed` stay empty.

    What nobody asked for may be as long, wide or broken as it likes.
    """
    book = _Book(Package(content))
    named = [Sheet(name, {}, visible=visible) for name, _, visible in book.listed]
    chosen = {id(sheet) for sheet in needed(named)}
    return [
        book.sheet(*listed) if id(sheet) in chosen else sheet
        for sheet, listed in zip(named, book.listed, strict=True)
    ]


class _Book:
    """What a workbook says once for all its sheets."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.listed: list[tuple[str, str, bool]] = []
        self.stale = False
        self.day_zero = date(1899, 12, 30)
        self._cells = self._letters = 0
        self._targets = package.targets(_WORKBOOK)
        package.walk(_WORKBOOK, self._read_workbook, nothing, nothing)
        if not 0 < len(self.listed) <= MOST_SHEETS:
            raise unreadable(_NO_SHEETS)
        self.kinds = _kinds_of_styles(package, self._part("styles"))
        self.texts = self._shared_texts()

    def _part(self, kind: str) -> str | None:
        paths = [path for k, path in self._targets.values() if k == kind]
        return next((path for path in paths if path in self.package.names), None)

    def _read_workbook(self, tag: str, given: Mapping[str, str]) -> None:
        if tag == "sheet":
            link = next((v for k, v in given.items() if k.endswith(" id")), "")
            kind, path = self._targets.get(link, ("", ""))
            if kind == "worksheet" and path in self.package.names:
                visible = given.get("state", "visible") == "visible"
                self.listed.append((given.get("name", "")[:200], path, visible))
        elif tag == "calcPr":
            # Whoever wrote the file did not compute: what is kept means nothing.
            self.stale = given.get("fullCalcOnLoad") in ("1", "true")
        elif tag == "workbookPr" and given.get("date1904") in ("1", "true"):
            self.day_zero = date(1904, 1, 1)

    def _shared_texts(self) -> list[str]:
        part = self._part("sharedStrings")
        texts = _Texts(self)
        if part is not None:
            self.package.walk(part, texts.start, texts.end, texts.text)
        return texts.found

    def sheet(self, name: str, path: str, visible: bool) -> Sheet:
        reading = _SheetReading(self)
        try:
            self.package.walk(path, reading.start, reading.end, reading.text)
            reading.refuse_wide_merges()
        except Unacceptable as problem:
            raise placed(problem, pointer(name, *reading.place)) from None
        return Sheet(
            name,
            reading.rows,
            tuple(reading.merged),
            frozenset(reading.hidden_rows),
            frozenset(reading.hidden_columns),
            visible,
        )

    def count_letters(self, text: str) -> str:
        self._letters += len(text)
        if self._letters > MOST_TEXT:
            raise Unacceptable("too_many_cells", TOO_MANY)
        return text

    def count_cell(self) -> None:
        self._cells += 1
        if self._cells > MOST_CELLS:
            raise Unacceptable("too_many_cells", TOO_MANY)


class _Texts:
    """The shared texts; how a word is pronounced (`rPh`) is no part of them."""

    def __init__(self, book: _Book) -> None:
        self.found: list[str] = []
        self._book, self._parts = book, list[str]()
        self._inside = self._aside = False

    def start(self, tag: str, _: Mapping[str, str]) -> None:
        if tag == "si":
            self._parts = []
        self._aside = self._aside or tag == "rPh"
        self._inside = tag == "t" and not self._aside

    def end(self, tag: str) -> None:
        self._inside = False
        if tag == "rPh":
            self._aside = False
        if tag == "si":
            self.found.append("".join(self._parts))
            if len(self.found) > MOST_CELLS:
                raise Unacceptable("too_many_cells", TOO_MANY)

    def text(self, piece: str) -> None:
        if self._inside:
            self._parts.append(self._book.count_letters(piece))


@dataclass(slots=True)
class _Raw:
    """A cell while it is read."""

    row: int
    column: int
    type: str
    style: int
    formula: bool = False
    value: list[str] = field(default_factory=list)
    kept: bool = False


class _SheetReading:
    """One pass over a worksheet's elements."""

    def __init__(self, book: _Book) -> None:
        self.book = book
        self.rows: dict[int, dict[int, Cell]] = {}
        self.merged: list[Range] = []
        self.hidden_rows: set[int] = set()
        self.hidden_columns: set[int] = set()
        self._row = self._column = 0
        self._cell: _Raw | None = None
        self._inside = self._aside = False

    @property
    def place(self) -> tuple[int, int]:
        """Row and column that were reached; 0 before the first."""
        return self._row, self._column

    def start(self, tag: str, given: Mapping[str, str]) -> None:
        if tag == "c":
            self._open(given)
        elif tag == "row":
            self._row = _number(given.get("r"), self._row + 1, _LAST_ROW)
            self._column = 0
            if given.get("hidden") in ("1", "true"):
                self.hidden_rows.add(self._row)
        elif tag == "col" and given.get("hidden") in ("1", "true"):
            first = _number(given.get("min"), 1, WIDEST)
            last = _number(given.get("max"), first, 16_384)
            self.hidden_columns |= set(range(first, min(last, WIDEST) + 1))
        elif tag == "mergeCell":
            self.merged += _range(given.get("ref", ""))
            self._row, self._column = self.merged[-1][:2] if self.merged else (0, 0)
            if len(self.merged) > MOST_RANGES:
                raise Unacceptable("too_many_cells", TOO_MANY)
        elif self._cell is not None:
            self._within(tag)

    def _open(self, given: Mapping[str, str]) -> None:
        found = place(given.get("r", ""))
        row, column = found or (self._row, self._column + 1)
        self._row, self._column = row, column
        style = _number(given.get("s"), 0, 1_000_000)
        self._cell = _Raw(row, column, given.get("t", "n"), style)

    def _within(self, tag: str) -> None:
        assert self._cell is not None
        if tag == "f":
            self._cell.formula = True
        self._aside = self._aside or tag == "rPh"
        self._inside = tag in ("v", "t") and not self._aside

    def text(self, piece: str) -> None:
        if self._inside and self._cell is not None:
            self._cell.value.append(self.book.count_letters(piece))

    def end(self, tag: str) -> None:
        self._inside = False
        if tag == "rPh":
            self._aside = False
        if tag == "c" and self._cell is not None:
            self._keep(self._cell)
            self._cell = None

    def _keep(self, raw: _Raw) -> None:
        cell = _cell(raw, self.book)
        if cell is None or cell.blank:
            return
        if raw.column > WIDEST:
            raise Unacceptable("too_many_columns", _TOO_WIDE)
        self.book.count_cell()
        self.rows.setdefault(raw.row, {})[raw.column] = cell
        if len(self.rows) > MOST_ROWS:
            raise Unacceptable("too_many_rows", TOO_LONG)

    def refuse_wide_merges(self) -> None:
        """Refuse ranges that would cover the sheet again and again."""
        last, area = max(self.rows, default=0), 0
        for top, left, bottom, right in self.merged:
            self._row, self._column = top, left
            rows = max(0, min(bottom, last) - top + 1)
            area += rows * max(0, min(right, WIDEST) - left + 1)
            if area > MOST_MERGED:
                raise Unacceptable("too_many_cells", TOO_MANY)


def _cell(raw: _Raw, book: _Book) -> Cell | None:
    value = "".join(raw.value)
    if raw.type == "e":
        return Cell("error", value)
    if raw.formula and (book.stale or (not value and raw.type != "str")):
        return Cell("uncomputed", value)
    if not value:
        return None
    if raw.type == "s":
        index = int(value) if value.isascii() and value.isdigit() else len(book.texts)
        if index >= len(book.texts):
            raise unreadable(_LOST_TEXT)
        return Cell("text", book.texts[index])
    if raw.type in ("str", "inlineStr"):
        return Cell("text", value)
    if raw.type == "b":
        return Cell("flag", "TRUE" if value == "1" else "FALSE")
    if raw.type == "d":
        return Cell("date", value[:10])
    return _numeric(value, book.kinds.get(raw.style, "number"), book.day_zero)


# Excel computes and shows fifteen digits, and writes seventeen: 41.54 % lies in a
# file as 0.41539999999999999.
_FIFTEEN = Context(prec=15)


def _numeric(text: str, kind: Kind, day_zero: date) -> Cell:
    if kind == "number" and len(text) < 16 and text.isascii() and text.isdigit():
        return Cell(kind, text, Decimal(text))
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Cell("text", text)
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return Cell("text", text)
    if number != number.to_integral_value():
        number = _FIFTEEN.plus(number)
    if kind == "date":
        return Cell("date", _day(number, day_zero) or text)
    if kind == "percent":
        number *= 100
        return Cell("percent", f"{number.normalize():f}%", number)
    return Cell("number", f"{number.normalize():f}", number)


def _day(number: Decimal, day_zero: date) -> str | None:
    with suppress(OverflowError):
        return (day_zero + timedelta(days=int(number))).isoformat()
    return None


_BUILT_IN: dict[int, Kind] = {
    **dict.fromkeys((9, 10), "percent"),
    **dict.fromkeys((*range(14, 23), *range(27, 37), *range(45, 48)), "date"),
    **dict.fromkeys(range(50, 59), "date"),
}
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')


def _kind_of_format(code: str) -> Kind:
    """What a number format makes of a number: `0.00%` a percentage, `d/m` a day."""
    bare = _QUOTED.sub("", code).lower()
    if "%" in bare:
        return "percent"
    dated = bare != "general" and re.search(r"[dmyhs]", bare)
    return "date" if dated else "number"


def _kinds_of_styles(package: Package, part: str | None) -> dict[int, Kind]:
    """Which cell styles show a percentage or a date, by their number."""
    formats: dict[str, Kind] = {str(n): kind for n, kind in _BUILT_IN.items()}
    found: dict[int, Kind] = {}
    inside, count = False, 0

    def start(tag: str, given: Mapping[str, str]) -> None:
        nonlocal inside, count
        if tag == "numFmt" and "numFmtId" in given:
            formats[given["numFmtId"]] = _kind_of_format(given.get("formatCode", ""))
        inside = tag == "cellXfs" or (inside and tag != "cellStyles")
        if inside and tag == "xf" and count < MOST_STYLES:
            found[count] = formats.get(given.get("numFmtId", "0"), "number")
            count += 1

    def end(tag: str) -> None:
        nonlocal inside
        inside = inside and tag != "cellXfs"

    if part is not None:
        package.walk(part, start, end, nothing)
    return found


def _number(text: str | None, default: int, most: int) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 9):
        return default
    return min(int(text), most)


def _range(reference: str) -> list[Range]:
    first, _, last = reference.partition(":")
    top, bottom = place(first), place(last or first)
    return [(*top, *bottom)] if top and bottom else []


_NO_SHEETS = Text("Tệp không có trang tính nào.", "The file has no worksheet.")
_LOST_TEXT = Text(
    "Tệp .xlsx trỏ tới chữ không có; hãy mở bằng Excel rồi lưu lại.",
    "The .xlsx points to text that it lacks; open it in Excel and save it again.",
)
TOO_LONG = Text(
    f"Trang tính có hơn {MOST_ROWS} dòng; hãy chia thành nhiều tệp.",
    f"A sheet has more than {MOST_ROWS} rows; split it into several files.",
)
TOO_MANY = Text(
    "Tệp có quá nhiều ô; hãy chỉ giữ trang tính cần nộp.",
    "The file has too many cells; keep only the sheet that is to be sent.",
)

_TOO_WIDE = Text(
    f"Ô này nằm ngoài {WIDEST} cột đầu; hãy xóa phần thừa.",
    f"This cell lies beyond {WIDEST} columns; clear what is not needed.",
)
