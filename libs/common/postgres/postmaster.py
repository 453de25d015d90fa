"""The server's first process, from its launch to its end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from libs.common.postgres.account import Account, environment, run
from libs.common.postgres.home import HOST, NAME, STARTING, Home
from libs.common.postgres.locks import take, wait
from libs.common.postgres.unavailable import PostgresUnavailable

# Below the ports that systems hand out for outgoing connections, so that nobody
# takes ours while the server restarts, and a client can never connect to itself.
PORTS = range(20_000, 32_000)

STOPPING = (
    (signal.SIGINT, 30.0),  # fast shutdown: clean, no waiting for clients
    (signal.SIGQUIT, 6.0),  # immediate: recovers at the next start
    (signal.SIGKILL, 5.0),
)
LOG_LIMIT = 10 * 2**20

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "cluster_name": NAME,
}


def listen(
    home: Home, binaries: Path, account: Account | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the server on its port, or on another if that one is taken."""
    for port in _ports(home.port()):
        home.remember_port(port)
        child = _launch(home, binaries, account, {**_SETTINGS, **settings})
        try:
            if _came_up(child, binaries, port):
                return child
        except BaseException:
            end_child(child)
            raise
        if _free(port):  # then the port was not the reason
            break
    raise PostgresUnavailable(
        f"PostgreSQL did not start; {home.log} ends with:\n{_tail(home.log)}"
    )


def _ports(remembered: int) -> Iterator[int]:
    if remembered and _free(remembered):
        yield remembered
    shuffled = secrets.SystemRandom().sample(PORTS, 50)
    yield from [port for port in shuffled if _free(port)][:5]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _launch(
    home: Home, binaries: Path, account: Account | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start postgres as a direct child in a process group of its own."""
    lock = take(home.path / "server.lock", 5.0)
    options = {**settings, "port": str(home.port())}
    words = [f"--{name}={value}" for name, value in options.items()]
    _turn_over(home.log)
    try:
        with open(home.log, "ab", opener=_private) as log, warnings.catch_warnings():
            # Python 3.12 warns of threads and preexec_fn; ours takes no locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            return subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(home.cluster), *words],
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                umask=0o077,
                env=environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),  # this is what makes server.lock the server's
                process_group=0,  # Ctrl-C in the terminal is for us, not for it
                preexec_fn=_stop_with_parent(),
            )
    finally:
        os.close(lock)


def _stop_with_parent() -> Callable[[], None] | None:
    """Have Linux send SIGINT to the child when we are gone, however we went.

    It runs after the change of account, which would clear the wish.
    """
    if sys.platform != "linux":
        return None
    if threading.current_thread() is not threading.main_thread():
        return None  # the signal would come when this thread ends
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
    set_parent_death_signal = 1

    def preexec() -> None:
        prctl(set_parent_death_signal, int(signal.SIGINT))
        if os.getppid() != parent:  # too late: it is gone already
            os._exit(1)

    return preexec


def _came_up(child: subprocess.Popen[bytes], binaries: Path, port: int) -> bool:
    if not wait(lambda: ended(child) or ready(binaries, port), STARTING):
        end_child(child)
    return not ended(child)


def ready(binaries: Path, port: int) -> bool:
    asked = run([binaries / "pg_isready", "-q", "-h", HOST, "-p", str(port)])
    return asked.returncode == 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _turn_over(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_name(f"{log.name}.1"))


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        return file.read().decode(errors="replace").strip()


def end_child(child: subprocess.Popen[bytes]) -> None:
    end(child.pid, lambda: ended(child))


def ended(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is not None  # which also reaps it


def end(pid: int, gone: Callable[[], bool]) -> None:
    for number, patience in STOPPING:
        if not gone():
            send(pid, number)
            wait(gone, patience)


def send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
