"""Cases are erased with all that was kept of them, on the command line."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.cases.sending import case, counts, listed, sent
from tests.support.processes import finished, started
from tests.support.world import World

pytestmark = pytest.mark.anyio
SECRET = base64.b64encode(b"a secret of thirty-two bytes ...").decode()


def done(number: int, since: str, **more: Any) -> dict[str, Any]:
    return case(
        number,
        decided_on="2015-01-05",
        status="completed",
        status_since=since,
        **more,
    )


async def erased(world: World, home: Path, *words: str, **more: str) -> str:
    said = await asyncio.to_thread(
        finished,
        *("erase-cases", "--yes", *words),
        within=home,
        DATABASE_URL=world.url,
        DONDOC_SECRET=SECRET,
        **more,
    )
    return said.strip()


async def left(world: World) -> list[str]:
    rows = await world.owner.fetch(
        "SELECT c.case_no, c.versions, (SELECT count(*) FROM ingest.case_history h"
        " WHERE h.case_id = c.id) AS kept FROM ingest.enforcement_case c ORDER BY 1"
    )
    assert all(row["kept"] == row["versions"] for row in rows)
    total = await world.owner.fetchval("SELECT count(*) FROM ingest.case_history")
    assert total == sum(row["kept"] for row in rows), "no history without its case"
    return [row["case_no"].partition("/")[0] for row in rows]


async def test_what_was_finished_long_ago_goes_with_its_history(
    world: World, tmp_path: Path
) -> None:
    await sent(world, done(1, "2017-03-07"), done(2, "2017-03-08"), case(3))
    await sent(world, done(1, "2017-03-07", as_of="2022-03-02"))
    await sent(world, case(4, decided_on="2010-01-01", status_since="2010-01-01"))

    said = await erased(world, tmp_path, DONDOC_CASE_RETENTION="60")

    assert said == "erased 1 case(s)"
    assert await left(world) == ["2", "3", "4"]


async def test_an_erased_case_may_come_again_as_a_new_one(
    world: World, tmp_path: Path
) -> None:
    await sent(world, done(1, "2017-03-07"))
    (before,) = await listed(world)
    await erased(world, tmp_path, "--case", before["id"])
    gone = await world.admin.get(f"/v1/cases/{before['id']}/history")

    receipt = await sent(world, done(1, "2017-03-07"))
    (after,) = await listed(world)

    assert gone.status_code == 404
    assert counts(receipt) == (1, 0, 0)
    assert after["id"] != before["id"]


async def test_a_unit_stands_for_all_under_it(world: World, tmp_path: Path) -> None:
    await sent(world, done(1, "2017-03-07"), done(2, "2017-03-07", unit="B1"))

    said = await erased(world, tmp_path, "--unit", "A", "--before", "2017-03-08")

    assert said == "erased 1 case(s)"
    assert await left(world) == ["2"]


async def test_a_case_that_goes_on_is_erased_only_by_its_id(
    world: World, tmp_path: Path
) -> None:
    await sent(world, case(1), case(2))
    (shown, _) = await listed(world)

    all_of_then = await erased(world, tmp_path, "--before", "2022-03-08")
    by_id = await erased(world, tmp_path, "--case", shown["id"])

    assert all_of_then == "erased 0 case(s)"
    assert by_id == "erased 1 case(s)"
    assert await left(world) == ["2"]


async def test_who_erased_how_many_stays_on_record(
    world: World, tmp_path: Path
) -> None:
    await sent(world, done(1, "2017-03-07"), done(2, "2017-03-07"), case(3))
    (*_, shown) = await listed(world)
    more = {"LOGNAME": "thuky"}

    await erased(world, tmp_path, "--unit", "A", "--before", "2017-03-08", **more)
    await erased(world, tmp_path, "--case", shown["id"], **more)

    rows = await world.owner.fetch("SELECT * FROM ingest.erasure ORDER BY id")
    assert [
        (r["login"], r["cases"], r["unit"], r["case_id"] is None) for r in rows
    ] == [("thuky", 2, "A", True), ("thuky", 1, None, False)]
    assert [str(r["before"]) for r in rows] == ["2017-03-08", "None"]
    assert all(r["at"] and r["role"] for r in rows)


@pytest.mark.parametrize(
    "words",
    [(), ("--case", "1"), ("--unit", "C1", "--before", "2020-01-01")],
    ids=["nothing said", "no such name", "no such unit"],
)
async def test_it_asks_to_be_told_what(
    world: World, tmp_path: Path, words: tuple[str, ...]
) -> None:
    def run() -> int:
        command = ("erase-cases", "--yes", *words)
        with started(*command, within=tmp_path, DATABASE_URL=world.url, DONDOC_SECRET=SECRET) as process:  # fmt: skip
            return process.child.wait(60)

    await sent(world, done(1, "2017-03-07"))

    assert await asyncio.to_thread(run) == 2
    assert await left(world) == ["1"]
