"""Reports over HTTP: what is refused, by which pointer, and what is kept."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from libs.common.figures import LARGEST_COUNT
from tests.support.world import World

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
MEBIBYTE = 1024 * 1024
TABLES = ("ingest.report", "ingest.figure", "platform.batch", "platform.event")


def report(unit: str = "BG", period: str = "2022M05", **more: Any) -> dict[str, Any]:
    return {
        "unit": unit,
        "period": period,
        "figures": [row(done=4, enforceable=9)],
        **more,
    }


def row(measure: str = "cases", **members: Any) -> dict[str, Any]:
    return {"measure": measure, **members}


def of(*rows: Any, **more: Any) -> dict[str, Any]:
    """One report with these rows."""
    return report(figures=list(rows), **more)


def body(*reports: Any, **more: Any) -> str:
    return json.dumps({"money_in": "vnd", "reports": list(reports), **more})


def raw(members: str) -> str:
    """A body whose one row is written by hand."""
    return body(of("ROW")).replace('"ROW"', '{"measure": "cases", ' + members + "}")


async def post(
    client: httpx.AsyncClient, content: str | bytes, **headers: str
) -> httpx.Response:
    return await client.post(
        "/v1/reports", content=content, headers={**JSON, **headers}
    )


async def kept(world: World) -> list[int]:
    """How many rows the tables hold that a report would add to."""
    count = "SELECT count(*) FROM {}"
    return [await world.owner.fetchval(count.format(table)) for table in TABLES]


def told(answer: httpx.Response) -> dict[str, Any]:
    """A problem document, with all that every one of them must have."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code < 500, document
    assert re.fullmatch("[a-z0-9_]+", document["code"])
    language = answer.headers["content-language"]
    for name in ("vi", "en"):
        assert document["texts"][name]["title"]
        assert document["texts"][name]["detail"]
    for member in ("title", "detail"):
        assert document[member] == document["texts"][language][member]
    for error in document.get("errors", []):
        assert set(error) == {"pointer", "code", "message"}
        assert error["message"]["vi"]
        assert error["message"]["en"]
    return document


def faults(document: dict[str, Any]) -> set[tuple[str, str]]:
    errors = [(error["pointer"], error["code"]) for error in document["errors"]]
    assert len(errors) == len(set(errors)), "a fault is said once"
    return set(errors)


@pytest.fixture(scope="module")
async def shared(template: str) -> AsyncIterator[World]:
    """One world for all; a test that stores something has a unit of its own."""
    server = template.rsplit("/", 1)[0]
    owner = await asyncpg.connect(template)
    await owner.execute("CREATE DATABASE reports TEMPLATE template_dondoc")
    async with World.running(f"{server}/reports", with_loops=False) as world:
        await world.tree()
        yield world
    await owner.execute("DROP DATABASE reports WITH (FORCE)")
    await owner.close()


@pytest.fixture
async def world_at_rest(shared: World) -> AsyncIterator[World]:
    """The same; afterwards it must hold what it held before."""
    before = await kept(shared)
    yield shared
    assert await kept(shared) == before, "what is refused stores nothing"


# Bodies that cannot be read ----------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="malformed"),
        pytest.param(body(report())[:-20], id="truncated"),
        pytest.param(body(report()) + " x", id="trailing data"),
        pytest.param(body(report()).encode("utf-16"), id="UTF-16"),
        pytest.param(body(report()).encode("utf-16-be"), id="UTF-16 without a mark"),
        pytest.param(b"\xef\xbb\xbf" + body(report()).encode(), id="a byte order mark"),
        pytest.param(raw('"done": NaN'), id="NaN"),
        pytest.param(raw('"done": Infinity'), id="Infinity"),
        pytest.param(raw('"done": -Infinity'), id="minus Infinity"),
        pytest.param(raw('"done": 1, "category": "\\ud800"'), id="a lone surrogate"),
        pytest.param(
            raw('"done": "7", "category": "\\ud800"'), id="a lone surrogate behind a fault"
        ),
        pytest.param(
            raw('"done": 1, "category": "a\udc00"').encode("utf-8", "surrogatepass"),
            id="a surrogate in UTF-8",
        ),
        pytest.param(raw('"done": 1, "category": "é"').encode("latin-1"), id="Latin-1"),
        pytest.param(
            raw('"done": "7", "category": "é"').encode("latin-1"),
            id="Latin-1 behind a fault",
        ),
        pytest.param(raw('"x": ' + "[" * 10**5 + "]" * 10**5), id="100 000 levels"),
        pytest.param('{"reports":' + "[" * 10**5, id="100 000 open brackets"),
    ],
)  # fmt: skip
async def test_an_unreadable_body_is_400(
    world_at_rest: World, content: str | bytes
) -> None:
    answer = await post(world_at_rest.admin, content)

    assert (answer.status_code, told(answer)["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/csv", "application/xml", "multipart/form-data", ""]
)
async def test_another_content_type_is_415(world_at_rest: World, kind: str) -> None:
    answer = await post(world_at_rest.admin, body(report()), **{"content-type": kind})

    assert (answer.status_code, told(answer)["code"]) == (415, "unsupported_media_type")


