"""Mappings and categories: who may put them, what they refuse, what stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.ingest.sheets.schemas import MAPPING_EXAMPLE, MappingIn
from tests.support.databases import Stage, stage
from tests.support.world import World

pytestmark = pytest.mark.anyio
UNIT = {"title": ["Tên đơn vị"]}
RATE = {"title": ["Tỷ lệ"], "measure": "cases", "gives": "published_rate"}
TABLE = {"unit": UNIT, "figures": [RATE]}


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "mappings_still") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    return await staged.as_new()


async def province(world: World) -> None:
    units = [
        {"code": code, "name": f"Tỉnh {code}", "kind": "province", "parent": "VN", "valid_from": "2010-01-01"}
        for code in ("A", "B")
    ]  # fmt: skip
    answer = await world.admin.put("/v1/units", json={"units": units})
    assert answer.status_code == 200


async def test_a_mapping_comes_back_as_it_was_put(still_world: World) -> None:
    body = {"money_in": "ty", "labels": {"Toàn quốc": "VN"}, "tables": [TABLE]}

    put = await still_world.admin.put("/v1/mappings/m", json=body)

    got = await still_world.admin.get("/v1/mappings/m")
    assert put.json() == got.json()
    assert got.json()["mapping"] == body
    assert (got.json()["name"], got.json()["version"]) == ("m", 1)


async def test_a_change_is_a_new_version_and_the_old_one_stays(
    still_world: World,
) -> None:
    bodies = [{"about": about, "tables": [TABLE]} for about in ("một", "hai")]

    put = [
        (await still_world.admin.put("/v1/mappings/m", json=body)).json()["version"]
        for body in (bodies[0], bodies[0], bodies[1], bodies[0])
    ]

    assert put == [1, 1, 2, 3]
    second = await still_world.admin.get("/v1/mappings/m?version=2")
    assert second.json()["mapping"]["about"] == "hai"
    missing = await still_world.admin.get("/v1/mappings/m?version=4")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_mapping")


async def test_nobody_changes_what_a_higher_unit_or_a_sibling_put(
    still_world: World,
) -> None:
    await province(still_world)
    ours = await still_world.client("steward", under="A")
    theirs = await still_world.client("steward", under="B")
    body = {"tables": [TABLE]}
    changed = {"about": "đổi", **body}

    async def put(client: Any, name: str, sent: dict[str, Any] = body) -> int:
        answer = await client.put(f"/v1/mappings/{name}", json=sent)
        return int(answer.status_code)

    assert await put(ours, "a") == 200
    assert await put(theirs, "a", changed) == 403
    assert await put(ours, "appendix") == 403
    assert await put(ours, "a", changed) == 200
    assert await put(still_world.admin, "a") == 200
    assert await put(ours, "a", changed) == 403


async def test_a_label_names_a_unit_that_the_key_sees(still_world: World) -> None:
    await province(still_world)
    ours = await still_world.client("steward", under="A")

    async def put(code: str) -> Any:
        body = {"labels": {"Tỉnh / ta": code}, "tables": [TABLE]}
        return await ours.put("/v1/mappings/a", json=body)

    assert (await put("A")).status_code == 200
    outside, nowhere = await put("B"), await put("ZZ")
    assert outside.status_code == 422
    assert outside.text.replace("«B»", "").replace("'B'", "") == nowhere.text.replace("«ZZ»", "").replace("'ZZ'", "")  # fmt: skip
    (error,) = outside.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/labels/Tỉnh ~1 ta", "unknown_unit")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({}, "/tables", id="nothing"),
        pytest.param({"tables": []}, "/tables", id="no table"),
        pytest.param({"tables": [TABLE], "sheet": "x"}, "/sheet", id="an unknown key"),
        pytest.param({"tables": [{**TABLE, "unit": {}}]}, "/tables/0/unit", id="a column without a place"),
        pytest.param({"tables": [{**TABLE, "unit": {"letter": "A", "title": ["B"]}}]}, "/tables/0/unit", id="two places"),
        pytest.param({"tables": [{**TABLE, "unit": {"letter": "IW"}}]}, "/tables/0/unit/letter", id="a column too far"),
        pytest.param({"tables": [{**TABLE, "unit": {"title": []}}]}, "/tables/0/unit/title", id="no titles"),
        pytest.param({"tables": [{**TABLE, "unit": {**UNIT, "by": "guess"}}]}, "/tables/0/unit/by", id="an unknown way"),
        pytest.param({"tables": [{**TABLE, "figures": [{**RATE, "gives": "rate"}]}]}, "/tables/0/figures/0/gives", id="an unknown column"),
        pytest.param({"tables": [{**TABLE, "figures": [{**RATE, "measure": None}]}]}, "/tables/0", id="no measure"),
        pytest.param({"tables": [{**TABLE, "figures": [RATE, RATE]}]}, "/tables/0", id="two for one"),
        pytest.param({"tables": [{**TABLE, "figures": [{**RATE, "category": "Tín dụng"}]}]}, "/tables/0/figures/0/category", id="a category that is none"),
        pytest.param({"tables": [{**TABLE, "header": {"row": 0}}]}, "/tables/0/header/row", id="row zero"),
        pytest.param({"tables": [{**TABLE, "period": {}}]}, "/tables/0/period", id="a period nowhere"),
        pytest.param({"tables": [{**TABLE, "period": {"cell": "1A"}}]}, "/tables/0/period/cell", id="a cell that is none"),
        pytest.param({"tables": [TABLE, TABLE]}, "", id="two tables of one sheet"),
        pytest.param({"tables": [TABLE], "money_in": "usd"}, "/money_in", id="dollars"),
        pytest.param({"tables": [TABLE], "labels": {"x": "no unit"}}, "/labels/x", id="a code that is none"),
    ],
)  # fmt: skip
async def test_a_bad_mapping_is_refused_by_pointer(
    still_world: World, body: dict[str, Any], pointer: str
) -> None:
    answer = await still_world.admin.put("/v1/mappings/m", json=body)

    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("name", ["A", "a b", "a/b", "-a", "ă", "a" * 61])
async def test_a_name_is_plain(still_world: World, name: str) -> None:
    answer = await still_world.admin.put(f"/v1/mappings/{name}", json={"tables": [TABLE]})  # fmt: skip

    assert answer.status_code in (404, 422)


@pytest.mark.parametrize("name", ["appendix", "form-4"])
async def test_what_is_shipped_is_a_mapping_that_could_be_put(
    still_world: World, name: str
) -> None:
    shown = (await still_world.admin.get(f"/v1/mappings/{name}")).json()["mapping"]

    answer = await still_world.admin.put("/v1/mappings/copy", json=shown)

    assert answer.json()["mapping"] == shown


def test_the_example_in_the_docs_is_a_mapping() -> None:
    assert MappingIn.model_validate(MAPPING_EXAMPLE).mapping().tables


# Categories ----------------------------------------------------------------------------


async def categories(world: World) -> dict[str, str | None]:
    items = (await world.admin.get("/v1/categories")).json()["items"]
    return {item["code"]: item["partition"] for item in items}


async def test_the_declared_categories_say_which_add_up(still_world: World) -> None:
    assert await categories(still_world) == {
        "all": None,
        "corruption": None,
        "credit": None,
        "on_request": "initiation",
        "own_initiative": "initiation",
        "prisoner": None,
        "state_budget": None,
    }


async def test_categories_are_put_by_code(still_world: World) -> None:
    title = {"vi": "Hôn nhân", "en": "Marriage"}
    one = {"code": "marriage", "title": title, "partition": None}

    async def put(*sent: dict[str, Any]) -> Any:
        body = {"categories": list(sent)}
        return (await still_world.admin.put("/v1/categories", json=body)).json()

    assert await put(one) == {"created": 1, "updated": 0, "unchanged": 0}
    assert await put(one) == {"created": 0, "updated": 0, "unchanged": 1}
    kind = {**one, "partition": "kind"}
    assert await put(kind) == {"created": 0, "updated": 1, "unchanged": 0}
    assert (await categories(still_world))["marriage"] == "kind"
    problem = await put(one, one)
    assert problem["errors"][0]["pointer"] == "/categories/1/code"


async def test_categories_are_declared_at_the_root(still_world: World) -> None:
    await province(still_world)
    ours = await still_world.client("steward", under="A")
    one = {"code": "wedding", "title": {"vi": "x", "en": "x"}}

    answer = await ours.put("/v1/categories", json={"categories": [one]})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "wedding" not in await categories(still_world)
