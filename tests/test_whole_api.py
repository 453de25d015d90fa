"""Whatever the document allows, and much that it does not, is answered as it says.

Schemathesis makes the requests from the OpenAPI document; a real server answers them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from libs.common import keys
from tests.support.processes import database, finished, started
from tests.support.world import SECRET, START, sample

pytestmark = pytest.mark.slow
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = int(os.environ.get("DONDOC_TEST_EXAMPLES", "10"))
"""For each operation with the administrator's key; `dev.py faults I12` asks more."""
WAITS = {"wait"}
"""Nothing moves in this server, so whoever waited would wait in vain."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server with the units of 2022, its document, and a key of each role."""

    address: str
    schema: Any
    keys: dict[str, str]

    def operations(self) -> list[Any]:
        return [found.ok() for found in self.schema.get_all_operations()]


@pytest.fixture(scope="module")
def served(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    within = tmp_path_factory.mktemp("whole_api")
    with database(template, "whole_api", template="template_dondoc") as url:
        here = {
            "DATABASE_URL": url,
            "DONDOC_ENV": "test",
            "DONDOC_NOW": START,
            "DONDOC_PORT": "0",
            "DONDOC_SECRET": SECRET,
        }
        create = ("keys", "create", "--name", "n", "--under", "VN", "--role")
        first = finished(*create, "admin", within=within / "key", **here)
        admin = first.splitlines()[-1]
        with started(
            "serve", "all", "--no-loops", within=within / "serve", **here
        ) as process:
            address = process.address()
            made = {}
            with httpx.Client(base_url=address, trust_env=False) as client:
                client.headers["authorization"] = f"Bearer {admin}"
                for role in keys.ROLES:
                    wish = {"name": role, "roles": [role], "units": ["VN"]}
                    made[role] = client.post("/v1/keys", json=wish).json()["key"]
                client.put("/v1/units", json=sample("units_2022.json"))
                document = client.get("/openapi.json").json()
            yield Served(address, schemathesis.openapi.from_dict(document), made)


def sent(served: Served, session: requests.Session, case: Any, role: str) -> list[str]:
    """Send it with a key of this role; what is wrong with the answer."""
    for name in WAITS & set(case.query or {}):
        del case.query[name]
    headers = {"authorization": f"Bearer {served.keys[role]}"}
    answer = case.call(
        base_url=served.address, session=session, headers=headers, timeout=20
    )
    try:
        case.validate_response(answer, checks=CHECKS if role == "admin" else CHECKS[:2])
    except FailureGroup as group:
        return [
            f"{case.operation.label} as {role}: {answer.status_code} {failure}"
            for failure in group.exceptions
        ]
    return []


def test_every_operation_answers_as_documented(served: Served) -> None:
    wrong: list[str] = []
    tried: dict[str, list[Any]] = {}

    with requests.Session() as session:
        session.trust_env = False
        for operation in served.operations():
            cases = operation.as_strategy()
            if operation.body or operation.query or operation.path_parameters:
                cases |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

            @given(case=cases)
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: Any) -> None:
                tried.setdefault(case.operation.label, []).append(case)
                wrong.extend(sent(served, session, case, "admin"))

            ask()
        for cases in tried.values():
            for role in keys.ROLES:
                if role != "admin":
                    wrong.extend(sent(served, session, cases[-1], role))

    assert len(tried) == len(served.operations()) > 70
    assert wrong == [], "\n".join(wrong)
