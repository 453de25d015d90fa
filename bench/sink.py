"""A subscriber that does nothing but note what came and when, in a process of its own.

    python -m bench.sink

It prints its address. Any POST is taken; GET answers what came since the last GET, one
JSON line each: {"at", "id", "batch"}. `at` is seconds of true time.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection; what came is shared by all of them."""

    def __init__(self, came: list[Any]) -> None:
        self.came, self._held = came, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            lines = self._held[:end].decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._held) < whole:
                return
            body, self._held = self._held[end + 4 : whole], self._held[whole:]
            if lines[0].startswith("POST"):
                self.take(lines[0].split(" ")[1], headers, body)
            else:
                self._answer("\n".join(map(json.dumps, self.told())).encode())

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """One post: note it, and answer."""
        self.came.append((time.time(), headers["webhook-id"], body))
        self._transport.write(_NO_CONTENT)

    def told(self) -> list[dict[str, object]]:
        """What came since this was asked last, a line each."""
        lines: list[dict[str, object]] = [
            {"at": at, "id": id, "batch": _batch(body)} for at, id, body in self.came
        ]
        self.came.clear()
        return lines

    def _answer(self, told: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(told)}\r\n\r\n"
        self._transport.write(head.encode() + told)


def _batch(body: bytes) -> str | None:
    data = json.loads(body)["data"]
    found: str | None = data.get("batch")
    return found


async def main(sink: type[Sink] = Sink) -> None:
    """Listen on a free port of the loopback address until it is ended."""
    came: list[Any] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: sink(came), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
