"""Every route, asked about one office by its parent, its sibling and its child.

Whatever lies outside a key's subtree answers as what does not exist, on every route; so
a route that is new must say here what it shows of units.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.alerts.rulebook import RULES, load_text
from services.ingest.domain.cases import id_of
from tests.common.test_keys import PERMITTED
from tests.support.databases import copy_of
from tests.support.world import World

pytestmark = pytest.mark.anyio

REPORT = {"unit": "A1", "period": "2022M05", "figures": [{"measure": "cases", "enforceable": 100, "done": 40}]}  # fmt: skip
CASE = {"unit": "A1", "case_no": "2", "as_of": "2022-03-01", "decided_on": "2020-01-02", "status": "enforceable", "status_since": "2020-02-01", "claims": [], "due_vnd": 100, "collected_vnd": 0, "verified_on": []}  # fmt: skip
TARGET = {"unit": "A1", "year": 2022, "measure": "cases", "rate": "80.00", "operator": "at_least", "document": {"number": "1", "date": "2021-12-24"}}  # fmt: skip
EXEMPTION = {"unit": "A1", "rule": "not-reported", "until": "2022-12-31", "document": {"number": "1", "date": "2022-03-01"}, "reason": "lũ lụt"}  # fmt: skip
SHADOWED = "/v1/rules/over-one-year-in-figures"
HANDED = {"causes": ["staff"], "text": "vì thiếu người", "remedies": []}

# What each route is asked about A1 (and what belongs to it): its path and its body.
ASKED: dict[str, tuple[str, Any]] = {
    "GET /v1/units": ("/v1/units?under=A1", None),
    "GET /v1/units/{code}": ("/v1/units/A1", None),
    "GET /v1/reports": ("/v1/reports?unit=A1&period=2022M05", None),
    "GET /v1/reports/{unit}/{period}/revisions": ("/v1/reports/A1/2022M05/revisions", None),
    "POST /v1/reports": ("/v1/reports", {"reports": [REPORT]}),
    "GET /v1/completeness": ("/v1/completeness?period=2022M05&under=A1", None),
    "POST /v1/periods/{period}/close": ("/v1/periods/2022M04/close", {"under": "A1"}),
    "POST /v1/periods/{period}/reopen": ("/v1/periods/2022M04/reopen", {"under": "A1", "reason": "sai"}),
    "POST /v1/cases": ("/v1/cases", {"cases": [CASE]}),
    "GET /v1/cases": ("/v1/cases?unit=A1", None),
    "GET /v1/cases/{id}": ("/v1/cases/{case}", None),
    "GET /v1/cases/{id}/history": ("/v1/cases/{case}/history", None),
    "GET /v1/reconciliation": ("/v1/reconciliation?unit=A1&period=2022M05", None),
    "GET /v1/reconciliation/cases": ("/v1/reconciliation/cases?unit=A1&period=2022M05&column=enforceable", None),
    "PUT /v1/targets": ("/v1/targets", {"targets": [TARGET]}),
    "GET /v1/targets": ("/v1/targets?unit=A1", None),
    "GET /v1/scorecards": ("/v1/scorecards?period=2022M05&under=A1", None),
    "GET /v1/scorecards/{unit}/{period}": ("/v1/scorecards/A1/2022M05", None),
    "GET /v1/rankings/{period}": ("/v1/rankings/2022M05?under=A1&kind=officer", None),
    "GET /v1/outliers": ("/v1/outliers?period=2022M05&under=A1", None),
    "GET /v1/workload/{period}": ("/v1/workload/2022M05?under=A1", None),
    "GET /v1/decisions": ("/v1/decisions?period=2022M05&unit=A1", None),
    "GET /v1/rules/{id}/shadow": (f"{SHADOWED}/shadow?period=2022M05&under=A1", None),
    "GET /v1/escalations": ("/v1/escalations?unit=A1", None),
    "GET /v1/escalations/{id}": ("/v1/escalations/{matter}", None),
    "GET /v1/escalations/{id}/members": ("/v1/escalations/{matter}/members", None),
    "POST /v1/escalations/{id}/acknowledge": ("/v1/escalations/{matter}/acknowledge", {}),
    "POST /v1/escalations/{id}/explanations": ("/v1/escalations/{matter}/explanations", HANDED),
    "POST /v1/escalations/{id}/explanations/{n}/accept": ("/v1/escalations/{matter}/explanations/1/accept", {}),
    "POST /v1/escalations/{id}/explanations/{n}/return": ("/v1/escalations/{matter}/explanations/1/return", {"reason": "chưa đủ"}),
    "POST /v1/escalations/{id}/explanations/{n}/withdraw": ("/v1/escalations/{matter}/explanations/1/withdraw", {}),
    "POST /v1/escalations/{id}/withdraw": ("/v1/escalations/{matter}/withdraw", {"reason": "nhầm"}),
    "POST /v1/escalations/{id}/escalate": ("/v1/escalations/{matter}/escalate", {"to": "A", "reason": "chậm"}),
    "GET /v1/explanations/summary": ("/v1/explanations/summary?period=2022M05&under=A1", None),
    "GET /v1/exemptions": ("/v1/exemptions?under=A1", None),
    "POST /v1/exemptions": ("/v1/exemptions", EXEMPTION),
    "POST /v1/exemptions/{id}/end": ("/v1/exemptions/{exemption}/end", {"reason": "hết lũ"}),
    "POST /v1/subscriptions": ("/v1/subscriptions", {"url": "http://127.0.0.1:9/", "types": ["*"], "under": "A1"}),
    "GET /v1/subscriptions/{id}": ("/v1/subscriptions/{subscription}", None),
    "PATCH /v1/subscriptions/{id}": ("/v1/subscriptions/{subscription}", {"types": ["*"]}),
    "DELETE /v1/subscriptions/{id}": ("/v1/subscriptions/{subscription}", None),
    "POST /v1/subscriptions/{id}/rotate": ("/v1/subscriptions/{subscription}/rotate", {}),
    "POST /v1/subscriptions/{id}/enable": ("/v1/subscriptions/{subscription}/enable", None),
    "POST /v1/subscriptions/{id}/ping": ("/v1/subscriptions/{subscription}/ping", None),
    "POST /v1/subscriptions/{id}/recover": ("/v1/subscriptions/{subscription}/recover", {"since": "2022-03-01T00:00:00+07:00"}),
    "GET /v1/subscriptions/{id}/deliveries": ("/v1/subscriptions/{subscription}/deliveries", None),
    "POST /v1/deliveries/{id}/retry": ("/v1/deliveries/{delivery}/retry", None),
    "POST /v1/deliveries/{id}/acknowledge": ("/v1/deliveries/{delivery}/acknowledge", None),
    "GET /v1/batches/{batch}": ("/v1/batches/{batch}", None),
}  # fmt: skip
# Lists whose every line belongs to a unit: no word of A1 for whoever may not see it.
LISTS = {
    "GET /v1/units": "/v1/units",
    "GET /v1/targets": "/v1/targets",
    "GET /v1/scorecards": "/v1/scorecards?period=2022M05",
    "GET /v1/rankings/{period}": "/v1/rankings/2022M05?kind=office",
    "GET /v1/outliers": "/v1/outliers?period=2022M05",
    "GET /v1/workload/{period}": "/v1/workload/2022M05",
    "GET /v1/decisions": "/v1/decisions?period=2022M05",
    "GET /v1/rules/{id}/shadow": f"{SHADOWED}/shadow?period=2022M05",
    "GET /v1/escalations": "/v1/escalations",
    "GET /v1/exemptions": "/v1/exemptions",
    "GET /v1/explanations/summary": "/v1/explanations/summary?period=2022M05",
    "GET /v1/cases": "/v1/cases",
    "GET /v1/completeness": "/v1/completeness?period=2022M05",
    "GET /v1/subscriptions": "/v1/subscriptions",
}
# Known to everyone, or kept for a key at the root, whichever the unit.
WHOLE = {
    *("GET /v1/categories", "GET /v1/mappings/{name}", "GET /v1/calendar/{year}"),
    *("PUT /v1/categories", "PUT /v1/mappings/{name}", "PUT /v1/calendar/{year}"),
    *("GET /v1/obligations", "PUT /v1/obligations", "GET /v1/periods"),
    *("GET /v1/reorganisations", "POST /v1/reorganisations", "PUT /v1/units"),
    *("POST /v1/reports/upload", "POST /v1/evaluations", "GET /v1/indicators"),
    *("GET /v1/rules", "GET /v1/rules/{id}", "GET /v1/rules/vocabulary"),
    *("GET /v1/rules/schema", "GET /v1/rules/{id}/diff", "POST /v1/rules/check"),
    *("PUT /v1/rules/{id}", "POST /v1/rules/{id}/shadow"),
    *("POST /v1/rules/{id}/activate", "POST /v1/rules/{id}/retire"),
    *("POST /v1/rules/{id}/backtest", "GET /v1/rules/{id}/backtests"),
    "GET /v1/rules/{id}/backtests/{backtest}",
    *("POST /v1/keys", "GET /v1/keys", "DELETE /v1/keys/{id}"),
    *("GET /v1/clock", "PUT /v1/clock", "GET /v1/audit"),
    *("GET /v1/dead-letters", "POST /v1/dead-letters/{id}/retry"),
}


def unit(code: str, parent: str, kind: str) -> dict[str, str]:
    return {"code": code, "name": code, "kind": kind, "parent": parent, "valid_from": "2010-01-01"}  # fmt: skip


@pytest.fixture(scope="module")
async def world(template: str) -> AsyncIterator[World]:
    """A1 has figures, a case, a matter, an exemption, a subscription; so has nobody."""
    units = [unit("A", "VN", "province"), unit("B", "VN", "province"), unit("A1", "A", "office"), unit("A2", "A", "office"), unit("A1-7", "A1", "officer")]  # fmt: skip
    async with (
        copy_of(template, "scope") as copy,
        World.running(copy.url) as running,
    ):
        await running.admin.put("/v1/units", json={"units": units})
        yield running


async def shadowed(world: World) -> None:
    """Let the next version of the rule that fires on A1 judge beside the active one."""
    text = (RULES / "over-one-year-in-figures.yaml").read_text("utf-8")
    current = load_text(text).version
    draft = text.replace(f"\nversion: {current}\n", f"\nversion: {current + 1}\n")
    kind = {"content-type": "text/yaml"}
    put = await world.admin.put(SHADOWED, content=draft, headers=kind)
    put.raise_for_status()
    body = {"version": current + 1}
    (await world.admin.post(f"{SHADOWED}/shadow", json=body)).raise_for_status()


@pytest.fixture(scope="module")
async def names(world: World) -> dict[str, str]:
    """The ids of what belongs to A1."""
    ours = await world.client("admin", under="A1")
    made = (await ours.post("/v1/subscriptions", json=ASKED["POST /v1/subscriptions"][1])).json()  # fmt: skip
    await shadowed(world)
    over_one_year = {**REPORT["figures"][0], "enforceable_over_1y": 30}  # type: ignore[index]
    report = {**REPORT, "figures": [over_one_year]}
    sent = (await ours.post("/v1/reports", json={"reports": [report]})).json()
    await world.evaluated(sent["batch"])
    await world.admin.post("/v1/cases", json={"cases": [{**CASE, "case_no": "1"}]})
    await world.admin.put("/v1/targets", json={"targets": [TARGET]})
    exempted = (await world.admin.post("/v1/exemptions", json=EXEMPTION)).json()
    owner = world.owner
    return {
        "case": id_of(await owner.fetchval("SELECT id FROM ingest.enforcement_case")),
        "matter": str(await owner.fetchval("SELECT id FROM alerts.escalation WHERE unit = 'A1'")),
        "exemption": str(exempted["id"]),
        "subscription": str(made["id"]),
        "delivery": str(await owner.fetchval("SELECT min(id) FROM alerts.delivery")),
        "batch": str(sent["batch"]),
    }  # fmt: skip


def test_every_route_says_what_it_shows_of_units() -> None:
    assert PERMITTED.keys() == ASKED.keys() | LISTS.keys() | WHOLE
    assert not (ASKED.keys() | LISTS.keys()) & WHOLE


async def ask(
    client: httpx.AsyncClient, route: str, names: dict[str, str]
) -> tuple[int, str]:
    path, body = ASKED[route]
    answer = await client.request(route.split()[0], path.format(**names), json=body)
    assert answer.status_code < 500, (route, answer.text)
    codes = [e["code"] for e in answer.json().get("errors", [])] if answer.status_code == 422 else []  # fmt: skip
    return answer.status_code, ",".join(codes)


MISSING = {(404, ""), (422, "unknown_unit")}


@pytest.mark.parametrize("under", ["A2", "B", "A1-7"], ids=["a sibling", "another province", "a child"])  # fmt: skip
async def test_outside_its_subtree_a_key_finds_nothing_on_any_route(
    world: World, names: dict[str, str], under: str
) -> None:
    client = await world.client("admin", under=under)

    found = {route: await ask(client, route, names) for route in ASKED}

    assert {r: a for r, a in found.items() if a not in MISSING} == {}
    for route, path in LISTS.items():
        answer = await client.get(path)
        assert answer.status_code == 200, (route, answer.text)
        assert '"A1"' not in answer.text.replace('"parent":"A1"', ""), route
        for name in ("matter", "exemption", "subscription"):
            assert names[name] not in answer.text, route


@pytest.mark.parametrize("under", ["A", "VN"], ids=["its parent", "the root"])
async def test_above_everything_is_found_though_not_everything_is_allowed(
    world: World, names: dict[str, str], under: str
) -> None:
    client = await world.client("admin", under=under)
    reading = [
        route
        for route, (path, _) in ASKED.items()
        # A batch and a subscription are of the key that sent or made them.
        if route.startswith("GET") and "{batch}" not in path and "{sub" not in path
    ]

    found = {route: await ask(client, route, names) for route in reading}

    assert {route: a for route, a in found.items() if a != (200, "")} == {}
