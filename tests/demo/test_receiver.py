"""The subscriber of the demonstration, as a process of its own."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.receiver import verify
from services.alerts.domain.signing import new_secret, sign

ROOT = Path(__file__).resolve().parents[2]
SECRET = new_secret(os.urandom)
EVENT = {
    "specversion": "1.0",
    "id": "msg_1",
    "type": "vn.dondoc.escalation.opened",
    "subject": "TN-KV4",
    "time": "2025-09-15T08:00:00+07:00",
    "data": {"unit": "TN-KV4", "sequence": 1, "facts": {"rate": "73.45"}},
}
BODY = json.dumps(EVENT).encode()


@contextmanager
def receiver(*arguments: str) -> Iterator[http.client.HTTPConnection]:
    command = [sys.executable, "-m", "demo.receiver", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), line
            connection = http.client.HTTPConnection(
                "127.0.0.1", int(line.rpartition(":")[2]), timeout=10
            )
            yield connection
            connection.close()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def there() -> Iterator[http.client.HTTPConnection]:
    with receiver() as connection:
        assert call(connection, "PUT", "/secret", SECRET.encode()) == (204, None)
        yield connection


def call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    connection.request(method, path, body, headers or {})
    with connection.getresponse() as response:
        text = response.read()
    return response.status, json.loads(text) if text else None


def signed(
    body: bytes = BODY, *, id: str = "msg_1", secret: str = SECRET, ago: int = 0
) -> dict[str, str]:
    timestamp = int(time.time()) - ago
    return {
        "content-type": "application/cloudevents+json",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign([secret], id=id, timestamp=timestamp, body=body),
    }


def change(
    there: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, int]]:
    """Post, and say which counts that changed."""
    _, before = call(there, "GET", "/count")
    status, _ = call(there, "POST", "/hook", body, headers)
    _, after = call(there, "GET", "/count")
    return status, {k: after[k] - before[k] for k in after if after[k] != before[k]}


def test_a_message_is_kept_once_and_shown(there: http.client.HTTPConnection):
    first = change(there, BODY, signed())
    again = change(there, BODY, signed())

    assert first == (204, {"received": 1})
    assert again == (204, {"duplicates": 1})
    status, shown = call(there, "GET", "/received")
    assert status == 200
    assert shown[0] == {
        "id": "msg_1",
        "type": "vn.dondoc.escalation.opened",
        "subject": "TN-KV4",
        "time": "2025-09-15T08:00:00+07:00",
        "sequence": 1,
        "verified": True,
        "data": EVENT["data"],
    }


def test_messages_are_shown_in_order_of_arrival(there: http.client.HTTPConnection):
    for id in ("msg_9", "msg_7", "msg_8"):
        assert change(there, BODY, signed(id=id)) == (204, {"received": 1})

    _, shown = call(there, "GET", "/received")

    assert [one["id"] for one in shown][-3:] == ["msg_9", "msg_7", "msg_8"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(
            BODY.replace(b"73.45", b"93.45"), signed(id="msg_a"), id="body changed"
        ),
        pytest.param(
            BODY, signed(id="msg_a") | {"webhook-id": "msg_b"}, id="id swapped"
        ),
        pytest.param(BODY, signed(id="msg_a", ago=360), id="replayed 6 minutes late"),
        pytest.param(
            BODY, signed(id="msg_a", ago=-900), id="a quarter of an hour ahead"
        ),
        pytest.param(
            BODY, signed(id="msg_a", secret=new_secret(os.urandom)), id="another secret"
        ),
        pytest.param(
            BODY, signed(id="msg_a") | {"webhook-timestamp": "²"}, id="odd timestamp"
        ),
        pytest.param(
            BODY, signed(id="msg_a") | {"webhook-signature": "v1,é"}, id="odd signature"
        ),
        pytest.param(BODY, {}, id="not signed"),
        pytest.param(b"{", signed(b"{", id="msg_a"), id="signed, but no JSON"),
        pytest.param(b"[]", signed(b"[]", id="msg_a"), id="signed, but no event"),
    ],
)
def test_anything_else_is_refused_and_counted(
    there: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
):
    assert change(there, body, headers) == (401, {"refused": 1})


def test_during_a_rotation_either_signature_will_do(there: http.client.HTTPConnection):
    headers = signed(id="msg_rotated")
    headers["webhook-signature"] = (
        "v1,bm90IHRoaXM= v2,x " + headers["webhook-signature"]
    )

    assert change(there, BODY, headers) == (204, {"received": 1})


def test_a_body_without_end_is_not_read(there: http.client.HTTPConnection):
    status, _ = call(there, "POST", "/hook", None, {"content-length": "999999999"})

    assert status == 413


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/secret"), ("PUT", "/received")]
)
def test_there_is_nothing_else(
    there: http.client.HTTPConnection, method: str, path: str
):
    assert call(there, method, path, b"" if method == "PUT" else None) == (404, None)


def test_the_secret_may_come_from_a_file(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")

    with receiver("--secret-file", str(file)) as there:
        assert change(there, BODY, signed()) == (204, {"received": 1})


def test_without_a_secret_nothing_is_believed():
    with receiver() as there:
        assert change(there, BODY, signed()) == (401, {"refused": 1})


def test_verifying_is_a_function_of_its_own():
    headers = signed()

    assert verify(SECRET, headers, BODY)
    assert not verify(SECRET, headers, BODY + b" ")
