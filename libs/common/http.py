"""The edge: who asks, what they may, strict bodies in, problem documents out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import date
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, APIRouter
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common import keys, strict_json
from libs.common.database import AWAY, Connection, Database
from libs.common.ids import new_id
from libs.common.keys import Principal
from libs.common.periods import InvalidPeriod, Period
from libs.common.problems import (
    Conflict,
    Fault,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    Problem,
    Text,
    TooLarge,
    Unacceptable,
    Unauthorized,
    Unavailable,
    Unreadable,
    UnsupportedMedia,
    invalid,
    language_of,
    unknown_unit_in_path,
)
from libs.common.telemetry import REQUESTS

log = structlog.get_logger()

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("no control characters")
    return text


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text without NUL, lone surrogates or control characters."""


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

        async def strict(request: Request) -> Response:
            coding = request.headers.get("content-encoding", "identity")
            if coding.strip().lower() != "identity":
                raise UnsupportedMedia("compressed", _COMPRESSED)
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict


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
        503: Unavailable,
    }.items()
}


def api_router() -> APIRouter:
    """A router whose bodies are read strictly and whose errors are documented."""
    return APIRouter(route_class=StrictRoute, responses=PROBLEMS)


_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key: `dondoc keys create`.",
)


async def _principal(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    if credentials is not None:
        database: Database = request.app.state.databases["platform"]
        pepper = request.app.state.settings.key_for("key pepper")
        async with database.connection() as connection:
            found = await keys.recognise(connection, credentials.credentials, pepper)
        if found is not None:
            structlog.contextvars.bind_contextvars(key=found.key)
            return found
    raise Unauthorized(
        "unauthorized",
        Text(
            "Thiếu khóa API hoặc khóa không còn hiệu lực.",
            "No API key, or not a living one: send Authorization: Bearer <key>.",
        ),
        headers={"WWW-Authenticate": "Bearer"},
    )


def allows(role: str) -> Any:
    """A dependency: the caller's principal, refused with 403 without the role."""

    async def permitted(
        principal: Annotated[Principal, Depends(_principal)],
    ) -> Principal:
        if not principal.may(role):
            raise forbidden(role)
        return principal

    return Depends(permitted)


def forbidden(role: str) -> Forbidden:
    """403: right unit, wrong role."""
    return Forbidden(
        "forbidden",
        Text(f"Khóa không có vai trò «{role}».", f"The key lacks the role {role!r}."),
    )


Reader = Annotated[Principal, allows("analyst")]


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


async def in_scope(
    connection: Connection,
    principal: Principal,
    unit: str,
    on: date | None = None,
) -> list[str]:
    """The units at and under `unit` that the key may see, as the tree stood `on`.

    Without a day: today's tree, ended units where they last stood. A unit outside
    the key's subtree answers exactly as one that does not exist; the root is known
    to everyone, and under it a key sees its own part.
    """
    known = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM platform.unit WHERE code = $1)", unit
    )
    if not known or not (unit == keys.ROOT or principal.sees(unit)):
        raise unknown_unit_in_path(unit)
    codes = await keys.subtree(connection, [unit], on)
    return sorted(code for code in codes if principal.sees(code))


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
        raise NotFound(*_BY_STATUS[404][1:])
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


