"""`Idempotency-Key`: a request sent again takes effect once and is answered the same.

The key, a fingerprint of the request and its answer stand in the transaction of what
the request did: all of it happened, or none. Answers are sealed, for some hold secrets.
After the IETF draft draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import Message, Receive

from libs.common.database import Connection, Database
from libs.common.problems import Conflict, Text, Unacceptable
from libs.common.sealing import seal, unseal

HEADER = "idempotency-key"
METHODS = ("POST", "PUT")
KEPT = "7 days"

_FORM = re.compile(r"[\x21-\x7e]{1,255}")
_BOUNDARY = re.compile(rb'boundary="?([^";]+)"?')

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Scope:
    """Whose key it is and where it was sent: elsewhere the same key is another."""

    principal: str
    method: str
    path: str
    key: str

    def __str__(self) -> str:
        return "\n".join((self.principal, self.method, self.path, self.key))


class _Fingerprint:
    """A hash of the query and of every byte of the body, as it is read.

    What a multipart client invents for each sending, its boundary, does not count.
    """

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        kind = request.headers.get("content-type", "").encode()
        found = _BOUNDARY.search(kind)
        self._boundary = found[1] if found else None
        self._held = b""
        self._ended = False
        self._hash = hashlib.sha256(request.url.query.encode() + b"\n")

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._take(message.get("body", b""))
            self._ended = not message.get("more_body", False)
        return message

    def _take(self, body: bytes) -> None:
        if self._boundary is None:
            self._hash.update(body)
            return
        # A boundary may be cut in two by the network.
        held = (self._held + body).replace(self._boundary, b"")
        keep = len(self._boundary) - 1
        cut = max(0, len(held) - keep)
        self._hash.update(held[:cut])
        self._held = held[cut:]

    async def whole(self) -> bytes:
        """The fingerprint, once all of the body was read."""
        while not self._ended:
            if (await self.receive())["type"] != "http.request":
                break
        self._hash.update(self._held)
        self._held = b""
        return self._hash.digest()


async def once(
    request: Request,
    handle: Callable[[Receive], Awaitable[Response]],
    database: Database,
    *,
    principal: str,
    secret: bytes,
) -> Response:
    """Let a request take effect, or answer as the first time.

    Raises Conflict while the first is at work, Unacceptable when the key comes with
    another request or is none. What was refused is not kept: it may be mended.
    """
    key = request.headers[HEADER]
    if not _FORM.fullmatch(key):
        raise Unacceptable("bad_idempotency_key", _BAD)
    scope = _Scope(principal, request.method, request.url.path, key)
    fingerprint = _Fingerprint(request)
    async with database.joined() as connection:
        if not await _alone(connection, scope):
            raise Conflict("in_flight", _IN_FLIGHT)
        kept = await _kept(connection, scope)
        if kept is not None:
            if kept["fingerprint"] != await fingerprint.whole():
                raise Unacceptable("idempotency_key_reused", _REUSED)
            return _again(kept, scope, secret)
        response = await handle(fingerprint.receive)
        if response.status_code < 300:
            await _keep(connection, scope, await fingerprint.whole(), response, secret)
    return response


async def _alone(connection: Connection, scope: _Scope) -> bool:
    """Hold the key until the transaction ends; False when another holds it."""
    alone: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(10, hashtext($1))", str(scope)
    )
    return alone


async def _kept(connection: Connection, scope: _Scope) -> dict[str, object] | None:
    row = await connection.fetchrow(
        "SELECT fingerprint, status, kind, answer FROM platform.idempotency"
        " WHERE principal = $1 AND method = $2 AND path = $3 AND key = $4"
        f" AND kept_at > now() - interval '{KEPT}'",
        scope.principal,
        scope.method,
        scope.path,
        scope.key,
    )
    return None if row is None else dict(row)


async def _keep(
    connection: Connection,
    scope: _Scope,
    fingerprint: bytes,
    response: Response,
    secret: bytes,
) -> None:
    await connection.execute(
        f"DELETE FROM platform.idempotency WHERE kept_at < now() - interval '{KEPT}'"
    )
    await connection.execute(
        "INSERT INTO platform.idempotency"
        " (principal, method, path, key, fingerprint, status, kind, answer)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        scope.principal,
        scope.method,
        scope.path,
        scope.key,
        fingerprint,
        response.status_code,
        response.headers.get("content-type", ""),
        seal(secret, str(scope), bytes(response.body).decode()),
    )


def _again(kept: dict[str, object], scope: _Scope, secret: bytes) -> Response:
    answer = kept["answer"]
    status = kept["status"]
    assert isinstance(answer, bytes)
    assert isinstance(status, int)
    return Response(
        unseal(secret, str(scope), answer),
        status,
        media_type=str(kept["kind"]) or None,
        headers={"Idempotency-Replayed": "true"},
    )


_BAD = Text(
    "Idempotency-Key gồm 1 đến 255 ký tự ASCII nhìn thấy được.",
    "An Idempotency-Key is 1 to 255 visible ASCII characters.",
)
_IN_FLIGHT = Text(
    "Yêu cầu đầu tiên với khóa này còn đang xử lý; hãy gửi lại sau.",
    "The first request with this key is still at work; send it again later.",
)
_REUSED = Text(
    "Idempotency-Key này đã dùng cho một yêu cầu khác; hãy dùng khóa mới.",
    "This Idempotency-Key came with another request; use a new one.",
)
