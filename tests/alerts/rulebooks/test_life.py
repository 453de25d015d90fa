"""A rule from its draft to its end: who moved it, and what was impossible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.alerts.rulebook import RULES, load_text
from services.alerts.rulebooks.differences import differences
from tests.support.world import World

pytestmark = pytest.mark.anyio

SHIPPED = (RULES / "below-last-year.yaml").read_text("utf-8")
YAML = {"content-type": "application/yaml"}
BAD = Path(__file__).parents[2] / "bad_rules"


def version(n: int) -> str:
    """The shipped rule as another version."""
    current = load_text(SHIPPED).version
    return SHIPPED.replace(f"\nversion: {current}\n", f"\nversion: {n}\n")


NEXT = load_text(SHIPPED).version + 1
HARSHER = version(NEXT).replace("rate < last_year.rate", "rate <= last_year.rate")


async def put(world: World, text: str, id: str = "below-last-year") -> Any:
    return await world.admin.put(f"/v1/rules/{id}", content=text, headers=YAML)


async def test_a_text_becomes_a_draft_and_nothing_else(still_world: World) -> None:
    answer = await put(still_world, HARSHER)
    again = await put(still_world, HARSHER)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["unchanged"]) == ("draft", False)
    assert again.json()["unchanged"]
    whole = (
        await still_world.admin.get(f"/v1/rules/below-last-year?version={NEXT}")
    ).json()
    assert whole["source"] == HARSHER
    assert [e["change"] for e in whole["history"]] == ["drafted"]
    keys = (await still_world.admin.get("/v1/keys")).json()["items"]
    assert whole["history"][0]["actor"] in {key["id"] for key in keys}
    active = (await still_world.admin.get("/v1/rules/below-last-year")).json()
    assert (active["version"], active["state"]) == (NEXT - 1, "active")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(version(NEXT - 1).replace("15,", "14,"), "version_exists"),
        pytest.param(version(1), "version_too_low"),
    ],
)
async def test_versions_only_go_up(still_world: World, text: str, code: str) -> None:
    text = text.replace("due: 2022-03-15", "due: 2022-03-14") if "14," in text else text
    answer = await put(still_world, text)

    assert (answer.status_code, answer.json()["code"]) == (409, code), answer.text
    assert answer.json()["next_version"] == NEXT


async def test_faults_say_where_they_are_and_what_to_write(still_world: World) -> None:
    text = (BAD / "percent-against-points.yaml").read_text("utf-8")

    answer = await put(still_world, text, "bad")

    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == "/severity/0/if"
    assert (fault["line"], fault["column"], fault["hint"]) == (11, 27, "-10 pp")
    assert fault["message"].keys() == {"vi", "en"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        pytest.param(b"\xff\xfe", "application/yaml", 400, id="not UTF-8"),
        pytest.param(b"{", "application/json", 400, id="not JSON"),
        pytest.param(b"id: a", "text/html", 415, id="another type"),
        pytest.param(b"id: a\nid: b", "text/yaml", 422, id="twice the key"),
        pytest.param(b'{"id": "a\\u0000"}', "application/json", 422, id="NUL"),
        pytest.param(b'id: "a\\ud800"', "application/yaml", 422, id="half a pair"),
        pytest.param(b"", "application/yaml", 422, id="nothing"),
        pytest.param(b"[" * 5000, "application/yaml", 422, id="deep"),
        pytest.param(b"when: " + b"a" * 2**20, "text/yaml", 422, id="a megabyte"),
        pytest.param(b"&a [*a]", "text/yaml", 422, id="an alias"),
        pytest.param(b"\x00", "text/yaml", 422, id="a control character"),
    ],
)
async def test_what_is_no_rule_is_answered_for(
    still_world: World, content: bytes, kind: str, status: int
) -> None:
    headers = {"content-type": kind}
    for method, path in (("PUT", "/v1/rules/a"), ("POST", "/v1/rules/check")):
        answer = await still_world.admin.request(
            method, path, content=content, headers=headers
        )
        expected = 200 if (status, method) == (422, "POST") else status
        assert answer.status_code == expected, (method, answer.text)


async def test_json_is_a_rule_as_well(still_world: World) -> None:
    parts = (await still_world.admin.get("/v1/rules/below-last-year")).json()
    for name in (
        *("state", "origin", "created_at", "activated_at"),
        "source",
        "history",
    ):
        del parts[name]
    parts = {name: value for name, value in parts.items() if value is not None}

    answer = await still_world.admin.put(
        "/v1/rules/below-last-year", json={**parts, "version": NEXT}
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["title"] == parts["title"]


async def test_check_says_what_a_text_would_be(still_world: World) -> None:
    answer = await still_world.admin.post(
        "/v1/rules/check", content=SHIPPED, headers=YAML
    )

    found = answer.json()
    assert (found["ok"], found["warnings"]) == (True, [])
    assert found["reading"] == {"decided_by": "both", "why": None}
    assert "last_year.rate" in {word["name"] for word in found["names"]}
    assert found["rule"]["when"] == load_text(SHIPPED).when.text
    listed = (await still_world.admin.get("/v1/rules")).json()["items"]
    assert len({(r["id"], r["version"]) for r in listed}) == len(listed)


async def test_check_says_why_native_decides_alone(still_world: World) -> None:
    deep = " + ".join(["done"] * 6)
    text = version(NEXT).replace("rate < last_year.rate", f"enforceable < {deep}")
    text = text[: text.index("examples:")]

    answer = await still_world.admin.post("/v1/rules/check", content=text, headers=YAML)

    reading = answer.json()["reading"]
    assert reading["decided_by"] == "native", answer.text
    assert reading["why"].keys() == {"vi", "en"}


async def test_check_warns_of_what_keeps_no_rule_out(still_world: World) -> None:
    text = (RULES / "not-reported.yaml").read_text("utf-8")
    text = text[: text.index("examples:")].replace("- below-target", "- blow-target")

    answer = await still_world.admin.post("/v1/rules/check", content=text, headers=YAML)

    found = answer.json()
    assert found["ok"], answer.text
    assert [(w["pointer"], w["hint"]) for w in found["warnings"]] == [
        ("/inhibits/0/rules/1", "below-target"),
        ("/examples", "{given: {…}, expect: {fires: true}}"),
        ("/examples", "{given: {…}, expect: {fires: false}}"),
    ]


async def test_two_versions_are_compared_key_by_key(still_world: World) -> None:
    await put(still_world, HARSHER)

    answer = await still_world.admin.get(
        f"/v1/rules/below-last-year/diff?from={NEXT - 1}&to={NEXT}"
    )

    assert answer.json()["keys"] == [
        {
            "key": "when",
            "before": "rate < last_year.rate",
            "after": "rate <= last_year.rate",
        }
    ]


def test_a_comment_is_no_difference() -> None:
    assert differences(SHIPPED, f"# why\n{SHIPPED}") == []


async def moved(world: World, wanted: str, n: int, **more: Any) -> Any:
    return await world.admin.post(
        f"/v1/rules/below-last-year/{wanted}", json={"version": n, **more}
    )


async def test_impossible_moves_name_what_is_possible(still_world: World) -> None:
    current = NEXT - 1
    await put(still_world, HARSHER)

    again = await moved(still_world, "activate", current)
    await moved(still_world, "retire", NEXT, reason="not wanted")
    back = await moved(still_world, "shadow", NEXT)
    nowhere = await moved(still_world, "retire", 99)

    assert (again.status_code, again.json()["possible"]) == (409, ["retire"])
    assert (back.status_code, back.json()["possible"]) == (409, [])
    assert nowhere.status_code == 404


async def test_a_rule_is_not_activated_without_a_backtest(still_world: World) -> None:
    await put(still_world, HARSHER)

    answer = await moved(still_world, "activate", NEXT)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_backtest")
    assert "POST /v1/rules/below-last-year/backtest" in answer.json()["detail"]


async def test_only_a_steward_at_the_root_writes_rules(still_world: World) -> None:
    await still_world.tree()
    below = await still_world.client("steward", under="TN")

    answer = await below.put("/v1/rules/below-last-year", content=HARSHER, headers=YAML)

    assert answer.status_code == 403


async def test_a_text_that_no_longer_reads_stops_nobody_else(url: str) -> None:
    """As after an upgrade that asks more of rules than the one that accepted it."""
    owner = await asyncpg.connect(url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        "UPDATE alerts.rule SET source = replace(source, 'last_year.rate', 'lost')"
        " WHERE id = 'below-last-year'"
    )
    await owner.close()

    async with World.running(url, with_loops=False) as world:
        answer = await world.admin.post("/v1/evaluations", json={"period": "2022M05"})
        asked = await world.admin.get("/v1/rules/below-last-year")
        ready = (await world.anonymous.get("/readyz")).json()

    assert answer.status_code == 200, answer.text
    assert asked.status_code == 422
    assert "lost" in asked.json()["errors"][0]["message"]["en"], asked.text
    engine = ready["checks"]["engine"]
    assert engine["status"] == "warn", ready
    assert "below-last-year" in engine["note"]
