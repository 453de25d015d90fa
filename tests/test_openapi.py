"""The HTTP contract as machines read it, and the pages that people read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from libs.common.service import create_app
from services.alerts.subscriptions.schemas import TYPES
from services.process import Which, build
from tests.support.world import settings_for

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
METHODS = {"get", "put", "post", "delete", "patch"}
KEYLESS = {"/livez", "/readyz", "/startupz", "/metrics", "/version"}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def app_of(which: Which) -> Any:
    settings = settings_for(NOWHERE)
    return create_app(build(which, NOWHERE, settings), settings, with_loops=False)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = app_of(Which.ALL).openapi()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """method, path and content of every operation, webhooks apart."""
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def everything(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for member in node.values():
            yield from everything(member)
    elif isinstance(node, list):
        for member in node:
            yield from everything(member)


def test_it_is_one_document_of_three_services(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"].keys() >= {"title", "version", "description"}
    assert [tag["name"] for tag in document["tags"]] == [
        *("ingest", "scoring", "alerts", "platform")
    ]
    assert all(tag["description"] for tag in document["tags"])


@pytest.mark.parametrize("which", [Which.INGEST, Which.SCORING, Which.ALERTS])
def test_a_service_alone_serves_its_own_part(
    which: Which, document: dict[str, Any]
) -> None:
    alone = app_of(which).openapi()

    assert [tag["name"] for tag in alone["tags"]] == [which, "platform"]
    assert {(m, p) for m, p, _ in operations(alone)} == {
        (m, p) for m, p, o in operations(document) if o["tags"] in ([which], ["platform"])
    }  # fmt: skip
    assert ("webhooks" in alone) == (which is Which.ALERTS)


def test_every_operation_says_what_it_is_and_where_it_belongs(
    document: dict[str, Any],
) -> None:
    names = {tag["name"] for tag in document["tags"]}
    lacking = [
        (method, path)
        for method, path, operation in operations(document)
        if not operation.get("summary")
        or len(operation.get("description", "")) < 15
        or set(operation["tags"]) - names
        or len(operation["tags"]) != 1
    ]

    assert lacking == []


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_]+", id) for id in ids)


def test_every_operation_but_health_asks_for_a_key(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    keyless = {p for _, p, o in operations(document) if not o.get("security")}

    assert [(s["type"], s["scheme"]) for s in schemes.values()] == [("http", "bearer")]
    assert keyless == KEYLESS
    assert all(
        list(asked) == list(schemes)
        for _, _, o in operations(document)
        for asked in o.get("security", [])
    )


def test_every_operation_documents_how_it_refuses(document: dict[str, Any]) -> None:
    silent = [
        (method, path, status)
        for method, path, operation in operations(document)
        if path not in KEYLESS
        for status in ("400", "401", "403", "404", "409", "413", "415", "422", "503")
        # Nothing can be wrong with a body that a call does not have.
        if "requestBody" in operation or status not in ("400", "413", "415")
        if operation["responses"].get(status, {}).get("content")
        != {"application/problem+json": {"schema": PROBLEM}}
    ]

    assert silent == []


def test_a_problem_is_described_as_it_is_answered(document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["Problem"]

    assert problem["required"] == [
        *("type", "status", "code", "title", "detail", "texts")
    ]
    assert "errors" in problem["properties"]


def test_every_operation_documents_how_it_succeeds(document: dict[str, Any]) -> None:
    without = [
        (method, path)
        for method, path, operation in operations(document)
        if not any(status.startswith("2") for status in operation["responses"])
    ]

    assert without == []


def test_every_field_that_a_path_names_is_declared(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        declared = {
            one["name"]
            for one in operation.get("parameters", [])
            if one["in"] == "path" and one["required"]
        }
        assert declared == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_every_body_is_described(document: dict[str, Any]) -> None:
    bodies = {
        path: operation["requestBody"]["content"]
        for _, path, operation in operations(document)
        if "requestBody" in operation
    }

    assert {"/v1/reports", "/v1/units", "/v1/subscriptions"} <= bodies.keys()
    assert all(
        kind["schema"] for content in bodies.values() for kind in content.values()
    )


def test_no_reference_dangles(document: dict[str, Any]) -> None:
    references = {n["$ref"] for n in everything(document) if "$ref" in n}

    assert references
    for reference in references:
        assert reference.startswith("#/")
        found: Any = document
        for step in reference[2:].split("/"):
            found = found[step]


def test_no_part_is_left_over(document: dict[str, Any]) -> None:
    used = {n["$ref"].rsplit("/", 1)[1] for n in everything(document) if "$ref" in n}

    assert document["components"]["schemas"].keys() == used


def test_nothing_of_openapi_3_0_is_left(document: dict[str, Any]) -> None:
    schemas = [*everything(document["components"]), *everything(document["paths"])]

    assert not [node for node in schemas if node.get("nullable") is True]
    assert not [n for n in schemas if isinstance(n.get("exclusiveMinimum"), bool)]


def test_what_subscribers_get_is_described(document: dict[str, Any]) -> None:
    webhooks = document["webhooks"]

    assert list(webhooks) == list(TYPES)
    for item in webhooks.values():
        assert item["post"]["requestBody"]["content"]["application/json"]["schema"]
        headers = {one["name"] for one in item["post"]["parameters"]}
        assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        assert item["post"]["summary"]
        assert item["post"]["description"]


@pytest.mark.anyio
@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_pages_need_no_internet(page: str) -> None:
    transport = httpx.ASGITransport(app=app_of(Which.ALL))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        html = (await client.get(page)).text
        local = re.findall(r"(?:src|href)=[\"']([^\"']+)", html)
        answers = [
            await client.get(one) for one in local if not one.startswith("data:")
        ]

    assert "openapi.json" in html
    assert answers
    assert [a.status_code for a in answers] == [200] * len(answers)
    assert [one for one in re.findall(r"(?:https?:)?//[^\s\"'<>]+", html) if "w3.org" not in one] == []  # fmt: skip
