"""The OpenAPI document: readable names, and the problems that each call may answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from libs.common.problems import (
    Conflict,
    Forbidden,
    NotFound,
    TooLarge,
    TooManyRequests,
    Unacceptable,
    Unauthorized,
    Unavailable,
    Unreadable,
    UnsupportedMedia,
)

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": problem.title.en,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}
            }
        },
    }
    for status, problem in {
        400: Unreadable,
        401: Unauthorized,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        413: TooLarge,
        415: UnsupportedMedia,
        422: Unacceptable,
        429: TooManyRequests,
        503: Unavailable,
    }.items()
}

_OF_BODIES = ("400", "413", "415")
"""Problems of what was sent: a call without a body cannot answer them."""


def operation_id(route: APIRoute) -> str:
    """The function's name: what a generated client calls the operation."""
    return route.name


def describe(app: FastAPI) -> None:
    """Finish the document that FastAPI makes of the routes."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            parts = document.setdefault("components", {}).setdefault("schemas", {})
            parts["Problem"] = _PROBLEM_SCHEMA
            for unused in ("HTTPValidationError", "ValidationError"):
                parts.pop(unused, None)
            for group in ("paths", "webhooks"):
                for methods in document.get(group, {}).values():
                    for operation in methods.values():
                        _finish(operation)
            for methods in document["paths"].values():
                for method in methods.keys() & {"post", "put"}:
                    methods[method].setdefault("parameters", []).append(_ONCE)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _finish(operation: dict[str, Any]) -> None:
    """The docstring's first sentence is the summary; only possible problems stay."""
    first, _, rest = operation.get("description", "").partition("\n")
    if first:
        operation["summary"] = first.rstrip(".")
        operation["description"] = rest.strip() or first
    if "requestBody" not in operation:
        for status in _OF_BODIES:
            operation["responses"].pop(status, None)


_ONCE: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Sent again with the same key and body within 7 days, a request"
    " takes effect once and is answered the same, with `Idempotency-Replayed: true`.",
}
_BOTH = {
    "type": "object",
    "properties": {"vi": {"type": "string"}, "en": {"type": "string"}},
}
_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; `title` and `detail` are in the"
    " language of Accept-Language.",
    "type": "object",
    "required": ["type", "status", "code", "title", "detail", "texts"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "texts": {"type": "object"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {
                    "pointer": {"type": "string"},
                    "code": {"type": "string"},
                    "message": _BOTH,
                    "line": {"type": "integer"},
                    "column": {"type": "integer"},
                    "hint": {"type": ["string", "null"]},
                },
            },
        },
    },
}
