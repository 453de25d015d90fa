"""The embedded PostgreSQL: one server per directory, whatever is killed around it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from libs.common import postgres

ROOT = Path(__file__).parents[2]
# No synchronous_commit=off here: it may lose the last commit when we kill.
FAST = {"fsync": "off", "full_page_writes": "off"}
SOON = 20.0

OTHER_PROCESS = """
import sys
from pathlib import Path
from libs.common import postgres

server = postgres.ensure(Path(sys.argv[1]), settings={"fsync": "off"})
print("owns" if server.owned else "adopts", server.url, flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cluster for all tests here: making it takes longer than any of them."""
    path = tmp_path_factory.mktemp("embedded") / "postgres"
    yield path
    postgres.remove(path)


@pytest.fixture
def server(data: Path) -> Iterator[postgres.Server]:
    server = postgres.ensure(data, settings=FAST)
    yield server
    server.stop()


def test_a_server_starts_with_its_database(server: postgres.Server) -> None:
    found = query(server.url, "SELECT current_database()")

    assert found == "dondoc"
    assert server.owned


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param("listen_addresses", "127.0.0.1", id="loopback only"),
        pytest.param("unix_socket_directories", "", id="no unix socket"),
        pytest.param("TimeZone", "UTC", id="true time in UTC"),
        pytest.param("max_connections", "100", id="limited connections"),
        pytest.param("password_encryption", "scram-sha-256", id="scram"),
        pytest.param("server_encoding", "UTF8", id="encoding"),
        pytest.param("fsync", "off", id="as the caller asked"),
    ],
)
def test_it_runs_with(server: postgres.Server, setting: str, expected: str) -> None:
    assert query(server.url, f"SHOW {setting}") == expected


def test_text_is_ordered_by_bytes(server: postgres.Server) -> None:
    ordered = "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,Đ,a,B}'::text[]) x"

    assert query(server.url, ordered) == "BabĐ"


def test_only_its_owner_may_read_the_password(
    server: postgres.Server, data: Path
) -> None:
    file = data / "password"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() in server.url


def test_nobody_gets_in_without_the_password(server: postgres.Server) -> None:
    password = server.url.split(":")[2].split("@")[0]

    with pytest.raises(asyncpg.InvalidPasswordError):
        query(server.url.replace(password, "guess"), "SELECT 1")


def test_the_password_is_in_no_log_and_on_no_command_line(
    server: postgres.Server, data: Path
) -> None:
    password = (data / "password").read_text().strip()
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "args"], capture_output=True, text=True
    )

    assert password not in (data / "postgres.log").read_text()
    assert password not in listed.stdout


def test_a_healthy_server_needs_no_reviving(server: postgres.Server) -> None:
    assert not server.revive()


def test_two_starters_share_one_server(server: postgres.Server, data: Path) -> None:
    with other_process(data) as other:
        assert said(other) == ("adopts", server.url)

    assert query(server.url, "SELECT 1") == 1, "an adopter only lets go"


def test_the_port_is_kept_from_start_to_start(data: Path) -> None:
    first = postgres.ensure(data, settings=FAST)
    first.stop()

    second = postgres.ensure(data, settings=FAST)
    second.stop()

    assert second.url == first.url


def test_a_taken_port_is_left_to_whoever_has_it(data: Path) -> None:
    first = postgres.ensure(data, settings=FAST)
    first.stop()
    taken = int(first.url.rsplit(":", 1)[1].split("/")[0])

    with listening_on(taken):
        second = postgres.ensure(data, settings=FAST)
        found = query(second.url, "SELECT 1")
        second.stop()

    assert found == 1
    assert second.url != first.url


def test_stopping_twice_is_harmless_and_final(server: postgres.Server) -> None:
    server.stop()

    server.stop()

    assert not server.owned
    assert not server.revive()
    with pytest.raises(OSError, match="Connect"):
        query(server.url, "SELECT 1")


def test_the_owner_revives_a_killed_server_on_the_same_url(
    server: postgres.Server, data: Path
) -> None:
    url = server.url
    leave_a_mark(url, "before the server was killed")
    os.kill(postmaster(data), signal.SIGKILL)
    until(server.revive)

    assert server.owned
    assert server.url == url
    assert query(url, "SELECT mark FROM marks") == "before the server was killed"


def test_a_killed_server_is_replaced_though_a_query_of_its_still_runs(
    server: postgres.Server, data: Path
) -> None:
    busy = "SELECT count(*) FROM generate_series(1, 100000000000)"
    with running(server.url, busy):
        os.kill(postmaster(data), signal.SIGKILL)
        until(server.revive)

        assert query(server.url, "SELECT 1") == 1


def test_an_adopter_starts_the_server_when_its_owner_stopped_it(data: Path) -> None:
    with other_process(data) as owner:
        role, url = said(owner)
        server = postgres.ensure(data, settings=FAST)
        adopted = not server.owned
        finish(owner)

    revived = server.revive()
    found = query(url, "SELECT 1")
    server.stop()

    assert (role, adopted, revived, found) == ("owns", True, True, 1)


def test_a_killed_owner_leaves_nothing_behind_but_the_data(data: Path) -> None:
    with other_process(data) as owner:
        role, url = said(owner)
        leave_a_mark(url, "before the owner was killed")
        owner.kill()
        owner.wait()

    server = postgres.ensure(data, settings=FAST)
    found = query(server.url, "SELECT mark FROM marks")
    server.stop()

    assert role == "owns"
    assert server.url == url
    assert found == "before the owner was killed"


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")
def test_a_server_stops_by_itself_when_its_owner_is_killed(data: Path) -> None:
    with other_process(data) as owner:
        said(owner)
        owner.kill()
        owner.wait()

    until(lambda: not (data_of(data) / "postmaster.pid").exists())


def test_killing_owner_and_server_at_once_loses_nothing(data: Path) -> None:
    with other_process(data) as owner:
        _, url = said(owner)
        leave_a_mark(url, "before both were killed")
        os.kill(postmaster(data), signal.SIGKILL)
        owner.kill()
        owner.wait()

    server = postgres.ensure(data, settings=FAST)
    found = query(server.url, "SELECT mark FROM marks")
    server.stop()

    assert found == "before both were killed"


def test_the_pid_file_of_a_stranger_is_not_believed(data: Path) -> None:
    (data_of(data) / "postmaster.pid").write_text(f"{os.getpid()}\n{data_of(data)}\n")

    server = postgres.ensure(data, settings=FAST)
    server.stop()


def test_a_server_that_cannot_start_says_why(data: Path) -> None:
    with pytest.raises(postgres.PostgresUnavailable, match="max_connections"):
        postgres.ensure(data, settings={"max_connections": "many"})


def test_a_server_in_use_is_not_removed(server: postgres.Server, data: Path) -> None:
    with pytest.raises(postgres.PostgresUnavailable, match="in use"):
        postgres.remove(data)


def test_three_at_once_make_one_owner_and_two_adopters(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    with (
        other_process(data) as one,
        other_process(data) as two,
        other_process(data) as three,
    ):
        answers = [said(process) for process in (one, two, three)]
    postgres.remove(data)

    assert sorted(role for role, _ in answers) == ["adopts", "adopts", "owns"]
    assert len({url for _, url in answers}) == 1
    assert [path.name for path in data.iterdir()] == ["start.lock"]


# --- support ------------------------------------------------------------------


def query(url: str, sql: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def leave_a_mark(url: str, mark: str) -> None:
    query(url, "CREATE TABLE IF NOT EXISTS marks (mark text)")
    query(url, "TRUNCATE marks")
    query(url, f"INSERT INTO marks VALUES ('{mark}')")


@contextmanager
def running(url: str, sql: str) -> Iterator[None]:
    """A client whose query is under way; that it fails in the end is no matter."""
    psql = [str(postgres.bin_dir() / "psql"), "-X", "-d", url, "-c", sql]
    with subprocess.Popen(
        psql, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        busy = "SELECT count(*) FROM pg_stat_activity WHERE query = $$" + sql + "$$"
        until(lambda: query(url, busy) == 1)
        try:
            yield
        finally:
            client.kill()


@contextmanager
def other_process(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that ensures the server and stops when its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        finish(process)


def said(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout
    role, url = process.stdout.readline().split()
    return role, url


def finish(process: subprocess.Popen[str]) -> None:
    if not (process.stdin and process.stdin.closed):
        process.communicate(timeout=SOON)


@contextmanager
def listening_on(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def data_of(data: Path) -> Path:
    return (data / "cluster").resolve()


def postmaster(data: Path) -> int:
    return int((data_of(data) / "postmaster.pid").read_text().split()[0])


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
