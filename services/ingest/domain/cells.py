"""One cell as a figure: a count, an amount in đồng, or a rate."""

from __future__ import annotations

from decimal import Decimal

from libs.common.problems import Text
from services.ingest.domain import spelling
from services.ingest.domain.grid import Cell
from services.ingest.domain.spelling import Misspelt, two_places, whole


def count_in(cell: Cell) -> int:
    """A number of cases."""
    if cell.kind == "number" and cell.number is not None:
        return whole(cell.number)
    if cell.kind != "text":
        raise Misspelt(*_no_figure(cell))
    return spelling.count(cell.text)


def amount_in(cell: Cell, unit: int | None) -> int:
    """Đồng; `unit` is how many of them one stands for, None when nobody said."""
    if cell.kind == "number" and cell.number is not None:
        if unit is None:
            raise Misspelt("missing_money_in", spelling.MONEY_IN)
        return whole(cell.number * unit)
    if cell.kind != "text":
        raise Misspelt(*_no_figure(cell))
    return spelling.amount(cell.text, unit)


def rate_in(cell: Cell) -> Decimal:
    """A published rate, 0 to 100 with two places."""
    if cell.number is not None and cell.kind in ("number", "percent"):
        rate = two_places(cell.number)
    elif cell.kind == "text":
        rate = spelling.rate(cell.text)
    else:
        raise Misspelt(*_no_figure(cell))
    if not 0 <= rate <= 100:
        raise Misspelt("out_of_range", _NOT_A_SHARE)
    return rate


def _no_figure(cell: Cell) -> tuple[str, Text]:
    shown = cell.text[:40]
    if cell.kind == "error":
        return "formula_error", Text(
            f"Công thức báo lỗi {shown}; hãy sửa trong bảng tính.",
            f"The formula ends in {shown}; mend it in the spreadsheet.",
        )
    if cell.kind == "uncomputed":
        return "formula_without_value", Text(
            "Công thức chưa có giá trị; hãy mở bằng Excel rồi lưu lại.",
            "The formula has no value yet; open the file in Excel and save it.",
        )
    if cell.kind == "date":
        return "date_for_a_number", Text(
            f"Ô này là ngày ({shown}), không phải số; Excel có thể đã tự đổi.",
            f"This cell is a date ({shown}), no number; Excel may have changed it.",
        )
    if cell.kind == "percent":
        return "percent_for_a_count", Text(
            f"Ô này là tỷ lệ ({shown}), không phải số đếm.",
            f"This cell is a percentage ({shown}), no count.",
        )
    return "not_a_number", Text(
        f"«{shown}» không phải là số.", f"{shown} is no number."
    )


_NOT_A_SHARE = Text("Tỷ lệ phải từ 0 đến 100.", "A rate is 0 to 100.")
