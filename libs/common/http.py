"""What routes are made of: strict bodies, plain text, known parameters."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError
from starlette.types import Receive

from libs.common import idempotency, strict_json
from libs.common.access import authenticate, needs_key
from libs.common.database import AWAY, Database
from libs.common.openapi import PROBLEMS, operation_id
from libs.common.periods import InvalidPeriod, Period
from libs.common.problems import Fault, NotFound, Text, Unacceptable, UnsupportedMedia

JSON_LIMIT = 16 * 1024 * 1024
"""Bytes of a body that is read as a whole."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("control_character", "It holds a control character.")
    return text


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text without NUL, lone surrogates or control characters."""


def _day(value: object) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        day = date.fromisoformat(value)
        if 1900 <= day.year < 2200:
            return day
    raise ValueError("a day is written 2022-03-08, of the years 1900 to 2199")


Day = Annotated[date, BeforeValidator(_day)]
"""A calendar day as text; neither a number nor a moment is one."""


class Body(BaseModel):
    """What a client sends: unknown fields and loose numbers are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _StrictRequest(Request):
    async def json(self) -> Any:
        return strict_json.loads(await self.body())


_COMPRESSED = Text(
    "Không nhận dữ liệu nén; hãy gửi nguyên văn.",
    "Compressed bodies are not taken; send it plain.",
)


class StrictRoute(APIRoute):
    """A route whose JSON is read by `strict_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        keyed = needs_key(self.dependant)

        async def strict(request: Request) -> Response:
            if keyed:  # before the body: a stranger costs no parsing
                await authenticate(request)
            coding = request.headers.get("content-encoding", "identity")
            if coding.strip().lower() != "identity":
                raise UnsupportedMedia("compressed", _COMPRESSED)

            async def serve(receive: Receive) -> Response:
                return await handle(_StrictRequest(request.scope, receive))

            response = await self._once(request, serve)
            await _linger(request)
            return response

        return strict

    async def _once(
        self, request: Request, serve: Callable[[Receive], Awaitable[Response]]
    ) -> Response:
        header = request.headers.get(idempotency.HEADER)
        if header is None or request.method not in idempotency.METHODS:
            return await serve(request.receive)
        return await idempotency.once(
            request,
            serve,
            request.app.state.databases[_service_of(self.dependant)],
            principal=request.state.principal.key,
            secret=request.app.state.settings.key_for("idempotent answers"),
        )


def linger(request: Request, wait: Callable[[], Awaitable[object]]) -> None:
    """Hold the answer until this is done, once what was asked has been committed."""
    request.state.linger = wait


async def _linger(request: Request) -> None:
    wait = getattr(request.state, "linger", None)
    if wait is not None:
        # What was asked is done: an absent database must not make it seem undone.
        with suppress(*AWAY):
            await wait()


def api_router(service: str) -> APIRouter:
    """A router whose bodies are read strictly and whose errors are documented.

    Its routes are whole as they stand: an application takes them as they are, where
    including the router would build each of them once more, and match it twice.
    """
    return APIRouter(
        route_class=StrictRoute,
        responses=PROBLEMS,
        tags=[service],
        dependencies=[refuse_unknown_parameters],
        generate_unique_id_function=operation_id,
        max_body_size=JSON_LIMIT,
    )


@dataclass(frozen=True, slots=True)
class _DatabaseOf:
    service: str

    def __call__(self, request: Request) -> Database:
        database: Database = request.app.state.databases[self.service]
        return database


def database_of(service: str) -> Any:
    """A dependency: the pool that works under this service's database role."""
    return Depends(_DatabaseOf(service))


def _service_of(dependant: Dependant) -> str:
    """The service whose database a route works with."""
    return next(
        inner.call.service
        for inner in dependant.dependencies
        if isinstance(inner.call, _DatabaseOf)
    )


def request_id() -> str | None:
    """The id of the request being served; it follows its batch through the events."""
    bound = structlog.contextvars.get_contextvars().get("request_id")
    return None if bound is None else str(bound)


def read_period(text: str) -> Period:
    """A period in a query; 422 when there is none of that name."""
    try:
        return Period.parse(text)
    except InvalidPeriod:
        raise Unacceptable(
            "unknown_period",
            Text(
                "Không có kỳ này; ví dụ đúng: 2022M05 hoặc 2025-09-12.",
                "No such period; write 2022M05 or a cut-off day 2025-09-12.",
            ),
        ) from None


def _query_names(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    for inner in dependant.dependencies:
        names |= _query_names(inner)
    return names


async def _refuse_unknown(request: Request) -> None:
    route = request.scope.get("route")
    dependant = getattr(route, "dependant", None)
    if dependant is None:
        return
    if any(_CONTROL.search(value) for value in request.path_params.values()):
        raise NotFound("not_found", Text("Không có địa chỉ này.", "No such address."))
    if any(_CONTROL.search(value) for value in request.query_params.values()):
        raise Unacceptable(
            "control_characters",
            Text("Tham số có ký tự điều khiển.", "A parameter has control characters."),
        )
    known = _query_names(dependant)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise Unacceptable(
            "unknown_parameter",
            Text(
                f"Tham số không có: {', '.join(unknown)}. Tham số dùng được:"
                f" {', '.join(sorted(known)) or '(không có)'}.",
                f"No such parameter: {', '.join(unknown)}. Known here:"
                f" {', '.join(sorted(known)) or '(none)'}.",
            ),
            [
                Fault(
                    name,
                    "unknown_parameter",
                    Text("Tham số không có.", "No such parameter."),
                )
                for name in unknown
            ],
        )


refuse_unknown_parameters = Depends(_refuse_unknown)
