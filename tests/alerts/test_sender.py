"""What a hostile or broken subscriber cannot do to us, tried on real sockets."""

import asyncio
import gzip
import ssl
import tracemalloc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from services.alerts.domain.addresses import AddressRefused
from services.alerts.sender import KEPT_BYTES, Outcome, Resolver, Sender, excerpt
from tests.support.tls import certified

pytestmark = pytest.mark.anyio

LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADERS = {"content-type": "application/cloudevents+json", "webhook-id": "m1"}
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Subscriber:
    """A server of raw bytes that notes each connection and each request."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self._talk = talk
        self._tls = tls

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            if self._tls:
                await writer.start_tls(self._tls)
            while request := await read_request(reader):
                self.requests.append(request)
                await self._talk(reader, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a cancelled handler would be logged as an error by the streams
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return head + await reader.readexactly(length)


def answering(*parts: bytes) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)

    return talk


def response(status: int, body: bytes = b"", *extra: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *extra]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def subscriber(
    talk: Talk, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Subscriber]:
    it = Subscriber(talk, tls)
    server = await asyncio.start_server(it.serve, host, 0, limit=1 << 20)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        await settle()


async def settle() -> None:
    """Let the server's tasks see that their connections ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    serving = {t for t in others if "serve" in repr(t.get_coro())}
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
    await asyncio.sleep(0)


async def post_to(talk: Talk, *, deadline: float = 5.0) -> tuple[Outcome, Subscriber]:
    async with (
        subscriber(talk) as it,
        Sender(allow_networks=LOOPBACK, deadline=deadline, pools=1) as sender,
    ):
        outcome = await sender.post(it.url, HEADERS, b'{"a": 1}')
    return outcome, it


@pytest.mark.parametrize("status", [200, 202, 204, 410, 429, 500])
async def test_the_status_of_the_answer_is_the_outcome(status: int):
    outcome, it = await post_to(answering(response(status)))

    assert (outcome.status, outcome.error) == (status, None)
    assert it.connections == 1


async def test_the_bytes_arrive_as_they_are_with_the_headers_given():
    _, it = await post_to(answering(response(204)))

    head, _, body = it.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert body == b'{"a": 1}'
    assert lines[0] == b"post /hook http/1.1"
    assert f"host: 127.0.0.1:{it.port}".encode() in lines
    assert b"accept-encoding: identity" in lines
    assert b"webhook-id: m1" in lines
    assert b"content-length: 8" in lines


async def test_head_and_body_leave_together():
    came: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(1 << 16))
        writer.write(response(204))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server, Sender(allow_networks=LOOPBACK, pools=1) as sender:
        outcome = await sender.post(url, HEADERS, b'{"a": 1}')

    assert outcome.status == 204
    assert came[0].endswith(b'\r\n\r\n{"a": 1}')


async def test_connections_are_used_again():
    async with (
        subscriber(answering(response(200, b"ok"))) as it,
        Sender(allow_networks=LOOPBACK, pools=1) as sender,
    ):
        outcomes = [await sender.post(it.url, HEADERS, b"{}") for _ in range(5)]

    assert [o.excerpt for o in outcomes] == ["ok"] * 5
    assert it.connections == 1


async def test_more_posts_than_connections_wait_their_turn():
    async with (
        subscriber(answering(response(200))) as it,
        Sender(allow_networks=LOOPBACK, pools=2) as sender,
    ):
        posts = [sender.post(it.url, HEADERS, b"{}") for _ in range(60)]
        outcomes = await asyncio.gather(*posts)

    assert {o.status for o in outcomes} == {200}
    assert it.connections <= 16


async def test_waiting_for_a_connection_of_ours_is_not_the_subscribers_time():
    async def slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(response(200))

    async with (
        subscriber(slowly) as it,
        Sender(allow_networks=LOOPBACK, pools=1, deadline=0.5) as sender,
    ):
        posts = [sender.post(it.url, HEADERS, b"{}") for _ in range(32)]
        outcomes = await asyncio.gather(*posts)

    assert {o.status for o in outcomes} == {200}
    assert all(o.duration_ms < 500 for o in outcomes)


