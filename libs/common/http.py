"""What routes are made of: strict bodies, plain text, known parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from libs.common import strict_json
from libs.common.access import authenticate, needs_key
from libs.common.database import Database
from libs.common.openapi import PROBLEMS
from libs.common.periods import InvalidPeriod, Period
from libs.common.problems import Fault, NotFound, Text, Unacceptable, UnsupportedMedia

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
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict


def api_router() -> APIRouter:
    """A router whose bodies are read strictly and whose errors are documented."""
    return APIRouter(route_class=StrictRoute, responses=PROBLEMS)


def database_of(service: str) -> Any:
    """A dependency: the pool that works under this service's database role."""

    def found(request: Request) -> Database:
        database: Database = request.app.state.databases[service]
        return database

    return Depends(found)


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
