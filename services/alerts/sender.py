"""Posts one message to one subscriber, within limits that no answer can stretch."""

import asyncio
import socket
import ssl
import time
import unicodedata
from collections.abc import (
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
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpcore

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
POOLS = 8
CONNECTIONS_EACH = 8  # a pool asks all of its connections at each request
_LONGEST_HEADER = 200
_OURS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "dondoc"}

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
    """The authorities that browsers and the system trust, read once."""
    return httpcore.default_ssl_context()


class Sender:
    """The guarded way out, and the holder of its connections while it is entered."""

    def __init__(
        self,
        *,
        allow_networks: Sequence[Network] = (),
        resolver: Resolver = resolve,
        deadline: float = DEADLINE_SECONDS,
        connect: float = CONNECT_SECONDS,
        pools: int = POOLS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = tuple(allow_networks)
        self._resolver = resolver
        self._deadline = deadline
        self._connect = connect
        self._pools = [_pool(tls or _trusted()) for _ in range(pools)]
        # One entry per connection: pools take turns and none is ever overbooked.
        self._free: asyncio.Queue[httpcore.AsyncConnectionPool] = asyncio.Queue()
        for pool in self._pools * CONNECTIONS_EACH:
            self._free.put_nowait(pool)
        self._entered = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for pool in self._pools:
            await self._entered.enter_async_context(pool)
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
        pool = await self._free.get()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                target, addresses = await self._vet(url)
                _vetted.set(addresses)
                answer = await _exchange(pool, target, headers, body, self._connect)
        except _FAILURES as error:
            return Outcome(None, _failure(error).value, None, "", _since(started))
        finally:
            self._free.put_nowait(pool)
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
    pool: httpcore.AsyncConnectionPool,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    connect: float,
) -> tuple[int, str | None, bytes]:
    """Status, Retry-After and the beginning of the answer; the rest is never read.

    What follows redirects, keeps cookies, heeds a proxy of the environment or inflates
    an answer is a client; this is the layer below, which does none of it.
    """
    whole = {"host": target.authority, **_OURS, **headers}
    request = pool.stream(
        "POST",
        httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        ),
        headers=list(whole.items()),
        content=body,
        extensions={"timeout": {"connect": connect}},
    )
    async with request as response:
        kept = b""
        async for chunk in response.aiter_stream():
            kept += chunk[: KEPT_BYTES - len(kept)]
            if len(kept) == KEPT_BYTES:
                break
        return response.status, _retry_after(response.headers), kept


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The first of that name, as far as anyone may wish to read it."""
    for name, value in headers:
        if name.lower() == b"retry-after":
            return value[:_LONGEST_HEADER].decode("latin-1")
    return None


def _pool(tls: ssl.SSLContext) -> httpcore.AsyncConnectionPool:
    """Connections that keep the name in the request and dial what was vetted for it.

    The address is not put into the URL: connections are pooled by URL, and two names
    that share an address would share a connection checked for one certificate.
    """
    return httpcore.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=CONNECTIONS_EACH,
        keepalive_expiry=IDLE_SECONDS,
        network_backend=_Dialler(),
    )


class _Dialler(httpcore.AsyncNetworkBackend):
    """Connects to one of the vetted addresses, whatever the name would say now."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = _vetted.get()
        share = timeout / len(addresses) if timeout else None
        failed: Exception = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                async with asyncio.timeout(share):
                    return _Stream(*await asyncio.open_connection(str(address), port))
            except TimeoutError as error:
                failed = httpcore.ConnectTimeout(str(error))
            except OSError as error:
                failed = httpcore.ConnectError(str(error))
        raise failed


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that sends the head of a request together with its body.

    A packet for each would wake the subscriber twice, and wait twice for our turn.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer, self._held = reader, writer, b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._held += buffer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._held:
            self._writer.write(self._held)
            self._held = b""
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        secured = self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        try:
            async with asyncio.timeout(timeout):
                await secured
        except TimeoutError as error:
            await self.aclose()
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:  # an alert, a reset, an end in mid-handshake
            await self.aclose()
            raise ssl.SSLError(f"no handshake: {error}") from error
        return self

    def get_extra_info(self, info: str) -> object:
        if info == "is_readable":  # what is idle and readable has been ended
            return self._reader.at_eof() or self._writer.is_closing()
        return self._writer.get_extra_info(info)

    async def aclose(self) -> None:
        self._writer.transport.abort()