def speak_problems(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    for away in AWAY:
        app.add_exception_handler(away, _answer_away)
    app.add_exception_handler(Exception, _answer_bug)
    app.add_middleware(_Observed)
    _speak_of_size(app)
    _describe_problem(app)


def _document(request: Request, problem: Problem) -> Response:
    language = language_of(request.headers.get("accept-language"))
    return JSONResponse(
        problem.document(language),
        problem.status,
        media_type="application/problem+json",
        headers={"Content-Language": language, **problem.headers},
    )


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _document(request, error)


async def _answer_away(request: Request, error: Exception) -> Response:
    await log.awarning("database away", error=type(error).__name__)
    return _document(request, database_away())


async def _answer_bug(request: Request, error: Exception) -> Response:
    await log.aerror("bug", exc_info=error)
    return _document(
        request,
        Problem(
            "internal",
            Text(
                "Lỗi của dondoc; hãy gửi cho người vận hành mã X-Request-Id.",
                "A fault of dondoc's; tell the operator the X-Request-Id.",
            ),
        ),
    )


def database_away() -> Unavailable:
    """503: what was sent is not stored; send it again."""
    return Unavailable(
        "database_away",
        Text(
            "Cơ sở dữ liệu chưa sẵn sàng; chưa có gì được lưu, hãy gửi lại.",
            "The database is away; nothing was stored, send it again.",
        ),
        headers={"Retry-After": "5"},
    )


_BY_STATUS: dict[int, tuple[type[Problem], str, Text]] = {
    404: (NotFound, "not_found", Text("Không có địa chỉ này.", "No such address.")),
    405: (
        MethodNotAllowed,
        "method_not_allowed",
        Text(
            "Địa chỉ này không nhận phương thức đó.",
            "This address does not take that method.",
        ),
    ),
    413: (
        TooLarge,
        "too_large",
        Text("Dữ liệu JSON vượt quá 16 MiB.", "The JSON body is larger than 16 MiB."),
    ),
    415: (
        UnsupportedMedia,
        "unsupported_media_type",
        Text("Hãy gửi application/json.", "Send application/json."),
    ),
}


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind, code, detail = _BY_STATUS.get(
        error.status_code,
        (Unreadable, "unreadable", Text("Không đọc được.", "The body is unreadable.")),
    )
    return _document(request, kind(code, detail, headers=error.headers or {}))


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(e["type"] == "json_invalid" for e in found):
        return _document(request, unreadable_json(str(found[0]["ctx"]["error"])))
    sent = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if isinstance(error.body, bytes) and sent != "application/json":
        kind, code, detail = _BY_STATUS[415]
        return _document(request, kind(code, detail))
    faults = dict.fromkeys(_fault(e, error.body) for e in found)
    return _document(request, invalid(list(faults)))


def unreadable_json(why: str) -> Unreadable:
    """400: the body is not JSON; `why` never echoes what was sent back raw."""
    return Unreadable(
        "malformed_json",
        Text(f"JSON không đọc được: {why}.", f"The JSON cannot be read: {why}."),
    )


def _fault(error: Any, body: Any) -> Fault:
    place, *path = error["loc"] or ("body",)
    if place == "body":
        path = _within(body, path, new=bool(path) and error["type"] == "missing")
    pointer = "".join(f"/{escaped(str(step))}" for step in path)
    code, message = _MESSAGES.get(error["type"], (error["type"], None))
    if message is None:
        message = Text(f"Không hợp lệ: {error['msg']}", f"{error['msg']}")
    limits = {k: v for k, v in (error.get("ctx") or {}).items() if k != "error"}
    if limits:
        said = ", ".join(f"{k} {v}" for k, v in limits.items())
        message = Text(f"{message.vi} ({said})", f"{message.en} ({said})")
    return Fault(pointer if place == "body" else str(path[0]), code, message)


def escaped(step: str) -> str:
    """One step of a JSON pointer, by RFC 6901."""
    return step.replace("~", "~0").replace("/", "~1")


def _within(body: Any, path: Sequence[Any], *, new: bool) -> list[Any]:
    """The part of an error's path that the body has; the rest names our types.

    With `new` the last step is a member that the body lacks.
    """
    steps: list[Any] = []
    for step in path[:-1] if new else path:
        try:
            body = body[step]
        except (LookupError, TypeError):
            continue
        steps.append(step)
    return [*steps, path[-1]] if new else steps


_MESSAGES: dict[str, tuple[str, Text | None]] = {
    "missing": ("missing", Text("Thiếu trường bắt buộc.", "A required field.")),
    "extra_forbidden": (
        "unknown_field",
        Text("Trường không có trong hợp đồng.", "No such field; remove it."),
    ),
    "int_type": (
        "not_an_integer",
        Text("Phải là số nguyên, không có dấu nháy.", "Send a whole number."),
    ),
    "string_type": ("not_text", Text("Phải là chuỗi.", "Send a string.")),
    "bool_type": ("not_a_flag", Text("Phải là true hoặc false.", "Send true/false.")),
    "literal_error": ("not_allowed", Text("Giá trị không có.", "Not one of these.")),
    "string_pattern_mismatch": (
        "bad_form",
        Text("Sai dạng.", "Not in the required form."),
    ),
}


def _describe_problem(app: FastAPI) -> None:
    """Put the shape of a problem document into the OpenAPI document."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            parts = document.setdefault("components", {}).setdefault("schemas", {})
            parts["Problem"] = _PROBLEM_SCHEMA
            for unused in ("HTTPValidationError", "ValidationError"):
                parts.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


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
                },
            },
        },
    },
}


def _speak_of_size(app: FastAPI) -> None:
    """Put a problem document where the size guard, outermost, answers plain text."""
    build = app.build_middleware_stack

    def built() -> ASGIApp:
        return _SizeSpoken(build())

    app.build_middleware_stack = built  # type: ignore[method-assign]


class _SizeSpoken:
    """Answers 413 in our words."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spoken = False

        async def worded(message: Message) -> None:
            nonlocal spoken
            if message["type"] == "http.response.start" and message["status"] == 413:
                kind = dict(message["headers"]).get(b"content-type", b"")
                spoken = kind.startswith(b"text/plain")
                if spoken:
                    problem, code, detail = _BY_STATUS[413]
                    document = _document(Request(scope), problem(code, detail))
                    await document(scope, receive, send)
            if not spoken:
                await send(message)

        await self._app(scope, receive, worded)


# The pages of the docs explorer, ReDoc's logo above all, fetch nothing from elsewhere.
_STAY_HOME = b"default-src 'self' 'unsafe-inline' data: blob:"


class _Observed:
    """A request id, one log line and one measurement for each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        known = given if _REQUEST_ID.fullmatch(given) else new_id("req")
        structlog.contextvars.bind_contextvars(request_id=known)
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", known.encode()),
                    (b"content-security-policy", _STAY_HOME),
                ]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            taken = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "")
            REQUESTS.labels(scope["method"], route, str(status)).observe(taken)
            if scope["path"] not in _QUIET:
                await log.ainfo(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=status,
                    ms=round(taken * 1000, 1),
                )


_QUIET = {"/livez", "/readyz", "/startupz", "/metrics"}