async def test_retry_after_is_handed_on():
    outcome, _ = await post_to(answering(response(503, b"", "Retry-After: 120")))

    assert (outcome.status, outcome.retry_after) == (503, "120")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_a_direction(status: int):
    async with subscriber(answering(response(200))) as there:
        talk = answering(response(status, b"", f"Location: {there.url}"))

        outcome, it = await post_to(talk)

    assert outcome.status == status
    assert (it.connections, there.connections) == (1, 0)


async def test_cookies_are_not_kept():
    async with (
        subscriber(answering(response(200, b"", "Set-Cookie: a=1"))) as it,
        Sender(allow_networks=LOOPBACK, pools=1) as sender,
    ):
        await sender.post(it.url, HEADERS, b"{}")
        await sender.post(it.url, HEADERS, b"{}")

    assert b"cookie" not in it.requests[1].lower()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    await drops(writer, b".")


async def drip_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await drops(writer, b"x: y\r\n")


async def endless_hints(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await drops(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n")


async def drops(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while True:
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(0.02)


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("talk", [silence, drip, drip_headers, endless_hints])
async def test_the_deadline_is_total(talk: Talk):
    outcome, _ = await post_to(talk, deadline=0.4)

    assert (outcome.status, outcome.error) == (None, "timeout")
    assert 400 <= outcome.duration_ms < 1400


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()


async def endless_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"5\r\naaaaa\r\n" * 1000)
        await writer.drain()


@pytest.mark.parametrize("talk", [flood, endless_chunks])
async def test_a_huge_answer_is_cut_and_its_status_counts(talk: Talk):
    outcome, _ = await post_to(talk)

    assert (outcome.status, outcome.error) == (200, None)
    assert outcome.excerpt == "a" * KEPT_BYTES


async def test_after_a_huge_answer_the_next_post_goes_through():
    async with (
        subscriber(flood) as wide,
        subscriber(answering(response(204))) as it,
        Sender(allow_networks=LOOPBACK, pools=1) as sender,
    ):
        for _ in range(20):
            await sender.post(wide.url, HEADERS, b"{}")

        outcome = await sender.post(it.url, HEADERS, b"{}")

    assert outcome.status == 204


async def test_gzip_is_not_inflated():
    bomb = gzip.compress(bytes(20_000_000))
    talk = answering(response(200, bomb, "Content-Encoding: gzip"))

    outcome, _ = await post_to(talk)

    assert outcome.status == 200
    assert len(outcome.excerpt.encode()) <= KEPT_BYTES
    assert outcome.excerpt.startswith("\ufffd\ufffd")


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 100_000, b"\r\n"),
            id="100,000 headers",
        ),
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n"),
            id="1 MB header",
        ),
        pytest.param(answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), id="not HTTP"),
    ],
)
async def test_what_is_not_an_answer_is_an_error(talk: Talk):
    outcome, _ = await post_to(talk)

    assert outcome.status is None
    assert outcome.error in {"protocol", "connection_lost"}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        pytest.param(b"xong", "xong", id="text"),
        pytest.param("việc đã nhận".encode(), "việc đã nhận", id="Vietnamese"),
        pytest.param(b"a\x00b", "a\ufffdb", id="NUL"),
        pytest.param(b"\xff\xfeok", "\ufffd\ufffdok", id="bad UTF-8"),
        pytest.param(b"\xed\xb3\xbf", "\ufffd\ufffd\ufffd", id="lone surrogate"),
        pytest.param(b"\x1b[31mred", "\ufffd[31mred", id="ANSI escape"),
        pytest.param("\u202etxt".encode(), "\ufffdtxt", id="bidi"),
        pytest.param(b"one\r\ntwo\tthree", "one  two three", id="lines"),
        pytest.param(b"<script>x</script>", "<script>x</script>", id="HTML stays text"),
    ],
)
def test_an_excerpt_is_harmless(raw: bytes, shown: str):
    assert excerpt(raw) == shown


