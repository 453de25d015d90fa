"""A clerk's file over HTTP: read by a mapping, recorded as JSON would be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.support.databases import Stage, stage
from tests.support.sheets import LETTER, changed, computed, xlsx
from tests.support.world import World, sample

pytestmark = pytest.mark.anyio
NATIONAL = ["1", "Kết quả chung toàn quốc", "41,54%"]


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "upload_still") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    return await staged.as_new()


@pytest.fixture
async def provinces(still_world: World) -> World:
    """The provinces of 2022 without the misspelt aliases."""
    units = sample("units_2022.json")["units"]
    for unit in units:
        unit["aliases"] = [a for a in unit["aliases"] if a in ("TT Huế", "BR-Vũng Tàu")]
    answer = await still_world.admin.put("/v1/units", json={"units": units})
    assert answer.status_code == 200, answer.text
    return still_world


async def send(
    world: World,
    content: bytes,
    *,
    name: str = "a.xlsx",
    client: httpx.AsyncClient | None = None,
    **more: Any,
) -> httpx.Response:
    given = {"mapping": "appendix", "period": "2022M05", **more}
    asked = {key: value for key, value in given.items() if value is not None}
    return await (client or world.admin).post(
        "/v1/reports/upload", params=asked, files={"file": (name, content)}
    )


async def mapping(world: World, name: str = "own", **body: Any) -> None:
    answer = await world.admin.put(f"/v1/mappings/{name}", json=body)
    assert answer.status_code == 200, answer.text


async def figures(
    world: World, unit: str, period: str = "2022M05"
) -> list[dict[str, Any]]:
    """What stands, without where it comes from."""
    answer = await world.admin.get(f"/v1/reports?unit={unit}&period={period}")
    rows = answer.json().get("figures", [])
    return [{k: v for k, v in r.items() if k not in ("source", "revision")} for r in rows]  # fmt: skip


async def stored(world: World) -> int:
    count: int = await world.owner.fetchval(
        "SELECT (SELECT count(*) FROM ingest.figure) + (SELECT count(*) FROM platform.batch)"
    )
    return count


def faults(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(e["pointer"], e["code"]) for e in answer.json()["errors"]]


def appendix(*rows: list[Any], **more: Any) -> bytes:
    return xlsx([*LETTER, NATIONAL, *rows], **more)


async def test_a_letters_appendix_is_recorded_and_points_to_its_file(
    provinces: World,
) -> None:
    content = appendix(["2", "Lai Châu", "75,53%"], [], ["3", "TT Huế", 45.95])

    answer = await send(provinces, content, name="C:\\Báo cáo\\Phụ lục.xlsx")

    assert answer.status_code == 202, answer.text
    shown = answer.json()
    assert (shown["accepted"], shown["unchanged"]) == (3, 0)
    assert shown["rejected"] == shown["warnings"] == []
    rate = {"measure": "cases", "category": "all", "published_rate": "75.53"}
    assert await figures(provinces, "LCH") == [rate]
    assert await figures(provinces, "VN") == [{**rate, "published_rate": "41.54"}]
    report = await provinces.admin.get("/v1/reports?unit=LCH&period=2022M05")
    source = report.json()["figures"][0]["source"]
    assert source == {"document": "Phụ lục.xlsx", "date": None, "illustrative": False}
    batch = await provinces.admin.get(f"/v1/batches/{shown['batch']}")
    assert batch.json()["state"] == "received"


async def test_the_same_file_again_changes_nothing(provinces: World) -> None:
    content = appendix(["2", "Lai Châu", "75,53%"])
    await send(provinces, content)

    again = await send(provinces, content, name="again.xlsx")

    assert (again.json()["accepted"], again.json()["unchanged"]) == (0, 2)


async def test_the_typing_errors_of_the_letter_are_named_with_what_was_meant(
    provinces: World,
) -> None:
    content = appendix(["12", "Đông Tháp", "55,95%"], ["17", "Hung Yên", "51,40%"])

    answer = await send(provinces, content)

    assert answer.status_code == 422
    assert faults(answer) == [
        ("/sheets/Về việc/rows/6/columns/B", "unknown_unit"),
        ("/sheets/Về việc/rows/7/columns/B", "unknown_unit"),
    ]
    said = [error["message"]["vi"] for error in answer.json()["errors"]]
    assert "Đồng Tháp (DT1)" in said[0]
    assert "Hưng Yên (HY1)" in said[1]
    assert await stored(provinces) == 0


async def test_what_is_right_may_be_kept_without_the_rest(provinces: World) -> None:
    content = appendix(["2", "Đông Tháp", "55,95%"], ["3", "Lai Châu", "75,53%"])

    answer = await send(provinces, content, on_error="accept_valid")

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    (refused,) = answer.json()["rejected"]
    assert (refused["index"], refused["pointer"], refused["code"]) == (
        1,
        "/sheets/Về việc/rows/6/columns/B",
        "unknown_unit",
    )


async def test_the_use_cases_own_faults_point_into_the_file(provinces: World) -> None:
    ended = {"code": "XX", "name": "Đã hết", "kind": "province", "parent": "VN", "valid_from": "2010-01-01", "valid_to": "2020-01-01"}  # fmt: skip
    await provinces.admin.put("/v1/units", json={"units": [ended]})

    answer = await send(provinces, appendix(["2", "Đã hết", "1%"]))
    future = await send(provinces, appendix(), period="2022M06")

    assert faults(answer) == [("/sheets/Về việc/rows/6/columns/B", "unit_not_in_force")]
    assert faults(future) == [("/sheets/Về việc/rows/5", "future_period")]


async def test_a_key_reads_only_the_names_of_its_own_units(provinces: World) -> None:
    reporter = await provinces.client("reporter", under="LCH")
    rows = [*LETTER, ["1", "Lai Châu", "75,53%"]]

    own = await send(provinces, xlsx(rows), client=reporter)
    other = await send(provinces, xlsx([*rows, ["2", "Hà Nội", "1%"]]), client=reporter)
    label = await send(provinces, xlsx([*LETTER, NATIONAL]), client=reporter)

    assert own.status_code == 202
    assert [faults(a)[0][1] for a in (other, label)] == ["unknown_unit"] * 2
    assert "HN" not in other.text


# The file, the form and the parameters --------------------------------------------------


async def test_a_file_larger_than_a_json_body_is_taken(provinces: World) -> None:
    filler = changed(appendix(), "xl/media/a.bin", lambda _: "x")
    # At the front of the archive's comment, where it costs nothing to read.
    content = filler[:-2] + (0xFFFF).to_bytes(2, "little") + b" " * 0xFFFF
    assert (await send(provinces, content)).status_code == 202

    empty = ";" + " " * 90 + "\n"
    csv = ("Tên đơn vị;Tỷ lệ (%)\nLai Châu;1\n" + empty * 200_000).encode()
    assert 16 * 2**20 < len(csv) < 32 * 2**20
    answer = await send(provinces, csv, name="a.csv", sheet="Về việc")

    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("size", [32 * 2**20 + 1, 33 * 2**20], ids=["the file", "the body"])  # fmt: skip
async def test_more_than_32_mib_is_refused(still_world: World, size: int) -> None:
    answer = await send(still_world, b"a" * size)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "32 MiB" in answer.json()["detail"]


async def test_other_routes_keep_their_16_mib(still_world: World) -> None:
    answer = await still_world.admin.put("/v1/mappings/a", content=b" " * (17 * 2**20))

    assert answer.status_code == 413
    assert "16 MiB" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        pytest.param({"json": {}}, 415, "unsupported_media_type", id="JSON"),
        pytest.param({"content": b"PK"}, 415, "unsupported_media_type", id="no form"),
        pytest.param({"data": {"file": "x"}, "files": {"other": ("a", b"x")}}, 422, "invalid", id="no file"),
        pytest.param({"files": [("file", ("a", b"x")), ("file", ("b", b"x"))]}, 400, "unreadable", id="two files"),
        pytest.param({"files": {"file": ("a", b"x")}, "data": {"period": "2022M05"}}, 422, "invalid", id="a stray field"),
        pytest.param({"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=y"}}, 400, "unreadable", id="a broken form"),
        pytest.param({"content": b"", "headers": {"content-type": "multipart/form-data"}}, 400, "unreadable", id="no boundary"),
        pytest.param({"files": {"file": ("a.pdf", b"%PDF-1.7")}}, 415, "not_a_spreadsheet", id="a PDF"),
        pytest.param({"files": {"file": ("a.xlsx", b"PK\x03\x04")}}, 422, "unreadable_file", id="half an xlsx"),
        pytest.param({"files": {"file": ("a.csv", b"")}}, 422, "invalid", id="an empty file"),
    ],
)  # fmt: skip
async def test_what_is_no_file_is_refused(
    still_world: World, sent: dict[str, Any], status: int, code: str
) -> None:
    answer = await still_world.admin.post(
        "/v1/reports/upload", params={"mapping": "appendix", "period": "2022M05"}, **sent
    )  # fmt: skip

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await stored(still_world) == 0


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        pytest.param({"mapping": "no-such"}, 404, "unknown_mapping", id="mapping"),
        pytest.param({"period": "2022M13"}, 422, "unknown_period", id="period"),
        pytest.param({"money_in": "usd"}, 422, "invalid", id="money_in"),
        pytest.param({"on_error": "ignore"}, 422, "invalid", id="on_error"),
        pytest.param({"dryrun": "true"}, 422, "unknown_parameter", id="dryrun"),
    ],
)
async def test_a_bad_parameter_is_refused(
    still_world: World, more: dict[str, Any], status: int, code: str
) -> None:
    answer = await send(still_world, appendix(), **more)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_unknown_mapping_is_answered_with_those_there_are(
    still_world: World,
) -> None:
    answer = await send(still_world, appendix(), mapping="apendix")

    assert "appendix, form-4" in answer.json()["detail"]


@pytest.mark.parametrize("mark", ["\t", ";", ","], ids=["tab", "semicolon", "comma"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_a_csv_is_taken_too(provinces: World, mark: str, coding: str) -> None:
    rate = '"23,17%"' if mark == "," else "23,17%"
    lines = ["STT|Tên đơn vị|Tỷ lệ (%)", "", f"64|Trà Vinh|{rate}"]
    content = "\r\n".join(lines).replace("|", mark).encode(coding)

    answer = await send(provinces, content, name="a.csv", sheet="Về việc")
    unsaid = await send(provinces, content, name="a.csv")

    assert answer.status_code == 202, answer.text
    assert (await figures(provinces, "TV"))[0]["published_rate"] == "23.17"
    assert faults(unsaid) == [("", "sheet_not_found")]


async def test_an_unquoted_decimal_comma_is_noticed(provinces: World) -> None:
    content = "STT,Tên đơn vị,Tỷ lệ (%)\n64,Trà Vinh,23,17%\n".encode()

    answer = await send(provinces, content, name="a.csv", sheet="Về việc")

    assert faults(answer) == [("/sheets/a.csv/rows/2", "too_many_cells")]


# What stands in cells -------------------------------------------------------------------


def with_cell(write: Callable[[Any, Any], None]) -> bytes:
    """An appendix whose cell C6 is written by hand."""
    content = appendix(["2", "Lai Châu", None], more=write)
    return computed(content)


def styled(value: float, shown_as: str) -> Callable[[Any, Any], None]:
    return lambda book, sheet: sheet.write_number(
        5, 2, value, book.add_format({"num_format": shown_as})
    )


@pytest.mark.parametrize(
    ("write", "code"),
    [
        pytest.param(lambda b, s: s.write_formula(5, 2, "=1/0", None, "#DIV/0!"), "formula_error", id="#DIV/0!"),
        pytest.param(lambda b, s: s.write_formula(5, 2, "=#REF!", None, "#REF!"), "formula_error", id="#REF!"),
        pytest.param(lambda b, s: s.write_formula(5, 2, "=A1+1", None, ""), "formula_without_value", id="a formula never computed"),
        pytest.param(styled(75.53, "dd/mm/yyyy"), "date_for_a_number", id="a number that Excel made a date"),
        pytest.param(lambda b, s: s.write_boolean(5, 2, True), "not_a_number", id="a flag"),
        pytest.param(lambda b, s: s.write(5, 2, 75.534), "too_precise", id="three decimals"),
        pytest.param(lambda b, s: s.write(5, 2, -1), "out_of_range", id="negative"),
        pytest.param(lambda b, s: s.write(5, 2, 100.01), "out_of_range", id="more than all"),
        pytest.param(lambda b, s: s.write_string(5, 2, "NaN"), "not_a_number", id="NaN"),
        pytest.param(lambda b, s: s.write_string(5, 2, "12.345%"), "ambiguous_number", id="twelve or twelve thousand"),
        pytest.param(lambda b, s: s.write_string(5, 2, "chưa có"), "not_a_number", id="words"),
    ],
)  # fmt: skip
async def test_a_cell_that_holds_no_rate_is_named(
    provinces: World, write: Callable[[Any, Any], None], code: str
) -> None:
    answer = await send(provinces, with_cell(write))

    assert answer.status_code == 422, answer.text
    assert faults(answer) == [("/sheets/Về việc/rows/6/columns/C", code)]
    assert await stored(provinces) == 0


@pytest.mark.parametrize(
    ("write", "rate"),
    [
        pytest.param(lambda b, s: s.write_formula(5, 2, "=A1+1", None, 75.53), "75.53", id="a formula's kept value"),
        pytest.param(styled(0.7553, "0.00%"), "75.53", id="a percentage"),
        pytest.param(styled(0.07, "0%"), "7.00", id="a percentage that no float holds"),
        pytest.param(styled(75.53, '0.00"%"'), "75.53", id="a sign that is only shown"),
        pytest.param(lambda b, s: s.write(5, 2, 0), "0.00", id="zero"),
        pytest.param(lambda b, s: s.write_string(5, 2, "25,7 %"), "25.70", id="text"),
    ],
)  # fmt: skip
async def test_a_rate_is_read_as_the_sheet_shows_it(
    provinces: World, write: Callable[[Any, Any], None], rate: str
) -> None:
    answer = await send(provinces, with_cell(write))

    assert answer.status_code == 202, answer.text
    assert (await figures(provinces, "LCH"))[0]["published_rate"] == rate


async def test_what_is_hidden_is_read_and_said(provinces: World) -> None:
    def hide(book: Any, sheet: Any) -> None:
        sheet.set_row(5, None, None, {"hidden": True})
        sheet.set_column(2, 2, None, None, {"hidden": True})
        book.add_worksheet("Nháp").hide()

    answer = await send(provinces, appendix(["2", "Lai Châu", 75.53], more=hide))

    assert answer.status_code == 202
    assert [(w["pointer"], w["code"]) for w in answer.json()["warnings"]] == [
        ("/sheets/Về việc/rows/6", "hidden_rows"),
        ("/sheets/Về việc/columns/C", "hidden_column"),
    ]


async def test_a_hidden_sheet_is_read_only_when_it_is_named(provinces: World) -> None:
    def more(book: Any, sheet: Any) -> None:
        shown = book.add_worksheet("Tổng hợp")
        shown.write_row(0, 0, ["Tên đơn vị", "Tỷ lệ"])
        shown.write_row(1, 0, ["Lai Châu", 2])
        shown.activate()
        sheet.hide()

    content = xlsx([["Tên đơn vị", "Tỷ lệ"], ["Lai Châu", 1]], name="Nháp", more=more)
    column = {"title": ["Tỷ lệ"], "measure": "cases", "gives": "published_rate"}
    await mapping(provinces, tables=[{"unit": {"title": ["Tên đơn vị"]}, "figures": [column]}])  # fmt: skip

    first = await send(provinces, content, mapping="own")
    assert first.status_code == 202, first.text
    assert (await figures(provinces, "LCH"))[0]["published_rate"] == "2.00"
    await send(provinces, content, mapping="own", sheet="nháp")

    assert (await figures(provinces, "LCH"))[0]["published_rate"] == "1.00"


async def test_a_sheet_that_the_mapping_does_not_name_cannot_spoil_the_file(
    provinces: World,
) -> None:
    def stray(book: Any, sheet: Any) -> None:
        hidden = book.add_worksheet("Nháp")
        hidden.write(0, 900, "a stray cell")
        hidden.hide()

    answer = await send(provinces, appendix(["2", "Lai Châu", 75.53], more=stray))

    assert answer.status_code == 202, answer.text


async def test_a_file_that_cannot_be_read_says_where(provinces: World) -> None:
    answer = await send(provinces, b"a,b\nT\xfb l\xd6,1\n", name="b.csv")

    assert answer.status_code == 422
    assert faults(answer) == [("/sheets/b.csv/rows/2", "wrong_encoding")]


# Forms with counts ----------------------------------------------------------------------

FORM = {
    "money_in": "thousand_vnd",
    "form": "06/2019",
    "tables": [
        {
            "header": {"rows": 2},
            "unit": {"title": ["Tên đơn vị"]},
            "figures": [
                {"title": ["Có điều kiện", "Việc"], "measure": "cases", "gives": "enforceable"},
                {"title": ["Có điều kiện", "Tiền"], "measure": "money", "gives": "enforceable"},
                {"title": ["Thi hành xong", "Việc"], "measure": "cases", "gives": "done"},
                {"title": ["Thi hành xong", "Tiền"], "measure": "money", "gives": "done"},
            ],
            "period": {"cell": "A1"},
            "skip": ["Tổng số", "A"],
        }
    ],
}  # fmt: skip


def form(*rows: list[Any], title: str = "Biểu tổng hợp 6 tháng năm 2022") -> bytes:
    """Two rows of titles, the upper ones merged over two columns each."""

    def merged(book: Any, sheet: Any) -> None:
        sheet.merge_range(0, 0, 0, 5, title)
        sheet.merge_range(1, 0, 2, 0, "TT")
        sheet.merge_range(1, 1, 2, 1, "Tên đơn vị")
        sheet.merge_range(1, 2, 1, 3, "Có điều kiện")
        sheet.merge_range(1, 4, 1, 5, "Thi hành xong")

    titles = [None, None, "Việc", "Tiền", "Việc", "Tiền"]
    return xlsx([[], [], titles, ["A", "B", 1, 2, 3, 4], *rows], more=merged)


async def june(world: World) -> None:
    answer = await world.admin.put("/v1/clock", json={"now": "2022-06-01T08:00:00+07:00"})  # fmt: skip
    assert answer.status_code == 200


async def test_a_form_with_merged_titles_gives_counts_and_money(
    provinces: World,
) -> None:
    await june(provinces)
    await mapping(provinces, **FORM)
    content = form(
        ["Tổng số", None, "99", "99", "99", "99"],
        [1, "Bắc Giang", "7.479", 761_546_547, "4.778 việc", "195.723.741.000đ"],
        [2, "Lai Châu", 10, "1 tỷ 500 triệu đồng", 0, 0],
        [None, "Người lập biểu", None, None, None, None],
    )

    answer = await send(provinces, content, mapping="own", period=None)

    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 2
    assert await figures(provinces, "BG", "2022M06") == [
        {"measure": "cases", "category": "all", "enforceable": 7479, "done": 4778},
        {"measure": "money", "category": "all", "enforceable": 761546547000, "done": 195723741000},
    ]  # fmt: skip
    assert (await figures(provinces, "LCH", "2022M06"))[1]["enforceable"] == 1_500_000_000  # fmt: skip


async def test_the_unit_of_money_may_be_said_with_the_file(provinces: World) -> None:
    await june(provinces)
    await mapping(provinces, **FORM)
    content = form([1, "Bắc Giang", None, "761,546547", None, 195.723741])

    answer = await send(provinces, content, mapping="own", period=None, money_in="ty")

    assert answer.status_code == 202, answer.text
    (money,) = await figures(provinces, "BG", "2022M06")
    assert (money["enforceable"], money["done"]) == (761546547000, 195723741000)


async def test_every_fault_of_a_form_is_named_at_once(provinces: World) -> None:
    await june(provinces)
    await mapping(provinces, **{**FORM, "money_in": None})
    content = form(
        [1, "Bắc Giang", 7479.5, None, 4778, None],
        [2, "Lai Châu", 10, None, 11, None],
        [3, None, 10, None, 1, None],
        [4, "Hà Nội", -1, 5, 1e17, None],
        [5, "Trà Vinh", 10, None, 1, None],
        [6, "TRÀ VINH", 10, None, 1, None],
    )

    answer = await send(provinces, content, mapping="own", period=None)

    sheet = "/sheets/Về việc/rows"
    assert sorted(faults(answer)) == [
        (f"{sheet}/10", "duplicate_row"),
        (f"{sheet}/5/columns/C", "not_whole"),
        (f"{sheet}/6/columns/E", "done_exceeds_enforceable"),
        (f"{sheet}/7/columns/B", "missing"),
        (f"{sheet}/8/columns/C", "negative"),
        (f"{sheet}/8/columns/D", "missing_money_in"),
        (f"{sheet}/8/columns/E", "out_of_range"),
    ]


async def test_a_figure_merged_over_two_units_is_refused(provinces: World) -> None:
    def merged(book: Any, sheet: Any) -> None:
        sheet.merge_range(5, 2, 6, 2, 75.53)

    rows = [["2", "Lai Châu", None], ["3", "Hà Nội", None]]
    answer = await send(provinces, appendix(*rows, more=merged))

    assert faults(answer) == [("/sheets/Về việc/rows/7/columns/C", "merged_figures")]


async def test_a_heading_merged_over_the_whole_row_is_no_unit(provinces: World) -> None:
    def merged(book: Any, sheet: Any) -> None:
        sheet.merge_range(5, 0, 5, 2, "I. Khu vực phía Bắc")

    answer = await send(provinces, appendix([], ["3", "Hà Nội", 35.52], more=merged))

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2


async def test_the_period_in_the_sheet_must_not_contradict(provinces: World) -> None:
    await june(provinces)
    await mapping(provinces, **FORM)
    content = form([1, "Bắc Giang", 2, None, 1, None])
    silent = form([1, "Bắc Giang", 2, None, 1, None], title="Biểu tổng hợp")

    other = await send(provinces, content, mapping="own", period="2022M05")
    none = await send(provinces, silent, mapping="own", period=None)
    said = await send(provinces, silent, mapping="own", period="2022M05")

    assert faults(other) == [("/sheets/Về việc/rows/1/columns/A", "period_contradicts")]
    assert faults(none) == [("/sheets/Về việc/rows/1/columns/A", "unknown_period")]
    assert said.status_code == 202


async def test_rows_may_say_measure_category_and_period_in_words(
    provinces: World,
) -> None:
    await june(provinces)
    await mapping(
        provinces,
        money_in="vnd",
        source={"illustrative": True, "document": "Biểu minh họa"},
        labels={"Giang Bắc": "BG"},
        tables=[
            {
                "unit": {"title": ["Đơn vị"]},
                "figures": [{"letter": "E", "gives": "done"}, {"letter": "F", "gives": "enforceable"}],
                "measure_from": {"title": ["Loại"], "values": {"Việc": "cases", "Tiền": "money"}},
                "category_from": {"title": ["Nhóm"], "values": {"Tất cả": "all", "Tín dụng": "credit"}},
                "period": {"title": ["Kỳ"]},
            }
        ],
    )  # fmt: skip

    def merged(book: Any, sheet: Any) -> None:
        sheet.merge_range(1, 0, 3, 0, "Giang Bắc")

    content = xlsx(
        [
            ["Đơn vị", "Kỳ", "Loại", "Nhóm", "Xong", "Có điều kiện"],
            [None, "5 tháng năm 2022", "việc", "Tất cả", 5, 10],
            [None, "2022M05", "VIỆC", "tín dụng", 1, 2],
            [None, "31/3/2022", "Tiền", "Tất cả", 1000, "3.000đ"],
            ["Lai Châu", "2022M05", "Việc", "Ngân sách", 1, 1],
        ],
        more=merged,
    )

    answer = await send(provinces, content, mapping="own", period=None, on_error="accept_valid")  # fmt: skip

    assert answer.status_code == 202, answer.text
    (refused,) = answer.json()["rejected"]
    assert (refused["pointer"], refused["code"]) == ("/sheets/Về việc/rows/5/columns/D", "unknown_word")  # fmt: skip
    assert [(f["category"], f["done"]) for f in await figures(provinces, "BG")] == [("all", 5), ("credit", 1)]  # fmt: skip
    assert await figures(provinces, "BG", "2022M06") == [
        {"measure": "money", "category": "all", "enforceable": 3000, "done": 1000}
    ]
    report = (await provinces.admin.get("/v1/reports?unit=BG&period=2022M05")).json()
    assert report["figures"][0]["source"]["illustrative"] is True
    assert report["figures"][0]["source"]["document"] == "Biểu minh họa"


async def test_a_file_speaks_of_few_periods(provinces: World) -> None:
    column = {"title": ["Tỷ lệ"], "measure": "cases", "gives": "published_rate"}
    await mapping(provinces, tables=[{"unit": {"title": ["Tên"]}, "figures": [column], "period": {"title": ["Kỳ"]}}])  # fmt: skip
    days = [date(2021, 10, 1) + timedelta(n) for n in range(61)]
    content = xlsx([["Tên", "Kỳ", "Tỷ lệ"], *(["Lai Châu", day.isoformat(), 1] for day in days)])  # fmt: skip

    answer = await send(provinces, content, mapping="own", period=None)

    assert faults(answer) == [("/sheets/Về việc/rows/62", "too_many_periods")]


async def test_state_codes_name_units_too(provinces: World) -> None:
    column = {"title": ["Tỷ lệ"], "measure": "cases", "gives": "published_rate"}
    await mapping(provinces, tables=[{"unit": {"title": ["Mã"], "by": "state_code"}, "figures": [column]}])  # fmt: skip
    content = xlsx([["Mã", "Tỷ lệ"], ["24", 50], [1, 60], ["1", 70]])

    answer = await send(provinces, content, mapping="own", on_error="accept_valid")

    assert answer.json()["accepted"] == 2
    assert [r["pointer"] for r in answer.json()["rejected"]] == ["/sheets/Về việc/rows/4/columns/A"]  # fmt: skip
    assert (await figures(provinces, "BG"))[0]["published_rate"] == "50.00"
    assert (await figures(provinces, "HN"))[0]["published_rate"] == "60.00"


@pytest.mark.parametrize(
    ("header", "pointer", "code"),
    [
        pytest.param(["STT", "Tên", "Tỷ lệ"], "/sheets/Về việc", "column_not_found", id="no such titles"),
        pytest.param(["Tên đơn vị", "Tên đơn vị", "Tỷ lệ"], "/sheets/Về việc/rows/1/columns/B", "ambiguous_column", id="two of them"),
    ],
)  # fmt: skip
async def test_a_header_that_does_not_fit_is_named(
    provinces: World, header: list[str], pointer: str, code: str
) -> None:
    answer = await send(provinces, xlsx([header, ["1", "Lai Châu", 1]]))

    assert (pointer, code) in faults(answer)
    assert await stored(provinces) == 0


async def test_the_shipped_form_4_is_illustrative_and_so_are_its_figures(
    provinces: World,
) -> None:
    shown = (await provinces.admin.get("/v1/mappings/form-4")).json()["mapping"]
    columns = [f["title"] for f in shown["tables"][0]["figures"]]
    upper = ["Tên đơn vị", *(title[0] for title in columns)]
    lower = [None, *(title[1] if len(title) > 1 else None for title in columns)]
    content = xlsx([upper, lower, ["Lai Châu", 5, 6, 11, 8, 4, 1, 3]])

    answer = await send(provinces, content, mapping="form-4")

    assert answer.status_code == 202, answer.text
    assert "Minh họa" in shown["about"]
    report = (await provinces.admin.get("/v1/reports?unit=LCH&period=2022M05")).json()
    (row,) = report["figures"]
    assert row["source"]["illustrative"] is True
    assert (row["carried_over"], row["enforceable"], row["terminated"]) == (5, 8, 1)
