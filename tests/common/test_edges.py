"""What every answer tells a browser, and whose word is taken for who is asking."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from fastapi import Request

from libs.common.service import create_app
from services import process
from services.process import Which, build
from tests.support.world import World, settings_for

pytestmark = pytest.mark.anyio
EVIL = {"origin": "https://evil.example"}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/v1/clock", "/livez", "/openapi.json", "/nothing"])  # fmt: skip
async def test_nothing_is_framed_sniffed_or_let_out(
    still_world: World, path: str
) -> None:
    headers = (await still_world.admin.get(path)).headers
    policy = headers["content-security-policy"]

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in policy
    page = path in ("/docs", "/redoc")
    assert policy.startswith("default-src 'self'" if page else "default-src 'none'")
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/v1/clock", "/openapi.json", "/docs"])
async def test_no_other_origin_is_let_in(still_world: World, path: str) -> None:
    asking = {**EVIL, "access-control-request-method": "GET"}

    before = await still_world.admin.options(path, headers=asking)
    itself = await still_world.admin.get(path, headers=EVIL)

    assert before.status_code == 405
    for answer in (before, itself):
        assert not [n for n in answer.headers if n.startswith("access-control-")]


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "known_as"),
    [
        pytest.param("", "10.0.0.1", "203.0.113.9", "10.0.0.1", id="nobody is named"),
        pytest.param("10.0.0.0/8", "10.0.0.1", "203.0.113.9", "203.0.113.9", id="a named proxy"),
        pytest.param("10.0.0.0/8", "192.0.2.1", "203.0.113.9", "192.0.2.1", id="another peer"),
        pytest.param("10.0.0.0/8", "10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9", id="what the client made up before it"),
        pytest.param("10.0.0.0/8", "10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9", id="two proxies"),
    ],
)  # fmt: skip
async def test_forwarded_addresses_are_believed_of_named_proxies_alone(
    proxies: str, peer: str, forwarded: str, known_as: str
) -> None:
    settings = settings_for("postgresql://nowhere", proxies=proxies)
    app = create_app(build(Which.ALL, "postgresql://nowhere", settings), settings)

    @app.get("/who")
    async def who(request: Request) -> str:
        return request.client.host if request.client else ""

    transport: Any = httpx.ASGITransport(app=app, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/who", headers={"x-forwarded-for": forwarded})

    assert answer.json() == known_as


def test_what_is_accepted_sends_each_piece_at_once() -> None:
    with (
        process.listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
