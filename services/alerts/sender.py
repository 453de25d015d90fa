"""Posts one message to one subscriber, within limits that no answer can stretch."""

import asyncio
import socket
import ssl
import time
import unicodedata
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from types import TracebackType
from typing import Protocol, Self, cast

import httpcore
import httpx

from services.alerts.domain.addresses import (
    Address,
    AddressRefused,
    Network,
    Target,
    parse,
    vet,
)

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

DEADLINE_SECONDS = 10.0
CONNECT_SECONDS = 5.0
IDLE_SECONDS = 3.0  # shorter than common servers keep an idle connection
KEPT_BYTES = 16 * 1024
CLIENTS = 8
CONNECTIONS_EACH = 8  # httpx slows down with more requests in flight per client
_LONGEST_HEADER = 200

_vetted: ContextVar[tuple[Address, ...]] = ContextVar("vetted")


class Failure(StrEnum):
    """Why there was no answer, as a subscriber may read it.

    A name without an address, an address inside, a closed port and a filtered one are
    all `unreachable`: the log of attempts must not serve as a port scanner.
    """

    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    PROTOCOL = "protocol"


_FAILURES = (
    AddressRefused,
    OSError,  # TimeoutError and ssl.SSLError among them
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpx.HTTPError,
    httpx.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: with a status, or with an error and no status."""

    status: int | None
    error: str | None
    retry_after: str | None
    excerpt: str
    """The beginning of the answer as harmless text; empty when there was none."""
    duration_ms: int


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name, by the resolver of the system."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return [str(answer[4][0]) for answer in found]


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that the system trusts, read once; nobody changes it."""
    return httpx.create_ssl_context(trust_env=False)


class Sender:
    """The guarded way out, and the holder of its connections while it is entered."""

    def __init__(
        self,
        *,
        allow_networks: Sequence[Network] = (),
        resolver: Resolver = resolve,
        deadline: float = DEADLINE_SECONDS,
        connect: float = CONNECT_SECONDS,
        clients: int = CLIENTS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = tuple(allow_networks)
        self._resolver = resolver
        self._deadline = deadline
        self._connect = connect
        self._tls = tls or _trusted()
        self._clients = [_client(self._tls, connect) for _ in range(clients)]
        # One entry per connection: clients take turns and none is ever overbooked.
        self._free: asyncio.Queue[httpx.AsyncClient] = asyncio.Queue()
        for client in self._clients * CONNECTIONS_EACH:
            self._free.put_nowait(client)
        self._entered = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in self._clients:
            await self._entered.enter_async_context(client)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._entered.aclose()

    async def check(self, url: str) -> Target:
        """Vet an address without calling it, or raise AddressRefused."""
        target, _ = await self._vet(url)
        return target

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Post these bytes once; whatever the other side does becomes an Outcome.

        The deadline spans the name, the connection, sending and the answer. Waiting for
        a free connection of our own is left out: that is not the subscriber's fault.
        """
        client = await self._free.get()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                target, addresses = await self._vet(url)
                answer = await _exchange(client, target, addresses, headers, body)
        except _FAILURES as error:
            return Outcome(None, _failure(error).value, None, "", _since(started))
        finally:
            self._free.put_nowait(client)
        status, retry_after, kept = answer
        return Outcome(status, None, retry_after, excerpt(kept), _since(started))

    async def _vet(self, url: str) -> tuple[Target, tuple[Address, ...]]:
        target = parse(url)
        answers = [target.address] if target.address else await self._resolved(target)
        return target, vet(target, answers, self._allowed)

    async def _resolved(self, target: Target) -> list[Address]:
        """The addresses of a name; none when it has none, or is too long in saying."""
        try:
            async with asyncio.timeout(self._connect):
                answers = await self._resolver(target.host, target.port)
        except (OSError, UnicodeError):
            return []
        return [ip_address(answer) for answer in dict.fromkeys(answers)]


def excerpt(raw: bytes) -> str:
    """Text that is safe to keep and to show: no NUL, no escapes, no broken letters."""
    text = raw[:KEPT_BYTES].decode("utf-8", "replace")
    safe = "".join(_shown(letter) for letter in text)
    return safe.encode()[:KEPT_BYTES].decode("utf-8", "ignore")


def _shown(letter: str) -> str:
    if letter in "\r\n\t":
        return " "
    return "\ufffd" if unicodedata.category(letter).startswith("C") else letter


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _failure(error: BaseException) -> Failure:
    if any(isinstance(one, ssl.SSLError) for one in _chain(error)):
        return Failure.TLS
    match error:
        case AddressRefused() | httpcore.ConnectError() | httpcore.ConnectTimeout():
            return Failure.UNREACHABLE
        case TimeoutError() | httpcore.TimeoutException():
            return Failure.TIMEOUT
        case httpcore.NetworkError() | OSError():
            return Failure.CONNECTION_LOST
        case _:
            return Failure.PROTOCOL


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: each layer below wraps in its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def _exchange(
    client: httpx.AsyncClient,
    target: Target,
    addresses: tuple[Address, ...],
    headers: Mapping[str, str],
    body: bytes,
) -> tuple[int, str | None, bytes]:
    """Status, Retry-After and the beginning of the answer; the rest is never read."""
    _vetted.set(addresses)
    request = client.stream("POST", target.url, headers=headers, content=body)
    async with request as response:
        kept = b""
        # No chunk size: httpx would collect one. No decoding: it would inflate.
        chunks = response.stream
        assert isinstance(chunks, httpx.AsyncByteStream)
        async for chunk in chunks:
            kept += chunk[: KEPT_BYTES - len(kept)]
            if len(kept) == KEPT_BYTES:
                break
        retry_after = response.headers.get("retry-after")
        return (
            response.status_code,
            retry_after[:_LONGEST_HEADER] if retry_after else None,
            kept,
        )


def _client(tls: ssl.SSLContext, connect: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=_PinnedTransport(tls),
        headers={
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "dondoc",
        },
        timeout=httpx.Timeout(None, connect=connect),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


class _Closable(Protocol):
    async def aclose(self) -> None: ...


class _PinnedTransport(httpx.AsyncBaseTransport):
    """Keeps the name in the request and dials only what was vetted for it.

    The address is not put into the URL: connections are pooled by URL, and two names
    that share an address would share a connection checked for one certificate.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=CONNECTIONS_EACH,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_Dialler(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=url.port,
                    target=url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Answer(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Answer(httpx.AsyncByteStream):
    """The raw bytes of an answer, as they come."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in cast(AsyncIterable[bytes], self._answer.stream):
            yield chunk

    async def aclose(self) -> None:
        await cast(_Closable, self._answer.stream).aclose()


class _Dialler(httpcore.AsyncNetworkBackend):
    """Connects to one of the vetted addresses, whatever the name would say now."""

    def __init__(self) -> None:
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = _vetted.get()
        *others, last = addresses
        share = timeout / len(addresses) if timeout else None
        for address in others:
            try:
                return await self._network.connect_tcp(str(address), port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(str(last), port, share)
