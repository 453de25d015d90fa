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

from bench.sink import Sink, main

_ANSWERS = {"ok": (0.0, "204 No Content"), "slow": (3.0, "204 No Content"), "fail": (0.0, "500 Broken")}  # fmt: skip


class Manners(Sink):
    """One connection; what came is shared by all of them."""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        signed = int(headers.get("webhook-timestamp", "0"))
        self.came.append((time.time(), headers["webhook-id"], path, signed, body))
        manner = path.split("/")[1]
        if manner in _ANSWERS:
            wait, status = _ANSWERS[manner]
            empty = "" if status.startswith("204") else "content-length: 0\r\n"
            head = f"HTTP/1.1 {status}\r\n{empty}\r\n".encode()
            asyncio.get_running_loop().call_later(wait, self._transport.write, head)

    def told(self) -> list[dict[str, object]]:
        names = ("at", "id", "path", "signed", "type")
        lines: list[dict[str, object]] = [
            dict(zip(names, (*one, json.loads(body)["type"]), strict=True))
            for *one, body in self.came
        ]
        self.came.clear()
        return lines


if __name__ == "__main__":
    asyncio.run(main(Manners))
