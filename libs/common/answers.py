"""Every error of an application, answered as a problem document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.database import AWAY, UNMIGRATED
from libs.common.observed import Observed
from libs.common.problems import (
    Fault,
    MethodNotAllowed,
    NotFound,
    Problem,
    Text,
    TooLarge,
    Unavailable,
    Unreadable,
    UnsupportedMedia,
    escaped,
    invalid,
    language_of,
    unreadable_json,
)

log = structlog.get_logger()


def speak_problems(app: FastAPI) -> None:
    """Answer every error of this application with a problem document."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    for away in (*AWAY, *UNMIGRATED):
        app.add_exception_handler(away, _answer_away)
    app.add_exception_handler(Exception, _answer_bug)
    app.add_middleware(Observed)
    _speak_of_size(app)


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
    said = f"{type(error).__name__}: {error}"[:300]
    await log.awarning("database away", error=said)
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
    415: (
        UnsupportedMedia,
        "unsupported_media_type",
        Text("Hãy gửi application/json.", "Send application/json."),
    ),
}


def _too_large(scope: Scope) -> TooLarge:
    """413 with the limit of the route that was asked."""
    size = f"{scope.get(MAX_BODY_SIZE_SCOPE_KEY, 0) // 2**20} MiB"
    return TooLarge(
        "too_large",
        Text(f"Dữ liệu vượt quá {size}.", f"The body is larger than {size}."),
    )


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 413:
        return _document(request, _too_large(request.scope))
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
    faults = [_fault(e, error.body) for e in found]
    # Each branch of a union may say the same; it is said once.
    once = {(fault.pointer, fault.code): fault for fault in reversed(faults)}
    return _document(request, invalid(list(reversed(once.values()))))


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


_TOO_SMALL_OR_LARGE = Text("Ngoài khoảng cho phép.", "Out of range.")
_SIZE = Text("Quá ngắn hoặc quá dài.", "Too short or too long.")
_KIND = Text("Sai kiểu dữ liệu.", "Not of the kind that is taken here.")

_MESSAGES: dict[str, tuple[str, Text | None]] = {
    **dict.fromkeys(
        ("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
        ("out_of_range", _TOO_SMALL_OR_LARGE),
    ),
    **dict.fromkeys(
        ("too_short", "too_long", "string_too_short", "string_too_long"),
        ("bad_size", _SIZE),
    ),
    **dict.fromkeys(
        (
            "int_parsing",
            "bool_parsing",
            "model_type",
            "model_attributes_type",
            "list_type",
            "dict_type",
            "date_parsing",
            "date_from_datetime_parsing",
            "datetime_parsing",
            "datetime_from_date_parsing",
            "timezone_aware",
        ),
        ("wrong_type", _KIND),
    ),
    "value_error": ("not_acceptable", None),
    "control_character": (
        "control_character",
        Text("Có ký tự điều khiển.", "It holds a control character."),
    ),
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
                    document = _document(Request(scope), _too_large(scope))
                    await document(scope, receive, send)
            if not spoken:
                await send(message)

        await self._app(scope, receive, worded)
