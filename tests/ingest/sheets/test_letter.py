"""The appendices of letter 679/TCTHADS-TKDLCN as they were printed, taken as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.world import World, sample

pytestmark = pytest.mark.anyio
LETTER = Path(__file__).parent / "letter_679"
APPENDICES = [("appendix_1_cases.csv", "Về việc"), ("appendix_2_money.csv", "Về tiền")]


async def send(world: World, name: str, sheet: str) -> dict[str, Any]:
    answer = await world.admin.post(
        "/v1/reports/upload",
        params={"mapping": "appendix", "period": "2022M05", "sheet": sheet},
        files={"file": (name, (LETTER / name).read_bytes())},
    )
    assert answer.status_code in (202, 422), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_printed_appendices_give_the_figures_of_the_letter(
    still_world: World,
) -> None:
    await still_world.load("units_2022.json")

    receipts = [await send(still_world, *one) for one in APPENDICES]

    assert [receipt["accepted"] for receipt in receipts] == [64, 64]
    rows = await still_world.owner.fetch(
        "SELECT unit, measure, published_rate::text AS rate FROM ingest.current_figure"
    )
    assert {(r["unit"], r["measure"], r["rate"]) for r in rows} == {
        (report["unit"], figure["measure"], figure["published_rate"])
        for report in sample("reports_679.json")["reports"]
        for figure in report["figures"]
    }


async def test_without_the_aliases_its_two_typing_errors_are_all_that_is_wrong(
    still_world: World,
) -> None:
    units = sample("units_2022.json")["units"]
    for unit in units:
        unit["aliases"] = [a for a in unit["aliases"] if a not in ("Đông Tháp", "Hung Yên")]  # fmt: skip
    await still_world.admin.put("/v1/units", json={"units": units})

    problems = [await send(still_world, *one) for one in APPENDICES]

    said = [[e["message"]["vi"] for e in p["errors"]] for p in problems]
    assert [len(messages) for messages in said] == [1, 1]
    assert said[0][0].startswith("Không có đơn vị «Đông Tháp». Gần giống: Đồng Tháp")
    assert said[1][0].startswith("Không có đơn vị «Hung Yên». Gần giống: Hưng Yên")
