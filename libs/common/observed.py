"""What is noted of each request: its id, one log line, one measurement."""

from __future__ import annotations

import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.database import ASKER, stand_alone
from libs.common.ids import new_id
from libs.common.telemetry import REQUESTS

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# The pages of the docs explorer, ReDoc's logo above all, fetch nothing from elsewhere;
# nothing else that we answer is a page at all.
_NOWHERE = b"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PAGE = b"default-src 'self' 'unsafe-inline' data: blob:; " + _NOWHERE
_DATA = b"default-src 'none'; " + _NOWHERE
_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Observed:
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
        nobody = ASKER.set(None)
        stand_alone()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", known.encode()),
                    (b"content-security-policy", _policy(message)),
                    *_SAFE,
                ]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            ASKER.reset(nobody)
            taken = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "")
            REQUESTS.labels(scope["method"], route, str(status)).observe(taken)
            if scope["path"] not in _QUIET:
                log.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=status,
                    ms=round(taken * 1000, 1),
                    client=(scope.get("client") or ("",))[0],
                )


def _policy(start: Message) -> bytes:
    kind = dict(start["headers"]).get(b"content-type", b"")
    return _PAGE if kind.startswith(b"text/html") else _DATA


_QUIET = {"/livez", "/readyz", "/startupz", "/metrics"}
