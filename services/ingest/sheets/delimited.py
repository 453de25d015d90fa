"""A .csv read into a sheet: UTF-8 or UTF-16, with commas, semicolons or tabs."""

from __future__ import annotations

import codecs
import csv
import io
import re

from libs.common.problems import Text, Unacceptable
from services.ingest.domain.grid import WIDEST, Cell, Sheet, pointer
from services.ingest.sheets.packages import placed
from services.ingest.sheets.workbook import MOST_CELLS, MOST_ROWS, TOO_LONG, TOO_MANY

_SEPARATORS = "\t;,"


def sheet_in(content: bytes, name: str) -> Sheet:
    """The one sheet of a .csv, named as the file is; Unacceptable names the row."""
    text = _decoded(content, name)
    rows: dict[int, dict[int, Cell]] = {}
    cells = number = 0
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text))
    try:
        for number, line in enumerate(lines, start=1):
            row = {
                column: Cell("text", value)
                for column, value in enumerate(line, start=1)
                if value.strip()
            }
            cells += len(row)
            if row:
                rows[number] = row
            _refuse_excess(pointer(name, number), len(rows), cells)
            if max(row, default=0) > WIDEST:
                far = min(column for column in row if column > WIDEST)
                raise _refused(
                    "too_many_columns", _TOO_WIDE, pointer(name, number, far)
                )
    except csv.Error as error:
        here = pointer(name, number + 1)
        raise _refused("unreadable_file", _broken(str(error)), here) from None
    return Sheet(name, rows, ragged=True)


def _refuse_excess(here: str, rows: int, cells: int) -> None:
    if rows > MOST_ROWS:
        raise _refused("too_many_rows", TOO_LONG, here)
    if cells > MOST_CELLS:
        raise _refused("too_many_cells", TOO_MANY, here)


def _refused(code: str, why: Text, here: str) -> Unacceptable:
    return placed(Unacceptable(code, why), here)


def _decoded(content: bytes, name: str) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        # A codec counts from behind the mark of byte order that it skips.
        good = error.object[: error.start]
        before = bytes(good).decode(error.encoding, errors="ignore")
        raise _not_unicode(before, name) from None
    if "\x00" in text:
        raise _not_unicode(text[: text.index("\x00")], name)
    return text


def _not_unicode(before: str, name: str) -> Unacceptable:
    """The encoding is wrong, first in the line that follows these characters."""
    line = len(re.findall(r"\r\n|\r|\n", before)) + 1
    return _refused("wrong_encoding", _encoding(line), pointer(name, line))


def _separator(text: str) -> str:
    """What stands in the most lines; a tab or a semicolon before a decimal comma."""
    lines = text[:100_000].splitlines()[:200]
    return max(_SEPARATORS, key=lambda mark: sum(mark in line for line in lines))


_TOO_WIDE = Text(
    f"Dòng có hơn {WIDEST} cột; hãy xóa phần thừa.",
    f"The row has more than {WIDEST} columns; clear what is not needed.",
)


def _encoding(line: int) -> Text:
    return Text(
        f"Tệp .csv không phải UTF-8 (lần đầu ở dòng {line}); trong Excel hãy lưu kiểu"
        " «CSV UTF-8», hoặc gửi .xlsx (phông TCVN3, VNI phải đổi sang Unicode trước).",
        f"The .csv is not UTF-8 (first in line {line}); save it in Excel as «CSV"
        " UTF-8», or send .xlsx (text in TCVN3 or VNI fonts is to be converted to"
        " Unicode first).",
    )


def _broken(why: str) -> Text:
    return Text(f"Tệp .csv bị hỏng: {why}.", f"The .csv is broken: {why}.")
