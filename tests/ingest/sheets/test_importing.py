"""`dondoc import`: straight into the database, or only rehearsed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from libs.common.periods import Period
from libs.common.problems import NotFound, Unacceptable
from services.ingest.domain.reading import Asked
from services.ingest.sheets import importing
from services.ingest.sheets.importing import Change, Imported
from tests.support.databases import Stage, stage
from tests.support.processes import started
from tests.support.sheets import LETTER, xlsx
from tests.support.world import World

pytestmark = pytest.mark.anyio
ROWS = [*LETTER, ["1", "Lai Châu", "75,53%"], ["2", "Trà Vinh", 23.17]]


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "import_still") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    world = await staged.as_new()
    await world.load("units_2022.json")
    return world


async def imported(
    world: World,
    rows: list[list[Any]] = ROWS,
    *,
    mapping: str = "appendix",
    **more: Any,
) -> tuple[Imported, list[str]]:
    steps: list[str] = []
    asked = Asked(Period.parse("2022M05"), document="a.xlsx")
    options = {"accept_valid": False, "dry_run": False, **more}
    made = await importing.run(
        world.url, xlsx(rows), mapping=mapping, asked=asked, step=steps.append, **options
    )  # fmt: skip
    return made, steps


async def counted(world: World) -> list[int]:
    tables = ("ingest.figure", "ingest.report", "platform.batch", "platform.event")
    return [await world.owner.fetchval(f"SELECT count(*) FROM {t}") for t in tables]


async def test_a_file_is_recorded_as_over_http(still_world: World) -> None:
    made, steps = await imported(still_world)

    assert (made.receipt.accepted, made.receipt.unchanged) == (2, 0)
    assert steps == ["reading", "matching", "recording"]
    report = await still_world.admin.get("/v1/reports?unit=TV&period=2022M05")
    assert report.json()["figures"][0]["published_rate"] == "23.17"
    author = "SELECT DISTINCT author FROM ingest.report"
    assert await still_world.owner.fetchval(author) == "cli"


async def test_a_rehearsal_shows_what_would_change_and_leaves_nothing(
    still_world: World,
) -> None:
    await imported(still_world)
    before = await counted(still_world)
    rows = [*LETTER, ["1", "Lai Châu", "75,53%"], ["2", "Trà Vinh", 24], ["3", "Hà Nội", 1]]  # fmt: skip

    made, _ = await imported(still_world, rows, dry_run=True)

    assert (made.receipt.accepted, made.receipt.unchanged) == (2, 1)
    cell = ("2022M05", "cases", "all", "published_rate")
    assert made.changes == [
        Change("TV", *cell, Decimal("23.17"), Decimal("24.00")),
        Change("HN", *cell, None, Decimal("1.00")),
    ]
    assert await counted(still_world) == before


async def test_a_rehearsal_finds_the_same_faults(still_world: World) -> None:
    rows = [*LETTER, ["1", "Lai Chau", "75,53%"], ["2", "Trà Vinh", 24]]

    for dry_run in (True, False):
        with pytest.raises(Unacceptable) as error:
            await imported(still_world, rows, dry_run=dry_run)
        assert [f.pointer for f in error.value.errors] == ["/sheets/Về việc/rows/5/columns/B"]  # fmt: skip
    assert sum(await counted(still_world)) == 0


async def test_what_is_refused_is_no_change(still_world: World) -> None:
    rows = [*LETTER, ["1", "Lai Chau", "75,53%"], ["2", "Trà Vinh", 24]]

    made, _ = await imported(still_world, rows, accept_valid=True, dry_run=True)

    assert [change.unit for change in made.changes] == ["TV"]
    assert len(made.receipt.rejected) == 1


async def test_an_unknown_mapping_is_said(still_world: World) -> None:
    with pytest.raises(NotFound, match="there are: appendix, form-4"):
        await imported(still_world, mapping="x")


def command(
    url: str, file: Path, rows: list[list[Any]], *more: str
) -> tuple[int, str, str]:
    """Run `dondoc import` on a file of these rows: exit code, output, errors."""
    environment = {"DATABASE_URL": url, "LANG": "vi_VN.UTF-8", "DONDOC_ENV": "test"}
    file.write_bytes(xlsx([*LETTER, *rows]))
    words = ["import", str(file), "--mapping", "appendix", "--period", "2022M05"]
    with started(*words, *more, within=file.parent / "run", **environment) as process:
        code = process.child.wait(60)
        read = [p.read_text("utf-8") for p in (process.output, process.errors)]
    return code, read[0], read[1]


def test_the_command_shows_a_table_then_records_and_refuses_in_words(
    url: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.xlsx"
    good, bad = (["1", "Toàn quốc", rate] for rate in ("41,54%", "12.345%"))

    code, said, _ = command(url, file, [good], "--dry-run")
    assert code == 0
    assert "41.54" in said
    assert "1 report(s) would change, 0 unchanged; nothing was stored" in said

    code, said, _ = command(url, file, [good])
    assert code == 0
    assert "1 report(s) recorded, 0 unchanged (batch bat_" in said

    code, said, wrong = command(url, file, [bad])
    assert (code, said) == (1, "")
    assert "/sheets/Về việc/rows/5/columns/C: «12.345%» có thể hiểu hai cách" in wrong


async def test_a_closed_period_is_corrected_by_a_file_with_a_reason(
    still_world: World, tmp_path: Path
) -> None:
    await imported(still_world)
    await still_world.admin.post("/v1/periods/2022M05/close", json={})
    rows = [["1", "Trà Vinh", 24]]

    def run(*more: str) -> tuple[int, str, str]:
        return command(still_world.url, tmp_path / "a.xlsx", rows, *more)

    refused, _, why = await asyncio.to_thread(run)
    taken, said, _ = await asyncio.to_thread(run, "--reason", "Bỏ sót một việc")

    assert refused == 1
    assert "phải kèm lý do" in why
    assert taken == 0
    assert "1 report(s) recorded" in said
    latest = "SELECT reason, correction FROM ingest.report WHERE unit = 'TV' AND revision = 2"
    row = await still_world.owner.fetchrow(latest)
    assert tuple(row or ()) == ("Bỏ sót một việc", True)
