"""What an .xlsx may hold, and what of it becomes a cell."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import load_workbook

from libs.common.problems import Problem
from services.ingest.domain.grid import Cell
from services.ingest.sheets import packages, workbook
from services.ingest.sheets.files import sheets_in
from tests.support.sheets import changed, computed, xlsx

SHEET = "xl/worksheets/sheet1.xml"
STYLES = "xl/styles.xml"


def cells(content: bytes) -> dict[tuple[int, int], Cell]:
    (sheet,) = sheets_in(content, "a.xlsx")
    return {(r, c): cell for r, row in sheet.rows.items() for c, cell in row.items()}


def one(content: bytes) -> Cell:
    (cell,) = cells(content).values()
    return cell


def of_xml(cell: str) -> Cell:
    """The cell that this XML makes."""
    made = changed(
        xlsx([["x"]]),
        SHEET,
        lambda xml: (
            xml[: xml.index("<sheetData>")]
            + f'<sheetData><row r="1">{cell}</row></sheetData></worksheet>'
        ),
    )
    return one(computed(made))


@pytest.mark.parametrize(
    ("written", "number"),
    [
        pytest.param("41.54", "41.54", id="two decimals"),
        pytest.param("0.41539999999999999", "0.4154", id="Excel's seventeen digits"),
        pytest.param("195723741000", "195723741000", id="an amount"),
        pytest.param("9007199254740993", "9007199254740993", id="no float between"),
        pytest.param("1.95723741E11", "195723741000", id="scientific"),
        pytest.param("-5", "-5", id="negative"),
        pytest.param("0", "0", id="zero is a number"),
    ],
)
def test_a_number_is_exact(written: str, number: str) -> None:
    cell = of_xml(f'<c r="A1"><v>{written}</v></c>')

    assert (cell.kind, cell.text, cell.number) == ("number", number, Decimal(number))


@pytest.mark.parametrize("written", ["NaN", "INF", "-INF", "1e999", "1e-999", "x"])
def test_what_is_no_number_is_text(written: str) -> None:
    assert of_xml(f'<c r="A1"><v>{written}</v></c>').kind == "text"


@pytest.mark.parametrize(
    ("xml", "kind", "text"),
    [
        pytest.param('<c r="A1" t="e"><f>1/0</f><v>#DIV/0!</v></c>', "error", "#DIV/0!", id="an error"),
        pytest.param('<c r="A1"><f>B1+C1</f><v>7</v></c>', "number", "7", id="a formula's kept value"),
        pytest.param('<c r="A1"><f>B1+C1</f></c>', "uncomputed", "", id="a formula without one"),
        pytest.param('<c r="A1"><f>B1+C1</f><v></v></c>', "uncomputed", "", id="an empty one"),
        pytest.param('<c r="A1" t="str"><f>B1</f><v>Hà Nội</v></c>', "text", "Hà Nội", id="a formula that gives text"),
        pytest.param('<c r="A1" t="inlineStr"><is><t>Hà Nội</t></is></c>', "text", "Hà Nội", id="text in place"),
        pytest.param('<c r="A1" t="inlineStr"><is><r><t>Hà </t></r><r><t>Nội</t></r></is></c>', "text", "Hà Nội", id="text in two fonts"),
        pytest.param('<c r="A1" t="inlineStr"><is><t>Hà Nội</t><rPh><t>ha noi</t></rPh></is></c>', "text", "Hà Nội", id="with its pronunciation"),
        pytest.param('<c r="A1" t="b"><v>1</v></c>', "flag", "TRUE", id="a flag"),
        pytest.param('<c><v>7</v></c>', "number", "7", id="no place given"),
    ],
)  # fmt: skip
def test_what_a_cell_is(xml: str, kind: str, text: str) -> None:
    cell = of_xml(xml)

    assert (cell.kind, cell.text) == (kind, text)


def test_a_formula_that_nobody_computed_has_no_value() -> None:
    content = xlsx([], more=lambda book, sheet: sheet.write_formula(0, 0, "=B1", None, 7))  # fmt: skip

    assert one(content).kind == "uncomputed"
    assert one(computed(content)) == Cell("number", "7", Decimal(7))


@pytest.mark.parametrize(
    ("shown_as", "kind", "text"),
    [
        ("0.00%", "percent", "41.54%"),
        ("0%", "percent", "41.54%"),
        ('0.00" %"', "number", "0.4154"),
        ("0.00", "number", "0.4154"),
        ("dd/mm/yyyy", "date", "1899-12-30"),
        ("d-mmm", "date", "1899-12-30"),
        ("[h]:mm", "date", "1899-12-30"),
        ('#,##0.00 "đồng"', "number", "0.4154"),
        ("[Red]0.00", "number", "0.4154"),
    ],
)
def test_how_a_number_is_shown_says_what_it_is(
    shown_as: str, kind: str, text: str
) -> None:
    def percent(book: Any, sheet: Any) -> None:
        sheet.write_number(0, 0, 0.4154, book.add_format({"num_format": shown_as}))

    cell = one(xlsx([], more=percent))

    assert (cell.kind, cell.text) == (kind, text)


def test_a_day_is_told_by_either_calendar() -> None:
    def day(book: Any, sheet: Any) -> None:
        made = book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.write_datetime(0, 0, date(2025, 9, 12), made)

    content = xlsx([], more=day)
    mac = changed(
        content,
        "xl/workbook.xml",
        lambda xml: xml.replace("<workbookPr ", '<workbookPr date1904="1" '),
    )

    assert one(content) == Cell("date", "2025-09-12")
    assert one(mac) == Cell("date", "2029-09-13")


def test_what_is_hidden_and_merged_is_known() -> None:
    def more(book: Any, sheet: Any) -> None:
        sheet.merge_range(0, 0, 1, 2, "gộp")
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_column(3, 4, None, None, {"hidden": True})
        book.add_worksheet("Ẩn").hide()

    shown, hidden = sheets_in(xlsx([[], [], ["x"]], more=more), "a.xlsx")

    assert (shown.name, shown.visible) == ("Về việc", True)
    assert (hidden.name, hidden.visible) == ("Ẩn", False)
    assert (shown.hidden_rows, shown.hidden_columns) == ({3}, {4, 5})
    assert shown.through(2, 3) == Cell("text", "gộp")
    assert shown.cell(2, 3) is None
    assert (shown.origin(2, 3), shown.origin(3, 3)) == ((1, 1), (3, 3))


VALUES = st.one_of(
    st.integers(-(2**53), 2**53),
    st.integers(-(10**11), 10**11).map(lambda n: float(Decimal(n).scaleb(-2))),
    st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=20),
    st.none(),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(VALUES, max_size=5), max_size=6))
def test_another_reader_reads_the_same(rows: list[list[Any]]) -> None:
    def as_they_are(book: Any, sheet: Any) -> None:
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(r, c, value)
                elif value is not None:
                    sheet.write_number(r, c, value)

    content = xlsx([], more=as_they_are)
    ours = cells(content)

    theirs = load_workbook(io.BytesIO(content)).get_sheet_by_index(0)

    found = {}
    for r, row in enumerate(theirs.to_python(skip_empty_area=False), start=1):
        for c, value in enumerate(row, start=1):
            if isinstance(value, float):
                found[r, c] = Decimal(repr(value))
            elif str(value).strip():
                found[r, c] = value
    assert {p: found[p] for p in found} == {
        place: cell.text if cell.number is None else cell.number
        for place, cell in ours.items()
    }


# What is refused -----------------------------------------------------------------------


def refused(content: bytes) -> tuple[int, str]:
    with pytest.raises(Problem) as error:
        sheets_in(content, "a.xlsx")
    assert error.value.detail.vi
    return error.value.status, error.value.code


def where(content: bytes) -> tuple[str, str]:
    """The place and the code of the one fault for which a file is refused."""
    with pytest.raises(Problem) as error:
        sheets_in(content, "a.csv")
    (fault,) = error.value.errors
    assert fault.code == error.value.code
    return fault.pointer, fault.code


def package(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, text in parts.items():
            made.writestr(name.replace("__", "/"), text)
    return file.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param(b"%PDF-1.7\n...", 415, "not_a_spreadsheet", id="a PDF renamed"),
        pytest.param(OLE, 415, "not_a_spreadsheet", id="an old .xls"),
        pytest.param(OLE + "EncryptedPackage".encode("utf-16-le"), 415, "encrypted_file", id="a password"),
        pytest.param(b"<html><table><tr><td>1", 415, "not_a_spreadsheet", id="HTML named .xls"),
        pytest.param(b"\xef\xbb\xbf<?xml version='1.0'?><Workbook/>", 415, "not_a_spreadsheet", id="XML of 2003"),
        pytest.param(b"{\\rtf1 x}", 415, "not_a_spreadsheet", id="RTF"),
        pytest.param(package(mimetype="application/vnd.oasis.opendocument.spreadsheet"), 415, "not_a_spreadsheet", id="an .ods"),
        pytest.param(package(xl__workbook_bin="").replace(b"workbook_bin", b"workbook.bin"), 415, "not_a_spreadsheet", id="an .xlsb"),
        pytest.param(package(word__document="<a/>"), 415, "not_a_spreadsheet", id="a .docx"),
        pytest.param(changed(xlsx([["x"]]), "xl/vbaProject.bin", lambda _: "macro"), 415, "macros", id="macros"),
        pytest.param(b"PK\x03\x04 nothing more", 422, "unreadable_file", id="cut off"),
        pytest.param(xlsx([["x"]])[:-40], 422, "unreadable_file", id="its end is missing"),
        pytest.param(changed(xlsx([["x"]]), SHEET, lambda xml: xml[:200]), 422, "unreadable_file", id="half a sheet"),
        pytest.param(changed(xlsx([["x"]]), SHEET, lambda xml: "<a>" * 100), 422, "unreadable_file", id="nested without end"),
        pytest.param(changed(xlsx([["x"]]), "xl/sharedStrings.xml", lambda _: "<sst/>"), 422, "unreadable_file", id="lost text"),
        pytest.param(changed(xlsx([["x"]]), "xl/workbook.xml", lambda _: "<workbook/>"), 422, "unreadable_file", id="no sheet"),
        pytest.param(xlsx([[None] * 300 + ["x"]]), 422, "too_many_columns", id="too wide"),
    ],
)  # fmt: skip
def test_what_is_no_spreadsheet_is_refused_with_what_to_send(
    content: bytes, status: int, code: str
) -> None:
    assert refused(content) == (status, code)


@pytest.mark.parametrize(
    ("content", "place", "code"),
    [
        pytest.param(xlsx([[None] * 300 + ["x"]]), "/sheets/Về việc/rows/1/columns/KO", "too_many_columns", id="too wide"),
        pytest.param(changed(xlsx([["x"], ["x", "y"]]), SHEET, lambda xml: xml[:xml.index("</row></sheetData>")]), "/sheets/Về việc/rows/2/columns/B", "unreadable_file", id="half a sheet"),
        pytest.param(changed(xlsx([["x"], ["y"]]), "xl/sharedStrings.xml", lambda _: "<sst><si><t>x</t></si></sst>"), "/sheets/Về việc/rows/2/columns/A", "unreadable_file", id="lost text"),
        pytest.param(changed(xlsx([["x"]]), "xl/workbook.xml", lambda _: "<workbook/>"), "/file", "unreadable_file", id="no sheet"),
        pytest.param(xlsx([["x"]])[:-40], "/file", "unreadable_file", id="no package"),
        pytest.param(b"a,b\n" + b"," * 300 + b"x", "/sheets/a.csv/rows/2/columns/KO", "too_many_columns", id="a wide .csv"),
        pytest.param("Hà Nội;1\r\n".encode() + b"T\xfb l\xd6;2", "/sheets/a.csv/rows/2", "wrong_encoding", id="TCVN3 in line 2"),
        pytest.param("a;b\nc;d\n".encode("utf-16") + b"x", "/sheets/a.csv/rows/3", "wrong_encoding", id="half a letter of UTF-16"),
        pytest.param("\ufeffa\n".encode() + b"\xd0", "/sheets/a.csv/rows/2", "wrong_encoding", id="behind a mark"),
        pytest.param(b"a\r\nb\x00", "/sheets/a.csv/rows/2", "wrong_encoding", id="NUL in line 2"),
        pytest.param(b"a\n" + b"b" * 200_000, "/sheets/a.csv/rows/2", "unreadable_file", id="an endless field"),
        pytest.param(b"a\n" * (workbook.MOST_ROWS + 9), f"/sheets/a.csv/rows/{workbook.MOST_ROWS + 1}", "too_many_rows", id="a long .csv"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_says_where(
    content: bytes, place: str, code: str
) -> None:
    assert where(content) == (place, code)


LAUGHS = """<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>"""
ELSEWHERE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("declared", [LAUGHS, ELSEWHERE], ids=["laughs", "elsewhere"])
@pytest.mark.parametrize("part", [SHEET, STYLES, "xl/workbook.xml", "xl/sharedStrings.xml"])  # fmt: skip
def test_no_entity_is_ever_read(part: str, declared: str) -> None:
    def declare(xml: str) -> str:
        head, _, rest = xml.partition("?>")
        return f"{head}?>{declared}{rest}"

    assert refused(changed(xlsx([["x"]]), part, declare)) == (422, "unreadable_file")


def bomb(part: str, inside: Callable[[], str]) -> bytes:
    return changed(xlsx([["x"]]), part, lambda _: inside())


def test_a_zip_bomb_is_refused_by_its_directory() -> None:
    content = bomb("xl/media/a.bin", lambda: " " * (packages.MOST_BYTES + 1))

    assert len(content) < 2**20
    assert refused(content) == (422, "too_large_inside")


def test_a_directory_that_lies_about_sizes_does_not_help() -> None:
    content = bytearray(bomb("xl/media/a.bin", lambda: " " * (packages.MOST_BYTES + 1)))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")

    # The part that lies is never read, and others not beyond what they say.
    assert one(bytes(content)).text == "x"


def test_one_part_that_lies_about_its_size_is_cut_there() -> None:
    content = bytearray(bomb(SHEET, lambda: "<worksheet>" + " " * 2**20))
    place = content.index(SHEET.encode(), content.index(b"PK\x01\x02")) - 46
    assert content[place : place + 4] == b"PK\x01\x02"
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")

    assert refused(bytes(content)) == (422, "unreadable_file")


@pytest.mark.parametrize(
    ("part", "inside", "code"),
    [
        pytest.param(SHEET, "<worksheet><!--" + "-x" * 2**20 + "--></worksheet>", "unreadable_file", id="a comment without end"),
        pytest.param(SHEET, '<worksheet a="' + "x" * 2**21 + '"/>', "unreadable_file", id="an attribute without end"),
        pytest.param(SHEET, "<mergeCells>" + '<mergeCell ref="A1"/>' * (workbook.MOST_RANGES + 1) + "</mergeCells>", "too_many_cells", id="merged ranges without end"),
        pytest.param("xl/sharedStrings.xml", "<sst>" + "<si/>" * (workbook.MOST_CELLS + 1) + "</sst>", "too_many_cells", id="texts without end"),
    ],
)  # fmt: skip
def test_what_has_no_end_is_refused(part: str, inside: str, code: str) -> None:
    assert refused(bomb(part, lambda: inside)) == (422, code)


def test_elements_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_ELEMENTS", 1000)

    many = bomb(SHEET, lambda: "<a>" + "<b/>" * 1000 + "</a>")

    assert refused(many) == (422, "too_large_inside")


def test_only_what_a_workbook_may_be_packed_with_is_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as made:
        made.writestr("xl/workbook.xml", "<workbook/>")

    assert refused(file.getvalue()) == (422, "unreadable_file")


HONEST = xlsx([["Tên đơn vị", "Tỷ lệ"], ["Hà Nội", 35.52], ["Trà Vinh", "23,17%"]])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 255)), min_size=1, max_size=5))  # fmt: skip
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    damage: list[tuple[int, int]],
) -> None:
    content = bytearray(HONEST)
    for place, byte in damage:
        content[place] = byte

    with suppress(Problem):
        assert sheets_in(bytes(content), "a.xlsx")


PARTS = ["xl/workbook.xml", SHEET, STYLES, "xl/sharedStrings.xml", "xl/_rels/workbook.xml.rels"]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PARTS), st.integers(0, 3000), st.sampled_from([*list('<>/"=&1aZ '), "r=", 't="s"', "\x00"]))  # fmt: skip
def test_a_damaged_part_is_read_or_refused_and_nothing_else(
    part: str, place: int, put: str
) -> None:
    def damage(xml: str) -> str:
        return xml[: place % len(xml)] + put + xml[place % len(xml) + len(put) :]

    with suppress(Problem):
        assert sheets_in(changed(HONEST, part, damage), "a.xlsx")


def test_too_many_parts_are_refused() -> None:
    parts = {f"a{n}": "" for n in range(packages.MOST_ENTRIES + 1)}

    assert refused(package(**parts)) == (422, "too_large_inside")


def rows_of(count: int) -> bytes:
    rows = "".join(f'<row r="{r}"><c r="A{r}"><v>1</v></c></row>' for r in range(1, count + 1))  # fmt: skip
    return bomb(SHEET, lambda: f"<worksheet><sheetData>{rows}</sheetData></worksheet>")


def test_a_hundred_thousand_rows_are_refused_politely() -> None:
    place = f"/sheets/Về việc/rows/{workbook.MOST_ROWS + 1}/columns/A"
    assert where(rows_of(100_000)) == (place, "too_many_rows")
    assert len(cells(rows_of(workbook.MOST_ROWS))) == workbook.MOST_ROWS


def test_many_cells_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_CELLS", 50)

    place = "/sheets/Về việc/rows/6/columns/A"
    assert where(xlsx([["x"] * 10] * 6)) == (place, "too_many_cells")


def test_merged_ranges_that_cover_the_sheet_again_and_again_are_refused() -> None:
    merged = "".join('<mergeCell ref="A1:IV20000"/>' for _ in range(1000))
    content = changed(
        rows_of(20_000),
        SHEET,
        lambda xml: xml.replace("</worksheet>", f"<mergeCells>{merged}</mergeCells></worksheet>"),
    )  # fmt: skip

    assert where(content) == ("/sheets/Về việc/rows/1/columns/A", "too_many_cells")


def test_a_sheet_that_nobody_asked_for_is_not_opened() -> None:
    def more(book: Any, sheet: Any) -> None:
        book.add_worksheet("Nháp").write(0, 300, "far away")
        book.add_worksheet("Rác")

    rubbish = "xl/worksheets/sheet3.xml"
    content = changed(xlsx([["x"]], more=more), rubbish, lambda _: "<not>xml")

    first, *others = sheets_in(content, "a.xlsx", lambda sheets: sheets[:1])

    assert first.cell(1, 1) is not None
    assert [(s.name, dict(s.rows)) for s in others] == [("Nháp", {}), ("Rác", {})]


# CSV -----------------------------------------------------------------------------------

LINES = 'Tên đơn vị,Tỷ lệ\r\nHà Nội,"35,52%"\r\n\r\nTrà Vinh,"23,17%"\r\n'


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(LINES.encode(), id="UTF-8"),
        pytest.param(LINES.encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param(LINES.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xfe\xff" + LINES.encode("utf-16-be"), id="UTF-16, the other way"),
        pytest.param(LINES.replace(",T", "\tT").replace(',"', '\t"').encode(), id="tabs"),
        pytest.param(LINES.replace(",T", ";T").replace(',"', ';"').encode(), id="semicolons"),
        pytest.param(LINES.replace(",T", "\tT").replace(',"', "\t").replace('"', "").encode(), id="tabs, nothing quoted"),
        pytest.param(LINES.replace(",T", ";T").replace(',"', ";").replace('"', "").encode(), id="semicolons, nothing quoted"),
    ],
)  # fmt: skip
def test_a_csv_is_read_whatever_separates_it(content: bytes) -> None:
    assert {place: cell.text for place, cell in cells(content).items()} == {
        (1, 1): "Tên đơn vị",
        (1, 2): "Tỷ lệ",
        (2, 1): "Hà Nội",
        (2, 2): "35,52%",
        (4, 1): "Trà Vinh",
        (4, 2): "23,17%",
    }


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("Đơn vị;Tỷ lệ\nHà Nội;1".encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param(b"\xd0\xf5n v\xb8;T\xfb l\xd6", id="TCVN3 bytes"),
        pytest.param("Hà Nội".replace("à", "a\u0300").replace("ộ", "ô\u0323").encode("cp1258"), id="Windows-1258"),
        pytest.param(b"a\x00b", id="NUL"),
        pytest.param(b"\xff\xfea", id="half a letter"),
    ],
)  # fmt: skip
def test_another_encoding_is_refused(content: bytes) -> None:
    assert refused(content) == (422, "wrong_encoding")


def test_an_endless_field_is_refused() -> None:
    assert refused(b'a,"' + b"b" * 200_000)[1] == "unreadable_file"


def test_a_long_csv_is_refused() -> None:
    assert refused(b"a\n" * (workbook.MOST_ROWS + 1)) == (422, "too_many_rows")
