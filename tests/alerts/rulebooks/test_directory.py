"""Rule files of a department's own: active at start if they load, else a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.alerts.rulebook import load_text
from services.alerts.rulebooks.files import publish_shipped
from tests.alerts.rulebooks.test_backtests import CASES, CURRENT, LEVEL_TOO, NEXT, RULE
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def rules_check(world: World) -> dict[str, str]:
    answer = (await world.anonymous.get("/readyz")).json()
    found: dict[str, str] = answer["checks"]["rules"]
    return found


async def test_what_loads_is_active_and_what_does_not_is_warned_of(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "old-cases.yaml").write_text(CASES, "utf-8")
    (tmp_path / "below-last-year.yaml").write_text(LEVEL_TOO, "utf-8")
    broken = CASES.replace("old-cases", "broken").replace("when:", "whne:")
    (tmp_path / "broken.yaml").write_text(broken, "utf-8")

    async with World.running(url, with_loops=False, rules=str(tmp_path)) as world:
        check = await rules_check(world)
        mine = (await world.admin.get("/v1/rules/old-cases")).json()
        theirs = (await world.admin.get(RULE)).json()

    assert check["status"] == "warn", check
    assert "broken.yaml" in str(check)
    assert "when" in str(check)
    assert (mine["state"], mine["origin"]) == ("active", "file")
    assert (theirs["version"], theirs["state"]) == (NEXT, "active")


async def test_a_second_start_changes_nothing_and_a_text_cannot_change(
    url: str, tmp_path: Path
) -> None:
    file = tmp_path / "old-cases.yaml"
    file.write_text(CASES, "utf-8")
    async with World.running(url, with_loops=False, rules=str(tmp_path)) as world:
        first = (await world.admin.get("/v1/rules/old-cases")).json()
    async with World.running(url, with_loops=False, rules=str(tmp_path)) as world:
        again = (await world.admin.get("/v1/rules/old-cases")).json()
        assert (await rules_check(world))["status"] == "ok"
        await world.admin.post("/v1/rules/old-cases/retire", json={"version": 1})
    file.write_text(CASES.replace("low", "high"), "utf-8")

    async with World.running(url, with_loops=False, rules=str(tmp_path)) as world:
        check = await rules_check(world)
        kept = (await world.admin.get("/v1/rules/old-cases")).json()

    assert first == again
    assert (check["status"], kept["state"]) == ("warn", "retired")
    assert "another text" in str(check)


async def test_a_rule_that_inhibits_nobody_is_active_and_warned_of(
    url: str, tmp_path: Path
) -> None:
    """Another file's rule and a shipped one are somebody."""
    inhibits = "inhibits: [{rules: [below-last-year, older, nobody], same: [unit]}]\n"
    (tmp_path / "old-cases.yaml").write_text(CASES + inhibits, "utf-8")
    older = CASES.replace("old-cases", "older")
    (tmp_path / "older.yaml").write_text(older, "utf-8")

    async with World.running(url, with_loops=False, rules=str(tmp_path)) as world:
        check = await rules_check(world)
        mine = (await world.admin.get("/v1/rules/old-cases")).json()

    assert (check["status"], mine["state"]) == ("warn", "active")
    assert str(check).count("There is no rule") == 1
    assert "'nobody'" in str(check)


async def test_a_directory_that_is_not_there_is_warned_of(url: str) -> None:
    async with World.running(url, with_loops=False, rules="/nowhere") as world:
        check = await rules_check(world)

    assert check["status"] == "warn"


async def test_what_ships_gives_way_to_a_department_s_own(
    url: str, tmp_path: Path
) -> None:
    """Their version 3 is active; the one that ships later as 3 is left out, and a
    shipped version that is lower is kept as a draft."""
    (tmp_path / "below-last-year.yaml").write_text(LEVEL_TOO, "utf-8")
    other = LEVEL_TOO.replace("<= last_year", "< last_year")
    lower = CASES.replace("version: 1", "version: 2")
    async with World.running(url, with_loops=False, rules=str(tmp_path)) as world:
        at = "/v1/rules/old-cases"
        higher = CASES.replace("version: 1", "version: 3")
        await world.admin.put(at, content=higher, headers={"content-type": "text/yaml"})
        async with world.owner.transaction():
            shipped = [(load_text(text), text) for text in (other, lower)]
            moment = await world.owner.fetchval("SELECT platform.business_now()")
            await publish_shipped(world.owner, shipped, moment)

        theirs = (await world.admin.get(RULE)).json()
        draft = (await world.admin.get(f"{at}?version=2")).json()

    assert (theirs["source"], theirs["state"]) == (LEVEL_TOO, "active")
    assert theirs["version"] > CURRENT
    assert (draft["state"], draft["origin"]) == ("draft", "shipped")
