"""Who asks, what the key permits, and which units it may speak of."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from libs.common import keys
from libs.common.database import ASKER, Asker, Connection, Database
from libs.common.keys import Principal
from libs.common.problems import (
    Text,
    TooManyRequests,
    Unauthorized,
    forbidden,
    unknown_unit_in_path,
)
from libs.common.rates import Rates

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key: `dondoc keys create`.",
)


async def authenticate(request: Request) -> Principal:
    """The living key of a request; raises Unauthorized. Asked once a request."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        database: Database = request.app.state.databases["platform"]
        pepper = request.app.state.settings.key_for("key pepper")
        rates: Rates = request.app.state.rates
        async with database.connection() as connection:
            found = await keys.recognise(connection, key.strip(), pepper)
            wait = found and await rates.seconds_to_wait(connection, found.key)
        if found is not None:
            structlog.contextvars.bind_contextvars(key=found.key)
            request.state.principal = found
            said = structlog.contextvars.get_contextvars().get("request_id")
            ASKER.set(Asker(found.key, said, found.scope))
            if wait:
                raise TooManyRequests(
                    "too_many_requests",
                    Text(
                        f"Khóa này gửi quá nhanh; hãy gửi lại sau {wait} giây.",
                        f"This key asks too fast; ask again in {wait} s.",
                    ),
                    headers={"Retry-After": str(wait)},
                )
            return found
    raise Unauthorized(
        "unauthorized",
        Text(
            "Thiếu khóa API hoặc khóa không còn hiệu lực.",
            "No API key, or not a living one: send Authorization: Bearer <key>.",
        ),
        headers={"WWW-Authenticate": "Bearer"},
    )


async def _principal(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    return await authenticate(request)


def needs_key(dependant: Dependant) -> bool:
    """Whether a route asks for a principal anywhere below."""
    return any(
        inner.call is _principal or needs_key(inner) for inner in dependant.dependencies
    )


def allows(role: str, *, at_root: bool = False) -> Any:
    """A dependency: the caller's principal, refused with 403 without the role.

    `at_root` asks for a key bound to the root: what it changes concerns everyone.
    """

    async def permitted(
        principal: Annotated[Principal, Depends(_principal)],
    ) -> Principal:
        if not principal.may(role) or (at_root and keys.ROOT not in principal.units):
            raise forbidden(role, at_root=at_root)
        return principal

    return Depends(permitted)


Reader = Annotated[Principal, allows("analyst")]


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
    known = await keys.known_units(connection, [unit])
    if not known or not (unit == keys.ROOT or principal.sees(unit)):
        raise unknown_unit_in_path(unit)
    codes = await keys.subtree(connection, [unit], on)
    return sorted(code for code in codes if principal.sees(code))