def test_an_excerpt_stays_short_when_its_letters_grow():
    assert len(excerpt(b"\xff" * KEPT_BYTES).encode()) <= KEPT_BYTES


async def test_an_address_inside_is_refused_without_a_connection():
    async with subscriber(answering(response(200))) as it, Sender() as sender:
        outcome = await sender.post(it.url, HEADERS, b"{}")
        with pytest.raises(AddressRefused):
            await sender.check(it.url)

    assert (outcome.status, outcome.error) == (None, "unreachable")
    assert it.connections == 0


class Answers:
    """A resolver that says something else each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["93.184.215.14", "::1"], []],
)
async def test_a_name_that_leads_inside_is_refused(answers: list[str]):
    async with subscriber(answering(response(200))) as it:
        url = f"https://example.vn:{it.port}/"
        async with Sender(resolver=Answers(answers)) as sender:
            outcome = await sender.post(url, HEADERS, b"{}")

    assert outcome.error == "unreachable"
    assert it.connections == 0


async def test_a_name_is_resolved_once_and_pinned():
    resolver = Answers(["127.0.0.1"], ["169.254.169.254"])
    async with (
        subscriber(answering(response(204))) as it,
        Sender(allow_networks=LOOPBACK, resolver=resolver) as sender,
    ):
        url = f"http://hook.example.vn:{it.port}/x"

        first = await sender.post(url, HEADERS, b"{}")
        second = await sender.post(url, HEADERS, b"{}")

    assert (first.status, second.error) == (204, "unreachable")
    assert resolver.asked == [("hook.example.vn", it.port)] * 2
    assert it.connections == 1
    assert f"host: hook.example.vn:{it.port}".encode() in it.requests[0].lower()


async def test_the_next_address_is_tried_when_the_first_is_closed():
    async with (
        subscriber(answering(response(204)), host="127.0.0.2") as it,
        Sender(
            allow_networks=LOOPBACK, resolver=Answers(["127.0.0.1", "127.0.0.2"])
        ) as sender,
    ):
        outcome = await sender.post(f"http://example.vn:{it.port}/", HEADERS, b"{}")

    assert outcome.status == 204


async def never(host: str, port: int) -> Sequence[str]:
    await asyncio.Event().wait()
    return []


async def no_such_name(host: str, port: int) -> Sequence[str]:
    raise OSError(host, port)


@pytest.mark.parametrize("resolver", [never, no_such_name])
async def test_a_name_without_an_answer_is_unreachable_in_time(resolver: Resolver):
    async with Sender(resolver=resolver, connect=0.2) as sender:
        outcome = await sender.post("https://example.vn/", HEADERS, b"{}")

    assert outcome.error == "unreachable"
    assert outcome.duration_ms < 1400


async def test_a_closed_port_reads_like_a_refused_address():
    async with subscriber(answering(response(200))) as it:
        url = it.url

    async with Sender(allow_networks=LOOPBACK) as open_, Sender() as guarded:
        closed = await open_.post(url, HEADERS, b"{}")
        refused = await guarded.post(url, HEADERS, b"{}")

    assert (closed.status, closed.error, closed.excerpt) == (
        refused.status,
        refused.error,
        refused.excerpt,
    )


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "https://u:p@example.vn/", "not a url", "https://127.1/"],
)
async def test_a_bad_address_is_an_outcome_and_not_a_crash(url: str):
    async with Sender() as sender:
        outcome = await sender.post(url, HEADERS, b"{}")

    assert outcome.error == "unreachable"


async def test_check_vets_without_calling():
    async with (
        subscriber(answering(response(200))) as it,
        Sender(allow_networks=LOOPBACK) as sender,
    ):
        target = await sender.check(it.url)

    assert (target.host, target.address) == ("127.0.0.1", ip_address("127.0.0.1"))
    assert it.connections == 0


@pytest.fixture(scope="module")
def tls(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that proves to be one.example.vn, and a client that believes its issuer."""
    return certified(tmp_path_factory.mktemp("tls"), "one.example.vn")


