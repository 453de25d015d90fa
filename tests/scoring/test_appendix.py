"""The ranking as a workbook, and its way back in by the mapping `appendix`."""

from __future__ import annotations

import io
import zipfile
from decimal import Decimal
from typing import Any, get_args

import pytest
from python_calamine import load_workbook

from libs.common.periods import Period
from services.ingest.domain.grid import Cell, Sheet
from services.ingest.sheets.workbook import sheets_in
from services.scoring import appendix
from services.scoring.schemas import Measure
from tests.support.databases import copy_of
from tests.support.world import World

pytestmark = pytest.mark.anyio
MEASURES = ["cases", "money"]


async def ranking(world: World, measure: str) -> bytes:
    answer = await world.admin.get(
        "/v1/rankings/2022M05", params={"measure": measure, "format": "xlsx"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == appendix.MEDIA_TYPE
    return answer.content


def only(content: bytes) -> Sheet:
    (sheet,) = sheets_in(content)
    return sheet


def rows(sheet: Sheet) -> list[list[str]]:
    """What stands in the sheet, row by row."""
    return [
        [cell.text for _, cell in sorted(sheet.rows[row].items())]
        for row in sorted(sheet.rows)
    ]


async def test_the_appendix_says_what_the_letter_prints(world: World) -> None:
    await world.load("units_2022.json", "reports_679.json")

    cases, money = [only(await ranking(world, measure)) for measure in MEASURES]

    assert (cases.name, money.name) == ("Về việc", "Về tiền")
    assert rows(cases)[0] == ["KẾT QUẢ THI HÀNH ÁN DÂN SỰ 5 THÁNG NĂM 2022 VỀ VIỆC"]
    assert rows(cases)[3:6] == [
        ["STT", "Tên đơn vị", "Tỷ lệ (%)", "So với toàn quốc (điểm %)"],
        ["1", "Kết quả chung toàn quốc", "41.54"],
        ["2", "Lai Châu", "75.53", "33.99"],
    ]
    assert rows(cases)[67] == ["64", "Trà Vinh", "23.17", "-18.37"]
    assert rows(money)[4] == ["1", "Kết quả chung toàn quốc", "16.2"]
    assert rows(money)[67] == ["64", "Quảng Nam", "2.9", "-13.3"]
    assert len(rows(cases)) == len(rows(money)) == 69
    assert "Bộ trưởng Bộ Tư pháp công bố" in rows(cases)[-1][0]


async def test_the_appendix_comes_back_as_it_went_out(
    world: World, template: str
) -> None:
    await world.load("units_2022.json", "reports_679.json")
    sent = {measure: await ranking(world, measure) for measure in MEASURES}

    async with (
        copy_of(template, "appendix_back") as copy,
        World.running(copy.url) as other,
    ):
        await other.load("units_2022.json")
        for measure, content in sent.items():
            answer = await other.admin.post(
                "/v1/reports/upload",
                params={"mapping": "appendix", "period": "2022M05"},
                files={"file": (f"{measure}.xlsx", content)},
            )
            assert answer.status_code == 202, answer.text
            assert answer.json()["accepted"] == 64
            assert answer.json()["rejected"] == answer.json()["warnings"] == []
            await other.evaluated(answer.json()["batch"])
        back = {measure: await ranking(other, measure) for measure in MEASURES}

    assert back == sent


TITLES = {
    "cases": "KẾT QUẢ THI HÀNH ÁN DÂN SỰ 5 THÁNG NĂM 2022 VỀ VIỆC",
    "money": "KẾT QUẢ THI HÀNH ÁN DÂN SỰ 5 THÁNG NĂM 2022 VỀ TIỀN",
    "complaints": "TỶ LỆ GIẢI QUYẾT KHIẾU NẠI, TỐ CÁO 5 THÁNG NĂM 2022",
    "administrative": "BẢN ÁN HÀNH CHÍNH ĐƯỢC THEO DÕI 5 THÁNG NĂM 2022",
    "decisions": "QUYẾT ĐỊNH THI HÀNH ÁN ĐÚNG PHÁP LUẬT 5 THÁNG NĂM 2022",
    "guidance": "TRẢ LỜI VĂN BẢN XIN Ý KIẾN ĐÚNG HẠN 5 THÁNG NĂM 2022",
}


def test_every_measure_has_a_title() -> None:
    assert tuple(TITLES) == get_args(Measure)


@pytest.mark.parametrize("measure", TITLES)
async def test_whatever_is_measured_is_printed_under_its_title(
    still_world: World, measure: str
) -> None:
    sheet = only(await ranking(still_world, measure))

    title, _, fraction, header, *_ = [row[0] for row in rows(sheet)]
    assert (title, header) == (TITLES[measure], "STT")
    assert "trên" in fraction or " / " in fraction
    assert len(sheet.name) <= 31


def test_a_category_with_a_rate_of_its_own_has_its_title() -> None:
    period = Period("2024M05")
    sheet = only(appendix.workbook([], period, "complaints", "carried_over"))

    title, _, fraction, *_ = [row[0] for row in rows(sheet)]
    assert title.startswith("GIẢI QUYẾT DỨT ĐIỂM ĐƠN THƯ NĂM TRƯỚC CHUYỂN SANG")
    assert fraction.endswith("; loại: carried_over")


async def test_another_reader_sees_the_same_numbers(world: World) -> None:
    await world.load("units_2022.json", "reports_679.json")
    content = await ranking(world, "money")

    theirs = load_workbook(io.BytesIO(content)).get_sheet_by_index(0).to_python()

    ours = only(content)
    for row, line in enumerate(theirs, start=1):
        for column, value in enumerate(line, start=1):
            cell = ours.cell(row, column)
            if isinstance(value, float):
                assert cell is not None
                assert cell.number == Decimal(str(value))
            else:
                assert (cell.text if cell else "") == value


def made(*rates: tuple[str, str | None, str | None]) -> bytes:
    lines: Any = [
        {"stt": stt, "rank": stt, "unit": f"U{stt}", "name": name, "rate": rate, "above_national": above}
        for stt, (name, rate, above) in enumerate(rates, start=1)
    ]  # fmt: skip
    return appendix.workbook(lines, Period("2025-09-12"), "money", "credit")


def test_a_rate_is_a_number_with_two_places_and_none_is_blank() -> None:
    sheet = only(made(("A", "0.07", "-0.01"), ("B", None, None)))

    assert sheet.cell(6, 3) == Cell("number", "0.07", Decimal("0.07"))
    assert sheet.cell(6, 4) == Cell("number", "-0.01", Decimal("-0.01"))
    assert (sheet.cell(7, 3), sheet.cell(7, 4)) == (None, None)


def test_the_title_names_the_cut_and_the_category() -> None:
    titles = [row[0] for row in rows(only(made(("A", "1.00", None))))[:3]]

    assert titles[0].endswith("TÍNH ĐẾN HẾT NGÀY 12/9/2025 VỀ TIỀN")
    assert titles[2].endswith("; loại: credit")


def test_a_name_that_looks_like_a_formula_stays_a_name() -> None:
    sheet = only(made(("=1+1", "1.00", None), ("https://a.vn", "1.00", None)))

    assert sheet.cell(6, 2) == Cell("text", "=1+1")
    assert sheet.cell(7, 2) == Cell("text", "https://a.vn")


def test_it_is_ready_to_be_printed() -> None:
    content = made(("A", "1.00", None))

    package = zipfile.ZipFile(io.BytesIO(content))
    xml = package.read("xl/worksheets/sheet1.xml").decode()
    styles = package.read("xl/styles.xml").decode()
    assert 'paperSize="9"' in xml
    assert 'state="frozen"' in xml
    assert 'ySplit="5"' in xml
    assert 'formatCode="0.00"' in styles
