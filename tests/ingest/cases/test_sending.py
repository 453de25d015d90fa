"""Sending case records over HTTP: what is taken, what is refused, what is kept."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.ingest.cases.sending import (
    case,
    codes,
    counts,
    lines,
    listed,
    post,
    sent,
    told,
    unit,
)
from tests.support.world import World

pytestmark = pytest.mark.anyio

MEBIBYTE = 1024 * 1024
TABLES = ("ingest.enforcement_case", "ingest.case_history", "ingest.case_intake", "platform.batch")  # fmt: skip


async def kept(world: World) -> list[int]:
    return [await world.owner.fetchval(f"SELECT count(*) FROM {t}") for t in TABLES]


async def history(world: World, id: str) -> list[dict[str, Any]]:
    answer = await world.admin.get(f"/v1/cases/{id}/history")
    assert answer.status_code == 200, answer.text
    versions: list[dict[str, Any]] = answer.json()["versions"]
    return versions


# What is taken -------------------------------------------------------------------------


async def test_a_record_comes_back_as_it_was_sent(world: World) -> None:
    whole = case(
        officer="A11",
        claims=["state_budget", "credit"],
        key_case=True,
        held_vnd=7,
        verified_on=["2022-01-05", "2021-07-01"],
        published_on="2021-07-02",
        auctioned_on="2021-08-02",
        handed_over_on="2021-09-02",
        reason_code="no_assets",
    )

    receipt = await sent(world, whole)
    (shown,) = await listed(world)

    assert counts(receipt) == (1, 0, 0)
    assert receipt["warnings"] == []
    flags = shown.pop("flags")
    id = shown.pop("id")
    assert shown == {
        **whole,
        "claims": ["credit", "state_budget"],
        "verified_on": ["2021-07-01", "2022-01-05"],
    }
    assert flags == ["key_case", "held"]
    assert (await world.admin.get(f"/v1/cases/{id}")).json()["case_no"] == "1/QĐ-THA"


async def test_what_was_left_out_is_unknown_or_its_default(world: World) -> None:
    bare = case()
    del bare["claims"]

    await sent(world, bare)
    (shown,) = await listed(world)

    assert (shown["claims"], shown["verified_on"], shown["key_case"]) == ([], [], False)
    for member in ("officer", "held_vnd", "published_on", "reason_code"):
        assert shown[member] is None


async def test_both_ways_of_sending_are_one(world: World) -> None:
    records = [case(n) for n in range(450)]

    answer = await world.admin.post("/v1/cases", json={"cases": records})
    again = await sent(world, *records)

    assert answer.status_code == 202, answer.text
    assert counts(answer.json()) == (450, 0, 0)
    assert counts(again) == (0, 450, 0)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lines(case(1), case(2)).rstrip(), id="no last line feed"),
        pytest.param(lines(case(1), case(2)).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(b"\n \n" + lines(case(1), b"", b"\t", case(2)) + b"\n\n", id="blank lines"),
        pytest.param(lines(json.dumps(case(1), ensure_ascii=False), case(2)), id="text in UTF-8"),
        pytest.param(lines(json.dumps(case(1), separators=(" ,  ", " : ")), case(2)), id="spaces"),
        pytest.param(lines(case(1, as_of="2022-03-01T08:00:00+07:00"), case(2)), id="a moment"),
    ],
)  # fmt: skip
async def test_a_line_may_be_written_in_many_ways(world: World, content: bytes) -> None:
    answer = await post(world.admin, content)

    assert answer.status_code == 202, answer.text
    assert [c["case_no"] for c in await listed(world)] == ["1/QĐ-THA", "2/QĐ-THA"]


async def test_two_ways_to_write_a_letter_are_one_case(world: World) -> None:
    receipts = [
        await sent(world, case("Phố")),
        await sent(world, case("Pho\u0302\u0301", as_of="2022-03-02")),
    ]

    assert [counts(r) for r in receipts] == [(1, 0, 0), (1, 0, 0)]
    assert len(await listed(world)) == 1


async def test_a_number_may_hold_what_copy_writes_apart(world: World) -> None:
    odd = r"a\tb\N\\.\{,}\""

    await sent(world, case() | {"case_no": odd})

    assert [c["case_no"] for c in await listed(world)] == [odd]


async def test_the_year_of_the_decision_tells_cases_apart(world: World) -> None:
    await sent(
        world, case(), case(decided_on="2020-06-15"), case(decided_on="2021-01-01")
    )

    shown = await listed(world)

    assert [c["decided_on"] for c in shown] == ["2020-06-15", "2021-06-15"]


# What is newer stands ------------------------------------------------------------------


async def test_a_newer_record_stands_and_the_older_is_history(world: World) -> None:
    await sent(world, case())
    newer = case(as_of="2022-03-05", status="completed", status_since="2022-03-04")

    receipt = await sent(world, newer)
    (shown,) = await listed(world)
    versions = await history(world, shown["id"])

    assert counts(receipt) == (1, 0, 0)
    assert shown["status"] == "completed"
    assert [(v["status"], v["applied"], v["version"]) for v in versions] == [
        ("enforceable", True, 1),
        ("completed", True, 2),
    ]
    assert versions[1]["batch"] == receipt["batch"]
    assert versions[0]["received_at"].startswith("2022-03-08T")


async def test_an_older_record_is_kept_and_not_applied(world: World) -> None:
    await sent(world, case(as_of="2022-03-05"))

    receipt = await sent(world, case(2), case(as_of="2022-03-04", due_vnd=5))
    (first, _) = await listed(world)

    assert counts(receipt) == (1, 1, 0)
    assert codes(receipt["warnings"]) == [(1, "older")]
    assert first["due_vnd"] == 1_000_000
    versions = await history(world, first["id"])
    assert [(v["as_of"], v["applied"]) for v in versions] == [
        ("2022-03-05", True),
        ("2022-03-04", False),
    ]


async def test_of_the_same_moment_the_first_received_stands(world: World) -> None:
    await sent(world, case())

    receipt = await sent(world, case(due_vnd=5))
    (shown,) = await listed(world)

    assert codes(receipt["warnings"]) == [(0, "older")]
    assert shown["due_vnd"] == 1_000_000


async def test_a_day_means_its_end(world: World) -> None:
    await sent(world, case(as_of="2022-03-01"))

    noon = await sent(world, case(as_of="2022-03-01T12:00:00+07:00", due_vnd=5))
    next_day = await sent(world, case(as_of="2022-03-02T00:00:01+07:00", due_vnd=6))

    assert codes(noon["warnings"]) == [(0, "older")]
    assert counts(next_day) == (1, 0, 0)


async def test_records_of_one_request_are_applied_in_their_own_order(
    world: World,
) -> None:
    receipt = await sent(
        world,
        case(as_of="2022-03-03", due_vnd=3),
        case(as_of="2022-03-01", due_vnd=1),
        case(as_of="2022-03-02", due_vnd=2),
        case(as_of="2022-03-02", due_vnd=2),
    )
    (shown,) = await listed(world)

    assert counts(receipt) == (3, 1, 0)
    assert receipt["warnings"] == []
    assert shown["due_vnd"] == 3
    versions = await history(world, shown["id"])
    assert [(v["due_vnd"], v["applied"]) for v in versions] == [
        (1, True),
        (2, True),
        (3, True),
    ]


async def test_an_old_batch_sent_again_adds_nothing(world: World) -> None:
    old = [case(n) for n in range(3)]
    await sent(world, *old)
    await sent(world, *(case(n, as_of="2022-03-04", due_vnd=9) for n in range(3)))
    before = (await kept(world))[:2]

    receipt = await sent(world, *old)

    assert counts(receipt) == (0, 3, 0)
    assert receipt["warnings"] == []
    assert (await kept(world))[:2] == before


async def test_more_collected_than_due_is_odd_and_kept(world: World) -> None:
    receipt = await sent(world, case(), case(2, collected_vnd=1_000_001))

    assert counts(receipt) == (2, 0, 0)
    assert codes(receipt["warnings"]) == [(1, "collected_exceeds_due")]


# What is refused -----------------------------------------------------------------------

LARGEST = 2**53 - 1
BAD = [
    pytest.param(b"{", {("", "malformed_json")}, id="malformed"),
    pytest.param(lines(case())[:-9], {("", "malformed_json")}, id="truncated"),
    pytest.param(json.dumps(case()) + " x", {("", "malformed_json")}, id="trailing"),
    pytest.param(json.dumps(case()).encode("utf-16-le"), {("", "malformed_json")}, id="UTF-16"),
    pytest.param(json.dumps(case() | {"case_no": "é"}, ensure_ascii=False).encode("latin-1"), {("", "malformed_json")}, id="Latin-1"),
    pytest.param(b"\xef\xbb\xbf" + lines(case()).strip(), {("", "malformed_json")}, id="a byte order mark"),
    pytest.param(json.dumps(case()).replace('"1/', '"\\ud800'), {("", "malformed_json")}, id="a lone surrogate"),
    pytest.param(json.dumps(case())[:-1] + ', "due_vnd": 1}', {("", "malformed_json")}, id="a member twice"),
    pytest.param(json.dumps(case())[:-1] + ', "due_vnd" : 1}', {("", "malformed_json")}, id="a member twice with a space"),
    pytest.param(json.dumps(case(as_of="2022-03-01T08\\u003a00:00+07:00")).replace("\\\\", "\\")[:-1] + ', "due_vnd": 1}', {("", "malformed_json")}, id="a member twice behind a colon in disguise"),
    pytest.param("[" * 40 + "]" * 40, {("", "malformed_json")}, id="40 levels"),
    pytest.param("7", {("", "wrong_type")}, id="a number"),
    pytest.param("{}", {(f"/{m}", "missing") for m in ("unit", "case_no", "as_of", "decided_on", "status", "status_since", "due_vnd", "collected_vnd")}, id="nothing in it"),
    pytest.param(case(name="N"), {("/name", "unknown_field")}, id="an unknown member"),
    pytest.param(case(status="done"), {("/status", "wrong_type")}, id="no such status"),
    pytest.param(case(due_vnd="7"), {("/due_vnd", "wrong_type")}, id="an amount as text"),
    pytest.param(case(due_vnd=7.0), {("/due_vnd", "wrong_type")}, id="a decimal amount"),
    pytest.param(case(due_vnd=True), {("/due_vnd", "wrong_type")}, id="a flag for an amount"),
    pytest.param(case(due_vnd=-1), {("/due_vnd", "out_of_range")}, id="a negative amount"),
    pytest.param(case(held_vnd=LARGEST + 1), {("/held_vnd", "out_of_range")}, id="too large an amount"),
    pytest.param(json.dumps(case(due_vnd="N")).replace('"N"', "NaN"), {("", "malformed_json")}, id="NaN"),
    pytest.param(case(key_case="yes"), {("/key_case", "wrong_type")}, id="a word for a flag"),
    pytest.param(case(claims=None), {("/claims", "wrong_type")}, id="null for a list"),
    pytest.param(case(claims=["Tín dụng"]), {("/claims", "bad_form")}, id="a claim that is no code"),
    pytest.param(case(claims=["a", 7]), {("/claims/1", "wrong_type")}, id="a number among claims"),
    pytest.param(case(claims=["a"] * 21), {("/claims", "out_of_range")}, id="too many claims"),
    pytest.param(case(reason_code="x\n"), {("/reason_code", "bad_form")}, id="a reason with a line feed"),
    pytest.param(case(verified_on=["2022-02-30"]), {("/verified_on", "bad_day")}, id="30 February"),
    pytest.param(case(decided_on="15/06/2021"), {("/decided_on", "bad_day")}, id="a day of another form"),
    pytest.param(case(decided_on="20210615"), {("/decided_on", "bad_day")}, id="a day without strokes"),
    pytest.param(case(decided_on="1821-06-15"), {("/decided_on", "bad_day")}, id="a year too early"),
    pytest.param(case(published_on="2021-6-15"), {("/published_on", "bad_day")}, id="a month of one digit"),
    pytest.param(case(as_of="2022-03-01T08:00:00"), {("/as_of", "bad_moment")}, id="a moment without offset"),
    pytest.param(case(as_of="2022-03-09"), {("/as_of", "future_as_of")}, id="tomorrow"),
    pytest.param(case(as_of="2022-03-08T23:00:00+07:00"), {("/as_of", "future_as_of")}, id="tonight"),
    pytest.param(case(status_since="2021-06-14"), {("/status_since", "before_decision")}, id="a status before the decision"),
    pytest.param(case(status_since="2022-03-02"), {("/status_since", "after_as_of")}, id="a status after the record"),
    pytest.param(case(decided_on="2022-03-02"), {("/status_since", "before_decision"), ("/decided_on", "after_as_of")}, id="a decision after the record"),
    pytest.param(case() | {"case_no": ""}, {("/case_no", "out_of_range")}, id="no number"),
    pytest.param(case() | {"case_no": "x" * 101}, {("/case_no", "out_of_range")}, id="too long a number"),
    pytest.param(case() | {"case_no": " 1"}, {("/case_no", "bad_form")}, id="a number with a space before it"),
    pytest.param(case() | {"case_no": "1\t2"}, {("/case_no", "bad_form")}, id="a number with a tab"),
    pytest.param(case() | {"case_no": "1\x00"}, {("/case_no", "bad_form")}, id="a number with NUL"),
    pytest.param(case(unit="C1"), {("/unit", "unknown_unit")}, id="no such unit"),
    pytest.param(case(unit="A0"), {("/unit", "unit_not_in_force")}, id="a unit that had ended"),
    pytest.param(case(officer="X"), {("/officer", "unknown_officer")}, id="no such officer"),
    pytest.param(case(officer="A2"), {("/officer", "unknown_officer")}, id="an office for an officer"),
    pytest.param(case(officer="B11"), {("/officer", "unknown_officer")}, id="an officer of another office"),
    pytest.param(case(due_vnd=-1, status="x", unit="C1"), {("/due_vnd", "out_of_range"), ("/status", "wrong_type"), ("/unit", "unknown_unit")}, id="several at once"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "faults"), BAD)
async def test_one_bad_line_refuses_all_and_says_where(
    world: World, bad: Any, faults: set[tuple[str, str]]
) -> None:
    before = await kept(world)

    answer = await post(world.admin, lines(case(1), b"", bad, case(2)))

    assert answer.status_code == 422, answer.text
    assert told(answer) == {(f"/cases/2{member}", code) for member, code in faults}
    assert await kept(world) == before


async def test_the_same_faults_are_found_in_a_json_body(world: World) -> None:
    body = {"cases": [case(), case(2, status="x")]}

    answer = await world.admin.post("/v1/cases", json=body)

    assert (answer.status_code, told(answer)) == (422, {("/cases/1/status", "wrong_type")})  # fmt: skip


async def test_the_good_lines_are_kept_when_asked(world: World) -> None:
    bad = case(2, unit="C1")

    receipt = await sent(world, case(1), bad, case(3), on_error="accept_valid")

    assert counts(receipt) == (2, 0, 1)
    assert codes(receipt["rejected"]) == [(1, "unknown_unit")]
    assert len(await listed(world)) == 2


async def test_nothing_good_is_refused_even_when_asked(world: World) -> None:
    answer = await post(world.admin, lines(case(unit="C1")), on_error="accept_valid")

    assert answer.status_code == 422


async def test_a_thousand_faults_are_listed_and_the_rest_counted(world: World) -> None:
    bad = [case(n, status="x") for n in range(1100)]

    refused = await post(world.admin, lines(*bad))
    receipt = await sent(world, case(1), *bad, on_error="accept_valid")

    assert len(refused.json()["errors"]) == 1000
    assert len(receipt["rejected"]) == 1000
    (warning,) = receipt["warnings"]
    assert warning["code"] == "more_rejected"
    assert "100" in warning["message"]["en"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/csv", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
        ("Application/X-NDJSON; charset=utf-8", 202),
    ],
)
async def test_other_media_are_not_taken(world: World, kind: str, status: int) -> None:
    headers = {"content-type": kind}

    answer = await world.admin.post("/v1/cases", content=lines(case()), headers=headers)

    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("content", [b"", b"\n\n"])
async def test_no_record_at_all_is_refused(world: World, content: bytes) -> None:
    answer = await post(world.admin, content)

    assert (answer.status_code, told(answer)) == (422, {("/cases", "missing")})


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'{"cases":[],"cases":[{}]}', 400),
        (b"\xff", 400),
        (b"[" * 100_000, 422),
        (b'{"cases":[]}', 422),
        (b'{"case":[]}', 422),
        (b"[]", 422),
    ],
)
async def test_a_json_body_that_is_none_of_ours(
    world: World, content: bytes, status: int
) -> None:
    headers = {"content-type": "application/json"}

    answer = await world.admin.post("/v1/cases", content=content, headers=headers)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


# Who may -------------------------------------------------------------------------------


async def test_a_key_sends_only_of_units_that_it_sees(world: World) -> None:
    client = await world.client("reporter", under="B")

    answer = await post(client, lines(case(), case(unit="B1"), case(unit="C1")))

    assert answer.status_code == 422
    first, second = answer.json()["errors"]
    assert (first["pointer"], first["code"]) == ("/cases/0/unit", "unknown_unit")
    assert first["message"]["en"].replace("A1", "C1") == second["message"]["en"]


async def test_a_unit_that_became_another_may_still_have_cases(world: World) -> None:
    units = [unit("A5", "A", valid_to="2021-01-01"), unit("A6", "A", valid_from="2021-01-01")]  # fmt: skip
    (await world.admin.put("/v1/units", json={"units": units})).raise_for_status()
    late = case(unit="A5", decided_on="2021-03-01")
    refused = await post(world.admin, lines(late))
    change = {"effective": "2021-01-01", "from": ["A5"], "into": ["A6"], "document": {"number": "1", "date": "2020-12-01"}}  # fmt: skip
    (await world.admin.post("/v1/reorganisations", json=change)).raise_for_status()

    taken = await post(world.admin, lines(late))

    assert told(refused) == {("/cases/0/unit", "unit_not_in_force")}
    assert taken.status_code == 202
    of_then = await post(world.admin, lines(case(unit="A0", decided_on="2019-01-01")))
    assert of_then.status_code == 202


# How much ------------------------------------------------------------------------------


async def test_a_line_may_not_be_longer_than_64_kib(world: World) -> None:
    padded = json.dumps(case()) + " " * 65536

    answer = await post(world.admin, lines(case(2), padded))

    assert answer.status_code == 413
    assert told(answer) == {("/cases/1", "line_too_long")}
    assert await listed(world) == []


async def test_a_line_without_end_is_not_waited_for(world: World) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while asked < 1000:
            asked += 1
            yield b"x" * 1024

    answer = await post(world.admin, endless())

    assert answer.status_code == 413
    assert asked < 100


async def test_json_stays_bounded_where_ndjson_may_be_long(world: World) -> None:
    padding = b" " * 1024 * 1024

    async def long(kind: str) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(17 * 32):
                yield padding[: 1024 * 32] + b"\n"
            yield lines(case())

        headers = {"content-type": kind}
        return await world.admin.post("/v1/cases", content=chunks(), headers=headers)

    as_json = await long("application/json")
    as_lines = await long("application/x-ndjson")
    claimed = await world.admin.post("/v1/cases", content=b"", headers={"content-type": "application/x-ndjson", "content-length": str(2**31 + 1)})  # fmt: skip

    assert (as_json.status_code, as_json.json()["code"]) == (413, "too_large")
    assert as_lines.status_code == 202
    assert claimed.status_code == 413
    assert claimed.headers["content-type"] == "application/problem+json"


async def test_a_long_stream_takes_no_more_memory_than_a_short_one(
    world: World,
) -> None:
    async def stream(count: int) -> AsyncIterator[bytes]:
        for start in range(0, count, 100):
            padded = (json.dumps(case(n)) + " " * 2000 for n in range(start, start + 100))  # fmt: skip
            yield lines(*padded)

    async def peak(count: int) -> int:
        tracemalloc.start()
        answer = await post(world.admin, stream(count))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.status_code == 202, answer.text
        return most

    short, long = await peak(1000), await peak(20_000)

    assert long < short + 4 * MEBIBYTE  # of the 46 that were sent


async def test_a_body_that_breaks_off_leaves_nothing(world: World) -> None:
    before = await kept(world)
    messages: asyncio.Queue[Any] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": lines(*(case(n) for n in range(500))), "more_body": True})  # fmt: skip
    messages.put_nowait({"type": "http.disconnect"})
    key = world.admin.headers["authorization"].encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/cases",
        "raw_path": b"/v1/cases",
        "query_string": b"",
        "headers": [
            (b"authorization", key),
            (b"content-type", b"application/x-ndjson"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("dondoc", 80),
    }
    said: list[Any] = []

    async def hear(message: Any) -> None:
        said.append(message)

    await world.app(scope, messages.get, hear)

    assert said[0]["status"] == 400
    assert await kept(world) == before
    assert counts(await sent(world, case())) == (1, 0, 0)


async def test_writers_of_the_same_cases_take_turns(world: World) -> None:
    bodies = [
        lines(*(case(n, as_of=f"2022-03-0{day}", due_vnd=day) for n in order))
        for day, order in enumerate([range(300), range(299, -1, -1)] * 3, 1)
    ]

    answers = await asyncio.gather(*(post(world.admin, body) for body in bodies))

    assert [answer.status_code for answer in answers] == [202] * 6
    standing = "SELECT DISTINCT due_vnd, versions FROM ingest.enforcement_case"
    assert [tuple(row) for row in await world.owner.fetch(standing)] == [(6, 6)]