async def test_the_certificate_is_that_of_the_name_and_not_of_the_address(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
):
    server, client = tls

    async with (
        subscriber(answering(response(204)), tls=server) as it,
        Sender(
            allow_networks=LOOPBACK, resolver=loopback, tls=client, pools=1
        ) as sender,
    ):
        one = await sender.post(f"https://one.example.vn:{it.port}/", HEADERS, b"{}")
        # The same address, and a connection to it is open and idle.
        two = await sender.post(f"https://two.example.vn:{it.port}/", HEADERS, b"{}")

    assert one.status == 204
    assert (two.status, two.error) == (None, "tls")
    assert len(it.requests) == 1


async def test_an_unknown_issuer_is_refused_and_nothing_goes_out_in_plain(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
):
    server, _ = tls
    async with (
        subscriber(answering(response(204)), tls=server) as it,
        Sender(allow_networks=LOOPBACK) as sender,
    ):
        outcome = await sender.post(f"https://127.0.0.1:{it.port}/", HEADERS, b"{}")

    assert (outcome.status, outcome.error) == (None, "tls")
    assert it.requests == []


async def loopback(_: str, __: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_an_expired_certificate_is_refused(tmp_path: Path):
    server, client = certified(tmp_path, "one.example.vn", days=-1)
    async with (
        subscriber(answering(response(204)), tls=server) as it,
        Sender(allow_networks=LOOPBACK, resolver=loopback, tls=client) as sender,
    ):
        outcome = await sender.post(f"https://one.example.vn:{it.port}/", HEADERS, b"")

    assert (outcome.status, outcome.error) == (None, "tls")
    assert it.requests == []


async def test_an_old_protocol_is_refused(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
):
    server, _ = certified(tmp_path, "one.example.vn")
    with warnings.catch_warnings(action="ignore"):
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")
    async with (
        subscriber(answering(response(204)), tls=server) as it,
        Sender(allow_networks=LOOPBACK, resolver=loopback, tls=tls[1]) as sender,
    ):
        outcome = await sender.post(f"https://one.example.vn:{it.port}/", HEADERS, b"")

    assert (outcome.status, outcome.error) == (None, "tls")
    assert it.requests == []


async def test_a_reset_in_mid_answer_is_a_lost_connection():
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
        await writer.drain()
        writer.transport.abort()

    outcome, _ = await post_to(reset)

    assert outcome.status is None
    assert outcome.error in ("connection_lost", "protocol")


@pytest.mark.parametrize("talk", [flood, endless_chunks])
async def test_no_answer_takes_memory(talk: Talk):
    """Of a gigabyte and of endless chunks, what is kept is what is counted."""
    async with subscriber(talk) as it, Sender(allow_networks=LOOPBACK) as sender:
        await sender.post(it.url, HEADERS, b"{}")
        tracemalloc.start()
        try:
            for _ in range(3):
                await sender.post(it.url, HEADERS, b"{}")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 10_000_000


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
async def test_no_coding_is_undone_in_memory(coding: str):
    bomb = response(200, gzip.compress(bytes(50_000_000), 1), f"content-encoding: {coding}")  # fmt: skip
    async with (
        subscriber(answering(bomb)) as it,
        Sender(allow_networks=LOOPBACK) as sender,
    ):
        tracemalloc.start()
        try:
            outcome = await sender.post(it.url, HEADERS, b"{}")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert outcome.status == 200
    assert len(outcome.excerpt.encode()) <= KEPT_BYTES
    assert peak < 10_000_000
