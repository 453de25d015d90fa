"""The ranking as an .xlsx that looks like the appendix of a letter.

Rates are numbers with two places: the file holds exactly `41.54`, and a spreadsheet
set to Vietnamese shows `41,54`. The mapping `appendix` reads the file back.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from libs.common.clock import VIETNAM
from libs.common.keys import ROOT
from libs.common.periods import Period
from services.scoring.domain.indicators import definition
from services.scoring.indicators import shipped
from services.scoring.shown_ranking import RankingLine

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HEADER = ("STT", "Tên đơn vị", "Tỷ lệ (%)", "So với toàn quốc (điểm %)")
_SHEETS = {
    "cases": "Về việc",
    "money": "Về tiền",
    "complaints": "Về khiếu nại, tố cáo",
    "administrative": "Về án hành chính",
    "decisions": "Về quyết định",
    "guidance": "Về văn bản xin ý kiến",
}
_NATIONAL = "Kết quả chung toàn quốc"
_ORDER = "Theo thứ tự đơn vị có kết quả cao đến đơn vị có kết quả thấp"
_NOTE = (
    "Thông tin quản lý nội bộ; số liệu thống kê chính thức do Bộ trưởng Bộ Tư pháp"
    " công bố."
)
_HEADER_ROW = 4
# One moment for every file, so that the same ranking is the same bytes.
_MADE = datetime(2010, 1, 1, tzinfo=VIETNAM).replace(tzinfo=None)


def workbook(
    lines: Sequence[RankingLine], period: Period, measure: str, category: str
) -> bytes:
    """The appendix with its title, the national row first, ready to be printed."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    title, fraction = _about(period, measure, category)
    book.set_properties({"title": title, "created": _MADE})
    sheet = book.add_worksheet(_SHEETS[measure])
    _write_head(book, sheet, title, fraction)
    body, strong = _formats(book, bold=False), _formats(book, bold=True)
    for row, line in enumerate(lines, start=_HEADER_ROW + 1):
        _write_line(sheet, row, line, strong if line["unit"] == ROOT else body)
    last = _HEADER_ROW + len(lines)
    plain = book.add_format({"italic": True, "text_wrap": True, "valign": "top"})
    sheet.merge_range(last + 2, 0, last + 2, 3, _NOTE, plain)
    _set_for_print(sheet, last + 2)
    book.close()
    return file.getvalue()


def _about(period: Period, measure: str, category: str) -> tuple[str, str]:
    """The title, and what is divided by what, in the letter's or the file's words."""
    own = definition(shipped(), measure, category)
    cut = in_words(period).upper()
    if own is None or measure in ("cases", "money"):
        title = f"KẾT QUẢ THI HÀNH ÁN DÂN SỰ {cut} {_SHEETS[measure].upper()}"
        fraction = "Thi hành xong / có điều kiện thi hành"
    else:
        title = f"{own.title.vi.upper()} {cut}"
        fraction = own.explanation.vi.rstrip(".")
    return title, fraction if category == "all" else f"{fraction}; loại: {category}"


def in_words(period: Period) -> str:
    """A period as letters name it.

    >>> in_words(Period("2022M05")), in_words(Period("2025-09-12"))
    ('5 tháng năm 2022', 'tính đến hết ngày 12/9/2025')
    """
    if period.months is not None:
        return f"{period.months} tháng năm {period.working_year}"
    day = period.end
    return f"tính đến hết ngày {day.day}/{day.month}/{day.year}"


def _write_head(
    book: xlsxwriter.Workbook, sheet: Worksheet, title: str, fraction: str
) -> None:
    centred = {"align": "center", "valign": "vcenter", "text_wrap": True}
    strong = book.add_format({"bold": True, "font_size": 13, **centred})
    italic = book.add_format({"italic": True, **centred})
    header = book.add_format({"bold": True, "border": 1, **centred})
    sheet.merge_range(0, 0, 0, 3, title, strong)
    sheet.merge_range(1, 0, 1, 3, _ORDER, italic)
    sheet.merge_range(2, 0, 2, 3, fraction, italic)
    sheet.set_row(0, 36)
    sheet.set_row(2, 16 if len(fraction) < 60 else 32)
    sheet.set_row(_HEADER_ROW, 32)
    sheet.write_row(_HEADER_ROW, 0, HEADER, header)


def _formats(book: xlsxwriter.Workbook, *, bold: bool) -> tuple[Format, Format, Format]:
    """For STT, a name, and a number with two places."""
    lined = {"border": 1, "bold": bold}
    return (
        book.add_format({"align": "center", **lined}),
        book.add_format(lined),
        book.add_format({"num_format": "0.00", **lined}),
    )


def _write_line(
    sheet: Worksheet,
    row: int,
    line: RankingLine,
    formats: tuple[Format, Format, Format],
) -> None:
    centred, plain, two_places = formats
    name = _NATIONAL if line["unit"] == ROOT else line["name"]
    sheet.write_number(row, 0, line["stt"], centred)
    sheet.write_string(row, 1, name, plain)
    for column, figure in ((2, line["rate"]), (3, line["above_national"])):
        if figure is None:
            sheet.write_blank(row, column, None, two_places)
        else:
            sheet.write_number(row, column, Decimal(figure), two_places)


def _set_for_print(sheet: Worksheet, last: int) -> None:
    sheet.set_column(0, 0, 7)
    sheet.set_column(1, 1, 42)
    sheet.set_column(2, 3, 18)
    sheet.freeze_panes(_HEADER_ROW + 1, 0)
    sheet.set_paper(9)  # A4
    sheet.set_portrait()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(_HEADER_ROW)
    sheet.print_area(0, 0, last, 3)
    sheet.set_footer("&C&P/&N")
