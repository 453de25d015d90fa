"""Workbooks made for tests, honest ones and others."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import xlsxwriter

LETTER = [
    ["Phụ lục 1", None, None],
    ["KẾT QUẢ THI HÀNH ÁN 5 THÁNG NĂM 2022 VỀ VIỆC", None, None],
    [None, None, None],
    ["STT", "Tên đơn vị", "Tỷ lệ (%)"],
]
"""What stands above the figures of an appendix."""


def xlsx(
    rows: Sequence[Sequence[Any]],
    *,
    name: str = "Về việc",
    more: Callable[[Any, Any], None] = lambda book, sheet: None,
) -> bytes:
    """A workbook with these rows; `more` does what rows cannot say."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_urls": False})
    sheet = book.add_worksheet(name)
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    more(book, sheet)
    book.close()
    return file.getvalue()


def changed(content: bytes, part: str, change: Callable[[str], str]) -> bytes:
    """The same package with one part rewritten (or added)."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        names = [*old.namelist(), *({part} - set(old.namelist()))]
        for name in names:
            text = old.read(name).decode() if name in old.namelist() else ""
            new.writestr(name, change(text) if name == part else text)
    return file.getvalue()


def computed(content: bytes) -> bytes:
    """As Excel saves it: the kept values of formulas may be trusted."""
    return changed(
        content, "xl/workbook.xml", lambda xml: xml.replace(' fullCalcOnLoad="1"', "")
    )
