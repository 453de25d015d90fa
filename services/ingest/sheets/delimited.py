"""A .csv read into a sheet: UTF-8 or UTF-16, with commas, semicolons or tabs."""

from __future__ import annotations

import codecs
import csv
import io

from libs.common.problems import Text, Unacceptable
from services.ingest.domain.grid import WIDEST, Cell, Sheet
from services.ingest.sheets.workbook import MOST_CELLS, MOST_ROWS

_SEPARATORS = "\t;,"


def sheet_in(content: bytes, name: str) -> Sheet:
    """The one sheet of a .csv, named as the file is."""
    text = _decoded(content)
    rows: dict[int, dict[int, Cell]] = {}
    cells = 0
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
            if (
                len(rows) > MOST_ROWS
                or cells > MOST_CELLS
                or max(row, default=0) > WIDEST
            ):
                raise Unacceptable("too_many_rows", _TOO_LONG)
    except csv.Error as error:
        raise Unacceptable("unreadable_file", _broken(str(error))) from None
    return Sheet(name, rows, ragged=True)


def _decoded(content: bytes) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise Unacceptable("wrong_encoding", _ENCODING) from None
    if "\x00" in text:
        raise Unacceptable("wrong_encoding", _ENCODING)
    return text


def _separator(text: str) -> str:
    """What stands in the most lines; a tab or a semicolon before a decimal comma."""
    lines = text[:100_000].splitlines()[:200]
    return max(_SEPARATORS, key=lambda mark: sum(mark in line for line in lines))


_ENCODING = Text(
    "Tệp .csv không phải UTF-8; trong Excel hãy lưu kiểu «CSV UTF-8», hoặc gửi .xlsx"
    " (phông TCVN3, VNI phải đổi sang Unicode trước).",
    "The .csv is not UTF-8; save it in Excel as «CSV UTF-8», or send .xlsx (text in"
    " TCVN3 or VNI fonts is to be converted to Unicode first).",
)
_TOO_LONG = Text(
    f"Tệp .csv có hơn {MOST_ROWS} dòng hoặc quá nhiều ô; hãy chia thành nhiều tệp.",
    f"The .csv has more than {MOST_ROWS} rows or too many cells; split it.",
)


def _broken(why: str) -> Text:
    return Text(f"Tệp .csv bị hỏng: {why}.", f"The .csv is broken: {why}.")
