"""How the tests of case records send and ask."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx

from tests.support.world import World

NDJSON = {"content-type": "application/x-ndjson"}


def unit(code: str, parent: str | None, kind: str = "office", **more: Any) -> Any:
    dated = {"valid_from": "2010-01-01", **more}
    return {"code": code, "name": code, "kind": kind, "parent": parent, **dated}


async def plant(world: World) -> None:
    units = [
        unit("A", "VN", "province"),
        unit("A1", "A"),
        unit("A2", "A"),
        unit("A11", "A1", "officer"),
        unit("B", "VN", "province"),
        unit("B1", "B"),
        unit("B11", "B1", "officer"),
        unit("A0", "A", valid_to="2020-01-01"),
    ]
    answer = await world.admin.put("/v1/units", json={"units": units})
    assert answer.status_code == 200, answer.text


def case(number: int | str = 1, **more: Any) -> dict[str, Any]:
    """An illustrative record of office A1."""
    return {
        "unit": "A1",
        "case_no": f"{number}/QĐ-THA",
        "as_of": "2022-03-01",
        "decided_on": "2021-06-15",
        "status": "enforceable",
        "status_since": "2021-06-20",
        "claims": ["credit"],
        "due_vnd": 1_000_000,
        "collected_vnd": 0,
        **more,
    }


def lines(*cases: Any) -> bytes:
    """As NDJSON; text and bytes go as they are."""
    return b"\n".join(_line(one) for one in cases) + b"\n"


def _line(one: Any) -> bytes:
    if isinstance(one, bytes):
        return one
    return (one if isinstance(one, str) else json.dumps(one)).encode()


async def post(
    client: httpx.AsyncClient, content: Any, **params: Any
) -> httpx.Response:
    return await client.post(
        "/v1/cases", content=content, headers=NDJSON, params=params
    )


async def sent(world: World, *cases: Any, **params: Any) -> dict[str, Any]:
    """The receipt of records that are taken."""
    answer = await post(world.admin, lines(*cases), **params)
    assert answer.status_code == 202, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def listed(world: World, **params: Any) -> list[dict[str, Any]]:
    answer = await world.admin.get("/v1/cases", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def counts(receipt: dict[str, Any]) -> tuple[int, int, int]:
    return (
        receipt["accepted"],
        receipt["unchanged"],
        len(receipt["rejected"]),
    )


def told(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(e["pointer"], e["code"]) for e in answer.json().get("errors", [])}


def codes(warnings: Iterable[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(one["index"], one["code"]) for one in warnings]