async def test_a_compressed_body_is_415(world_at_rest: World) -> None:
    answer = await post(
        world_at_rest.admin, body(report()), **{"content-encoding": "gzip"}
    )

    assert (answer.status_code, told(answer)["code"]) == (415, "compressed")


async def test_a_body_above_16_mebibytes_is_413(world_at_rest: World) -> None:
    content = body(report()).ljust(16 * MEBIBYTE + 1)

    answer = await post(world_at_rest.admin, content)

    assert (answer.status_code, told(answer)["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "claimed", [{}, {"content-length": "10"}], ids=["none", "a lie"]
)
async def test_a_stream_ends_where_the_limit_is_reached(
    world_at_rest: World, claimed: dict[str, str]
) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * MEBIBYTE:
            sent += 65536
            yield b" " * 65536

    answer = await world_at_rest.admin.post(
        "/v1/reports", content=chunks(), headers={**JSON, **claimed}
    )

    assert (answer.status_code, told(answer)["code"]) == (413, "too_large")


# Bodies that are not acceptable ------------------------------------------------------

ROW = "/reports/0/figures/0"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("null", {("", "wrong_type")}, id="null"),
        pytest.param("[]", {("", "wrong_type")}, id="a list"),
        pytest.param("{}", {("/reports", "missing")}, id="an empty object"),
        pytest.param(body(), {("/reports", "out_of_range")}, id="no report"),
        pytest.param(body(7), {("/reports/0", "wrong_type")}, id="a report of 7"),
        pytest.param(body(of()), {("/reports/0/figures", "out_of_range")}, id="no row"),
        pytest.param(body(of(7)), {(ROW, "wrong_type")}, id="a row of 7"),
        pytest.param(body(of({"done": 1})), {(f"{ROW}/measure", "missing")}, id="no measure"),
        pytest.param(body(of(row("viec", done=1))), {(f"{ROW}/measure", "wrong_type")}, id="an unknown measure"),
        pytest.param(body(report(), money_in="usd"), {("/money_in", "wrong_type")}, id="an unknown unit of money"),
        # numbers
        pytest.param(raw('"done": 1e999'), {(f"{ROW}/done", "out_of_range")}, id="1e999"),
        pytest.param(raw('"done": 7.0'), {(f"{ROW}/done", "wrong_type")}, id="7.0"),
        pytest.param(raw('"done": -0.0'), {(f"{ROW}/done", "wrong_type")}, id="-0.0"),
        pytest.param(raw('"done": 1e2'), {(f"{ROW}/done", "wrong_type")}, id="1e2"),
        pytest.param(raw('"done": "7"'), {(f"{ROW}/done", "wrong_type")}, id="a number as a string"),
        pytest.param(raw('"done": true'), {(f"{ROW}/done", "wrong_type")}, id="a number as a flag"),
        pytest.param(raw('"done": [7]'), {(f"{ROW}/done", "wrong_type")}, id="a number in a list"),
        pytest.param(raw('"done": -1'), {(f"{ROW}/done", "out_of_range")}, id="a negative count"),
        pytest.param(raw('"withdrawn": -1'), {(f"{ROW}/withdrawn", "out_of_range")}, id="a negative withdrawal"),
        pytest.param(raw(f'"done": {LARGEST_COUNT + 1}'), {(f"{ROW}/done", "out_of_range")}, id="2^53"),
        pytest.param(raw(f'"done": {2**63}'), {(f"{ROW}/done", "out_of_range")}, id="2^63"),
        pytest.param(raw(f'"done": {2**64}'), {(f"{ROW}/done", "out_of_range")}, id="2^64"),
        pytest.param(raw('"done": 1' + "0" * 400), {(f"{ROW}/done", "out_of_range")}, id="10^400"),
        pytest.param(raw('"done": 1' + "0" * 5000), {(f"{ROW}/done", "out_of_range")}, id="10^5000"),
        # rows
        pytest.param(body(of(row())), {(ROW, "empty_row")}, id="an empty row"),
        pytest.param(body(of(row(done=None))), {(ROW, "empty_row")}, id="a row of nulls"),
        pytest.param(body(of(row(done=5, enforceable=4))), {(f"{ROW}/done", "done_exceeds_enforceable")}, id="more done than enforceable"),
        pytest.param(body(of(row(done=5, completed=2, terminated=2))), {(f"{ROW}/done", "done_contradicts_parts")}, id="done beside other parts"),
        pytest.param(body(of(row(withdrawn=True, done=5))), {(f"{ROW}/withdrawn", "withdrawn_with_figures")}, id="taken back with figures"),
        pytest.param(body(of(row(done=1, reduced=1))), {(f"{ROW}/reduced", "not_of_this_measure")}, id="reduced cases"),
        pytest.param(body(of(row(done=1), row(done=2, category="all"))), {("/reports/0/figures/1", "duplicate_row")}, id="the same row twice"),
        pytest.param(body(of(row(category="all\n", done=1))), {(f"{ROW}/category", "wrong_type")}, id="a category with a line break"),
        pytest.param(body(of(row(category="Tín dụng", done=1))), {(f"{ROW}/category", "wrong_type")}, id="a category in Vietnamese"),
        pytest.param(body(of(row(category="a\0", done=1))), {(f"{ROW}/category", "wrong_type")}, id="NUL in a category"),
        # rates
        pytest.param(body(of(row(published_rate="73.455"))), {(f"{ROW}/published_rate", "rate_form")}, id="three decimals"),
        pytest.param(body(of(row(published_rate="100.01"))), {(f"{ROW}/published_rate", "rate_form")}, id="above 100"),
        pytest.param(body(of(row(published_rate="-1"))), {(f"{ROW}/published_rate", "rate_form")}, id="a negative rate"),
        pytest.param(body(of(row(published_rate="73,45"))), {(f"{ROW}/published_rate", "rate_form")}, id="a decimal comma"),
        pytest.param(body(of(row(published_rate="73.45\n"))), {(f"{ROW}/published_rate", "rate_form")}, id="a line break"),
        pytest.param(body(of(row(published_rate="NaN"))), {(f"{ROW}/published_rate", "rate_form")}, id="a rate that is NaN"),
        pytest.param(body(of(row(published_rate=73.45))), {(f"{ROW}/published_rate", "wrong_type")}, id="a rate as a number"),
        pytest.param(body(of(row(published_rate="63.88", done=4778, enforceable=7479))), {(f"{ROW}/published_rate", "rate_contradicts_counts")}, id="a rate beside other counts"),
        # money
        pytest.param(json.dumps({"reports": [of(row("money", done=1), row("money", category="credit", done=1))]}), {("/money_in", "missing")}, id="money without its unit"),
        pytest.param(body(of(row("money", enforceable=LARGEST_COUNT // 1000 + 1)), money_in="thousand_vnd"), {(f"{ROW}/enforceable", "out_of_range")}, id="too many thousands"),
        # fields
        pytest.param(body(report(), note="x"), {("/note", "unknown_field")}, id="an unknown field of the body"),
        pytest.param(body(report(note="x")), {("/reports/0/note", "unknown_field")}, id="an unknown field of a report"),
        pytest.param(body(of(row(done=1, tổng=2))), {(f"{ROW}/tổng", "unknown_field")}, id="an unknown column"),
        pytest.param(body(of({"measure": "cases", "a/b~c": 1})), {(f"{ROW}/a~1b~0c", "unknown_field")}, id="its pointer is escaped"),
        pytest.param(body(report(source={"page": 9})), {("/reports/0/source/page", "unknown_field")}, id="an unknown field of a source"),
        pytest.param(body(report(source={"date": "2022-13-01"})), {("/reports/0/source/date", "wrong_type")}, id="a source of no day"),
        pytest.param(body(report(source={"illustrative": 1})), {("/reports/0/source/illustrative", "wrong_type")}, id="a flag as a number"),
        pytest.param(body(report(form="a\0b")), {("/reports/0/form", "unknown_form")}, id="NUL in a form"),
        pytest.param(body(report(reason="a\x1b[2J")), {("/reports/0/reason", "control_character")}, id="an escape sequence"),
        pytest.param(body(report(source={"document": "a\0b"})), {("/reports/0/source/document", "control_character")}, id="NUL in a document"),
        # units and periods
        pytest.param(body(report("B\0G")), {("/reports/0/unit", "unknown_unit")}, id="NUL in a unit"),
        pytest.param(body(report("BG\n")), {("/reports/0/unit", "unknown_unit")}, id="a unit with a line break"),
        pytest.param(body(report("")), {("/reports/0/unit", "unknown_unit")}, id="an empty unit"),
        pytest.param(body(report("bg")), {("/reports/0/unit", "unknown_unit")}, id="a unit in small letters"),
        pytest.param(body(report("'; DROP TABLE ingest.figure; --")), {("/reports/0/unit", "unknown_unit")}, id="SQL as a unit"),
        pytest.param(body(report("../%(x)s{0}%n")), {("/reports/0/unit", "unknown_unit")}, id="a format as a unit"),
        pytest.param(body(report("TN")), {("/reports/0/unit", "unit_not_in_force")}, id="a unit that is not yet"),
        pytest.param(body(report(period="2009M05")), {("/reports/0/unit", "unit_not_in_force")}, id="a unit that was not yet"),
        pytest.param(body(report(period="2022M13")), {("/reports/0/period", "unknown_period")}, id="2022M13"),
        pytest.param(body(report(period="2022-02-30")), {("/reports/0/period", "unknown_period")}, id="30 February"),
        pytest.param(body(report(period="1900M01")), {("/reports/0/period", "unknown_period")}, id="the year 1900"),
        pytest.param(body(report(period="9999M01")), {("/reports/0/period", "unknown_period")}, id="the year 9999"),
        pytest.param(body(report(period="2199-12-31")), {("/reports/0/period", "unknown_period")}, id="the last day of 2199"),
        pytest.param(body(report(period="2022M06")), {("/reports/0/period", "future_period")}, id="a month that is not over"),
        pytest.param(body(report(period="2022-03-09")), {("/reports/0/period", "future_period")}, id="tomorrow"),
        pytest.param(body(report(), report()), {("/reports/1", "duplicate_report")}, id="the same report twice"),
        pytest.param(body(report(), report(period="2022-02-28")), {("/reports/1", "duplicate_report")}, id="the same period by its day"),
        # several at once
        pytest.param(
            body(
                of(row(done="7"), row("tien"), row(done=1, x=2, category="A")),
                report("HN"),
                of(row(done=5, enforceable=4), row(category="credit"), period="2022M13"),
                report("Bac Giang"),
                report("HUE", form="\0", reason="\0"),
            ),
            {
                ("/reports/0/figures/0/done", "wrong_type"),
                ("/reports/0/figures/1/measure", "wrong_type"),
                ("/reports/0/figures/2/x", "unknown_field"),
                ("/reports/0/figures/2/category", "wrong_type"),
                ("/reports/2/period", "unknown_period"),
                ("/reports/2/figures/0/done", "done_exceeds_enforceable"),
                ("/reports/2/figures/1", "empty_row"),
                ("/reports/3/unit", "unknown_unit"),
                ("/reports/4/form", "unknown_form"),
                ("/reports/4/reason", "control_character"),
            },
            id="several faults in several reports",
        ),
    ],
)  # fmt: skip
async def test_a_bad_report_is_422_at_its_pointer(
    world_at_rest: World, content: str, expected: set[tuple[str, str]]
) -> None:
    answer = await post(world_at_rest.admin, content)

    document = told(answer)
    assert (answer.status_code, document["code"]) == (422, "invalid")
    assert faults(document) == expected


async def test_an_unknown_unit_is_answered_with_the_nearest_names(
    world_at_rest: World,
) -> None:
    answer = await post(world_at_rest.admin, body(report("Bac Gian")))

    message = told(answer)["errors"][0]["message"]
    assert "BG" in message["vi"]
    assert "BG" in message["en"]


async def test_a_thousand_unknown_units_are_refused_without_a_wait(
    world_at_rest: World,
) -> None:
    strangers = [report(f"Bac Giang {number}") for number in range(1000)]

    answer = await post(world_at_rest.admin, body(*strangers))

    errors = told(answer)["errors"]
    hinted = ["Nearest" in error["message"]["en"] for error in errors]
    assert len(errors) == 1000
    assert 0 < sum(hinted) <= 10


async def test_a_unit_outside_the_subtree_answers_as_one_that_is_nowhere(
    world_at_rest: World,
) -> None:
    client = await world_at_rest.client("reporter", under="BG")

    outside = await post(client, body(report("HUE")))
    nowhere = await post(client, body(report("QQQ")))

    assert faults(told(outside)) == {("/reports/0/unit", "unknown_unit")}
    assert outside.content.replace(b"HUE", b"QQQ") == nowhere.content
    assert {**outside.headers, "x-request-id": ""} == {
        **nowhere.headers,
        "x-request-id": "",
    }


async def test_a_key_that_only_reads_may_not_report(world_at_rest: World) -> None:
    client = await world_at_rest.client("analyst")

    answer = await post(client, body(report()))

    assert (answer.status_code, told(answer)["code"]) == (403, "forbidden")


async def test_nobody_reports_without_a_key(world_at_rest: World) -> None:
    answer = await post(world_at_rest.anonymous, body(report()))

    assert (answer.status_code, told(answer)["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("accepted", "word"), [("en", "fault"), ("vi-VN, en;q=0.5", "lỗi"), ("fr", "lỗi")]
)
async def test_a_refusal_speaks_the_language_asked_for(
    world_at_rest: World, accepted: str, word: str
) -> None:
    answer = await post(
        world_at_rest.admin, body(report("QQQ")), **{"accept-language": accepted}
    )

    assert word in told(answer)["detail"]


# Parameters --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "pointer"),
    [
        pytest.param("POST", "/v1/reports?colour=red", 422, "unknown_parameter", "colour", id="an unknown one"),
        pytest.param("GET", "/v1/units?kinds=province", 422, "unknown_parameter", "kinds", id="one misspelt"),
        pytest.param("POST", "/v1/reports?on_error=ignore", 422, "invalid", "on_error", id="an unknown value"),
        pytest.param("POST", "/v1/reports?wait=31", 422, "invalid", "wait", id="too long a wait"),
        pytest.param("GET", "/v1/units?limit=0", 422, "invalid", "limit", id="a page of none"),
        pytest.param("GET", "/v1/units?limit=1001", 422, "invalid", "limit", id="too large a page"),
        pytest.param("GET", "/v1/units?on=30-02-2022", 422, "invalid", "on", id="a day that is none"),
        pytest.param("GET", "/v1/units?kind=city", 422, "invalid", "kind", id="an unknown kind"),
        pytest.param("GET", "/v1/units?cursor=x", 422, "bad_cursor", None, id="a cursor that is none"),
        pytest.param("GET", "/v1/units?cursor=WyJcdWQ4MDAiLCJhIl0", 422, "bad_cursor", None, id="a cursor with a surrogate"),
        pytest.param("GET", "/v1/units?under=QQQ", 404, "unknown_unit", None, id="under an unknown unit"),
        pytest.param("GET", "/v1/units/QQQ", 404, "unknown_unit", None, id="an unknown unit"),
        pytest.param("GET", "/v1/units/TN?on=2022-03-08", 404, "unknown_unit", None, id="a unit that is not yet"),
        pytest.param("GET", "/v1/reports?unit=BG", 422, "invalid", "period", id="no period"),
        pytest.param("GET", "/v1/reports?unit=BG&period=2022M13", 422, "unknown_period", None, id="an unknown period"),
        pytest.param("GET", "/v1/reports?unit=BG&period=2021M05", 404, "not_reported", None, id="nothing reported"),
        pytest.param("GET", "/v1/reports?unit=BG&period=2021M05&known_at=then", 422, "invalid", "known_at", id="a moment that is none"),
        pytest.param("GET", "/v1/reports?unit=BG&period=2021M05&known_at=9999-12-31", 422, "invalid", "known_at", id="the last day"),
        pytest.param("GET", "/v1/reports?unit=BG&period=2021M05&known_at=9999-12-31T23:59:59-12:00", 422, "invalid", "known_at", id="after the last day"),
        pytest.param("GET", "/v1/reports?unit=BG&period=2021M05&known_at=0001-01-01T00:00:00%2B14:00", 422, "invalid", "known_at", id="before the first day"),
        pytest.param("GET", "/v1/batches/bat_none", 404, "unknown_batch", None, id="an unknown batch"),
        pytest.param("DELETE", "/v1/reports", 405, "method_not_allowed", None, id="a method not taken"),
        pytest.param("GET", "/v1/nothing", 404, "not_found", None, id="no such address"),
    ],
)  # fmt: skip
async def test_a_bad_parameter_is_named(
    world_at_rest: World,
    method: str,
    path: str,
    status: int,
    code: str,
    pointer: str | None,
) -> None:
    answer = await world_at_rest.admin.request(
        method, path, content="{" if method == "POST" else None, headers=JSON
    )

    document = told(answer)
    assert (answer.status_code, document["code"]) == (status, code)
    assert {p for p, _ in faults({"errors": document.get("errors", [])})} == (
        {pointer} if pointer else set()
    )


@pytest.mark.parametrize(
    "path",
    [
        "/v1/units/%00", "/v1/units?under=%00", "/v1/batches/%00",
        "/v1/reports?unit=%00&period=2022M05", "/v1/reports?unit=BG&period=%00",
        "/v1/scorecards?period=2022M05&under=%00", "/v1/scorecards/%00/2022M05",
        "/v1/rankings/2022M05?under=%00", "/v1/rankings/%00", "/v1/targets?unit=%00",
        "/v1/units/%ff", "/v1/units/%ed%a0%80",
    ],
)  # fmt: skip
async def test_no_character_of_a_parameter_breaks_anything(
    world_at_rest: World, path: str
) -> None:
    answer = await world_at_rest.admin.get(path)

    told(answer)
    assert answer.status_code in (404, 422)


# Units -------------------------------------------------------------------------------


def unit(code: str = "BG-X", **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name": "Chi cục",
        "kind": "office",
        "parent": "BG",
        "valid_from": "2015-01-01",
        **more,
    }


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        pytest.param([unit(parent=None)], {("/units/0/parent", "one_root")}, id="a second root"),
        pytest.param([unit(kind="national")], {("/units/0/parent", "one_root")}, id="a second nation"),
        pytest.param([unit(parent="QQQ")], {("/units/0/parent", "unknown_unit")}, id="an unknown parent"),
        pytest.param([unit(parent="BG-X")], {("/units/0/parent", "cycle")}, id="its own parent"),
        pytest.param(
            [unit("BG", kind="province", parent="BG-X", valid_from="2010-01-01"), unit()],
            {("/units/0/parent", "parent_not_in_force"), ("/units/0/parent", "cycle"), ("/units/1/parent", "cycle")},
            id="a province under its own office",
        ),
        pytest.param([unit("BG", parent="VN")], {("/units/0/valid_from", "overlap")}, id="a second row of the same days"),
        pytest.param([unit(valid_to="2015-01-01")], {("/units/0/valid_to", "bad_interval")}, id="a row of no day"),
        pytest.param([unit(valid_from="2009-12-31")], {("/units/0/parent", "parent_not_in_force")}, id="older than its parent"),
        pytest.param([unit(), unit(valid_from="2026-01-01")], {("/units/0/valid_from", "overlap"), ("/units/0/valid_to", "outlives_parent"), ("/units/1/valid_from", "overlap"), ("/units/1/parent", "parent_not_in_force")}, id="each row by itself"),
        pytest.param([unit("a/b")], {("/units/0/code", "bad_form")}, id="a code with a slash"),
        pytest.param([unit("x" * 41)], {("/units/0/code", "bad_form")}, id="too long a code"),
        pytest.param([unit("BG\n")], {("/units/0/code", "bad_form")}, id="a code with a line break"),
        pytest.param([unit(name="a\0")], {("/units/0/name", "control_character")}, id="NUL in a name"),
        pytest.param([unit(name="")], {("/units/0/name", "bad_size")}, id="no name"),
        pytest.param([unit(kind="city")], {("/units/0/kind", "not_allowed")}, id="an unknown kind"),
        pytest.param([{k: v for k, v in unit().items() if k != "parent"}], {("/units/0/parent", "missing")}, id="the parent left out"),
        pytest.param([unit(colour="red")], {("/units/0/colour", "unknown_field")}, id="an unknown field"),
        pytest.param([unit(aliases=["x", 7])], {("/units/0/aliases/1", "not_text")}, id="an alias as a number"),
    ],
)  # fmt: skip
async def test_a_bad_unit_is_422_at_its_pointer(
    world_at_rest: World, units: list[dict[str, Any]], expected: set[tuple[str, str]]
) -> None:
    before = await world_at_rest.owner.fetchval("SELECT count(*) FROM ingest.unit")

    answer = await world_at_rest.admin.put("/v1/units", json={"units": units})

    assert answer.status_code == 422
    assert faults(told(answer)) == expected
    after = await world_at_rest.owner.fetchval("SELECT count(*) FROM ingest.unit")
    assert after == before


async def test_a_steward_touches_only_its_own_subtree(world_at_rest: World) -> None:
    client = await world_at_rest.client("steward", under="HUE")

    own = await client.put("/v1/units", json={"units": [unit(parent="BG")]})
    foreign = await client.put(
        "/v1/units",
        json={"units": [unit("BG", parent="VN", valid_from="2010-01-01")]},
    )

    assert faults(told(own)) == {("/units/0/parent", "unknown_unit")}
    assert ("/units/0/code", "unknown_unit") in faults(told(foreign))


# What is kept ------------------------------------------------------------------------


async def stands(world: World, unit: str, **query: str) -> dict[str, Any]:
    params = {"unit": unit, "period": "2022M05", **query}
    answer = await world.admin.get("/v1/reports", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def figures(shown: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows without what is said about them."""
    about = ("revision", "source")
    return [
        {k: v for k, v in figure.items() if k not in about}
        for figure in shown["figures"]
    ]


async def test_with_accept_valid_the_good_reports_are_kept(shared: World) -> None:
    before = await kept(shared)
    bad = of(row(done="7"), unit="HUE")
    content = body(bad, report("AG1"), report("QQQ"), of(row(x=1), unit="HN"))

    answer = await shared.admin.post(
        "/v1/reports?on_error=accept_valid", content=content, headers=JSON
    )

    shown = answer.json()
    assert answer.status_code == 202
    assert (shown["accepted"], shown["unchanged"], shown["warnings"]) == (1, 0, [])
    assert [(r["index"], r["pointer"], r["code"]) for r in shown["rejected"]] == [
        (0, "/reports/0/figures/0/done", "wrong_type"),
        (2, "/reports/2/unit", "unknown_unit"),
        (3, "/reports/3/figures/0/x", "unknown_field"),
    ]
    added = [a - b for a, b in zip(await kept(shared), before, strict=True)]
    assert added == [1, 1, 1, 2]


async def test_with_accept_valid_and_none_valid_nothing_is_kept(
    world_at_rest: World,
) -> None:
    answer = await world_at_rest.admin.post(
        "/v1/reports?on_error=accept_valid", content=body(report("QQQ")), headers=JSON
    )

    assert faults(told(answer)) == {("/reports/0/unit", "unknown_unit")}


async def test_by_default_one_bad_report_refuses_all(world_at_rest: World) -> None:
    answer = await post(world_at_rest.admin, body(report(), report("QQQ")))

    assert faults(told(answer)) == {("/reports/1/unit", "unknown_unit")}


async def test_what_was_sent_is_given_back(shared: World) -> None:
    rows = [
        row(category="all", carried_over=3, newly_accepted=0, enforceable=9, done=4, withdrawn=2),
        row(category="credit", published_rate="25.9"),
        row("money", category="all", enforceable=LARGEST_COUNT, completed=5, terminated=6, reduced=7),
    ]  # fmt: skip
    source = {"document": "Tin \u202eHội nghị\u200b 😀", "date": "2022-04-25"}

    answer = await shared.report(of(*rows, unit="HAG", source=source, form="06/2019"))
    shown = await stands(shared, "HAG")

    assert answer.status_code == 202
    rows[1]["published_rate"] = "25.90"
    assert figures(shown) == rows
    assert (shown["revision"], shown["form"]) == (1, "06/2019")
    assert shown["figures"][0]["source"] == {**source, "illustrative": False}


async def test_thousands_are_kept_in_dong(shared: World) -> None:
    thousands = row("money", enforceable=761_546_547, done=195_723_741)

    content = body(of(thousands, unit="CB"), money_in="thousand_vnd")
    await post(shared.admin, content)

    assert figures(await stands(shared, "CB")) == [
        row("money", category="all", enforceable=761_546_547_000, done=195_723_741_000)
    ]


async def test_unchanged_values_are_no_revision(shared: World) -> None:
    rows = [row(done=4, enforceable=9), row("money", published_rate="25.7")]
    await shared.report(of(*rows, unit="BK"))
    before = await kept(shared)

    rows[1]["published_rate"] = "25.70"
    again = await shared.report(of(*rows, unit="BK"), report("TQ1"))
    alone = (await shared.report(of(rows[0], unit="BK"))).json()

    assert (again.json()["accepted"], again.json()["unchanged"]) == (1, 1)
    assert (alone["accepted"], alone["unchanged"]) == (0, 1)
    assert (await stands(shared, "BK"))["revision"] == 1
    shown = await shared.admin.get(f"/v1/batches/{alone['batch']}")
    assert shown.json()["state"] == "evaluated"
    added = [a - b for a, b in zip(await kept(shared), before, strict=True)]
    assert added[:3] == [1, 1, 2]


async def test_a_changed_row_is_a_revision_and_the_older_stays_known(
    still_world: World,
) -> None:
    await still_world.tree()
    credit = row(category="credit", done=1, enforceable=2)
    await still_world.report(of(row(done=4, enforceable=9), credit))
    await still_world.admin.put("/v1/clock", json={"now": "2022-03-20T09:00:00+07:00"})

    await still_world.report(of(row(done=5, enforceable=9), reason="đính chính"))
    now = await stands(still_world, "BG")
    earlier = await stands(still_world, "BG", known_at="2022-03-08")
    before_it = await stands(still_world, "BG", known_at="2022-03-20T08:59:59+07:00")

    changed = row(category="all", done=5, enforceable=9)
    assert figures(now) == [changed, credit]
    assert [f["revision"] for f in now["figures"]] == [2, 1]
    assert (now["revision"], now["reason"]) == (2, "đính chính")
    assert figures(earlier) == [{**changed, "done": 4}, credit]
    assert earlier["revision"] == 1
    assert before_it == earlier
    query = {"unit": "BG", "period": "2022M05", "known_at": "2022-03-07"}
    unknown = await still_world.admin.get("/v1/reports", params=query)
    assert told(unknown)["code"] == "not_reported"


async def test_withdrawn_takes_a_row_back_and_it_may_come_again(
    shared: World,
) -> None:
    credit = row(category="credit", done=1, enforceable=2)
    everything = row(category="all", done=4, enforceable=9)
    take_back = of(row(category="credit", withdrawn=True), unit="LS")
    await shared.report(of(everything, credit, unit="LS"))

    await shared.report(take_back)
    without = await stands(shared, "LS")
    again = await shared.report(take_back)
    await shared.report(of(credit, unit="LS"))
    back = await stands(shared, "LS")

    assert figures(without) == [everything]
    assert again.json()["unchanged"] == 1
    assert figures(back) == [everything, credit]
    assert back["revision"] == 3


async def test_a_report_of_another_unit_is_seen_only_above_it(shared: World) -> None:
    await shared.report(report("BN1"))
    above = await shared.client("analyst", under="BN1")
    beside = await shared.client("analyst", under="HUE")
    query = {"unit": "BN1", "period": "2022M05"}

    seen = await above.get("/v1/reports", params=query)
    hidden = await beside.get("/v1/reports", params=query)
    nowhere = await beside.get("/v1/reports", params={**query, "unit": "QQQ"})

    assert seen.status_code == 200
    assert (hidden.status_code, told(hidden)["code"]) == (404, "unknown_unit")
    assert hidden.content.replace(b"BN1", b"QQQ") == nowhere.content


async def test_a_batch_goes_from_received_to_evaluated(world: World) -> None:
    await world.tree()

    sent = (await world.report(report(), wait=10)).json()
    shown = (await world.admin.get(f"/v1/batches/{sent['batch']}")).json()

    assert (shown["batch"], shown["state"]) == (sent["batch"], "evaluated")
    assert shown["escalations"] == {"opened": 0, "closed": 0}
    assert shown["received_at"] <= shown["scored_at"] <= shown["evaluated_at"]


async def test_a_batch_waits_as_long_as_nobody_works(shared: World) -> None:
    sent = (await shared.report(report("LCH"))).json()

    shown = (await shared.admin.get(f"/v1/batches/{sent['batch']}")).json()

    assert shown["state"] == "received"
    assert not {"scored_at", "evaluated_at"} & set(shown)


async def test_a_batch_is_seen_by_its_sender_and_at_the_root(shared: World) -> None:
    sender = await shared.client("reporter", under="DB")
    other = await shared.client("reporter", "admin", under="DB")
    sent = (await post(sender, body(report("DB")))).json()

    seen = [
        (await client.get(f"/v1/batches/{sent['batch']}")).status_code
        for client in (sender, other, shared.admin)
    ]
    hidden = await other.get(f"/v1/batches/{sent['batch']}")
    nowhere = await other.get("/v1/batches/bat_none")

    assert seen == [200, 404, 200]
    assert hidden.text.replace(sent["batch"], "bat_none") == nowhere.text


async def test_senders_of_one_period_never_make_the_same_revision(
    shared: World,
) -> None:
    answers = await asyncio.gather(
        *(shared.report(of(row(done=n, enforceable=99), unit="HNA")) for n in range(8))
    )

    assert [answer.status_code for answer in answers] == [202] * 8
    assert (await stands(shared, "HNA"))["revision"] == 8


# The tree ----------------------------------------------------------------------------


async def test_a_unit_is_created_changed_and_left(shared: World) -> None:
    async def put(*units: dict[str, Any]) -> dict[str, int]:
        answer = await shared.admin.put("/v1/units", json={"units": list(units)})
        counts: dict[str, int] = answer.json()
        return counts

    first = await put(unit("N", parent="HUE"), unit("N1", parent="N"))
    again = await put(unit("N", parent="HUE"), unit("N1", parent="N", name="Chi cục 1"))
    shown = (await shared.admin.get("/v1/units/N1")).json()

    assert first == {"created": 2, "updated": 0, "unchanged": 0}
    assert again == {"created": 0, "updated": 1, "unchanged": 1}
    assert (shown["name"], shown["parent"]) == ("Chi cục 1", "N")
    assert shown["valid_to"] is None


async def test_units_are_listed_once_in_vietnamese_order_page_by_page(
    shared: World,
) -> None:
    names: list[str] = []
    cursor = None
    while True:
        params = {"kind": "province", "limit": 10}
        more = {"cursor": cursor} if cursor else {}
        page = (await shared.admin.get("/v1/units", params=params | more)).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert len(names) == len(set(names)) == 63
    assert names[:4] == ["An Giang", "Bà Rịa - Vũng Tàu", "Bạc Liêu", "Bắc Giang"]
    assert names.index("Cần Thơ") < names.index("Đà Nẵng") < names.index("Gia Lai")


async def test_the_tree_is_shown_as_of_a_day(shared: World) -> None:
    async def codes(client: httpx.AsyncClient, **query: str) -> set[str]:
        params = {"limit": 1000, **query}
        answer = await client.get("/v1/units", params=params)
        return {item["code"] for item in answer.json()["items"]}

    now = await codes(shared.admin)
    later = await codes(shared.admin, on="2025-07-01")
    of_one = await shared.client("analyst", under="CB")

    assert {"TN1", "BG"} <= now
    assert "TN" not in now
    assert {"TN", "TN-KV4"} <= later
    assert not {"TN1", "BG"} & later
    assert "TN-KV4" in await codes(shared.admin, on="2025-07-01", under="TN")
    assert "HN" not in await codes(shared.admin, on="2025-07-01", under="TN")
    assert await codes(of_one) == {"CB"}
