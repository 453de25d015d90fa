"""A subscriber that behaves as its address says, and notes what it took.

    python -m faults.sink

POST /ok/… is answered at once, /slow/… after three seconds, /fail/… with 500, /hang/…
never. GET answers what came since the last GET, one JSON line each:
{"at", "id", "path", "type", "signed"}, the moments in seconds of true time.
"""

from __future__ import annotations

import asyncio
import json
import time

_ANSWERS = {"ok": (0.0, "204 No Content"), "slow": (3.0, "204 No Content"), "fail": (0.0, "500 Broken")}  # fmt: skip


Took = tuple[float, str, str, int, bytes]
"""When, which id, to which path, the moment that it is signed for, and the body."""


class Sink(asyncio.Protocol):
    """One connection; what came is shared by all of them."""

    def __init__(self, came: list[Took]) -> None:
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
            method, path, _ = lines[0].split(" ")
            if method == "POST":
                signed = int(headers.get("webhook-timestamp", "0"))
                took = (time.time(), headers["webhook-id"], path, signed, body)
                self.came.append(took)
                self._behave(path.split("/")[1])
            else:
                self._answer(_told(self.came))

    def _behave(self, manner: str) -> None:
        if manner in _ANSWERS:
            wait, status = _ANSWERS[manner]
            head = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode()
            if status.startswith("204"):
                head = f"HTTP/1.1 {status}\r\n\r\n".encode()
            asyncio.get_running_loop().call_later(wait, self._transport.write, head)

    def _answer(self, told: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(told)}\r\n\r\n"
        self._transport.write(head.encode() + told)


def _told(came: list[Took]) -> bytes:
    names = ("at", "id", "path", "signed", "type")
    lines = [
        json.dumps(dict(zip(names, (*one, json.loads(body)["type"]), strict=True)))
        for *one, body in came
    ]
    came.clear()
    return "\n".join(lines).encode()


async def main() -> None:
    """Listen on a free port of the loopback address until it is ended."""
    came: list[Took] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(came), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
