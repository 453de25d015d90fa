"""A webhook subscriber in a process of its own: verifies, counts and shows what came.

    python -m demo.receiver --port 0 --secret-file secret.txt

It prints its address, listens on the loopback address only and keeps all in memory.
"""

import argparse
import base64
import hmac
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LARGEST = 1024 * 1024


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether these bytes come from the holder of the secret, within five minutes."""
    sent = headers.get("webhook-timestamp", "")
    signed = f"{headers.get('webhook-id', '')}.{sent}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    given = headers.get("webhook-signature", "").encode().split()
    fresh = sent.isdecimal() and abs(time.time() - int(sent)) <= 300
    return fresh and any(hmac.compare_digest(right, one) for one in given)


@dataclass(frozen=True, slots=True)
class Received:
    """One message, as GET /received shows it."""

    id: str
    type: object
    subject: object
    time: object
    sequence: object
    verified: bool
    data: object


class Mailbox:
    """What came, in order of arrival; safe between the threads of the server."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._lock = threading.Lock()
        self._received: dict[str, Received] = {}
        self._duplicates = 0
        self._refused = 0
        self.away = False

    def accept(self, headers: Mapping[str, str], body: bytes) -> HTTPStatus:
        """Keep a message once, however often it comes; away, take none."""
        if self.away:
            return HTTPStatus.SERVICE_UNAVAILABLE
        message = _read(body) if self._trusts(headers, body) else None
        with self._lock:
            if message is None:
                self._refused += 1
                return HTTPStatus.UNAUTHORIZED
            id = headers.get("webhook-id", "")
            if id in self._received:
                self._duplicates += 1
            else:
                self._received[id] = _received(id, message)
            return HTTPStatus.NO_CONTENT

    def received(self) -> list[dict[str, object]]:
        with self._lock:
            return [asdict(one) for one in self._received.values()]

    def count(self) -> dict[str, int]:
        with self._lock:
            return {
                "received": len(self._received),
                "duplicates": self._duplicates,
                "refused": self._refused,
            }

    def _trusts(self, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            return bool(self.secret) and verify(self.secret, headers, body)
        except ValueError:  # a secret that is no base64, letters that are no text
            return False


def _read(body: bytes) -> dict[str, object] | None:
    try:
        event = json.loads(body)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _received(id: str, event: dict[str, object]) -> Received:
    data = event.get("data")
    inner = data.get("sequence") if isinstance(data, dict) else None
    return Received(
        id=id,
        type=event.get("type"),
        subject=event.get("subject"),
        time=event.get("time"),
        sequence=event.get("sequence", inner),
        verified=True,
        data=data,
    )


class Handler(BaseHTTPRequestHandler):
    """Any POST is a webhook; GET /received and /count, PUT /secret, /down and /up
    are ours."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30
    mailbox: Mailbox

    def do_POST(self) -> None:
        body = self._body()
        if body is not None:
            self._answer(self.mailbox.accept(_lower(self.headers.items()), body))

    def do_PUT(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path in ("/down", "/up"):
            self.mailbox.away = self.path == "/down"
        elif self.path == "/secret":
            self.mailbox.secret = body.decode("utf-8", "replace").strip()
        else:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self._answer(HTTPStatus.NO_CONTENT)

    def do_GET(self) -> None:
        if self.path == "/received":
            self._answer(HTTPStatus.OK, self.mailbox.received())
        elif self.path == "/count":
            self._answer(HTTPStatus.OK, self.mailbox.count())
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the first line of output is the address, and the only one."""

    def _body(self) -> bytes | None:
        """The body, or None after an answer that refuses it."""
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) <= LARGEST:
            return self.rfile.read(int(length))
        self.close_connection = True
        self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return None

    def _answer(self, status: HTTPStatus, value: object = None) -> None:
        body = b"" if value is None else json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        if self.close_connection:
            self.send_header("connection", "close")
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def serve(port: int, secret: str) -> None:
    """Listen until interrupted."""
    handler = type("Receiver", (Handler,), {"mailbox": Mailbox(secret)})
    with Server(("127.0.0.1", port), handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=60)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # nothing is kept, and a parent that was killed asks for no answer


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m demo.receiver", description=__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--secret-file", type=Path, help="the secret, if known by now")
    parser.add_argument(
        "--until-eof", action="store_true", help="end with whoever holds our input"
    )
    given = parser.parse_args()
    if given.until_eof:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(
        given.port, given.secret_file.read_text().strip() if given.secret_file else ""
    )


if __name__ == "__main__":
    main()
