"""A webhook subscriber on a port of its own that answers as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Post:
    """One request as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Post], Awaitable[int]]


async def welcome(_: Post) -> int:
    return 204


@dataclass
class Subscriber:
    """Keeps every post in order of arrival and how many were there at once."""

    answer: Answer = welcome
    posts: list[Post] = field(default_factory=list)
    inside: int = 0
    most_inside: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [post.id for post in self.posts]

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    status = await self._one(reader)
                    writer.write(
                        f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n".encode()
                    )
                    await writer.drain()
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        post = Post(headers, body)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            self.posts.append(post)
            return await self.answer(post)
        finally:
            self.inside -= 1


@asynccontextmanager
async def subscriber(answer: Answer = welcome) -> AsyncIterator[Subscriber]:
    """Listening until the test leaves."""
    found = Subscriber(answer)
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(found._serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
